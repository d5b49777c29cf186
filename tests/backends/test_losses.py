import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

FLOATS = [np.float32, np.float64]
DELTA = 0.8


def sigmoid(z):
    return 1 / (1 + math.exp(-z)) if z > 0 else math.exp(z) / (1 + math.exp(z))


def huber(y, p):
    e = abs(p - y)
    return e * e / 2 if e <= DELTA else DELTA * (e - DELTA / 2)


def logistic(y, z):
    """Return -y log σ(z) - (1 - y) log(1 - σ(z)), with 1 - σ(z) = σ(-z) and log σ(z) = -log(1 + exp(-z))."""
    def softplus(v):
        return max(v, 0.0) + math.log1p(math.exp(-abs(v)))

    return y * softplus(-z) + (1 - y) * softplus(z)


# Kernel: its constants, one value's loss and slope.
KERNELS = {
    "mean_squared_error": ((), lambda y, p: (p - y) ** 2, lambda y, p: 2 * (p - y)),
    "mean_absolute_error": ((), lambda y, p: abs(p - y), lambda y, p: float(p > y) - float(p < y)),
    "huber": ((DELTA,), huber, lambda y, p: max(-DELTA, min(DELTA, p - y))),
    "binary_crossentropy": ((), lambda y, p: -y * math.log(p) - (1 - y) * math.log(1 - p),
                            lambda y, p: (1 - y) / (1 - p) - y / p),
    "logistic_crossentropy": ((), logistic, lambda y, z: (1 - y) * sigmoid(z) - y * sigmoid(-z)),
}


def example(name, rng, n, d):
    if "crossentropy" in name:
        y = rng.choice([0.0, 0.3, 1.0], (n, d))
        return y, rng.uniform(0.01, 0.99, (n, d)) if name == "binary_crossentropy" else rng.normal(0, 4, (n, d))
    return rng.normal(size=(n, d)), rng.normal(size=(n, d))


def expected(name, y, p, weight):
    _, loss, slope = KERNELS[name]
    n, d = p.shape
    value = math.fsum(weight[a] * loss(y[a, b], p[a, b]) / d for a in range(n) for b in range(d))
    return value, np.array([[weight[a] * slope(y[a, b], p[a, b]) / d for b in range(d)] for a in range(n)])


@pytest.mark.parametrize("name", KERNELS)
@settings(max_examples=25)
@given(n=st.integers(1, 6), d=st.integers(1, 6), seed=st.integers(0, 999))
def test_values_and_gradients(run, name, n, d, seed):
    rng = np.random.default_rng(seed)
    y, p = example(name, rng, n, d)
    weight, dp = rng.random(n), np.full((n, d), np.nan)
    value, gradient = expected(name, y, p, weight)
    assert run(name, y, p, weight, dp, *KERNELS[name][0]) == pytest.approx(value, rel=1e-12, abs=1e-14)
    np.testing.assert_allclose(dp, gradient, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", KERNELS)
@pytest.mark.parametrize(("n", "d"), [(257, 1), (400, 3), (40_000, 7)])
def test_many_rows(run, rng, name, n, d):
    """The same few rows over and over: a sum and gradients that are known."""
    y, p = (np.resize(a, (n, d)) for a in example(name, rng, 5, d))
    weight, dp = np.resize(rng.random(5), n), np.full((n, d), np.nan)
    _, gradient = expected(name, y[:5], p[:5], weight[:5])
    values = [expected(name, y[a : a + 1], p[a : a + 1], weight[a : a + 1])[0] for a in range(5)]
    found = run(name, y, p, weight, dp, *KERNELS[name][0])
    assert found == pytest.approx(math.fsum(values[a % 5] for a in range(n)), rel=1e-11)
    np.testing.assert_allclose(dp, np.resize(gradient, (n, d)), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("name", KERNELS)
def test_float32_against_float64(run, rng, name):
    y, p = (a.astype(np.float32) for a in example(name, rng, 64, 9))
    weight, dp = np.full(64, 1 / 64, np.float32), np.empty((64, 9), np.float32)
    value, gradient = expected(name, y.astype(float), p.astype(float), weight.astype(float))
    assert run(name, y, p, weight, dp, *KERNELS[name][0]) == pytest.approx(value, rel=1e-5)
    np.testing.assert_allclose(dp, gradient, rtol=1e-5, atol=1e-6 * np.abs(gradient).max())


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", [name for name in KERNELS if name != "binary_crossentropy"])
def test_far_out_all_is_finite_and_right(run, name, dtype):
    p = np.array([[-1e4], [-150.0], [150.0], [1e4]], dtype)
    for y in (np.zeros_like(p), np.ones_like(p)):
        dp, weight = np.empty_like(p), np.ones(4, dtype)
        value, gradient = expected(name, y.astype(float), p.astype(float), weight)
        assert run(name, y, p, weight, dp, *KERNELS[name][0]) == pytest.approx(value, rel=1e-6)
        np.testing.assert_allclose(dp, gradient, rtol=1e-6, atol=1e-60)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("name", KERNELS)
def test_not_a_number_goes_through(run, name, dtype):
    y, p = np.zeros((2, 2), dtype), np.array([[np.nan, 0.5], [0.5, 0.5]], dtype)
    dp = np.zeros((2, 2), dtype)
    assert math.isnan(run(name, y, p, np.ones(2, dtype), dp, *KERNELS[name][0]))
    np.testing.assert_array_equal(np.isnan(dp), np.isnan(p))


@pytest.mark.parametrize("dtype", FLOATS)
def test_certain_answers_are_clipped_before_the_logarithm(run, dtype):
    p, dp = np.array([[0.0], [1.0]], dtype), np.full((2, 1), np.nan, dtype)
    loss = run("binary_crossentropy", dtype([[1], [0]]), p, np.ones(2, dtype), dp)
    # In float32 the number nearest to 1 - 1e-7 is 1 - 1.19e-7.
    assert loss == pytest.approx(-2 * math.log(1e-7), rel=0.01 if dtype == np.float32 else 1e-8)
    assert not dp.any(), "what was clipped has no slope"


def test_slopes_at_kinks(run):
    y, dp = np.zeros((3, 1)), np.empty((3, 1))
    run("mean_absolute_error", y, y, np.ones(3), dp)
    assert dp.ravel().tolist() == [0, 0, 0]
    run("huber", y, np.array([[DELTA], [-DELTA], [0.0]]), np.ones(3), dp, DELTA)
    assert dp.ravel().tolist() == [DELTA, -DELTA, 0]
