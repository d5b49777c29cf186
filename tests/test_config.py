import threading

import numpy as np
import pytest

import tinynet
from tinynet import config, layers


def built_dense():
    layer = layers.Dense(2)
    layer.build((3,))
    return layer


def test_layers_are_built_in_the_float_type_of_the_moment_and_keep_it():
    single = built_dense()
    tinynet.set_floatx("float64")
    double = built_dense()
    assert config.floatx() == "float64"
    assert single.kernel.value.dtype == single.kernel.grad.dtype == np.float32
    assert double.kernel.value.dtype == double.kernel.grad.dtype == np.float64
    assert single.forward(np.ones((1, 3))).dtype == np.float32
    assert double.forward(np.ones((1, 3), np.float32)).dtype == np.float64


def test_both_float_types_start_from_the_same_weights():
    single = built_dense().kernel.value
    tinynet.set_seed(0)
    tinynet.set_floatx("float64")
    np.testing.assert_array_equal(built_dense().kernel.value.astype(np.float32), single)


@pytest.mark.parametrize("name", ["float16", "double", None, np.float32])
def test_an_unknown_float_type(name):
    with pytest.raises(ValueError, match="float32, float64.*Received: "):
        tinynet.set_floatx(name)
    assert config.floatx() == "float32"


@pytest.fixture
def no_choice(monkeypatch):
    monkeypatch.delenv("TINYNET_BACKEND", raising=False)
    monkeypatch.setattr(config, "_backend", None)


@pytest.mark.usefixtures("no_choice")
def test_the_innermost_choice_of_a_backend_wins(monkeypatch):
    assert config.backend() is None
    monkeypatch.setenv("TINYNET_BACKEND", "numba")
    assert config.backend() == "numba"
    tinynet.set_backend("numpy")
    assert config.backend() == "numpy"
    with tinynet.use_backend("numba"):
        with tinynet.use_backend("numpy"):
            assert config.backend() == "numpy"
        assert config.backend() == "numba"
        assert built_dense().ops.__name__ == "tinynet.backends.numba"
    assert config.backend() == "numpy"
    assert built_dense().ops.__name__ == "tinynet.backends.numpy"


@pytest.mark.usefixtures("no_choice")
def test_a_with_block_ends_when_it_raises():
    with pytest.raises(KeyError), tinynet.use_backend("numpy"):
        raise KeyError
    assert config.backend() is None


@pytest.mark.usefixtures("no_choice")
def test_a_with_block_holds_for_its_own_thread():
    seen = []
    with tinynet.use_backend("numpy"):
        thread = threading.Thread(target=lambda: seen.append(config.backend()))
        thread.start()
        thread.join()
    assert seen == [None]


@pytest.mark.usefixtures("no_choice")
def test_unknown_backends(monkeypatch):
    with pytest.raises(ValueError, match="and cupy, on NVIDIA GPUs. Received: 'torch'$"):
        tinynet.set_backend("torch")
    with pytest.raises(ValueError, match="Received: 'torch'$"), tinynet.use_backend("torch"):
        pass
    monkeypatch.setenv("TINYNET_BACKEND", "torch")
    with pytest.raises(ValueError, match="Received: 'torch'$"):
        built_dense()


def test_matmul_precision():
    assert config.matmul_precision() == "highest"
    tinynet.set_matmul_precision("high")
    assert config.matmul_precision() == "high"
    tinynet.set_matmul_precision("highest")
    with pytest.raises(ValueError, match="knows highest, high, medium. Received: 'low'$"):
        tinynet.set_matmul_precision("low")
