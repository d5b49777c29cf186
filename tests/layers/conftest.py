"""The one harness that every layer goes through: values, gradients, contract, on the backend of the test."""

import numpy as np
import pytest

import tinynet

EXACT = {"rtol": 1e-12, "atol": 1e-13}
SINGLE = {"rtol": 1e-5, "atol": 1e-5}


class Harness:
    """Checks a layer, as one maker makes it, for inputs x (N, ...) of float64.

    Parameters
    ----------
    make : callable
        Returns a new layer, not built.
    x : array
        An input away from kinks.
    oracle : callable
        Takes x and the parameters' values, and returns y as plain loops make it.
    draw : callable
        Takes a generator and a shape; the parameters begin with what it returns.
    """

    def __init__(self, make, x, oracle, draw):
        self.make = make
        self.x = np.asarray(x, np.float64)
        self.oracle = oracle
        self.draw = draw

    def layer(self, floatx="float64"):
        """Return the layer built; the same parameters each time."""
        tinynet.set_floatx(floatx)
        tinynet.set_seed(0)
        layer = self.make()
        layer.build(self.x.shape[1:])
        rng = np.random.default_rng(1)
        for parameter in layer.parameters:
            parameter.value[...] = layer.ops.asarray(self.draw(rng, parameter.shape), layer.dtype)
        return layer

    def run(self, layer, x, dy=None, **options):
        """Return y; with dy also dx and the parameters' gradients, all as copies."""
        before = np.array(x)
        held = as_given(layer, x)
        y = layer.ops.to_numpy(layer.forward(held, training=dy is not None or options.pop("training", False)))
        np.testing.assert_array_equal(layer.ops.to_numpy(held), before.astype(held.dtype))
        if dy is None:
            return y
        given = as_given(layer, dy)
        dx = layer.backward(given, **options)
        np.testing.assert_array_equal(layer.ops.to_numpy(given), np.asarray(dy).astype(given.dtype))
        np.testing.assert_array_equal(layer.ops.to_numpy(held), before.astype(held.dtype))
        return y, None if dx is None else layer.ops.to_numpy(dx), grads(layer)

    def check_values(self):
        """Forward against the oracle: float64 and float32, in training and not, one sample alone."""
        for floatx, close in (("float64", EXACT), ("float32", SINGLE)):
            layer = self.layer(floatx)
            weights = [layer.ops.to_numpy(parameter.value).astype(np.float64) for parameter in layer.parameters]
            wanted = self.oracle(self.x.astype(floatx).astype(np.float64), *weights)
            for training in (False, True):
                y = self.run(layer, self.x.astype(floatx), training=training)
                assert (y.dtype, y.shape) == (np.dtype(floatx), (len(self.x), *layer.output_shape))
                np.testing.assert_allclose(y, wanted, **close)
            alone = self.run(layer, self.x[:1].astype(floatx))
            np.testing.assert_allclose(alone, wanted[:1], **close)

    def check_gradients(self, most=20):
        """Backward against differences, for the batch and for one sample alone."""
        for x in (self.x, self.x[:1]):
            report = tinynet.gradcheck(self.layer(), x, most=most)
            assert report, f"\n{report}"

    def check_memory(self):
        """Strides and another batch before it change nothing; neither do float types of x and dy."""
        layer = self.layer()
        rng = np.random.default_rng(2)
        dy = rng.normal(size=(len(self.x), *layer.output_shape))
        wanted = self.run(layer, self.x, dy)
        for x, other_dy in ((spread(self.x), spread(dy)), (np.asfortranarray(self.x), np.asfortranarray(dy))):
            same(self.run(layer, x, other_dy), wanted)
        self.run(layer, np.concatenate([self.x + 1, self.x]), np.concatenate([dy, dy]))
        same(self.run(layer, self.x, dy), wanted)
        _, _, found = self.run(layer, self.x, dy, need_dx=False)
        same(found, wanted[2])
        single = self.layer("float32")
        y, dx, found = self.run(single, self.x, dy)
        assert {a.dtype for a in (y, dx, *found)} == {np.dtype("float32")}
        for got, want in zip((y, dx, *found), (wanted[0], wanted[1], *wanted[2]), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5 * np.abs(want).max(initial=1))

    def check_errors(self):
        """Backward serves each training forward once; shapes are checked."""
        layer = self.layer()
        name = layer.name
        x = as_given(layer, self.x)
        dy = as_given(layer, np.ones((len(self.x), *layer.output_shape)))
        with pytest.raises(RuntimeError, match=f"Layer '{name}': backward needs a forward.*Received: "):
            layer.backward(dy)
        layer.forward(x)
        with pytest.raises(RuntimeError, match="Received: backward without one"):
            layer.backward(dy)
        layer.forward(x, training=True)
        with pytest.raises(ValueError, match=rf"Layer '{name}': dy must have the shape .*Received: \({len(dy) + 1}, "):
            layer.backward(as_given(layer, np.ones((len(dy) + 1, *dy.shape[1:]))))
        layer.backward(dy)
        with pytest.raises(RuntimeError, match="each such forward serves one backward"):
            layer.backward(dy)
        layer.forward(x, training=True)
        layer.forward(x)
        with pytest.raises(RuntimeError, match="Received: backward without one"):
            layer.backward(dy)
        for shape in (x.shape[1:], (*x.shape, 1), (len(x), *[size + 1 for size in x.shape[1:]])):
            with pytest.raises(ValueError, match=f"Layer '{name}' expects inputs of shape .N, .*Received: "):
                layer.forward(as_given(layer, np.zeros(shape)))
        with pytest.raises(ValueError, match="must be built before forward.*Received: "):
            self.make().forward(x)


def as_given(layer, x):
    """Return x as this backend's array, its strides and type kept where the backend is NumPy's."""
    return x if layer.ops.name != "cupy" else layer.ops.asarray(x, x.dtype)


def spread(x):
    """Return x with gaps between its numbers."""
    wide = np.full([2 * size for size in x.shape], np.nan)
    every_second = tuple(slice(None, None, 2) for _ in x.shape)
    wide[every_second] = x
    return wide[every_second]


def grads(layer):
    return [layer.ops.to_numpy(parameter.grad) for parameter in layer.parameters]


def same(found, wanted):
    """Compare arrays, or nested lists of them, bit by bit."""
    for a, b in zip(found, wanted, strict=True):
        if isinstance(a, list):
            same(a, b)
        else:
            np.testing.assert_array_equal(a, b)


@pytest.fixture
def run(backend):
    """Return `run(layer.forward, x, training=True)`: a method of a layer on the test's own arrays, and a copy back."""
    def run(method, *arrays, **options):
        layer = method.__self__
        return layer.ops.to_numpy(method(*[as_given(layer, x) for x in arrays], **options))

    return run


@pytest.fixture
def harness(backend):
    """Return `harness(make, x, oracle, draw)`, for the test's backend."""
    def harness(make, x, oracle=None, draw=lambda rng, shape: rng.normal(0, 0.5, shape)):
        return Harness(make, x, oracle, draw)

    return harness


@pytest.fixture
def check_layer(harness):
    """Run a layer through the whole harness; arguments as for :class:`Harness`."""
    def check(make, x, oracle, **draw):
        ready = harness(make, x, oracle, **draw)
        ready.check_values()
        ready.check_gradients()
        ready.check_memory()
        ready.check_errors()

    return check


@pytest.fixture
def off_kinks():
    """Return a function that draws numbers of `shape` at least 0.05 away from 0 and from `ceiling`, on either side."""
    def draw(seed, shape, ceiling=6.0):
        rng = np.random.default_rng(seed)
        size = rng.uniform(0.05, ceiling - 0.05, shape)
        return np.choose(rng.integers(0, 3, shape), [size, -size, ceiling + size])

    return draw
