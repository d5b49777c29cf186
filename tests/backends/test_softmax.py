import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

FLOATS = [np.float32, np.float64]
N, C = st.integers(1, 6), st.integers(1, 7)
SEEDS = st.integers(0, 999)


def softmax(row):
    e = [math.exp(v - max(row)) for v in row]
    return [v / math.fsum(e) for v in e]


def log_softmax(row):
    return [v - max(row) - math.log(math.fsum(math.exp(w - max(row)) for w in row)) for v in row]


def rows_of(f, z):
    return np.array([f(row) for row in z.tolist()])


def distributions(rng, n, c):
    y = rng.random((n, c)) + 0.01
    return y / y.sum(axis=1, keepdims=True)


@settings(max_examples=25)
@given(n=N, c=C, seed=SEEDS)
def test_softmax_and_its_derivative(run, n, c, seed):
    rng = np.random.default_rng(seed)
    z, dp = rng.normal(0, 3, (n, c)), rng.normal(size=(n, c))
    p, dz = np.empty_like(z), np.empty_like(z)
    run("softmax", z, p)
    wanted = rows_of(softmax, z)
    np.testing.assert_allclose(p, wanted, rtol=1e-13)
    run("softmax_backward", dp, z, p, dz)
    sums = [sum(dp[a, k] * wanted[a, k] for k in range(c)) for a in range(n)]
    slope = [[wanted[a, b] * (dp[a, b] - sums[a]) for b in range(c)] for a in range(n)]
    np.testing.assert_allclose(dz, slope, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("n", "c"), [(1, 1), (33, 10), (7, 32), (5, 33), (70, 45), (3, 1000), (9000, 3), (9000, 40),
                                      (270_000, 2)])
def test_few_rows_and_many_of_few_classes_and_many(run, rng, n, c):
    z, dp, weight = rng.normal(0, 3, (n, c)), rng.normal(size=(n, c)), rng.random(n)
    labels = rng.integers(0, c, n).astype(np.int32)
    y, p, dz, found = np.eye(c)[labels], *np.full((3, n, c), np.nan)
    e = np.exp(z)
    wanted = e / e.sum(axis=1, keepdims=True)
    run("softmax", z, p)
    np.testing.assert_allclose(p, wanted, rtol=1e-12)
    run("softmax_backward", dp, z, p, dz)
    np.testing.assert_allclose(dz, wanted * (dp - (wanted * dp).sum(axis=1, keepdims=True)), rtol=1e-10, atol=1e-13)
    own = wanted[np.arange(n), labels]
    loss = math.fsum(weight * -np.log(own))
    for kernel, truth in (("softmax_crossentropy", y), ("sparse_softmax_crossentropy", labels)):
        assert run(kernel, truth, z, weight, found) == pytest.approx(loss, rel=1e-12, abs=1e-14)
        np.testing.assert_allclose(found, weight[:, None] * (wanted - y), rtol=1e-10, atol=1e-13)
    clipped = np.clip(wanted, 1e-7, 1 - 1e-7)
    loss = math.fsum(weight * -np.log(clipped[np.arange(n), labels]))
    for kernel, truth in (("categorical_crossentropy", y), ("sparse_categorical_crossentropy", labels)):
        assert run(kernel, truth, wanted, weight, found) == pytest.approx(loss, rel=1e-12)
        np.testing.assert_allclose(found, weight[:, None] * -y / clipped * (clipped == wanted), rtol=1e-12)
    for k in (1, 2, 40):
        hits = ((wanted > own[:, None]).sum(axis=1) < k).sum()
        assert run("count_hits", labels, z, k) == run("count_one_hot_hits", y, z, k) == hits
    assert run("count_same_side", y.ravel(), p.ravel(), 0.3) == ((wanted > 0.3) == (y > 0.5)).sum()


def test_softmax_runs_along_the_last_axis_of_any_shape(run, rng):
    z = rng.normal(size=(2, 3, 4))
    p, dz, flat, flat_dz = np.empty_like(z), np.empty_like(z), np.empty((6, 4)), np.empty((6, 4))
    run("softmax", z, p)
    run("softmax", z.reshape(6, 4), flat)
    np.testing.assert_array_equal(p.reshape(6, 4), flat)
    run("softmax_backward", z, z, p, dz)
    run("softmax_backward", z.reshape(6, 4), z.reshape(6, 4), flat, flat_dz)
    np.testing.assert_array_equal(dz.reshape(6, 4), flat_dz)


def test_p_may_lie_over_z_and_dz_over_dp(run, rng):
    z, dp = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
    p, dz = np.empty_like(z), np.empty_like(z)
    run("softmax", z, p)
    run("softmax_backward", dp, z, p, dz)
    run("softmax", z, z)
    np.testing.assert_array_equal(z, p)
    run("softmax_backward", dp, z, p, dp)
    np.testing.assert_array_equal(dp, dz)


@settings(max_examples=25)
@given(n=N, c=C, seed=SEEDS)
def test_crossentropy_of_probabilities(run, n, c, seed):
    rng = np.random.default_rng(seed)
    y, p, weight = distributions(rng, n, c), distributions(rng, n, c + 1)[:, :c], rng.random(n)
    dp = np.empty_like(p)
    loss = run("categorical_crossentropy", y, p, weight, dp)
    terms = [weight[a] * y[a, b] * -math.log(p[a, b]) for a in range(n) for b in range(c)]
    assert loss == pytest.approx(math.fsum(terms), rel=1e-13)
    np.testing.assert_allclose(dp, [[-weight[a] * y[a, b] / p[a, b] for b in range(c)] for a in range(n)], rtol=1e-13)


@settings(max_examples=25)
@given(n=N, c=C, seed=SEEDS)
def test_crossentropy_of_logits(run, n, c, seed):
    """Rows of y that do not sum to 1 as well: the gradient is p Σ y - y."""
    rng = np.random.default_rng(seed)
    y, z, weight = rng.random((n, c)), rng.normal(0, 3, (n, c)), rng.random(n)
    dz = np.empty_like(z)
    loss = run("softmax_crossentropy", y, z, weight, dz)
    p, log_p = rows_of(softmax, z), rows_of(log_softmax, z)
    assert loss == pytest.approx(-math.fsum((weight[:, None] * y * log_p).ravel()), rel=1e-12, abs=1e-13)
    np.testing.assert_allclose(dz, weight[:, None] * (p * y.sum(axis=1, keepdims=True) - y), rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("pair", [("sparse_categorical_crossentropy", "categorical_crossentropy"),
                                  ("sparse_softmax_crossentropy", "softmax_crossentropy")])
@settings(max_examples=25)
@given(n=N, c=C, seed=SEEDS)
def test_labels_are_one_hot_rows(run, pair, n, c, seed):
    rng = np.random.default_rng(seed)
    labels, weight = rng.integers(0, c, n).astype(np.int32), rng.random(n)
    p = distributions(rng, n, c + 1)[:, :c].copy()
    found, wanted = np.full((2, n, c), np.nan)
    loss = run(pair[0], labels, p, weight, found)
    assert loss == pytest.approx(run(pair[1], np.eye(c)[labels], p, weight, wanted), rel=1e-13, abs=1e-14)
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kernel", ["categorical_crossentropy", "softmax_crossentropy",
                                    "sparse_categorical_crossentropy", "sparse_softmax_crossentropy"])
def test_float32_against_float64(run, rng, kernel):
    n, c = 64, 10
    y = rng.integers(0, c, n).astype(np.int32) if "sparse" in kernel else distributions(rng, n, c)
    p, weight = distributions(rng, n, c), np.full(n, 1 / n)
    p = np.log(p) * 2 if "softmax" in kernel else p
    wanted, found = np.empty((n, c)), np.empty((n, c), np.float32)
    loss = run(kernel, y, p.astype(np.float32).astype(float), weight, wanted)
    y = y if "sparse" in kernel else y.astype(np.float32)
    assert run(kernel, y, p.astype(np.float32), weight.astype(np.float32), found) == pytest.approx(loss, rel=1e-5)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6 * np.abs(wanted).max())


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("far", [150.0, 1e4, 1e30])
def test_logits_far_apart(run, far, dtype):
    """exp(-150) is 0 in float32, and exp(150) infinite: neither is ever taken."""
    z = np.array([[0, far], [0, -far], [far, far], [-far, -far]], dtype)
    p, dz = np.empty_like(z), np.empty_like(z)
    run("softmax", z, p)
    np.testing.assert_allclose(p, [[0, 1], [1, 0], [0.5, 0.5], [0.5, 0.5]], atol=1e-60)
    labels, one_hot, weight = np.zeros(4, np.int32), np.repeat([[1, 0]], 4, axis=0).astype(dtype), np.ones(4, dtype)
    wanted = [[-1, 1], [0, 0], [-0.5, 0.5], [-0.5, 0.5]]
    for kernel, y in (("sparse_softmax_crossentropy", labels), ("softmax_crossentropy", one_hot)):
        assert run(kernel, y, z, weight, dz) == pytest.approx(far + 2 * math.log(2), rel=1e-6)
        np.testing.assert_allclose(dz, wanted, atol=1e-60)
    assert run("sparse_softmax_crossentropy", labels[:1], z[:1], weight[:1], dz[:1]) == dtype(far)


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_class_ruled_out_by_minus_infinity(run, dtype):
    z, weight = np.array([[0, -np.inf, 0]], dtype), np.ones(1, dtype)
    p, dz = np.empty_like(z), np.empty_like(z)
    run("softmax", z, p)
    assert p.tolist() == [[0.5, 0, 0.5]]
    for kernel, y in (("sparse_softmax_crossentropy", np.int32([2])), ("softmax_crossentropy", dtype([[0, 0, 1]]))):
        assert run(kernel, y, z, weight, dz) == pytest.approx(math.log(2))
        np.testing.assert_allclose(dz, [[0.5, 0, -0.5]])


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("sparse", [False, True])
def test_probabilities_are_clipped_before_the_logarithm(run, sparse, dtype):
    p, dp, weight = np.array([[1, 0], [0, 1]], dtype), np.full((2, 2), np.nan, dtype), np.ones(2, dtype)
    y = np.int32([1, 1]) if sparse else dtype([[0, 1], [0, 1]])
    loss = run(f"{'sparse_' * sparse}categorical_crossentropy", y, p, weight, dp)
    assert loss == pytest.approx(-math.log(1e-7), rel=1e-5)
    assert not dp.any(), "what was clipped has no slope"


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("kernel", ["categorical_crossentropy", "softmax_crossentropy",
                                    "sparse_categorical_crossentropy", "sparse_softmax_crossentropy"])
def test_not_a_number_goes_through(run, kernel, dtype):
    p, dp = np.array([[np.nan] * 3, [0.2, 0.3, 0.5]], dtype), np.zeros((2, 3), dtype)
    y = np.int32([1, 2]) if "sparse" in kernel else np.eye(3, dtype=dtype)[[1, 2]]
    assert math.isnan(run(kernel, y, p, np.ones(2, dtype), dp))
    assert np.isnan(dp[0, 1])
    assert np.isfinite(dp[1]).all()


@pytest.mark.parametrize("kernel", ["softmax_crossentropy", "sparse_softmax_crossentropy"])
@pytest.mark.parametrize("column", [0, 1, 2])
def test_one_logit_that_is_not_a_number_spoils_its_row(run, kernel, column):
    z, dz, p = np.zeros((1, 3)), np.zeros((1, 3)), np.zeros((1, 3))
    z[0, column] = np.nan
    y = np.int32([1]) if "sparse" in kernel else np.eye(3)[[1]]
    assert math.isnan(run(kernel, y, z, np.ones(1), dz))
    run("softmax", z, p)
    assert np.isnan(dz).all()
    assert np.isnan(p).all()


@settings(max_examples=50)
@given(n=N, c=C, k=st.integers(1, 8), seed=SEEDS)
def test_hits_are_those_of_a_sort(run, n, c, k, seed):
    """Few different scores, so that many are equal: of those the smaller class comes first, as for argmax."""
    rng = np.random.default_rng(seed)
    p, labels = rng.integers(-2, 3, (n, c)) / 2, rng.integers(0, c, n).astype(np.int32)
    p[rng.random((n, c)) < 0.1] = -np.inf
    order = np.argsort(-p, axis=1, kind="stable")[:, :k]
    assert run("count_hits", labels, p, k) == sum(label in row for label, row in zip(labels, order, strict=True))
    assert run("count_hits", labels, p, 1) == (p.argmax(axis=1) == labels).sum()


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_row_with_a_number_that_is_none_hits_nothing(run, dtype):
    p = np.array([[1, np.nan, 0], [np.nan, 0, 1], [0, 1, np.nan], [3, 1, 2]], dtype)
    for k in (1, 2, 3, 9):
        assert run("count_hits", np.int32([0, 2, 1, 0]), p, k) == 1


def test_hits_are_a_whole_number(run):
    hits = run("count_hits", np.int32([0]), np.ones((1, 2), np.float32), 1)
    assert isinstance(hits, int | np.integer)


@settings(max_examples=50)
@given(n=N, c=C, k=st.integers(1, 8), seed=SEEDS)
def test_one_hot_labels_are_those_of_their_largest_entry(run, n, c, k, seed):
    """Of equal entries the first, as for argmax: labels that are probabilities may have several."""
    rng = np.random.default_rng(seed)
    y, p = rng.integers(0, 3, (n, c)) / 2, rng.normal(size=(n, c))
    hits = 0
    for a in range(n):
        label = max(range(c), key=lambda b: (y[a, b], -b))
        hits += sum(p[a, b] > p[a, label] for b in range(c)) < k
    assert run("count_one_hot_hits", y, p, k) == hits


@settings(max_examples=25)
@given(answers=st.lists(st.tuples(st.sampled_from([0.0, 0.4, 0.5, 0.6, 1.0]), st.sampled_from([0.0, 0.3, 0.7, 1.0])),
                        min_size=1, max_size=20), threshold=st.sampled_from([0.3, 0.5, 0.7]))
def test_answers_on_the_same_side(run, answers, threshold):
    y, p = np.array(answers).T.copy()
    wanted = 0
    for truth, answer in answers:
        if truth > 0.5 and answer > threshold or truth <= 0.5 and answer <= threshold:
            wanted += 1
    assert run("count_same_side", y, p, threshold) == wanted


def test_an_answer_that_is_no_number_is_not_above_the_threshold(run):
    assert run("count_same_side", np.array([0.0, 1.0]), np.full(2, np.nan), 0.5) == 1


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7])
def test_an_answer_at_the_threshold_itself_is_a_no(run, dtype, threshold):
    """At the threshold in the float type of the answers: in float32 0.3 is a little more than in float64."""
    p = np.array([threshold, 1.0], dtype)
    assert run("count_same_side", np.ones_like(p), p, threshold) == 1
