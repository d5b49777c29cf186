import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinynet import layers, losses, metrics, models
from tinynet.data import one_hot


def resolve(name, loss, output_shape=(3,)):
    return metrics.get(name, losses.get(loss), output_shape)


@pytest.mark.parametrize(("name", "loss", "output_shape", "kind"), [
    ("accuracy", "sparse_categorical_crossentropy", (3,), metrics.SparseCategoricalAccuracy),
    ("acc", "sparse_categorical_crossentropy", (3,), metrics.SparseCategoricalAccuracy),
    ("accuracy", "categorical_crossentropy", (3,), metrics.CategoricalAccuracy),
    ("accuracy", "binary_crossentropy", (3,), metrics.BinaryAccuracy),
    ("accuracy", "binary_crossentropy", (1,), metrics.BinaryAccuracy),
    ("accuracy", "mean_squared_error", (1,), metrics.BinaryAccuracy),
    ("accuracy", "mean_squared_error", (3,), metrics.CategoricalAccuracy),
    ("top_k_accuracy", "sparse_categorical_crossentropy", (9,), metrics.SparseTopKCategoricalAccuracy),
    ("top_k_accuracy", "categorical_crossentropy", (9,), metrics.TopKCategoricalAccuracy),
    ("mse", "huber", (1,), metrics.MeanSquaredError),
    ("mean_absolute_error", "huber", (1,), metrics.MeanAbsoluteError),
])
def test_a_name_means_what_loss_and_labels_make_of_it(name, loss, output_shape, kind):
    metric = resolve(name, loss, output_shape)
    assert type(metric) is kind
    assert metric.name == name  # Keras' key in History


@pytest.mark.parametrize(("kind", "name"), [
    (metrics.SparseCategoricalAccuracy, "sparse_categorical_accuracy"),
    (metrics.CategoricalAccuracy, "categorical_accuracy"), (metrics.BinaryAccuracy, "binary_accuracy"),
    (metrics.SparseTopKCategoricalAccuracy, "sparse_top_k_categorical_accuracy"),
    (metrics.TopKCategoricalAccuracy, "top_k_categorical_accuracy"),
    (metrics.MeanSquaredError, "mean_squared_error"), (metrics.MeanAbsoluteError, "mean_absolute_error"),
])
def test_objects_are_called_as_in_keras(kind, name):
    assert (kind().name, kind(name="mine").name) == (name, "mine")
    assert type(resolve(name, "mse")) is kind


def test_the_module_offers_metrics_and_no_losses():
    assert issubclass(metrics.MeanSquaredError, metrics.Metric)
    assert not any(isinstance(offered, type) and issubclass(offered, losses.Loss) for offered in vars(metrics).values())
    model = models.Sequential([layers.Dense(3, input_shape=(2,))])
    model.compile("sgd", "mae", metrics=[metrics.MeanSquaredError(), metrics.MeanAbsoluteError()])
    history = model.fit(np.zeros((4, 2)), np.full((4, 3), 2.0), verbose=0).history
    assert list(history) == ["loss", "mean_squared_error", "mean_absolute_error"]
    assert [values[0] for values in history.values()] == pytest.approx([2, 4, 2])


def test_top_k_means_the_top_five():
    metric = metrics.SparseTopKCategoricalAccuracy()
    metric.update_state([3, 4, 5], np.tile(np.arange(10.0, 0, -1), (3, 1)))  # places 4, 5 and 6
    assert metric.result() == pytest.approx(2 / 3)


def test_an_object_stays_itself():
    own = metrics.SparseTopKCategoricalAccuracy(k=2, name="top_2")
    assert resolve(own, "sparse_categorical_crossentropy") is own
    assert own.name == "top_2"


def in_two_parts(metric, y, p):
    half = len(p) // 3
    metric.update_state(y[:half], p[:half])
    metric.update_state(y[half:], p[half:])
    return metric.result()


SCORES = {"n": st.integers(3, 12), "classes": st.integers(1, 6), "seed": st.integers(0, 99)}


@given(k=st.integers(1, 7), **SCORES)
def test_top_k_by_sorting(backend, n, classes, k, seed):
    rng = np.random.default_rng(seed)
    p = rng.integers(0, 4, (n, classes)).astype(np.float32)  # with equal scores
    labels = rng.integers(0, classes, n)
    # A stable sort puts the smaller of two classes with equal scores first.
    best = np.argsort(-p, axis=1, kind="stable")[:, :k]
    expected = np.mean([label in row for label, row in zip(labels, best, strict=True)])
    sparse = metrics.SparseTopKCategoricalAccuracy(k)
    dense = metrics.TopKCategoricalAccuracy(k=k)
    assert in_two_parts(sparse, labels, p) == pytest.approx(expected)
    assert in_two_parts(dense, one_hot(labels, classes), p) == pytest.approx(expected)
    if k == 1:
        assert in_two_parts(metrics.SparseCategoricalAccuracy(), labels, p) == (p.argmax(1) == labels).mean()
        assert in_two_parts(metrics.CategoricalAccuracy(), one_hot(labels, classes), p) == pytest.approx(expected)


def test_binary_accuracy(backend, rng):
    y, p = rng.integers(0, 2, (20, 3)), rng.random((20, 3))
    assert in_two_parts(metrics.BinaryAccuracy(), y, p) == pytest.approx(((p > 0.5) == y).mean())
    assert in_two_parts(metrics.BinaryAccuracy(threshold=0.2), y, p) == pytest.approx(((p > 0.2) == y).mean())


def test_errors_as_metrics(backend, rng):
    y, p = rng.normal(size=(20, 3)), rng.normal(size=(20, 3))
    assert in_two_parts(metrics.MeanSquaredError(), y, p) == pytest.approx(((y - p) ** 2).mean())
    assert in_two_parts(metrics.MeanAbsoluteError(), y, p) == pytest.approx(np.abs(y - p).mean())


def test_more_axes(backend, rng):
    p, labels = rng.normal(size=(4, 5, 3)), rng.integers(0, 3, (4, 5))
    expected = (p.argmax(axis=-1) == labels).mean()
    assert in_two_parts(metrics.SparseCategoricalAccuracy(), labels, p) == pytest.approx(expected)
    assert in_two_parts(metrics.MeanSquaredError(), p * 0, p) == pytest.approx((p * p).mean())


@pytest.mark.parametrize("shapes", [[(20, 3), (10, 4)], [(20, 1), (10, 4, 3)], [(4, 9, 2), (4, 2)]])
def test_one_metric_for_predictions_of_several_shapes(backend, shapes, rng):
    for kind, error in ((metrics.MeanSquaredError, np.square), (metrics.MeanAbsoluteError, np.abs)):
        metric, rows = kind(), []
        for shape in shapes:
            y, p = rng.normal(size=shape), rng.normal(size=shape)
            metric.update_state(y, p)
            rows.append(error(y - p).mean(axis=-1).ravel())
        assert metric.result() == pytest.approx(np.concatenate(rows).mean())


def test_a_metric_begins_anew():
    metric = metrics.SparseCategoricalAccuracy()
    assert math.isnan(metric.result())
    metric.update_state([0, 1], [[1, 0], [1, 0]])
    assert metric.result() == 0.5
    metric.reset_state()
    assert math.isnan(metric.result())


def test_an_answer_with_nan_is_no_hit(backend):
    metric = metrics.SparseCategoricalAccuracy()
    metric.update_state([0, 1], np.float32([[np.nan, np.nan], [0, 1]]))
    assert metric.result() == 0.5


def test_a_metric_of_ones_own(rng):
    class Largest(metrics.Metric):
        name = "largest"
        needs_values = True

        def check(self, y, shape, dtype):
            return y

        def measure(self, ops, y, p):
            return float(p.max(axis=-1).sum())

    model = models.Sequential([layers.Dense(3, activation="softmax", input_shape=(2,))])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=[Largest()])
    x = rng.normal(size=(7, 2))
    loss, largest = model.evaluate(x, np.zeros(7, int), verbose=0, batch_size=3)
    assert largest == pytest.approx(model.predict(x).max(axis=1).mean(), rel=1e-6)


def test_what_fits_no_metric():
    with pytest.raises(ValueError, match=r"Metric 'categorical_accuracy': .* shape \(2, 3\).*Received: \(2,\)$"):
        metrics.CategoricalAccuracy().update_state([0, 1], np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"predictions of shape \(N, ..., D\). Received: \(3,\)$"):
        metrics.SparseCategoricalAccuracy().update_state([0, 1, 2], np.zeros(3))
    with pytest.raises(ValueError, match="labels from 0 to 2. Received: labels from 0 to 3$"):
        metrics.SparseCategoricalAccuracy().update_state([0, 3], np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"k of TopKCategoricalAccuracy.*Received: 0$"):
        metrics.TopKCategoricalAccuracy(k=0)
    with pytest.raises(ValueError, match="Unknown metric .*did you mean 'accuracy'.*Received: 'acuracy'$"):
        resolve("acuracy", "mse")
    with pytest.raises(TypeError, match="name or an object of tinynet.metrics. Received: <class"):
        resolve(metrics.BinaryAccuracy, "mse")


@pytest.mark.parametrize("metric", ["accuracy", "mae", "binary_accuracy", metrics.SparseCategoricalAccuracy()])
def test_predictions_without_a_last_axis_are_the_metrics_error(metric):
    class OneNumber(layers.Layer):
        def build(self, input_shape):
            super().build(input_shape)
            self.output_shape = ()
            return ()

        def forward(self, x, *, training=False):
            return x[:, 0]

    model = models.Sequential([OneNumber(input_shape=(2,))])
    model.compile("sgd", "mse", metrics=[metric])
    with pytest.raises(ValueError, match=r"Metric .* needs predictions of shape \(N, ..., D\). Received: \(5,\)$"):
        model.evaluate(np.zeros((5, 2)), np.zeros(5), verbose=0)


def test_labels_that_fit_the_loss_and_not_the_metric_are_the_metrics_error():
    model = models.Sequential([layers.Dense(3, activation="softmax", input_shape=(2,))])
    model.compile("sgd", "categorical_crossentropy", metrics=["sparse_categorical_accuracy"])
    with pytest.raises(ValueError, match="'sparse_categorical_accuracy'.*Received: "):
        model.fit(np.zeros((2, 2)), np.eye(3)[:2], verbose=0)


def test_two_metrics_of_one_name_are_an_error():
    """The names are the keys of History; one of the two would vanish."""
    model = models.Sequential([layers.Dense(3, activation="softmax", input_shape=(2,))])
    with pytest.raises(ValueError, match="'accuracy'.*Received: "):
        model.compile("sgd", "sparse_categorical_crossentropy",
                      metrics=["accuracy", metrics.SparseCategoricalAccuracy("accuracy")])


@given(**SCORES)
def test_confusion_matrix_by_counting(n, classes, seed):
    rng = np.random.default_rng(seed)
    labels, predictions = rng.integers(0, classes, n), rng.integers(0, classes, n)
    expected = [[np.sum((labels == i) & (predictions == j)) for j in range(classes)] for i in range(classes)]
    found = metrics.confusion_matrix(labels, predictions, num_classes=classes)
    assert found.dtype == np.int64
    assert found.tolist() == expected
    if classes > 1:
        scores = one_hot(predictions, classes)
        assert metrics.confusion_matrix(labels.tolist(), scores).tolist() == expected


def test_confusion_matrix_finds_the_number_of_classes():
    assert metrics.confusion_matrix([0, 2], [1, 0]).tolist() == [[0, 1, 0], [0, 0, 0], [1, 0, 0]]
    assert metrics.confusion_matrix([0], [[0.7, 0.2, 0.1]]).shape == (3, 3)


def test_confusion_matrix_of_a_sigmoids_answers():
    answers = np.array([[0.2], [0.9], [0.6], [0.5]])
    assert metrics.confusion_matrix([0, 1, 0, 1], answers).tolist() == [[1, 1], [1, 1]]
    assert metrics.confusion_matrix([0, 0], answers[:2] * 0).tolist() == [[2, 0], [0, 0]]


@pytest.mark.parametrize(("labels", "predictions", "classes"), [
    ([0, 1], [0], None), ([0.0, 1.0], [0, 1], None), ([[0, 1]], [[0, 1]], None), ([0, 3], [0, 1], 3), ([-1], [0], 2),
    ([0, 1], [0.2, 0.9], None),
])
def test_confusion_matrix_of_what_does_not_fit(labels, predictions, classes):
    with pytest.raises(ValueError, match="confusion_matrix.*needs .*Received: "):
        metrics.confusion_matrix(labels, predictions, classes)
