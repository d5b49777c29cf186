import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

BUFFER = "buffer"  # stands for the function that hands out scratch arrays
SIZES = st.integers(1, 7)


@settings(max_examples=25)
@given(n=SIZES, i=SIZES, o=SIZES, with_bias=st.booleans(), seed=st.integers(0, 999))
def test_against_loops(run, n, i, o, with_bias, seed):
    rng = np.random.default_rng(seed)
    x, kernel, bias, dy = (rng.normal(size=shape) for shape in ((n, i), (i, o), (o,), (n, o)))
    y, dx, dkernel, dbias = (np.full(shape, np.nan) for shape in ((n, o), (n, i), (i, o), (o,)))
    wanted_y, wanted_dx, wanted_dkernel, wanted_dbias = (np.zeros_like(a) for a in (y, dx, dkernel, dbias))
    for a in range(n):
        for c in range(o):
            wanted_y[a, c] = bias[c] if with_bias else 0
            wanted_dbias[c] += dy[a, c]
            for b in range(i):
                wanted_y[a, c] += x[a, b] * kernel[b, c]
                wanted_dx[a, b] += dy[a, c] * kernel[b, c]
                wanted_dkernel[b, c] += x[a, b] * dy[a, c]
    run("dense", x, kernel, bias if with_bias else None, y)
    run("dense_backward", x, kernel, dy, dx, dkernel, dbias, BUFFER)
    for found, wanted in ((y, wanted_y), (dx, wanted_dx), (dkernel, wanted_dkernel), (dbias, wanted_dbias)):
        np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("asked", ["dx", "dkernel", "dbias"])
def test_each_gradient_alone(run, rng, asked):
    x, kernel, dy = rng.normal(size=(4, 3)), rng.normal(size=(3, 2)), rng.normal(size=(4, 2))
    out = {"dx": np.empty((4, 3)), "dkernel": np.empty((3, 2)), "dbias": np.empty(2)}
    wanted = {"dx": dy @ kernel.T, "dkernel": x.T @ dy, "dbias": dy.sum(axis=0)}
    run("dense_backward", x, kernel, dy, *[array if name == asked else None for name, array in out.items()], BUFFER)
    np.testing.assert_allclose(out[asked], wanted[asked], rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize(("n", "i", "o"), [(1, 1, 1), (1, 784, 10), (32, 128, 10), (50, 7, 300), (257, 3, 65)])
def test_float32(run, rng, n, i, o):
    x, kernel, bias, dy = (rng.normal(size=shape).astype(np.float32) for shape in ((n, i), (i, o), (o,), (n, o)))
    y, dx, dkernel, dbias = (np.empty(shape, np.float32) for shape in ((n, o), (n, i), (i, o), (o,)))
    run("dense", x, kernel, bias, y)
    run("dense_backward", x, kernel, dy, dx, dkernel, dbias, BUFFER)
    x, kernel, dy = x.astype(float), kernel.astype(float), dy.astype(float)
    for found, wanted in ((y, x @ kernel + bias), (dx, dy @ kernel.T), (dkernel, x.T @ dy), (dbias, dy.sum(axis=0))):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6 * np.abs(wanted).max())


def test_not_a_number_goes_through(run):
    x, kernel = np.array([[1.0, np.nan], [1.0, 2.0]]), np.ones((2, 2))
    y, dkernel, dbias = np.empty((2, 2)), np.empty((2, 2)), np.empty(2)
    run("dense", x, kernel, np.zeros(2), y)
    np.testing.assert_array_equal(np.isnan(y), [[True, True], [False, False]])
    run("dense_backward", np.ones((2, 2)), kernel, x, None, dkernel, dbias, BUFFER)
    np.testing.assert_array_equal(np.isnan(dbias), [False, True])
    np.testing.assert_array_equal(np.isnan(dkernel), [[False, True], [False, True]])


@pytest.mark.parametrize("with_bias", [True, False])
@pytest.mark.parametrize(("n", "i", "o"), [(1, 2, 3), (40, 6, 33), (600, 3, 5), (1500, 2, 9)])
def test_relu_in_the_same_pass(run, rng, n, i, o, with_bias):
    x, kernel, bias, dy = (rng.normal(size=shape) for shape in ((n, i), (i, o), (o,), (n, o)))
    y, dx, dkernel, dbias = (np.full(shape, np.nan) for shape in ((n, o), (n, i), (i, o), (o,)))
    run("dense", x, kernel, bias if with_bias else None, y, (0.0, np.inf))
    wanted = np.maximum(x @ kernel + (bias if with_bias else 0), 0)
    np.testing.assert_allclose(y, wanted, rtol=1e-12, atol=1e-13)
    run("dense_backward", x, kernel, dy, dx, dkernel, dbias, BUFFER, y)
    dz = dy * (wanted > 0)
    for found, wanted in ((dx, dz @ kernel.T), (dkernel, x.T @ dz), (dbias, dz.sum(axis=0))):
        np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-12)


def test_bounds_on_both_sides(run, rng):
    x, kernel, y = rng.normal(size=(7, 3)), rng.normal(size=(3, 4)), np.empty((7, 4))
    run("dense", x, kernel, None, y, (-0.5, 0.25))
    np.testing.assert_allclose(y, np.clip(x @ kernel, -0.5, 0.25), rtol=1e-12, atol=1e-13)
