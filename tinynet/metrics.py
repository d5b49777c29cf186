"""Metrics: what people read beside the loss. They are averaged over the samples of an epoch.

Given by name in `compile(metrics=["accuracy"])`, or used alone::

    accuracy = SparseCategoricalAccuracy()
    accuracy.update_state(labels, model.predict(images))
    accuracy.result()
"""

import math
from collections.abc import Sequence

import numpy as np

from tinynet import losses
from tinynet.backends import get_backend
from tinynet.config import FLOAT_TYPES
from tinynet.errors import explain_keywords, look_up


class Metric:
    """Base of the metrics: a sum over samples, and how many there were.

    One of your own defines :meth:`measure`, and :meth:`score` if it is no mean. `fit` and `evaluate` keep sums of their
    own, where the kernels run: `total` and `count` are those of :meth:`update_state`.

    Attributes
    ----------
    total : float
        The sum so far.
    count : int
        Over how many.
    name : str
        Its key in `History.history` and in what `fit` prints.
    needs_values : bool
        Whether it looks at p's values; otherwise only at their order, which logits share with probabilities.
    """

    name = "metric"
    needs_values = False

    def __init__(self, name: str | None = None):
        self.name = name or self.name
        self.reset_state()

    def reset_state(self) -> None:
        """Begin anew."""
        self.total = 0.0
        self.count = 0

    def update_state(self, y, p) -> None:
        """Take in predictions p (N, ..., D) whose truth is y.

        Raises
        ------
        ValueError
            If the shapes do not fit.
        """
        p = np.asarray(p)
        dtype = p.dtype if p.dtype in FLOAT_TYPES else np.dtype(np.float64)
        ops = get_backend()
        truth = ops.asarray(self.check(y, p.shape, dtype), self.label_type(dtype))
        self.total += ops.to_numpy(self.measure(ops, truth, ops.asarray(p, dtype))).item()
        self.count += self.counted(p.shape)

    def check(self, y, shape: tuple[int, ...], dtype) -> np.ndarray:
        """Return the truth y for predictions of `shape` as :meth:`measure` takes it, or raise a ValueError."""
        self.check_axes(shape)
        y = np.asarray(y)
        if y.shape != shape:
            raise ValueError(f"Metric {self.name!r}: predictions of shape {shape} need labels of the same shape. "
                             f"Received: {y.shape}")
        return np.ascontiguousarray(y, dtype)

    def check_axes(self, shape: tuple[int, ...]) -> None:
        """Raise a ValueError unless predictions of `shape` have a last axis beside that of the batch."""
        if len(shape) < 2:
            raise ValueError(f"Metric {self.name!r} needs predictions of shape (N, ..., D). Received: {shape}")

    def measure(self, ops, y, p):
        """Return what checked arrays of the backend `ops` add to the sum: a float, or what the backend has for one."""
        raise TypeError(f"{type(self).__name__} does not define measure")

    def counted(self, shape: tuple[int, ...]) -> int:
        """Return over how many the mean is, for predictions of `shape` (N, ..., D): their rows, by default."""
        return math.prod(shape[:-1])

    def label_type(self, dtype) -> np.dtype:
        """Return the type that :meth:`measure` takes the truth in, for predictions of `dtype`."""
        return np.dtype(dtype)

    def result(self) -> float:
        """Return the mean over all samples taken in; NaN before the first."""
        return self.score(self.total, self.count)

    def score(self, total: float, count: int) -> float:
        """Return what is told of a sum over so many samples: the mean, by default."""
        return total / count if count else float("nan")


class SparseTopKCategoricalAccuracy(Metric):
    """Share of the samples whose label is among the k highest scores. y (N,) class numbers, p (N, C).

    Of equal scores that of the smaller class counts as higher, as for argmax.
    """

    name = "sparse_top_k_categorical_accuracy"

    @explain_keywords
    def __init__(self, k: int = 5, name: str | None = None):
        if k < 1:
            raise ValueError(f"k of {type(self).__name__} must be at least 1. Received: {k!r}")
        super().__init__(name)
        self.k = k

    def check(self, y, shape, dtype):
        self.check_axes(shape)
        try:
            return losses.SparseCategoricalCrossentropy().check(y, shape, dtype)
        except ValueError as error:
            raise ValueError(f"Metric {self.name!r}, as {error}") from None

    def measure(self, ops, y, p):
        return ops.count_hits(y.reshape(-1), p.reshape(-1, p.shape[-1]), self.k)

    def label_type(self, dtype):
        return np.dtype(np.int32)


class TopKCategoricalAccuracy(SparseTopKCategoricalAccuracy):
    """The same for one-hot labels. y, p (N, C)."""

    name = "top_k_categorical_accuracy"

    def check(self, y, shape, dtype):
        return Metric.check(self, y, shape, dtype)

    def measure(self, ops, y, p):
        classes = p.shape[-1]
        return ops.count_one_hot_hits(y.reshape(-1, classes), p.reshape(-1, classes), self.k)

    def label_type(self, dtype):
        return np.dtype(dtype)


class SparseCategoricalAccuracy(SparseTopKCategoricalAccuracy):
    """Share of the samples whose label has the highest score. y (N,) class numbers, p (N, C)."""

    name = "sparse_categorical_accuracy"

    @explain_keywords
    def __init__(self, name: str | None = None):
        super().__init__(1, name)


class CategoricalAccuracy(TopKCategoricalAccuracy):
    """The same for one-hot labels. y, p (N, C)."""

    name = "categorical_accuracy"

    @explain_keywords
    def __init__(self, name: str | None = None):
        super().__init__(1, name)


class BinaryAccuracy(Metric):
    """Share of the answers on the right side of `threshold`. y, p (N, D), y 0 or 1."""

    name = "binary_accuracy"
    needs_values = True

    @explain_keywords
    def __init__(self, threshold: float = 0.5, name: str | None = None):
        super().__init__(name)
        self.threshold = threshold

    def measure(self, ops, y, p):
        return ops.count_same_side(y.reshape(-1), p.reshape(-1), self.threshold)

    def counted(self, shape):
        return math.prod(shape)


class _LossMetric(Metric):
    """A loss read as a metric: its mean over the samples."""

    needs_values = True
    loss: losses.Loss

    @explain_keywords
    def __init__(self, name: str | None = None):
        super().__init__(name)
        self._held = None

    def measure(self, ops, y, p):
        rows = p.size // p.shape[-1]
        held = self._held and self._held[1]
        if not ops.is_array(held) or len(held) < len(p) or (held.shape[1:], held.dtype) != (p.shape[1:], p.dtype):
            self._held = ops.zeros((rows,), p.dtype) + 1, ops.empty(p.shape, p.dtype)
        ones, dp = self._held
        return self.loss.value_and_gradient(ops, y, p, ones[:rows], dp[: len(p)])


class MeanSquaredError(_LossMetric):
    """Mean of (p - y)². y, p (N, D)."""

    name = "mean_squared_error"
    loss = losses.MeanSquaredError()


class MeanAbsoluteError(_LossMetric):
    """Mean of |p - y|. y, p (N, D)."""

    name = "mean_absolute_error"
    loss = losses.MeanAbsoluteError()


_KNOWN = {
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
    "mean_absolute_error": MeanAbsoluteError,
    "mae": MeanAbsoluteError,
    "sparse_categorical_accuracy": SparseCategoricalAccuracy,
    "categorical_accuracy": CategoricalAccuracy,
    "binary_accuracy": BinaryAccuracy,
    "sparse_top_k_categorical_accuracy": SparseTopKCategoricalAccuracy,
    "top_k_categorical_accuracy": TopKCategoricalAccuracy,
}
# Names that mean what loss and labels make of them.
_RESOLVED = {
    "accuracy": {"sparse": SparseCategoricalAccuracy, "one-hot": CategoricalAccuracy},
    "acc": {"sparse": SparseCategoricalAccuracy, "one-hot": CategoricalAccuracy},
    "top_k_accuracy": {"sparse": SparseTopKCategoricalAccuracy, "one-hot": TopKCategoricalAccuracy},
}


def get(metric: str | Metric, loss: losses.Loss, output_shape: Sequence[int]) -> Metric:
    """Return a metric from its name, as fits the loss and the model's output, or itself.

    "accuracy" is of class numbers with a sparse loss, of one-hot rows with a categorical one, and of yes-or-no answers
    with binary cross-entropy or where there is one output.

    Raises
    ------
    ValueError
        For an unknown name, with the known ones.
    TypeError
        For anything else.
    """
    if isinstance(metric, Metric):
        if type(metric).result is not Metric.result or hasattr(metric, "add"):
            raise TypeError("A metric of one's own defines measure(ops, y, p), and score(total, count) if it is no "
                            f"mean; fit calls neither add nor result. Received: {metric!r}")
        return metric
    if not isinstance(metric, str):
        raise TypeError(f"A metric is a name or an object of tinynet.metrics. Received: {metric!r}")
    found = look_up("metric", metric, _KNOWN | _RESOLVED)
    if not isinstance(found, dict):
        chosen = found()
    elif metric != "top_k_accuracy" and (loss.paired_activation == "sigmoid" or tuple(output_shape[-1:]) == (1,)):
        chosen = BinaryAccuracy()
    else:
        chosen = found["sparse" if loss.labels == "sparse" else "one-hot"]()
    chosen.name = metric  # as the user wrote it: the key in History, as in Keras
    return chosen


def confusion_matrix(labels, predictions, num_classes: int | None = None) -> np.ndarray:
    """Count how often each class was taken for each other.

    Parameters
    ----------
    labels : array (N,)
        True classes.
    predictions : array (N,), (N, C) or (N, 1)
        Predicted classes, or their scores, or the probability of class 1 of two, which is predicted above 0.5.
    num_classes : int, optional
        The size of the result; by default C, or 2 for (N, 1), or the largest class seen plus one for (N,).

    Returns
    -------
    array (C, C) of int64
        Entry [i, j] counts the samples of class i that were taken for class j.

    Raises
    ------
    ValueError
        If the lengths differ, or a class lies outside.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if predictions.ndim == 2:
        columns = predictions.shape[1]
        num_classes = num_classes or max(columns, 2)
        predictions = predictions.argmax(axis=1) if columns > 1 else (predictions[:, 0] > 0.5).astype(int)
    kinds = labels.dtype.kind + predictions.dtype.kind
    if labels.ndim != 1 or labels.shape != predictions.shape or kinds.strip("iu"):
        raise ValueError("confusion_matrix needs labels (N,) of integers and predictions (N,) or (N, C). "
                         f"Received: {labels.shape} of {labels.dtype} and {predictions.shape}")
    if num_classes is None:
        num_classes = int(max(labels.max(initial=-1), predictions.max(initial=-1))) + 1
    both = np.stack([labels, predictions])
    if both.size and not (both.min() >= 0 and both.max() < num_classes):
        raise ValueError(f"confusion_matrix of {num_classes} classes needs classes from 0 to {num_classes - 1}. "
                         f"Received: classes from {both.min()} to {both.max()}")
    matrix = np.zeros((num_classes, num_classes), np.int64)
    np.add.at(matrix, (labels, predictions), 1)
    return matrix


__all__ = [
    "BinaryAccuracy",
    "CategoricalAccuracy",
    "MeanAbsoluteError",
    "MeanSquaredError",
    "Metric",
    "SparseCategoricalAccuracy",
    "SparseTopKCategoricalAccuracy",
    "TopKCategoricalAccuracy",
    "confusion_matrix",
    "get",
]
