import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet
from tinynet import layers

SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=3)


def in_order(target):
    """Write all numbers of each sample, in order, into the new shape."""
    def forward(x):
        y = np.zeros((len(x), *target))
        for n in range(len(x)):
            for place, index in zip(np.ndindex(tuple(target)), np.ndindex(x.shape[1:]), strict=True):
                y[(n, *place)] = x[(n, *index)]
        return y

    return forward


@given(shape=SHAPES, n=st.integers(1, 5))
def test_contract_of_flatten(check_layer, shape, n):
    x = np.random.default_rng(0).normal(0, 1, (n, *shape))
    check_layer(layers.Flatten, x, in_order([x[0].size]))


@given(shape=SHAPES, n=st.integers(1, 5), data=st.data())
def test_contract_of_reshape(check_layer, shape, n, data):
    wanted = data.draw(st.permutations(shape))
    target = list(wanted)
    if data.draw(st.booleans()):
        target[data.draw(st.integers(0, len(target) - 1))] = -1
    x = np.random.default_rng(0).normal(0, 1, (n, *shape))
    check_layer(lambda: layers.Reshape(tuple(target)), x, in_order(wanted))


@pytest.mark.parametrize("target, wanted", [
    ((28, 28, 1), (28, 28, 1)), ([28, 28], (28, 28)), (784, (784,)), ((-1,), (784,)), (-1, (784,)), ((7, -1), (7, 112)),
])
def test_target_shapes(target, wanted):
    assert layers.Reshape(target).build((784,)) == wanted


@pytest.mark.parametrize("target", [(5, 5), (-1, 5), (784, 2)])
def test_a_target_that_does_not_hold_as_many_numbers(target):
    with pytest.raises(ValueError, match=r"'reshape' cannot reshape 784 numbers .* Received: input_shape=\(28, 28\)"):
        layers.Reshape(target).build((28, 28))


@pytest.mark.parametrize("target", [(-1, -1), (0, 3), (2.5,), (-2, 3), "ab", None, (), []])
def test_targets_that_are_no_shapes(target):
    with pytest.raises(ValueError, match="target_shape of Reshape .* Received: "):
        layers.Reshape(target)


def test_reshaping_copies_nothing(backend):
    layer = layers.Flatten()
    layer.build((2, 3))
    x = layer.ops.zeros((4, 2, 3), "float32")
    assert np.shares_memory(layer.forward(x, training=True), x)
    dy = layer.ops.zeros((4, 6), "float32")
    assert np.shares_memory(layer.backward(dy), dy)


@pytest.mark.parametrize("shape, wanted", [((28, 28), (28, 28)), ([28, 28], (28, 28)), (784, (784,))])
def test_input(shape, wanted):
    assert layers.Input(shape).shape == wanted
    assert layers.Input(shape=shape).shape == wanted
    model = tinynet.Sequential([layers.Input(shape=shape), layers.Flatten()])
    assert model.input_shape == wanted


@pytest.mark.parametrize("shape", [(None, 28), (0,), "28", 2.5, (True, 2)])
def test_input_of_no_shape(shape):
    with pytest.raises(ValueError, match="shape of Input must be .* Received: "):
        layers.Input(shape)
