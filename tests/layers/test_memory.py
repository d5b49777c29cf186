import threading

import numpy as np
import pytest

import tinynet
from tinynet import layers
from tinynet.backends import get_backend
from tinynet.backends.numba import workers
from tinynet.layers.memory import Relay, in_lane, lane


def network():
    """Return a model with all that arrays can pass through: branches in branches, views, layers that hand x on."""
    def block(filters):
        return [layers.Conv2D(filters, 1, use_bias=False), layers.BatchNormalization(), layers.ReLU(6.0),
                layers.DepthwiseConv2D(3, padding="same"), layers.BatchNormalization(), layers.Activation("relu"),
                layers.Conv2D(4, 1), layers.BatchNormalization()]

    def around():
        return layers.Add([[layers.Conv2D(4, 1), layers.Conv2D(4, 1)], []])

    return tinynet.Sequential([
        layers.Conv2D(4, 3, padding="same", input_shape=(6, 5, 3)), layers.Dropout(0.3), layers.Residual(block(8)),
        around(), layers.Add([layers.Conv2D(4, 1)]), around(), layers.Activation("linear"),
        layers.Residual([layers.Residual(block(5)), layers.Conv2D(4, 1), layers.Dropout(0.1)]),
        layers.Concatenate([[layers.Conv2D(3, 1), layers.LayerNormalization()], layers.MaxPooling2D(3, 1, "same"), []]),
        layers.ZeroPadding2D(1), layers.AveragePooling2D(), tinynet.Sequential([layers.UpSampling2D()]),
        layers.Add([layers.Conv2D(2, 1), [layers.SeparableConv2D(2, 3, padding="same"), layers.Activation("tanh")]]),
        layers.Reshape((-1, 2)), layers.Dense(3), layers.Flatten(), layers.Dense(4, activation="gelu")])


def trained(rng):
    """Return the network after a few steps, so that moving statistics are no longer where they began."""
    tinynet.set_seed(5)
    model = network()
    model.compile("sgd", "mse")
    for _ in range(3):
        model.train_on_batch(rng.normal(size=(4, 6, 5, 3)), rng.normal(size=(4, 4)))
    return model


def one_by_one(row, x, training):
    """Return x after each leaf of a row, every layer called by itself."""
    found = []
    for layer in row.layers:
        x = one_by_one(layer, x, training)[-1] if isinstance(layer, tinynet.Sequential) else layer.forward(
            x, training=training)
        found.append(x)
    return found


def test_layers_called_one_by_one_keep_their_arrays(backend, rng):
    model = trained(rng)
    x = model.ops.asarray(rng.normal(size=(4, 6, 5, 3)), model.dtype)
    model.forward(model.ops.to_numpy(x))
    found = one_by_one(model, x, False)
    copies = [model.ops.to_numpy(y) for y in one_by_one(model, x, False)]
    for y, copy in zip(found, copies, strict=True):
        np.testing.assert_array_equal(model.ops.to_numpy(y), copy)


@pytest.mark.parametrize("lanes", [False, True])
def test_a_row_gives_what_its_layers_give_one_by_one(backend, rng, monkeypatch, lanes):
    if lanes:
        for limit in ("LARGE_NUMBERS", "LARGE_PRODUCTS", "CACHED_NUMBERS"):
            monkeypatch.setattr(workers, limit, 0)
    model = trained(rng)
    x = rng.normal(size=(7, 6, 5, 3))
    wanted = model.ops.to_numpy(one_by_one(model, model.ops.asarray(x, model.dtype), False)[-1])
    for _ in range(2):
        np.testing.assert_allclose(model.forward(x), wanted, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(model.predict(x, batch_size=3), wanted, rtol=1e-5, atol=1e-5)


def test_gradients_go_back_in_turns(backend, rng, monkeypatch):
    """No array is written while it is still read: with an array for each output the gradients are the same."""
    x, dy = rng.normal(size=(4, 6, 5, 3)), rng.normal(size=(4, 4))

    def gradients():
        tinynet.set_seed(5)
        model = network()
        model.forward(x, training=True)
        dx = model.backward(dy)
        return [dx, *(model.ops.to_numpy(parameter.grad) for parameter in model.parameters)]

    found = gradients()
    monkeypatch.setattr(layers.Layer, "output", lambda self, name, shape, reads, kept=False: self.buffer(name, shape))
    for ours, wanted in zip(found, gradients(), strict=True):
        np.testing.assert_array_equal(ours, wanted)


def test_a_deep_row_needs_two_arrays(backend):
    model = tinynet.Sequential([layers.Conv2D(8, 3, padding="same", input_shape=(16, 16, 8)),
                                *[layers.Conv2D(8, 3, padding="same") for _ in range(10)]])
    x = np.ones((4, 16, 16, 8), np.float32)
    model.forward(x)
    held = model.relay._arrays.values()
    assert len(held) <= 2
    assert sum(array.size for array in held) <= 2 * x.size
    assert not any(name in ("y", "z") for layer in model.layers for name, _ in layer._buffers)


class Holding(layers.Layer):
    """Somebody's own layer, which holds on to what it is given, for another one further on."""

    def forward(self, x, *, training=False):
        self.x = x
        return x

    def backward(self, dy, *, need_dx=True):
        return self.ops.asarray(dy + self.other.dy, self.dtype)


class Adding(layers.Layer):
    def __init__(self, other):
        super().__init__()
        self.other = other
        other.other = self

    def forward(self, x, *, training=False):
        return self.ops.asarray(x + self.other.x, self.dtype)

    def backward(self, dy, *, need_dx=True):
        self.dy = dy
        return dy


@pytest.mark.parametrize("wrap", [lambda row: row, lambda row: [layers.Residual(row)]])
def test_what_a_layer_of_ones_own_holds_on_to_stays(backend, rng, wrap):
    """As a shortcut by hand does it: the arrays beside it are their layers' own until these are called again."""
    holding = Holding()
    shortcut = [layers.Dense(4), holding, layers.Dense(4), layers.Dense(4), Adding(holding), layers.Dense(4)]
    model = tinynet.Sequential([*wrap(shortcut), layers.Dense(2)])
    x, dy = rng.normal(size=(3, 4)), rng.normal(size=(3, 2))
    model.build((4,))
    first, second, third, fourth, last = (weights for weights in model.get_weights() if weights.ndim == 2)
    skip = first @ (second @ third + np.eye(4)) @ fourth
    whole = (skip if wrap(shortcut) is shortcut else np.eye(4) + skip) @ last
    np.testing.assert_allclose(model.forward(x), x @ whole, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.forward(x, training=True), x @ whole, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(model.backward(dy), dy @ whole.T, rtol=1e-4, atol=1e-5)


class Counting(layers.Layer):
    """Somebody's own layer, whose output depends on the whole batch, by way of what it keeps for itself."""

    def forward(self, x, *, training=False):
        self.count = len(x)
        return self.ops.asarray(x / self.count, self.dtype)


@pytest.mark.parametrize("wrap", [lambda layer: layer, lambda layer: layers.Residual(layer)])
def test_a_layer_of_ones_own_sees_the_whole_batch_in_one_lane(backend, rng, monkeypatch, wrap):
    for limit in ("LARGE_NUMBERS", "LARGE_PRODUCTS", "CACHED_NUMBERS"):
        monkeypatch.setattr(workers, limit, 0)
    counting = Counting()
    model = tinynet.Sequential([layers.Dense(4), wrap(counting)])
    model.predict(rng.normal(size=(7, 3)))
    assert counting.count == 7


class TestRelay:
    def test_it_never_hands_out_what_is_read(self, backend):
        ops, relay = get_backend(), Relay()
        x = ops.zeros((3, 4), "float32")
        for size in (4, 9, 2, 30, 5):
            y = relay.take((3, size), x, np.dtype("float32"), ops)
            assert y.shape == (3, size)
            assert not ops.may_share_memory(x, y)
            x = y.reshape(-1)[1:]

    def test_it_runs_in_its_lane_alone(self):
        relay = Relay()
        with relay:
            with in_lane(1):
                assert not relay.is_running
            with relay:
                pass
            assert relay.is_running
        assert not relay.is_running

    def test_an_error_ends_it(self):
        relay = Relay()
        with pytest.raises(ZeroDivisionError), relay:
            raise ZeroDivisionError
        assert not relay.is_running


def test_lanes_belong_to_their_thread():
    seen = []

    def work():
        seen.append(lane())
        with in_lane(2):
            seen.append(lane())

    with in_lane(5):
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        seen.append(lane())
    assert [*seen, lane()] == [0, 2, 5, 0]


def test_buffers_of_two_lanes_are_apart(backend):
    layer = layers.Dense(3)
    layer.build((2,))
    ours = layer.buffer("z", (4, 3))
    with in_lane(1):
        theirs = layer.buffer("z", (4, 3))
    assert layer.buffer("z", (4, 3)) is ours
    assert not layer.ops.may_share_memory(ours, theirs)
