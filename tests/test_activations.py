import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinynet import activations, layers


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


ORACLES = {
    "relu": lambda x: np.where(x < 0, 0, x),
    "relu6": lambda x: np.minimum(np.where(x < 0, 0, x), 6),
    "leaky_relu": lambda x: np.where(x < 0, 0.2 * x, x),
    "elu": lambda x: np.where(x < 0, np.expm1(x), x),
    "gelu": lambda x: x * np.vectorize(lambda v: 0.5 * math.erfc(-v / math.sqrt(2)))(x),
    "sigmoid": lambda x: np.exp(-np.logaddexp(0, -x)),
    "tanh": np.tanh,
    "softplus": lambda x: np.logaddexp(0, x),
    "softmax": softmax,
    "linear": lambda x: x,
}
SHAPES = hnp.array_shapes(min_dims=1, max_dims=4, max_side=5)
NUMBERS = hnp.arrays(np.float64, SHAPES, elements=st.floats(-30, 30))


@pytest.mark.parametrize("name", ORACLES)
@given(x=NUMBERS)
def test_values(backend, name, x):
    before = x.copy()
    y = getattr(activations, name)(x)
    np.testing.assert_allclose(y, ORACLES[name](x), rtol=1e-12, atol=1e-13)
    np.testing.assert_array_equal(x, before)
    assert not np.shares_memory(x, y)


@pytest.mark.parametrize("name", ORACLES)
def test_float32_stays_and_other_numbers_become_float64(backend, name, rng):
    function = getattr(activations, name)
    x = rng.normal(size=(3, 4)).astype(np.float32)
    y = function(x)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, ORACLES[name](x.astype(np.float64)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(function([[1, -2, 3]]), ORACLES[name](np.array([[1.0, -2, 3]])), rtol=1e-12)
    np.testing.assert_allclose(function(x.T), ORACLES[name](x.T.astype(np.float64)), rtol=1e-5, atol=1e-6)


def test_large_numbers_do_not_overflow(backend):
    x = np.array([-1e4, -150, 0, 150, 1e4], np.float32)
    np.testing.assert_array_equal(activations.sigmoid(x), [0, 0, 0.5, 1, 1])
    np.testing.assert_allclose(activations.softplus(x), [0, 0, math.log(2), 150, 1e4], rtol=1e-6)
    np.testing.assert_array_equal(activations.softmax(np.float32([0, 150])), np.float32([math.exp(-150), 1]))
    np.testing.assert_array_equal(activations.elu(x), [-1, -1, 0, 150, 1e4])
    np.testing.assert_array_equal(activations.gelu(x), [0, 0, 0, 150, 1e4])


def test_not_a_number_stays_one(backend):
    for name in ORACLES:
        assert np.isnan(getattr(activations, name)(np.float32([1.0, math.nan]))[1]), name


def test_rows_of_softmax_sum_to_1(backend, rng):
    p = activations.softmax(rng.normal(0, 20, (5, 6, 7)))
    np.testing.assert_allclose(p.sum(axis=-1), 1)


def test_single_numbers(backend):
    y = activations.sigmoid(0.0)
    assert (y, y.shape) == (0.5, ())
    with pytest.raises(ValueError, match="softmax needs at least one axis. Received: "):
        activations.softmax(3.0)


def test_names_and_functions_mean_the_same():
    for name in ORACLES:
        assert activations.get(name) == activations.get(getattr(activations, name)) == name
    assert activations.get(None) == "linear"
    assert layers.Dense(3, activation=activations.gelu).activation.function == "gelu"


def test_an_unknown_name():
    with pytest.raises(ValueError, match=r"Unknown activation \(did you mean 'softmax'\?\); known are elu, gelu, .*"
                                         "Received: 'sofmax'$"):
        activations.get("sofmax")


@pytest.mark.parametrize("function", [np.tanh, lambda x: x, 3, layers.ReLU()])
def test_a_function_whose_derivative_is_not_known(function):
    with pytest.raises(TypeError, match="the derivative is not known. Known are elu, .*Received: "):
        layers.Dense(3, activation=function)
