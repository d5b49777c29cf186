import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinynet
from tinynet import layers
from tinynet.layers.base import Layer

FUNCTIONS = {
    "relu": lambda x: max(x, 0.0),
    "relu6": lambda x: min(max(x, 0.0), 6.0),
    "leaky_relu": lambda x: x if x > 0 else 0.2 * x,
    "elu": lambda x: x if x > 0 else math.exp(x) - 1,
    "gelu": lambda x: x * 0.5 * (1 + math.erf(x / math.sqrt(2))),
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "tanh": math.tanh,
    "softplus": lambda x: math.log(1 + math.exp(x)),
    "linear": lambda x: x,
}
SHAPES = st.lists(st.integers(1, 3), min_size=1, max_size=3)


def each(function):
    def forward(x):
        y = np.zeros(x.shape)
        for index in np.ndindex(x.shape):
            y[index] = function(x[index])
        return y

    return forward


def softmax(x):
    y = np.zeros(x.shape)
    for index in np.ndindex(x.shape[:-1]):
        e = [math.exp(value) for value in x[index]]
        y[index] = [value / sum(e) for value in e]
    return y


def draw(shape, seed, kinks=(0.0, 6.0)):
    """Draw numbers that keep away from kinks."""
    x = np.random.default_rng(seed).normal(0, 3, shape)
    for kink in kinks:
        x = np.where(np.abs(x - kink) < 0.01, x + 0.05, x)
    return x


@pytest.mark.parametrize("name", FUNCTIONS)
@given(shape=SHAPES, n=st.integers(1, 4), seed=st.integers(0, 1000))
@settings(max_examples=15)
def test_contract(check_layer, name, shape, n, seed):
    check_layer(lambda: layers.Activation(name), draw((n, *shape), seed), each(FUNCTIONS[name]))


@pytest.mark.parametrize("make", [layers.Softmax, lambda: layers.Activation("softmax")])
@given(shape=SHAPES, n=st.integers(1, 4), seed=st.integers(0, 1000))
@settings(max_examples=15)
def test_contract_of_softmax(check_layer, make, shape, n, seed):
    check_layer(make, draw((n, *shape), seed) / 3, softmax)


@pytest.mark.parametrize("arguments, function, kink", [
    ({}, lambda x: max(x, 0.0), 0.0),
    ({"max_value": 1.5}, lambda x: min(max(x, 0.0), 1.5), 1.5),
    ({"max_value": 6}, lambda x: min(max(x, 0.0), 6.0), 6.0),
    ({"negative_slope": 0.3}, lambda x: x if x > 0 else 0.3 * x, 0.0),
])
@given(shape=SHAPES, n=st.integers(1, 4), seed=st.integers(0, 1000))
@settings(max_examples=15)
def test_contract_of_relu(check_layer, arguments, function, kink, shape, n, seed):
    check_layer(lambda: layers.ReLU(**arguments), draw((n, *shape), seed, (0.0, kink)), each(function))


@pytest.mark.parametrize("name", ["relu", "relu6", "leaky_relu", "elu"])
def test_at_zero_the_slope_is_the_one_from_the_left(run, name):
    layer = layers.Activation(name)
    layer.build((2,))
    run(layer.forward, np.zeros((1, 2)), training=True)
    slope = {"leaky_relu": 0.2, "elu": 1.0}.get(name, 0.0)
    assert np.allclose(run(layer.backward, np.ones((1, 2))), slope)


def test_at_its_ceiling_relu6_is_flat(run):
    layer = layers.ReLU(max_value=6)
    layer.build((1,))
    run(layer.forward, np.array([[6.0], [5.99], [6.01]]), training=True)
    assert np.array_equal(run(layer.backward, np.ones((3, 1))), [[0], [1], [0]])


@pytest.mark.parametrize("floatx", ["float32", "float64"])
@pytest.mark.parametrize("name", [*FUNCTIONS, "softmax"])
def test_extreme_inputs(run, name, floatx):
    tinynet.set_floatx(floatx)
    layer = layers.Activation(name)
    layer.build((4,))
    y = run(layer.forward, np.array([[-1e4, -150.0, 150.0, 1e4]]), training=True)
    wanted = {
        "relu": [0, 0, 150, 1e4], "relu6": [0, 0, 6, 6], "leaky_relu": [-2e3, -30, 150, 1e4],
        "elu": [-1, -1, 150, 1e4], "gelu": [0, 0, 150, 1e4], "sigmoid": [0, math.exp(-150), 1, 1],
        "tanh": [-1, -1, 1, 1], "softplus": [0, math.exp(-150), 150, 1e4], "linear": [-1e4, -150, 150, 1e4],
        "softmax": [0, 0, 0, 1],
    }[name]
    assert np.allclose(y, [wanted], rtol=1e-6, atol=1e-44 if floatx == "float32" else 0)
    slopes = {
        "relu": [0, 0, 1, 1], "relu6": [0, 0, 0, 0], "leaky_relu": [0.2, 0.2, 1, 1], "elu": [0, 0, 1, 1],
        "gelu": [0, 0, 1, 1], "sigmoid": [0, 0, 0, 0], "tanh": [0, 0, 0, 0], "softplus": [0, 0, 1, 1],
        "linear": [1, 1, 1, 1], "softmax": [0, 0, 0, 0],
    }[name]
    assert np.allclose(run(layer.backward, np.ones((1, 4))), [slopes], rtol=1e-6, atol=1e-44)


@pytest.mark.parametrize("floatx", ["float32", "float64"])
@pytest.mark.parametrize("name", [*FUNCTIONS, "softmax"])
def test_nan_goes_through(run, name, floatx):
    tinynet.set_floatx(floatx)
    layer = layers.Activation(name)
    layer.build((3,))
    y = run(layer.forward, np.array([[1.0, math.nan, -1.0], [1.0, 2.0, 3.0]]), training=True)
    assert np.isnan(y[0, 1])
    assert np.isfinite(y[1]).all()
    assert np.isnan(y[0]).all() if name == "softmax" else np.isfinite(y[0, ::2]).all()
    dx = run(layer.backward, np.ones((2, 3)))
    assert np.isfinite(dx[1]).all()
    dy = np.ones((2, 3))
    dy[0, 2] = math.nan
    run(layer.forward, np.full((2, 3), 1.0), training=True)
    dx = run(layer.backward, dy)
    assert np.isnan(dx[0, 2])


def test_any_activation_can_write_over_its_input_where_the_layer_lets_it(run, rng):
    for name in [*FUNCTIONS, "softmax"]:
        tinynet.set_floatx("float64")
        layer = layers.Activation(name)
        layer.build((5,))
        x, dy = draw((3, 5), 1), rng.normal(0, 1, (3, 5))
        y, dx = run(layer.forward, x, training=True), run(layer.backward, dy)
        assert np.array_equal(run(layer.forward_over, np.array(x), training=True), y)
        assert np.array_equal(run(layer.backward, dy), dx)


@pytest.mark.parametrize("arguments", [
    {"max_value": 0}, {"max_value": -1}, {"negative_slope": -0.1}, {"max_value": 6, "negative_slope": 0.1},
])
def test_relu_with_what_it_cannot_do(arguments):
    with pytest.raises(ValueError, match="ReLU takes .* Received: max_value="):
        layers.ReLU(**arguments)


def test_names():
    assert layers.ReLU().name == "re_lu"
    assert layers.Softmax().name == "softmax"
    assert layers.Activation("relu").name == "activation"
    assert layers.Activation(tinynet.activations.relu).function == "relu"
    assert layers.Activation(None).function == "linear"
    assert isinstance(layers.Softmax(), Layer)
