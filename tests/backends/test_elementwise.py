import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

FLOATS = [np.float32, np.float64]
EXTREME = [-1e4, -150.0, -20.0, -1.0, 0.0, 1.0, 20.0, 150.0, 1e4]


def normal_cdf(x):
    return 0.5 * math.erfc(-x / math.sqrt(2))


def normal_density(x):
    return math.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)


def sigmoid(x):
    return 1 / (1 + math.exp(-x)) if x > 0 else math.exp(x) / (1 + math.exp(x))


# Kernel: its constants, the function and its derivative, one number at a time.
KERNELS = {
    "relu": ((), lambda x: max(x, 0.0), lambda x: float(x > 0)),
    "clipped_relu": ((6.0,), lambda x: min(max(x, 0.0), 6.0), lambda x: float(0 < x < 6)),
    "leaky_relu": ((0.2,), lambda x: x if x > 0 else 0.2 * x, lambda x: 1.0 if x > 0 else 0.2),
    "elu": ((), lambda x: x if x > 0 else math.expm1(x), lambda x: 1.0 if x > 0 else math.exp(x)),
    "gelu": ((), lambda x: x * normal_cdf(x), lambda x: normal_cdf(x) + x * normal_density(x)),
    "sigmoid": ((), sigmoid, lambda x: sigmoid(x) * sigmoid(-x)),
    "tanh": ((), math.tanh, lambda x: 1 - math.tanh(x) ** 2),
    "softplus": ((), lambda x: max(x, 0.0) + math.log1p(math.exp(-abs(x))), sigmoid),
}


def each(f, x):
    return np.array([f(float(v)) for v in x.ravel()]).reshape(x.shape)


@pytest.mark.parametrize("name", KERNELS)
@settings(max_examples=25)
@given(x=hnp.arrays(np.float64, hnp.array_shapes(min_dims=1, max_dims=4, max_side=6), elements=st.floats(-30, 30)))
def test_values_and_derivatives(run, name, x):
    constants, f, slope = KERNELS[name]
    y, dx = np.full_like(x, np.nan), np.full_like(x, np.nan)
    dy = np.linspace(-2, 3, x.size).reshape(x.shape)
    run(name, x, y, *constants)
    np.testing.assert_allclose(y, each(f, x), rtol=1e-13, atol=1e-15)
    run(name + "_backward", dy, x, y, dx, *constants)
    np.testing.assert_allclose(dx, dy * each(slope, x), rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", KERNELS)
def test_float32_against_float64(run, name, rng):
    """Each kernel's own rounding only: 1e-5 of the number itself, far out on either side as well."""
    constants, f, slope = KERNELS[name]
    x = np.concatenate([rng.normal(0, 2, 2000), np.linspace(-9, 9, 999)]).astype(np.float32)
    y, dx, dy = np.empty_like(x), np.empty_like(x), np.ones_like(x)
    run(name, x, y, *constants)
    np.testing.assert_allclose(y, each(f, x), rtol=1e-5, atol=1e-8)
    run(name + "_backward", dy, x, y, dx, *constants)
    # A derivative that is read from y has no more digits than y has beside 1.
    np.testing.assert_allclose(dx, each(slope, x), rtol=1e-5, atol=3e-7)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", KERNELS)
def test_far_out_all_is_finite_and_right(run, name, dtype):
    constants, f, slope = KERNELS[name]
    x = np.array(EXTREME, dtype)
    y, dx, dy = np.empty_like(x), np.empty_like(x), np.ones_like(x)
    run(name, x, y, *constants)
    run(name + "_backward", dy, x, y, dx, *constants)
    eps = np.finfo(dtype).eps
    np.testing.assert_allclose(y, each(f, x), rtol=8 * eps, atol=eps)
    np.testing.assert_allclose(dx, each(slope, x), rtol=8 * eps, atol=2 * eps)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", KERNELS)
def test_not_a_number_goes_through(run, name, dtype):
    constants, *_ = KERNELS[name]
    x = np.array([1, np.nan, -1] * 7, dtype)
    y, dx = np.zeros_like(x), np.zeros_like(x)
    run(name, x, y, *constants)
    np.testing.assert_array_equal(np.isnan(y), np.isnan(x))
    x, dy = np.abs(np.nan_to_num(x, nan=0.5)), x
    run(name, x, y, *constants)
    run(name + "_backward", dy, x, y, dx, *constants)
    np.testing.assert_array_equal(np.isnan(dx), np.isnan(dy))


@pytest.mark.parametrize("name", KERNELS)
def test_y_may_lie_over_x_and_dx_over_dy(run, name, rng):
    constants, *_ = KERNELS[name]
    x, dy = rng.normal(size=(5, 7)), rng.normal(size=(5, 7))
    y, dx = np.empty_like(x), np.empty_like(x)
    run(name, x, y, *constants)
    run(name + "_backward", dy, x, y, dx, *constants)
    same, over = x.copy(), dy.copy()
    run(name, same, same, *constants)
    np.testing.assert_array_equal(same, y)
    run(name + "_backward", over, x, y, over, *constants)
    np.testing.assert_array_equal(over, dx)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("rate", [0.0, 0.25, 0.7])
def test_dropout(run, rng, rate, dtype):
    x, noise = rng.normal(size=(6, 5)).astype(dtype), rng.random((6, 5)).astype(dtype)
    noise[0, :2] = rate  # at the rate itself a number stays
    y, dx = np.full_like(x, np.nan), np.full_like(x, np.nan)
    run("dropout", x, noise, rate, y)
    edge = float(dtype(rate))
    wanted = [v / (1 - rate) if u >= edge else 0.0 for v, u in zip(x.flat, noise.ravel().tolist(), strict=True)]
    np.testing.assert_allclose(y.ravel(), wanted, rtol=1e-6 if dtype == np.float32 else 1e-14)
    assert y[0, 0] != 0
    run("dropout_backward", x, noise, rate, dx)
    np.testing.assert_array_equal(dx, y)


def test_what_dropout_drops_is_0_whatever_it_was(run):
    x = np.array([np.nan, np.inf, -np.inf, np.nan, np.inf])
    y = np.empty_like(x)
    run("dropout", x, np.array([0.1, 0.1, 0.1, 0.9, 0.9]), 0.5, y)
    np.testing.assert_array_equal(y, [0, 0, 0, np.nan, np.inf])
