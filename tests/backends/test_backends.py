"""Choosing a backend, and what all backends have in common."""

import ast
import inspect
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

import tinynet
from tinynet import backends, config, layers

SOURCES = pathlib.Path(tinynet.__file__).parent
WINGS = sorted(path.parent.name for path in (SOURCES / "backends").glob("*/__init__.py"))


@pytest.fixture(autouse=True)
def nothing_chosen(monkeypatch):
    """Let nothing be chosen for the process, and put back what was."""
    monkeypatch.setattr(config, "_backend", None)
    monkeypatch.delenv("TINYNET_BACKEND", raising=False)


def test_numba_unless_something_else_is_chosen():
    assert backends.get_backend().name == "numba"


def test_the_environment_then_set_backend_then_use_backend(monkeypatch):
    monkeypatch.setenv("TINYNET_BACKEND", "numpy")
    assert backends.get_backend().name == "numpy"
    tinynet.set_backend("numba")
    assert backends.get_backend().name == "numba"
    with tinynet.use_backend("numpy") as wing:
        assert wing is backends.get_backend()
        assert wing.name == "numpy"
        with tinynet.use_backend("numba"):
            assert backends.get_backend().name == "numba"
        assert backends.get_backend().name == "numpy"
    assert backends.get_backend().name == "numba"


def test_an_empty_variable_chooses_nothing(monkeypatch):
    monkeypatch.setenv("TINYNET_BACKEND", "")
    assert backends.get_backend().name == "numba"


def test_an_error_inside_the_block_ends_it_too():
    with pytest.raises(KeyError), tinynet.use_backend("numpy"):
        raise KeyError
    assert backends.get_backend().name == "numba"


def test_layers_keep_the_backend_of_their_build():
    with tinynet.use_backend("numpy"):
        model = tinynet.Sequential([layers.Dense(2, activation="relu", input_shape=(3,))])
    assert model.ops.name == model.layers[0].ops.name == model.layers[0].activation.ops.name == "numpy"
    assert model.predict(np.ones((1, 3))).shape == (1, 2)


@pytest.mark.parametrize("name", ["torch", "NumPy", "", None, 3])
def test_unknown_names(name, monkeypatch):
    for choose in (tinynet.set_backend, lambda name: tinynet.use_backend(name).__enter__()):
        with pytest.raises(ValueError, match="and cupy, on NVIDIA GPUs. Received: "):
            choose(name)
    assert backends.get_backend().name == "numba", "a refused choice changes nothing"


def test_an_unknown_name_in_the_environment(monkeypatch):
    monkeypatch.setenv("TINYNET_BACKEND", "torch")
    for use in (backends.get_backend, lambda: tinynet.Sequential([tinynet.layers.Dense(1, input_shape=(2,))])):
        with pytest.raises(ValueError, match="^The environment variable TINYNET_BACKEND is numpy, .*Received: 'torch'"):
            use()


WITHOUT_NUMBA = """
import sys, warnings
sys.modules["numba"] = None  # as where it is not installed
import numpy as np, tinynet
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    for _ in range(2):
        model = tinynet.Sequential([tinynet.layers.Dense(2, activation="relu", input_shape=(3,))])
        model.compile("sgd", "mse")
        model.train_on_batch(np.ones((4, 3)), np.ones((4, 2)))
assert model.ops.name == "numpy", model.ops.name
assert len(said) == 1, said
assert "tinynet computes with its slow numpy backend" in str(said[0].message) and "numba" in str(said[0].message)
try:
    tinynet.set_backend("numba")
except ImportError as error:
    assert str(error).endswith("tinynet.set_backend('numpy') computes. Received: 'numba'"), error
else:
    raise AssertionError("a backend chosen by name must not be replaced by another")
"""


def test_where_numba_cannot_be_imported_numpy_steps_in_with_one_warning():
    environment = {key: value for key, value in os.environ.items() if key != "TINYNET_BACKEND"}
    subprocess.run([sys.executable, "-c", WITHOUT_NUMBA], check=True, timeout=120, env=environment)


def load(name):
    if name == "cupy":
        pytest.importorskip("cupy", exc_type=ImportError)
    return pytest.importorskip(f"tinynet.backends.{name}", exc_type=ImportError)


def plain(kernel):
    """Return the Python function that a compiled kernel was made of."""
    return getattr(kernel, "py_func", kernel)


@pytest.mark.parametrize("name", WINGS)
def test_every_wing_has_the_same_kernels_in_the_same_rooms(name):
    wing, readable = load(name), load("numpy")
    assert wing.name == name
    assert wing.__all__ == sorted(wing.__all__) == readable.__all__
    assert len(set(wing.__all__)) == len(wing.__all__)
    for kernel in wing.__all__:
        found, original = plain(getattr(wing, kernel)), plain(getattr(readable, kernel))
        assert found.__name__ == original.__name__ == kernel
        assert found.__module__.rpartition(".")[2] == original.__module__.rpartition(".")[2], kernel
        assert list(inspect.signature(found).parameters) == list(inspect.signature(original).parameters), kernel
    rooms = {path.name for path in (SOURCES / "backends" / "numpy").glob("*.py")}
    assert rooms <= {path.name for path in (SOURCES / "backends" / name).glob("*.py")}


@pytest.mark.parametrize("name", [name for name in WINGS if name != "numpy"])
def test_every_kernel_says_which_readable_one_it_equals(name):
    wing = load(name)
    for kernel in wing.__all__:
        function = plain(getattr(wing, kernel))
        if not function.__module__.startswith("tinynet.backends.numpy."):
            room = function.__module__.rpartition(".")[2]
            assert function.__doc__.startswith(f"Equals numpy.{room}.{kernel}."), kernel


def test_every_kernel_of_a_readable_room_is_handed_out():
    """Kernels say what they return, helpers do not; the seven loops are there to be read and compared with."""
    defined = set()
    for room in (SOURCES / "backends" / "numpy").glob("*.py"):
        defined |= {node.name for node in ast.parse(room.read_text("utf-8")).body
                    if isinstance(node, ast.FunctionDef) and node.returns and not node.name.startswith("_")}
    assert defined - {"naive_conv2d"} == set(load("numpy").__all__)


def parallel_kernels(source):
    """Return the lines where numba is told to make threads of its own."""
    return [node.lineno for node in ast.walk(ast.parse(source))
            if (isinstance(node, ast.keyword) and node.arg == "parallel")
            or (isinstance(node, ast.Name) and node.id == "prange")
            or (isinstance(node, ast.Attribute) and ast.unparse(node) in ("numba.prange", "numba.set_num_threads"))]


def environment_writes(source):
    """Return the lines where environment variables are set or removed."""
    return [node.lineno for node in ast.walk(ast.parse(source)) if writes_environment(node)]


def writes_environment(node):
    if isinstance(node, ast.Subscript):
        return is_environment(node.value) and not isinstance(node.ctx, ast.Load)
    if isinstance(node, ast.AugAssign):
        return is_environment(node.target)
    if isinstance(node, ast.Attribute):
        changing = ("update", "setdefault", "pop", "popitem", "clear")
        return node.attr in ("putenv", "unsetenv") or (is_environment(node.value) and node.attr in changing)
    return False


def is_environment(node):
    return (isinstance(node, ast.Attribute) and node.attr == "environ") or (
        isinstance(node, ast.Name) and node.id == "environ")


def test_no_kernel_is_parallel_and_no_environment_variable_is_set():
    """Two pools of threads spin against each other; and variables are the user's own."""
    files = list(SOURCES.rglob("*.py"))
    assert len(files) > 30
    for path in files:
        source = path.read_text("utf-8")
        assert not environment_writes(source), path
        assert not parallel_kernels(source), path


@pytest.mark.parametrize("source", [
    "os.environ['A'] = '1'", "del os.environ['A']", "environ['A'] += 'b'", "os.environ.setdefault('A', '1')",
    "os.environ.update(A='1')", "os.putenv('A', '1')", "os.environ |= {'A': '1'}",
])
def test_writes_of_the_environment_are_seen(source):
    assert environment_writes(source) == [1]
    assert not environment_writes("a = os.environ['A'] + os.environ.get('B', '')")


@pytest.mark.parametrize("source", ["f = njit(f, parallel=True)", "for i in numba.prange(3): pass",
                                    "for i in prange(3): pass", "numba.set_num_threads(2)"])
def test_parallel_kernels_are_seen(source):
    assert parallel_kernels(source) == [1]


@pytest.mark.parametrize("number", [-1, 99, 1.0, True, "0"])
def test_a_device_that_does_not_exist(on_gpu, number):
    with pytest.raises(ValueError, match=r"set_device takes the number of a GPU; here are 0 \(.*Received: "):
        tinynet.set_device(number)
    tinynet.set_device(0)


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_arrays_of_another_backend(on_gpu, direction):
    x = np.ones((2, 3), np.float32)
    layer = tinynet.layers.Dense(3, name="mixed")
    with tinynet.use_backend("cupy"):
        layer.build((3,))
    there = layer.ops.asarray(x, "float32")
    layer.forward(there, training=True)
    with pytest.raises(TypeError, match="Layer 'mixed' was built for the backend 'cupy'.*asarray.*Received: numpy"):
        getattr(layer, direction)(x)
    here = tinynet.layers.Dense(3, name="here")
    with tinynet.use_backend("numpy"):
        here.build((3,))
    here.forward(x, training=True)
    with pytest.raises(TypeError, match="Layer 'here' was built for the backend 'numpy'"):
        getattr(here, direction)(there)
