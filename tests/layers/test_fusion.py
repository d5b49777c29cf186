import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinynet
from tinynet import layers
from tinynet.layers.fusion import Fused, fuse

CONVOLUTIONS = {
    "none": None,
    "plain": lambda: layers.Conv2D(6, 3, padding="same"),
    "pointwise": lambda: layers.Conv2D(5, 1, use_bias=False),
    "grouped": lambda: layers.Conv2D(4, 2, strides=2, groups=2),
    "depthwise": lambda: layers.DepthwiseConv2D(3, padding="same"),
    "several outputs a channel": lambda: layers.DepthwiseConv2D(2, depth_multiplier=2, use_bias=False),
}
RELUS = {"none": None, "relu": lambda: layers.Activation("relu"), "relu6": lambda: layers.ReLU(0.6),
         "relu6 by name": lambda: layers.Activation("relu6")}


def alone(makers, options):
    """Return the layers built one after the other, moving statistics and all parameters drawn."""
    tinynet.set_floatx("float64")
    tinynet.set_seed(1)
    made, shape = [], (4, 5, 4)
    for make in makers:
        made.append(make())
        shape = made[-1].build(shape)
    rng = np.random.default_rng(2)
    for layer in made:
        for parameter in layer.parameters:
            value = rng.uniform(0.5, 1.5, parameter.shape) if "var" in parameter.name else rng.normal(
                0, 1, parameter.shape)
            parameter.value[...] = layer.ops.asarray(value, layer.dtype)
        if isinstance(layer, layers.BatchNormalization):
            layer.trainable = options["trainable"]
    return made


@pytest.mark.parametrize("relu", RELUS)
@pytest.mark.parametrize("convolution", CONVOLUTIONS)
@settings(max_examples=8)
@given(scale=st.booleans(), center=st.booleans(), trainable=st.booleans(), need_dx=st.booleans())
def test_it_does_what_the_layers_do_one_by_one(backend, convolution, relu, scale, center, trainable, need_dx):
    if convolution == relu == "none":
        return
    makers = [make for make in (CONVOLUTIONS[convolution],
                                lambda: layers.BatchNormalization(scale=scale, center=center), RELUS[relu]) if make]
    rng = np.random.default_rng(0)
    apart, together = (alone(makers, {"trainable": trainable}) for _ in range(2))
    step, = fuse(together)
    assert isinstance(step, Fused)
    ops = apart[0].ops
    for training in (False, True):
        x = ops.asarray(rng.normal(size=(3, 4, 5, 4)), "float64")
        wanted = x
        for layer in apart:
            wanted = layer.forward(wanted, training=training)
        found = step.forward(x, training=training)
        np.testing.assert_allclose(ops.to_numpy(found), ops.to_numpy(wanted), rtol=1e-11, atol=1e-12)
    dy = ops.asarray(rng.normal(size=found.shape), "float64")
    wanted = dy
    for i, layer in reversed(list(enumerate(apart))):
        wanted = layer.backward(wanted, need_dx=i > 0 or need_dx)
    found = step.backward(dy, need_dx=need_dx)
    if need_dx:
        np.testing.assert_allclose(ops.to_numpy(found), ops.to_numpy(wanted), rtol=1e-9, atol=1e-10)
    for ours, theirs in zip([p for layer in together for p in layer.parameters],
                            [p for layer in apart for p in layer.parameters], strict=True):
        np.testing.assert_allclose(ops.to_numpy(ours.value), ops.to_numpy(theirs.value), rtol=1e-12)
        np.testing.assert_allclose(ops.to_numpy(ours.grad), ops.to_numpy(theirs.grad), rtol=1e-9, atol=1e-10)


class Noisy(layers.BatchNormalization):
    def forward(self, x, *, training=False):
        return super().forward(x + 1, training=training)


class Doubling(layers.Conv2D):
    def forward(self, x, *, training=False):
        return 2 * super().forward(x, training=training)


class Guided(layers.ReLU):
    """A ReLU whose gradient is 0 where it is negative: guided backpropagation."""

    def backward(self, dy, *, need_dx=True):
        return super().backward(np.maximum(dy, 0), need_dx=need_dx)


@pytest.mark.parametrize("makers", [
    [lambda: layers.Conv2D(4, 1, activation="tanh"), Noisy],
    [layers.BatchNormalization, Guided],
    [lambda: Doubling(4, 1), lambda: layers.Activation("relu")],
    [layers.BatchNormalization, lambda: layers.Activation("tanh")],
    [layers.BatchNormalization, lambda: layers.ReLU(negative_slope=0.1)],
    [lambda: layers.Conv2D(4, 1), lambda: layers.Activation("relu")],
    [lambda: layers.Dense(4), lambda: layers.Activation("relu")],
    [lambda: layers.Conv2D(4, 1), layers.LayerNormalization],
])
def test_what_is_something_else_stays_as_it_is(makers):
    made = alone(makers, {"trainable": True})
    assert fuse(made) == made


def test_the_longest_run_is_one_step():
    convolution, first, relu, second, third = alone(
        [lambda: layers.Conv2D(4, 1), layers.BatchNormalization, lambda: layers.Activation("relu"),
         layers.BatchNormalization, layers.BatchNormalization], {"trainable": True})
    steps = fuse([convolution, first, relu, second, third])
    assert [type(step) for step in steps] == [Fused, layers.BatchNormalization, layers.BatchNormalization]
    assert (steps[0].convolution, steps[0].normalization, steps[0].bounds) == (convolution, first, (0.0, np.inf))
    assert steps[0].parameters == [*convolution.parameters, *first.parameters]


def test_forgetting_lets_go_of_everything(rng):
    made = alone([lambda: layers.Conv2D(4, 1), layers.BatchNormalization], {"trainable": True})
    step, = fuse(made)
    step.forward(made[0].ops.asarray(rng.normal(size=(2, 4, 5, 4)), "float64"), training=True)
    step.forget()
    with pytest.raises(RuntimeError, match="backward needs a forward"):
        step.backward(np.zeros((2, 4, 5, 4)))
