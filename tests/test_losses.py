import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet
from tinynet import Sequential, layers, losses
from tinynet.data import one_hot

LOSSES = {
    "sparse": losses.SparseCategoricalCrossentropy(),
    "sparse logits": losses.SparseCategoricalCrossentropy(from_logits=True),
    "categorical": losses.CategoricalCrossentropy(),
    "categorical logits": losses.CategoricalCrossentropy(from_logits=True),
    "categorical smoothed": losses.CategoricalCrossentropy(label_smoothing=0.1),
    "categorical logits smoothed": losses.CategoricalCrossentropy(True, 0.2),
    "binary": losses.BinaryCrossentropy(),
    "binary logits": losses.BinaryCrossentropy(from_logits=True),
    "binary smoothed": losses.BinaryCrossentropy(label_smoothing=0.1),
    "binary logits smoothed": losses.BinaryCrossentropy(True, 0.2),
    "squared": losses.MeanSquaredError(),
    "absolute": losses.MeanAbsoluteError(),
    "huber": losses.Huber(),
    "huber 0.3": losses.Huber(delta=0.3),
}


def softmax(z):
    e = np.exp(z - z.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def row_losses(loss, y, p):
    """Return each row's loss (N, ...) by the textbook's formula."""
    smoothing = getattr(loss, "label_smoothing", 0)
    if isinstance(loss, losses.SparseCategoricalCrossentropy | losses.CategoricalCrossentropy):
        rows = np.eye(p.shape[-1])[y] if loss.labels == "sparse" else y * (1 - smoothing) + smoothing / p.shape[-1]
        return -(rows * np.log(softmax(p) if loss.from_logits else p)).sum(-1)
    if isinstance(loss, losses.BinaryCrossentropy):
        y = y * (1 - smoothing) + smoothing / 2
        p = 1 / (1 + np.exp(-p)) if loss.from_logits else p
        return -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean(-1)
    error = np.abs(p - y)
    if isinstance(loss, losses.MeanSquaredError):
        return (error**2).mean(-1)
    if isinstance(loss, losses.MeanAbsoluteError):
        return error.mean(-1)
    return np.where(error < loss.delta, error**2 / 2, loss.delta * error - loss.delta**2 / 2).mean(-1)


def example(loss, shape, rng):
    """Return (y, p) that fit the loss, for predictions of `shape`."""
    if loss.paired_activation == "softmax":
        labels = rng.integers(0, shape[-1], shape[:-1])
        y = labels if loss.labels == "sparse" else np.eye(shape[-1])[labels]
        return y, rng.normal(0, 3, shape) if loss.from_logits else softmax(rng.normal(0, 1, shape))
    if loss.paired_activation == "sigmoid":
        return rng.integers(0, 2, shape).astype(float), \
            rng.normal(0, 3, shape) if loss.from_logits else rng.uniform(0.05, 0.95, shape)
    return rng.normal(0, 1, shape), rng.normal(0, 1, shape)


@pytest.mark.parametrize("name", LOSSES)
@given(rows=st.lists(st.integers(1, 5), min_size=1, max_size=3), columns=st.integers(1, 5), seed=st.integers(0, 99))
def test_value_and_gradient(backend, name, rows, columns, seed):
    loss, rng = LOSSES[name], np.random.default_rng(seed)
    # With one class p is 1, which is clipped.
    shape = (*rows, columns + 1 if loss.paired_activation == "softmax" else columns)
    y, p = example(loss, shape, rng)
    before = y.copy(), p.copy()
    assert loss(y, p) == pytest.approx(row_losses(loss, y, p).mean(), rel=1e-10, abs=1e-12)
    weight = rng.uniform(0, 2, shape[0])
    rows = np.broadcast_to(weight.reshape(-1, *[1] * (len(shape) - 2)), shape[:-1])
    assert loss(y, p, weight) == pytest.approx((row_losses(loss, y, p) * rows).mean(), rel=1e-10, abs=1e-12)
    gradient = loss.gradient(y, p, sample_weight=weight)
    assert gradient.shape == p.shape
    place = tuple(rng.integers(0, size) for size in shape)
    step = np.zeros(shape)
    step[place] = 1e-6
    slope = ((row_losses(loss, y, p + step) - row_losses(loss, y, p - step)) * rows).mean() / 2e-6
    assert gradient[place] == pytest.approx(slope, rel=1e-5, abs=1e-8)
    np.testing.assert_array_equal(y, before[0])
    np.testing.assert_array_equal(p, before[1])


@pytest.mark.parametrize("name", LOSSES)
def test_sum_instead_of_mean(backend, name, rng):
    loss = LOSSES[name]
    settings = {key: value for key, value in vars(loss).items() if key != "reduction"}
    summed = type(loss)(**settings, reduction="sum")
    y, p = example(loss, (6, 4), rng)
    weight = rng.uniform(0, 2, 6)
    assert summed(y, p) == pytest.approx(6 * loss(y, p))
    assert summed(y, p, weight) == pytest.approx(6 * loss(y, p, weight))
    np.testing.assert_allclose(summed.gradient(y, p, weight), 6 * loss.gradient(y, p, weight), rtol=1e-12)
    if summed.paired_activation:
        assert summed.on_logits().reduction == "sum"


def test_a_confident_wrong_answer_costs_its_logit_and_no_more(backend):
    """exp(-150) is 0 in float32; the loss by log-sum-exp is 150 all the same."""
    z = np.float32([[0, 150]])
    for loss, y in ((losses.SparseCategoricalCrossentropy(from_logits=True), [0]),
                    (losses.CategoricalCrossentropy(from_logits=True), [[1, 0]])):
        assert loss(y, z) == 150
        np.testing.assert_array_equal(loss.gradient(y, z), [[-1, 1]])
    binary = losses.BinaryCrossentropy(from_logits=True)
    assert binary([[0.0]], np.float32([[150]])) == 150
    assert binary([[1.0]], np.float32([[-150]])) == 150
    assert binary.gradient([[0.0]], np.float32([[150]])) == 1


def test_probabilities_of_0_and_1_are_clipped_as_in_keras(backend):
    p = np.float32([[1, 0]])
    assert losses.SparseCategoricalCrossentropy()([1], p) == pytest.approx(-math.log(1e-7), rel=1e-6)
    assert losses.BinaryCrossentropy()([[0.0, 0]], p) == pytest.approx(-math.log(1e-7) / 2, rel=0.02)
    for loss, y in ((losses.SparseCategoricalCrossentropy(), [1]), (losses.CategoricalCrossentropy(), [[0, 1]]),
                    (losses.BinaryCrossentropy(), [[0, 1]])):
        assert np.isfinite(loss.gradient(y, p)).all()


def test_float_types(rng):
    y, p = example(LOSSES["squared"], (3, 2), rng)
    assert losses.MeanSquaredError().gradient(y, p.astype(np.float32)).dtype == np.float32
    assert losses.MeanSquaredError().gradient(y, p).dtype == np.float64
    assert losses.MeanSquaredError().gradient([[1, 2]], [[3, 4]]).dtype == np.float32  # floatx
    tinynet.set_floatx("float64")
    assert losses.MeanSquaredError().gradient([[1, 2]], [[3, 4]]).dtype == np.float64
    assert isinstance(losses.MeanSquaredError()(y, p), float)


def test_integer_labels_of_any_width():
    p = softmax(np.eye(3, dtype=np.float32))
    for dtype in (np.uint8, np.int16, np.uint64, np.int64):
        loss = losses.SparseCategoricalCrossentropy()(np.arange(3, dtype=dtype), p)
        assert loss == pytest.approx(losses.CategoricalCrossentropy()(one_hot(np.arange(3), 3), p))


def test_vectors_of_numbers_are_one_number_a_sample(backend):
    y, p = np.array([1.0, 2.0, 3.0]), np.array([1.0, 4.0, 0.0])
    assert losses.MeanSquaredError()(y, p) == pytest.approx(13 / 3)
    np.testing.assert_allclose(losses.MeanSquaredError().gradient(y, p), [0, 4 / 3, -2])


@pytest.mark.parametrize("name", ["categorical", "categorical logits", "sparse", "sparse logits"])
def test_one_row_of_scores_without_the_batch_axis_is_an_error(name):
    """On numba the sparse one read memory that was not its own; numpy is enough to see that the door is shut."""
    y = 2 if "sparse" in name else np.array([0.0, 0, 1])
    with tinynet.use_backend("numpy"), pytest.raises(ValueError, match="Received: "):
        LOSSES[name](y, np.array([0.1, 0.2, 0.7]))


def test_a_single_number_is_an_error():
    with pytest.raises(ValueError, match="Received: "):
        losses.MeanSquaredError()(1.0, 0.5)


def test_no_samples_are_an_error():
    with pytest.raises(ValueError, match="Received: "):
        losses.MeanSquaredError()(np.zeros((0, 2)), np.zeros((0, 2)))


def test_names():
    assert isinstance(losses.get("mse"), losses.MeanSquaredError)
    assert isinstance(losses.get("mae"), losses.MeanAbsoluteError)
    for name in ("sparse_categorical_crossentropy", "categorical_crossentropy", "binary_crossentropy", "huber",
                 "mean_squared_error", "mean_absolute_error"):
        assert type(losses.get(name)).__name__.lower() == name.replace("_", "")
    own = losses.Huber()
    assert losses.get(own) is own


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda: losses.get("crossentropy"), ValueError, "Unknown loss.*known are .*Received: 'crossentropy'$"),
    (lambda: losses.get(losses.Huber), TypeError, "name or an object of tinynet.losses.*Received: <class"),
    (lambda: losses.Huber(delta=0), ValueError, "delta of Huber must be above 0. Received: 0$"),
    (lambda: losses.MeanSquaredError("average"), ValueError, "reduction of MeanSquaredError.*Received: 'average'$"),
    (lambda: losses.CategoricalCrossentropy(label_smoothing=1), ValueError, "label_smoothing of Cat.*Received: 1$"),
    (lambda: losses.BinaryCrossentropy(logits=True), TypeError, "did you mean 'from_logits'.*Received: logits=True$"),
])
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("loss", [losses.BinaryCrossentropy(label_smoothing=0.2),
                                  losses.CategoricalCrossentropy(label_smoothing=0.2)])
def test_metrics_see_labels_that_are_not_smoothed(backend, loss, rng):
    model = Sequential([layers.Dense(3, activation=loss.paired_activation, input_shape=(4,))])
    model.compile("sgd", loss, metrics=["mse"])
    x, y = rng.normal(size=(6, 4)), np.eye(3)[[0, 1, 2, 0, 1, 2]]
    p = model.predict(x)
    expected = [loss(y, p), ((p - y) ** 2).mean()]
    assert model.evaluate(x, y, verbose=0, batch_size=4) == pytest.approx(expected, rel=1e-5)
    history = model.fit(x, y, verbose=0).history
    assert [history["loss"][0], history["mse"][0]] == pytest.approx(expected, rel=1e-5)
