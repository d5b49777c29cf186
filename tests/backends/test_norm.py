import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

EXACT = {"rtol": 1e-11, "atol": 1e-12}
# Rows of 512 numbers and more, blocks of 32 of them, and what is left over from either: all begin and end in here.
SIZES = {"m": st.integers(1, 40) | st.sampled_from([127, 513, 1100]),
         "c": st.integers(1, 6) | st.sampled_from([256, 600])}
SEEDS = st.integers(0, 999)


def draw(seed, m, c, dtype=float):
    """Return x, dy (M, C) and gamma, beta, mean, variance (C,)."""
    rng = np.random.default_rng(seed)
    x, dy = rng.normal(2, 3, (m, c)), rng.normal(1, 1, (m, c))
    gamma, beta, mean = rng.normal(0, 1, (3, c))
    return [a.astype(dtype) for a in (x, dy, gamma, beta, mean, rng.uniform(0.5, 2, c))]


def empty(*shapes, dtype=float):
    return [np.full(shape, np.nan, dtype) for shape in shapes]


def inv_std_of(variance, epsilon):
    return 1 / np.sqrt(variance + epsilon)


@settings(max_examples=30)
@given(**SIZES, seed=SEEDS)
def test_moments(run, m, c, seed):
    x, *_ = draw(seed, m, c)
    mean, variance = empty(c, c)
    run("moments", x, mean, variance)
    for channel in range(min(c, 7)):
        values = [float(row[channel]) for row in x]
        center = sum(values) / m
        np.testing.assert_allclose(mean[channel], center, **EXACT)
        np.testing.assert_allclose(variance[channel], sum((v - center) ** 2 for v in values) / m, **EXACT)
    np.testing.assert_allclose(mean, x.mean(axis=0), **EXACT)
    np.testing.assert_allclose(variance, x.var(axis=0), **EXACT)


@settings(max_examples=30)
@given(n=st.integers(1, 5), c=st.integers(1, 4), with_gamma=st.booleans(), with_beta=st.booleans(), seed=SEEDS)
def test_batch_norm_against_loops(run, n, c, with_gamma, with_beta, seed):
    x, _, gamma, beta, mean, variance = draw(seed, n, c)
    y, inv_std = empty((n, c), c)
    run("batch_norm", x, mean, variance, gamma if with_gamma else None, beta if with_beta else None, y, inv_std, 0.1)
    for i in range(n):
        for j in range(c):
            xhat = (x[i, j] - mean[j]) / (variance[j] + 0.1) ** 0.5
            wanted = (gamma[j] if with_gamma else 1) * xhat + (beta[j] if with_beta else 0)
            np.testing.assert_allclose(y[i, j], wanted, **EXACT)
    np.testing.assert_allclose(inv_std, inv_std_of(variance, 0.1), **EXACT)


def paths(x, mean, inv_std, gamma, dy, of_batch):
    """Return dx, dgamma, dbeta, each path of the chain rule by itself, before anything cancels."""
    m = len(x)
    xhat = (x - mean) * inv_std
    dxhat = dy * (1 if gamma is None else gamma)
    dx = dxhat * inv_std
    if of_batch:
        dvariance = (dxhat * (x - mean)).sum(axis=0) * -0.5 * inv_std**3
        dmean = (-dxhat * inv_std).sum(axis=0) + dvariance * (-2 * (x - mean)).sum(axis=0) / m
        dx = dx + dvariance * 2 * (x - mean) / m + dmean / m
    return dx, (dy * xhat).sum(axis=0), dy.sum(axis=0)


@settings(max_examples=30)
@given(**SIZES, with_gamma=st.booleans(), of_batch=st.booleans(), seed=SEEDS)
def test_batch_norm_backward(run, m, c, with_gamma, of_batch, seed):
    x, dy, gamma, _, mean, variance = draw(seed, m, c)
    if of_batch:
        mean, variance = x.mean(axis=0), x.var(axis=0)
    gamma = gamma if with_gamma else None
    inv_std = inv_std_of(variance, 0.3)
    found = empty((m, c), c, c)
    run("batch_norm_backward", x, mean, inv_std, gamma, None, dy, *found, of_batch)
    for ours, wanted in zip(found, paths(x, mean, inv_std, gamma, dy, of_batch), strict=True):
        np.testing.assert_allclose(ours, wanted, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("of_batch", [True, False])
@pytest.mark.parametrize("asked", [(), (0,), (1,), (2,), (0, 2)])
def test_batch_norm_gradients_alone(run, asked, of_batch):
    x, dy, gamma, _, mean, variance = draw(3, 7, 3)
    wanted = empty((7, 3), 3, 3)
    run("batch_norm_backward", x, mean, variance, gamma, None, dy, *wanted, of_batch)
    found = [array if i in asked else None for i, array in enumerate(empty((7, 3), 3, 3))]
    run("batch_norm_backward", x, mean, variance, gamma, None, dy, *found, of_batch)
    for i in asked:
        np.testing.assert_allclose(found[i], wanted[i], rtol=1e-12)


@settings(max_examples=30)
@given(**SIZES, with_gamma=st.booleans(), with_beta=st.booleans(), of_batch=st.booleans(), seed=SEEDS)
def test_batch_norm_and_bounds_in_one_pass(run, m, c, with_gamma, with_beta, of_batch, seed):
    x, dy, gamma, beta, mean, variance = draw(seed, m, c)
    if of_batch:
        mean, variance = x.mean(axis=0), x.var(axis=0)
    gamma, beta = gamma if with_gamma else None, beta if with_beta else None
    z, y, inv_std = empty((m, c), (m, c), c)
    run("batch_norm", x, mean, variance, gamma, beta, z, inv_std, 0.3)
    run("batch_norm", x, mean, variance, gamma, beta, y, inv_std, 0.3, (-0.2, 0.6))
    np.testing.assert_array_equal(y, np.clip(z, -0.2, 0.6))
    found, wanted = empty((m, c), c, c), empty((m, c), c, c)
    run("batch_norm_backward", x, mean, inv_std, gamma, beta, dy, *found, of_batch, (-0.2, 0.6))
    run("batch_norm_backward", x, mean, inv_std, gamma, None, dy * ((y > -0.2) & (y < 0.6)), *wanted, of_batch)
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10)


@settings(max_examples=20)
@given(m=st.integers(1, 9), c=st.integers(1, 6), with_gamma=st.booleans(), with_beta=st.booleans(), seed=SEEDS)
def test_batch_norm_as_scale(run, m, c, with_gamma, with_beta, seed):
    x, _, gamma, beta, mean, variance = draw(seed, m, c)
    gamma, beta = gamma if with_gamma else None, beta if with_beta else None
    y, inv_std, scale, shift = empty((m, c), c, c, c)
    run("batch_norm", x, mean, variance, gamma, beta, y, inv_std, 0.3)
    run("batch_norm_as_scale", mean, variance, gamma, beta, scale, shift, 0.3)
    np.testing.assert_allclose(scale * x + shift, y, rtol=1e-11, atol=1e-11)


@settings(max_examples=30)
@given(n=st.integers(1, 5), c=st.integers(1, 6), with_gamma=st.booleans(), with_beta=st.booleans(), seed=SEEDS)
def test_layer_norm_against_loops(run, n, c, with_gamma, with_beta, seed):
    x, dy, gamma, beta, _, _ = draw(seed, n, c)
    gamma, beta = gamma if with_gamma else None, beta if with_beta else None
    y, mean, inv_std = empty((n, c), n, n)
    run("layer_norm", x, gamma, beta, y, mean, inv_std, 0.1)
    found = empty((n, c), c, c)
    run("layer_norm_backward", x, mean, inv_std, gamma, dy, *found)
    wanted_dgamma, wanted_dbeta = np.zeros(c), np.zeros(c)
    for i in range(n):
        center = sum(x[i]) / c
        std = (sum((v - center) ** 2 for v in x[i]) / c + 0.1) ** 0.5
        for j in range(c):
            xhat = (x[i, j] - center) / std
            wanted = (1 if gamma is None else gamma[j]) * xhat + (0 if beta is None else beta[j])
            np.testing.assert_allclose(y[i, j], wanted, **EXACT)
            wanted_dgamma[j] += dy[i, j] * xhat
            wanted_dbeta[j] += dy[i, j]
        np.testing.assert_allclose((mean[i], inv_std[i]), (center, 1 / std), **EXACT)
        # A row is to layer normalisation what a channel is to batch normalisation, but for gamma.
        dxhat = dy[i] * (1 if gamma is None else gamma)
        column, _, _ = paths(x[i][:, None], center, 1 / std, None, dxhat[:, None], of_batch=True)
        np.testing.assert_allclose(found[0][i], column[:, 0], rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(found[1], wanted_dgamma, **EXACT)
    np.testing.assert_allclose(found[2], wanted_dbeta, **EXACT)


@pytest.mark.parametrize("m, c", [(1, 33), (1, 2500), (3, 1024), (2, 1025), (600, 40)])
@pytest.mark.parametrize("with_gamma", [True, False])
def test_layer_norm_of_long_rows_and_of_many(run, m, c, with_gamma):
    x, dy, gamma, beta, _, _ = draw(1, m, c)
    gamma = gamma if with_gamma else None
    y, mean, inv_std = empty((m, c), m, m)
    run("layer_norm", x, gamma, beta, y, mean, inv_std, 0.1)
    wanted_inv_std = inv_std_of(x.var(axis=1), 0.1)
    np.testing.assert_allclose(mean, x.mean(axis=1), **EXACT)
    np.testing.assert_allclose(inv_std, wanted_inv_std, **EXACT)
    xhat = (x - x.mean(axis=1, keepdims=True)) * wanted_inv_std[:, None]
    scale = 1 if gamma is None else gamma
    np.testing.assert_allclose(y, scale * xhat + beta, **EXACT)
    dx, dgamma, dbeta = empty((m, c), c, c)
    run("layer_norm_backward", x, mean, inv_std, gamma, dy, dx, dgamma, dbeta)
    wanted, _, _ = paths(x.T, x.mean(axis=1), wanted_inv_std, None, (dy * scale).T, of_batch=True)
    np.testing.assert_allclose(dx, wanted.T, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(dgamma, (dy * xhat).sum(axis=0), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(dbeta, dy.sum(axis=0), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("asked", [(), (0,), (1,), (2,)])
def test_layer_norm_gradients_alone(run, asked):
    x, dy, gamma, _, _, _ = draw(3, 7, 3)
    y, mean, inv_std = empty((7, 3), 7, 7)
    run("layer_norm", x, gamma, None, y, mean, inv_std, 0.1)
    wanted = empty((7, 3), 3, 3)
    run("layer_norm_backward", x, mean, inv_std, gamma, dy, *wanted)
    found = [array if i in asked else None for i, array in enumerate(empty((7, 3), 3, 3))]
    run("layer_norm_backward", x, mean, inv_std, gamma, dy, *found)
    for i in asked:
        np.testing.assert_allclose(found[i], wanted[i], rtol=1e-12)


def test_moving_averages(run):
    moving_mean, moving_variance = np.array([1.0, -2.0]), np.array([4.0, 8.0])
    run("moving_averages", moving_mean, moving_variance, np.array([5.0, 2.0]), np.array([0.0, 12.0]), 0.75)
    np.testing.assert_allclose(moving_mean, [2.0, -1.0], rtol=1e-15)
    np.testing.assert_allclose(moving_variance, [3.0, 9.0], rtol=1e-15)


@settings(max_examples=20)
@given(**SIZES, with_gamma=st.booleans(), with_beta=st.booleans(), of_batch=st.booleans(), seed=SEEDS)
def test_wings_agree(compare, m, c, with_gamma, with_beta, of_batch, seed):
    x, dy, gamma, beta, mean, variance = draw(seed, m, c, np.float32)
    gamma, beta = gamma if with_gamma else None, beta if with_beta else None

    def unwritten(*shape):
        return np.zeros(shape, np.float32)

    compare("moments", x, unwritten(c), unwritten(c))
    compare("moving_averages", mean, variance, variance, mean, 0.9)
    compare("batch_norm_as_scale", mean, variance, gamma, beta, unwritten(c), unwritten(c), 0.1)
    for bounds in (None, (0, np.inf), (-1, 0.5)):
        compare("batch_norm", x, mean, variance, gamma, beta, unwritten(m, c), unwritten(c), 0.1, bounds)
        compare("batch_norm_backward", x, mean, inv_std_of(variance, 0.1), gamma, beta, dy, unwritten(m, c),
                unwritten(c), unwritten(c), of_batch, bounds)
    compare("layer_norm", x, gamma, beta, unwritten(m, c), unwritten(m), unwritten(m), 0.1)
    compare("layer_norm_backward", x, x.mean(axis=1), inv_std_of(x.var(axis=1), 0.1), gamma, dy, unwritten(m, c),
            unwritten(c), unwritten(c))


UNEVEN = {
    "far from 0": lambda rng, m, c: rng.normal(1000, 1, (m, c)),
    "of one sign": lambda rng, m, c: rng.uniform(0.1, 0.2, (m, c)),
    "all nearly equal": lambda rng, m, c: 0.1 + 1e-3 * rng.random((m, c)),
    "the first ones far off": lambda rng, m, c: rng.normal(0, 1, (m, c)) + 1e4 * (np.arange(m) < m // 20)[:, None],
    "one far off": lambda rng, m, c: rng.normal(0, 1, (m, c)) + 1e5 * (np.arange(m) == 0)[:, None],
}


@pytest.mark.parametrize("m, c", [(50_000, 1), (20_001, 3)])
@pytest.mark.parametrize("uneven", UNEVEN)
def test_many_values_in_float32(run, rng, uneven, m, c):
    x = UNEVEN[uneven](rng, m, c).astype(np.float32)
    dy = (1 + rng.normal(0, 1, (m, c))).astype(np.float32)
    exact = x.astype(float)
    wanted_mean, wanted_variance = exact.mean(axis=0), exact.var(axis=0)
    mean, variance = empty(c, c, dtype=np.float32)
    run("moments", x, mean, variance)
    np.testing.assert_allclose(mean, wanted_mean, rtol=1e-6, atol=1e-5 * np.sqrt(wanted_variance).max())
    np.testing.assert_allclose(variance, wanted_variance, rtol=1e-5)
    inv_std = inv_std_of(variance, 1e-3)
    dx, dgamma, dbeta = empty((m, c), c, c, dtype=np.float32)
    run("batch_norm_backward", x, mean, inv_std, None, None, dy, dx, dgamma, dbeta, True)
    wanted = paths(exact, mean.astype(float), inv_std.astype(float), None, dy.astype(float), of_batch=True)
    xhat = (exact - wanted_mean) * inv_std
    np.testing.assert_allclose(dbeta, wanted[2], rtol=1e-5)
    np.testing.assert_allclose(dgamma, wanted[1], rtol=1e-5, atol=1e-5 * np.abs(dy * xhat).sum(axis=0).max())
    np.testing.assert_allclose(dx, wanted[0], rtol=1e-5, atol=1e-5 * np.abs(wanted[0]).max())


def test_a_sum_of_equal_numbers_does_not_drift(run):
    """Each addition rounds the same way; 257 channels fill a wide row, so that each is summed by one lane."""
    m, c = 3000, 257
    x, dy = np.ones((m, c), np.float32), np.full((m, c), 0.1, np.float32)
    dgamma, dbeta = empty(c, c, dtype=np.float32)
    mean, inv_std = np.zeros(c, np.float32), np.ones(c, np.float32)
    run("batch_norm_backward", x, mean, inv_std, None, None, dy, None, dgamma, dbeta, True)
    for found in (dgamma, dbeta):
        np.testing.assert_allclose(found, m * float(dy[0, 0]), rtol=3e-6)


def test_a_constant_channel_becomes_beta_exactly(run):
    x = np.full((3000, 2), [0.1, 1234.567], np.float32)
    mean, variance, inv_std = empty(2, 2, 2, dtype=np.float32)
    (y,) = empty(x.shape, dtype=np.float32)
    run("moments", x, mean, variance)
    np.testing.assert_array_equal(mean, x[0])
    np.testing.assert_allclose(variance, 0, atol=1e-9)
    assert (variance >= 0).all()
    run("batch_norm", x, mean, variance, None, np.float32([2, 3]), y, inv_std, 1e-3)
    np.testing.assert_array_equal(y, np.broadcast_to(np.float32([2, 3]), x.shape))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("row", [0, 300, 699])
@pytest.mark.filterwarnings("ignore:invalid value")
def test_not_a_number_shows_in_its_channel_alone(run, rng, bad, row):
    x = rng.normal(size=(700, 3))
    x[row, 1] = bad
    mean, variance, inv_std, dgamma, dbeta = empty(3, 3, 3, 3, 3)
    y, dx = empty(x.shape, x.shape)
    run("moments", x, mean, variance)
    run("batch_norm", x, mean, variance, None, None, y, inv_std, 0.1)
    run("batch_norm_backward", x, mean, inv_std, None, None, np.ones(x.shape), dx, dgamma, dbeta, True)
    for found in (variance, dgamma, y, dx):
        np.testing.assert_array_equal(np.isnan(found).any(axis=0) if found.ndim > 1 else np.isnan(found),
                                      [False, True, False])
    assert not np.isnan(dbeta).any()
