"""Moving a model to another backend, and what a user reads where memory does not suffice."""

import numpy as np
import pytest

import tinynet
from tinynet import Sequential, callbacks, layers


@pytest.fixture
def data(rng):
    return rng.normal(size=(40, 6, 6, 2)).astype(np.float32), rng.integers(0, 3, 40)


def network():
    """A model with all that has to move: parameters, statistics, a generator of Philox and one of PCG64."""
    tinynet.set_seed(0)
    tinynet.set_floatx("float64")
    with tinynet.use_backend("numpy"):
        model = Sequential([
            layers.RandomFlip("horizontal", input_shape=(6, 6, 2)),
            Sequential([layers.Conv2D(4, 3), layers.BatchNormalization(momentum=0.9), layers.ReLU()]),
            layers.Residual([layers.Conv2D(4, 3, padding="same", activation="tanh")]),
            layers.Flatten(), layers.Dropout(0.3), layers.Dense(3, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    return model


@pytest.mark.parametrize("steps_before", [0, 3])
def test_a_model_moves_and_learns_on_as_it_would_have(backend, steps_before, data):
    ways = []
    for moves in (False, True):
        model = network()
        for _ in range(steps_before):
            model.train_on_batch(*data)
        if moves:
            assert model.to(backend) is model
            assert {layer.ops.name for layer in model.flatten_layers()} == {backend}
        losses = [model.train_on_batch(*data)[0] for _ in range(3)]
        ways.append([np.array(losses), *model.get_weights(), model.predict(data[0])])
    for there, here in zip(*ways, strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-7, atol=1e-9)
    assert ways[0][0][0] != ways[0][0][1]


def test_it_moves_back_with_all_that_it_learned(backend, data):
    ways = []
    for first in ("numpy", backend):
        model = network().to(first)
        model.fit(*data, epochs=2, batch_size=16, verbose=0)
        model.to("numpy")
        model.fit(*data, epochs=1, batch_size=16, verbose=0)
        ways.append(model.get_weights())
    assert model.optimizer.iterations == 9
    assert type(model.layers[-1].kernel.value) is np.ndarray
    for here, there in zip(*ways, strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-7, atol=1e-9)


def test_an_optimizer_of_an_open_loop_follows(backend, rng):
    x, dy = rng.normal(size=(5, 4)), rng.normal(size=(5, 3))
    ways = []
    for names in (["numpy", "numpy"], ["numpy", backend]):
        tinynet.set_seed(0)
        with tinynet.use_backend("numpy"):
            model = Sequential([layers.Dense(3, input_shape=(4,))])
        optimizer = tinynet.optimizers.SGD(0.1, momentum=0.9)
        for name in names:
            model.to(name)
            model.forward(x, training=True)
            model.backward(dy)
            optimizer.step(model)
        ways.append(model.get_weights())
    for there, here in zip(*ways, strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-5, atol=1e-6)


def test_gradients_and_frozen_layers_move_too(backend, data):
    model = network()
    model.train_on_batch(*data)
    model.layers[-1].trainable = False
    grads = [parameter.grad.copy() for parameter in model.parameters]
    model.to(backend)
    for grad, parameter in zip(grads, model.parameters, strict=True):
        np.testing.assert_array_equal(model.ops.to_numpy(parameter.grad), grad)
    kernel = model.layers[-1].get_weights()[0]
    model.train_on_batch(*data)
    np.testing.assert_array_equal(model.layers[-1].get_weights()[0], kernel)


def test_layers_for_two_backends_are_told_apart(backend):
    with tinynet.use_backend("numpy" if backend != "numpy" else "numba"):
        front = Sequential([layers.Dense(2, input_shape=(3,))], name="front")
    with pytest.raises(ValueError, match="all layers must be built for one backend. Move a model by to.* Received: "):
        Sequential([front, layers.Dense(4, name="head")])
    model = Sequential([front.to(backend), layers.Dense(4, name="head")])
    assert model.backend == backend
    other = "numpy" if backend != "numpy" else "numba"
    model.to(other).add(layers.Dense(5))
    assert model.backend == model.layers[-1].ops.name == other
    assert model.predict(np.ones((2, 3))).shape == (2, 5)
    assert Sequential().backend is None


def test_a_file_does_not_remember_the_backend(backend, data, tmp_path):
    model = network().to(backend)
    model.fit(*data, batch_size=20, verbose=0)
    model.save(tmp_path / "model.safetensors")
    with tinynet.use_backend("numpy"):
        loaded = tinynet.load_model(tmp_path / "model.safetensors")
    assert loaded.ops.name == "numpy"
    np.testing.assert_allclose(loaded.predict(data[0]), model.predict(data[0]), rtol=1e-7)


@pytest.mark.gpu
@pytest.mark.parametrize("backend", ["numpy", "cupy"])
def test_arrays_of_the_gpu_are_told_to_come_back(on_gpu, backend, data):
    """On every backend users hand over NumPy's arrays."""
    import cupy

    model = network().to(backend)
    x, y = data
    model.forward(x, training=True)
    there = cupy.asarray(x)
    for name, run in {"x": lambda: model.fit(there, y, verbose=0), "y": lambda: model.fit(x, cupy.asarray(y)),
                      "dy": lambda: model.backward(cupy.asarray(np.ones((40, 3))))}.items():
        with pytest.raises(TypeError, match=f"^{name} must be an array of NumPy's, on any backend: .* x.get"):
            run()
    for run in (lambda: model.predict(there), lambda: model.forward(there), lambda: model.evaluate(there, y),
                lambda: model.train_on_batch(there, y)):
        with pytest.raises(TypeError, match="^x must be an array of NumPy's"):
            run()


def test_what_cannot_move_says_why(data):
    model = network()
    with pytest.raises(ValueError, match="and cupy, on NVIDIA GPUs. Received: 'gpu'"):
        model.to("gpu")
    with pytest.raises(ValueError, match="'inner' is a part of 'outer'; move that one. Received: to.'numpy'"):
        Sequential([Sequential([layers.Dense(2, input_shape=(3,))], name="inner")], name="outer").layers[0].to("numpy")
    with pytest.raises(ValueError, match="must be built before it can move"):
        Sequential([layers.Dense(2)]).to("numpy")
    move = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: model.to("numba"))
    with pytest.raises(RuntimeError, match="cannot move while fit trains it. Received: to.'numba'"):
        model.fit(*data, callbacks=[move], verbose=0)
    assert model.to("numba").ops.name == "numba"


def test_layers_of_two_models_move_with_either(backend, data):
    """What the one has moved, the other moves back."""
    model = network()
    front = Sequential(model.layers[1:3])
    front.to(backend)
    wanted = network().predict(data[0])
    np.testing.assert_allclose(model.to(backend).predict(data[0]), wanted, rtol=1e-6)
    np.testing.assert_allclose(model.to("numpy").predict(data[0]), wanted, rtol=1e-6)


def test_models_inside_go_on_sharing_their_arrays(backend):
    model = network().to(backend)
    inner = model.layers[1]
    assert inner.relay is model.relay is model.layers[0].relay
    assert not model.relay.is_running


@pytest.mark.gpu
@pytest.mark.parametrize("room", [0, 1000, 3000, 5000, 7000, 9000, 12000, 20000, 30000, 60000])
def test_where_there_is_no_room_a_model_stays(on_gpu, data, room):
    import cupy

    model, other = network(), network()
    for each in (model, other):
        tinynet.set_seed(1)
        each.train_on_batch(*data)
    pool = cupy.cuda.MemoryPool()  # one of its own: in the other lie pieces that earlier tests needed
    pool.set_limit(size=max(room, 1))
    try:
        with cupy.cuda.using_allocator(pool.malloc):
            model.to("cupy")
    except MemoryError:
        assert {layer.ops.name for layer in model.flatten_layers()} == {"numpy"}
        np.testing.assert_array_equal(model.train_on_batch(*data), other.train_on_batch(*data))
    else:
        assert room > 5000


def test_metrics_with_arrays_of_their_own_move(backend, rng):
    x, y = rng.normal(size=(12, 3)), rng.normal(size=(12, 2))
    with tinynet.use_backend("numpy"):
        model = Sequential([layers.Dense(2, input_shape=(3,))])
    model.compile("sgd", "mse", metrics=[tinynet.metrics.MeanAbsoluteError()])
    wanted = model.evaluate(x, y, verbose=0)
    for name in (backend, "numpy"):
        np.testing.assert_allclose(model.to(name).evaluate(x, y, verbose=0), wanted, rtol=1e-5)
