"""Losses: one number for how wrong an answer is, and its gradient.

Their formulas stand in `backends/numpy/losses.py` and `backends/numpy/softmax.py`.

A loss is called with the truth first, then the prediction::

    loss = CategoricalCrossentropy()
    value = loss(y, p)               # a float
    dp = loss.gradient(y, p)         # of p's shape: what model.backward begins with
"""

from collections.abc import Callable
from types import ModuleType

import numpy as np

from tinynet.backends import get_backend
from tinynet.config import FLOAT_TYPES, floatx
from tinynet.errors import as_numbers, explain_keywords, look_up


class Loss:
    """Base of the losses.

    Predictions are p (N, ..., D). The loss of each row of D values, as the subclass defines it, is weighted and summed
    (`reduction="sum"`), and divided by the number of rows (`"mean"`).

    Attributes
    ----------
    labels : str
        What the truth y looks like: "sparse" (class numbers, p's shape without its last axis), "one-hot"
        (probabilities, p's shape) or "values" (p's shape).
    paired_activation : str or None
        The activation with which the loss is computed as one function of the logits, when a model ends in it.
    from_logits : bool
        Whether p are logits, and that activation is part of the loss.
    """

    labels = "values"
    least_axes = 1
    paired_activation: str | None = None
    from_logits = False

    def __init__(self, reduction: str = "mean"):
        if reduction not in ("mean", "sum"):
            raise ValueError(f"reduction of {type(self).__name__} is 'mean' or 'sum'. Received: {reduction!r}")
        self.reduction = reduction

    def __call__(self, y, p, sample_weight=None) -> float:
        """Return the loss of predictions p (N, ..., D) where the truth is y, as a float.

        Parameters
        ----------
        y : array
            The truth; see `labels` for its shape.
        p : array
            The predictions.
        sample_weight : array (N,), optional
            What each sample counts.

        Raises
        ------
        ValueError
            If shapes, types or labels do not fit; the message says what would.
        """
        return self._run(y, p, sample_weight)[0]

    def gradient(self, y, p, sample_weight=None) -> np.ndarray:
        """Return ∂loss/∂p, of p's shape; arguments and errors as for calling the loss."""
        return self._run(y, p, sample_weight)[1]

    def _run(self, y, p, sample_weight):
        ops = get_backend()
        p = np.asarray(p)
        if p.ndim < self.least_axes or not p.size:
            wanted = "(N, ..., C)" if self.least_axes == 2 else "(N, ...)"
            raise ValueError(f"{type(self).__name__} takes predictions of shape {wanted}, of at least one sample. "
                             f"Received: {p.shape}")
        p = p.astype(p.dtype if p.dtype in FLOAT_TYPES else floatx())
        truth = ops.asarray(self.check(y, p.shape, p.dtype), self.label_type(p.dtype))
        weight = ops.asarray(self.row_weights(p.shape, sample_weight), p.dtype)
        p = ops.asarray(p, p.dtype)
        dp = ops.empty(p.shape, p.dtype)
        value = self.value_and_gradient(ops, truth, p, weight, dp)
        return ops.to_numpy(value).item(), ops.to_numpy(dp)

    def value_and_gradient(self, ops: ModuleType, y, p, weight, dp):
        """Return the loss of checked arrays and fill dp; `weight` has an entry for each row of p.

        The loss is a float, or what takes its place where kernels do not run on the host: `ops.to_numpy` reads it.
        """
        if p.ndim != 2:
            columns = p.shape[-1] if p.ndim > 1 else 1
            p, dp = p.reshape(-1, columns), dp.reshape(-1, columns)
            y = y.reshape(-1) if self.labels == "sparse" else y.reshape(-1, columns)
        return self.compute(ops, y, p, weight, dp)

    def compute(self, ops: ModuleType, y, p, weight, dp) -> float:
        """Run the kernel on rows: p, dp (M, D), weight (M,), y (M, D) or, sparse, (M,)."""
        raise TypeError(f"{type(self).__name__} does not define compute")

    def label_type(self, dtype) -> np.dtype:
        """Return the type that kernels take labels in, for predictions of `dtype`."""
        return np.dtype(np.int32) if self.labels == "sparse" else np.dtype(dtype)

    def row_weights(self, shape: tuple[int, ...], sample_weight=None) -> np.ndarray:
        """Return what each row of predictions of `shape` counts: the sample's weight, over the rows for a mean."""
        rows = int(np.prod(shape[:-1])) if len(shape) > 1 else shape[0]
        share = 1.0 / rows if self.reduction == "mean" and rows else 1.0
        if sample_weight is None:
            return np.full(rows, share)
        weight = as_numbers("sample_weight", sample_weight)
        if weight.shape != shape[:1]:
            raise ValueError(f"sample_weight must have one entry a sample, ({shape[0]},). Received: {weight.shape}")
        return np.repeat(weight * share, rows // shape[0])

    def check(self, y, shape: tuple[int, ...], dtype) -> np.ndarray:
        """Return the truth y for predictions of `shape` in the type that kernels take, or raise a ValueError."""
        y = as_numbers(f"{type(self).__name__}: y", y)
        if y.shape != shape:
            raise ValueError(self._shape_error(y, shape))
        return np.asarray(y, dtype)

    def _shape_error(self, y: np.ndarray, shape: tuple[int, ...]) -> str:
        said = f"{type(self).__name__}: predictions of shape {shape} need labels of the same shape"
        if y.shape == shape[:-1] and shape[-1] == 1:
            said += "; y.reshape(-1, 1) has it (NumPy would compare every sample with every other)"
        elif y.shape == shape[:-1] and self.labels == "one-hot":
            said += ("; class numbers want the loss 'sparse_categorical_crossentropy', "
                     "or tinynet.data.one_hot(labels, classes)")
        return f"{said}. Received: {y.shape}"

    def on_logits(self) -> "Loss":
        """Return the same loss computed from what goes into its paired activation."""
        raise TypeError(f"{type(self).__name__} has no activation to be paired with")


class _Probability(Loss):
    """Base of the losses whose p are probabilities, or logits on the way to them."""

    labels = "one-hot"

    def __init__(self, from_logits: bool, label_smoothing: float, reduction: str):
        super().__init__(reduction)
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"label_smoothing of {type(self).__name__} must be at least 0 and below 1. "
                             f"Received: {label_smoothing!r}")
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing

    def check(self, y, shape, dtype):
        y = super().check(y, shape, dtype)
        if y.size and not (y.min() >= 0 and y.max() <= 1):
            raise ValueError(f"{type(self).__name__}: labels are probabilities between 0 and 1. "
                             f"Received: labels from {y.min()} to {y.max()}")
        return y

    def smooth(self, y, answers: int):
        """Return labels whose share `label_smoothing` is spread evenly over all answers; only the loss sees them."""
        share = self.label_smoothing
        return y * (1 - share) + share / answers if share else y

    def on_logits(self):
        return type(self)(from_logits=True, label_smoothing=self.label_smoothing, reduction=self.reduction)


class CategoricalCrossentropy(_Probability):
    """-Σ_c y[c] log p[c], y one-hot or any probabilities (N, C), p (N, C).

    With `from_logits` p are the logits z, and softmax and logarithm are taken together: -Σ_c y[c] (z[c] - log Σ_k exp
    z[k]), whose gradient is softmax(z) - y. In float32 exp(-150) is 0 and its logarithm is infinite; this way logits 0
    and 150 with the wrong label give the loss 150 and finite gradients. `Sequential.compile` sees to it by itself when
    a model ends in a softmax.

    Parameters
    ----------
    from_logits : bool
        Whether p are logits instead of probabilities.
    label_smoothing : float
        Share s of each label that is spread evenly: y becomes (1 - s) y + s / C (Szegedy et al. 2015).
    reduction : str
        "mean" over the samples, or "sum".
    """

    least_axes = 2
    paired_activation = "softmax"

    @explain_keywords
    def __init__(self, from_logits: bool = False, label_smoothing: float = 0.0, reduction: str = "mean"):
        super().__init__(from_logits, label_smoothing, reduction)

    def compute(self, ops, y, p, weight, dp):
        kernel = ops.softmax_crossentropy if self.from_logits else ops.categorical_crossentropy
        return kernel(self.smooth(y, p.shape[-1]), p, weight, dp)


class SparseCategoricalCrossentropy(Loss):
    """-log p[label]: :class:`CategoricalCrossentropy` for labels that are class numbers. y (N,) integers, p (N, C).

    Parameters
    ----------
    from_logits : bool
        Whether p are logits instead of probabilities.
    reduction : str
        "mean" over the samples, or "sum".
    """

    labels = "sparse"
    least_axes = 2
    paired_activation = "softmax"

    @explain_keywords
    def __init__(self, from_logits: bool = False, reduction: str = "mean"):
        super().__init__(reduction)
        self.from_logits = from_logits

    def check(self, y, shape, dtype):
        y = as_numbers(f"{type(self).__name__}: y", y)
        if y.shape == shape and shape[-1] > 1:
            raise ValueError(f"{type(self).__name__} takes class numbers of shape {shape[:-1]}; one-hot labels want "
                             f"the loss 'categorical_crossentropy'. Received: labels of shape {y.shape}")
        if y.shape != shape[:-1]:
            raise ValueError(f"{type(self).__name__}: predictions of shape {shape} need class numbers of shape "
                             f"{shape[:-1]}. Received: labels of shape {y.shape}")
        if y.dtype.kind not in "iu":
            raise ValueError(f"{type(self).__name__}: class numbers are integers; labels.astype(int) makes them so. "
                             f"Received: labels of type {y.dtype}")
        if y.size and not (y.min() >= 0 and y.max() < shape[-1]):
            raise ValueError(f"{type(self).__name__}: predictions of {shape[-1]} classes need labels from 0 to "
                             f"{shape[-1] - 1}. Received: labels from {y.min()} to {y.max()}")
        return np.asarray(y, np.int32)

    def compute(self, ops, y, p, weight, dp):
        kernel = ops.sparse_softmax_crossentropy if self.from_logits else ops.sparse_categorical_crossentropy
        return kernel(y, p, weight, dp)

    def on_logits(self):
        return SparseCategoricalCrossentropy(from_logits=True, reduction=self.reduction)


class BinaryCrossentropy(_Probability):
    """-y log p - (1 - y) log(1 - p), the mean over the last axis. y, p (N, D): D independent yes-or-no questions.

    With `from_logits` p are the logits z of a sigmoid, and the loss is softplus(z) - y z, its gradient sigmoid(z) - y.

    Parameters
    ----------
    from_logits : bool
        Whether p are logits instead of probabilities.
    label_smoothing : float
        Share s of each label that is moved to the middle: y becomes (1 - s) y + s / 2.
    reduction : str
        "mean" over the samples, or "sum".
    """

    paired_activation = "sigmoid"

    @explain_keywords
    def __init__(self, from_logits: bool = False, label_smoothing: float = 0.0, reduction: str = "mean"):
        super().__init__(from_logits, label_smoothing, reduction)

    def compute(self, ops, y, p, weight, dp):
        kernel = ops.logistic_crossentropy if self.from_logits else ops.binary_crossentropy
        return kernel(self.smooth(y, 2), p, weight, dp)


class MeanSquaredError(Loss):
    """(p - y)², the mean over the last axis. y, p (N, D).

    Parameters
    ----------
    reduction : str
        "mean" over the samples, or "sum".
    """

    @explain_keywords
    def __init__(self, reduction: str = "mean"):
        super().__init__(reduction)

    def compute(self, ops, y, p, weight, dp):
        return ops.mean_squared_error(y, p, weight, dp)


class MeanAbsoluteError(Loss):
    """|p - y|, the mean over the last axis. y, p (N, D).

    Parameters
    ----------
    reduction : str
        "mean" over the samples, or "sum".
    """

    @explain_keywords
    def __init__(self, reduction: str = "mean"):
        super().__init__(reduction)

    def compute(self, ops, y, p, weight, dp):
        return ops.mean_absolute_error(y, p, weight, dp)


class Huber(Loss):
    """Squared near the truth, absolute far from it (Huber 1964), the mean over the last axis. y, p (N, D).

    e²/2 where |e| <= delta, else delta (|e| - delta/2), with e = p - y.

    Parameters
    ----------
    delta : float
        Where the one turns into the other.
    reduction : str
        "mean" over the samples, or "sum".
    """

    @explain_keywords
    def __init__(self, delta: float = 1.0, reduction: str = "mean"):
        super().__init__(reduction)
        if not delta > 0:
            raise ValueError(f"delta of Huber must be above 0. Received: {delta!r}")
        self.delta = delta

    def compute(self, ops, y, p, weight, dp):
        return ops.huber(y, p, weight, dp, self.delta)


_KNOWN: dict[str, Callable[[], Loss]] = {
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "binary_crossentropy": BinaryCrossentropy,
    "mean_squared_error": MeanSquaredError,
    "mse": MeanSquaredError,
    "mean_absolute_error": MeanAbsoluteError,
    "mae": MeanAbsoluteError,
    "huber": Huber,
}


def get(loss: str | Loss) -> Loss:
    """Return a loss from its name or itself.

    Raises
    ------
    ValueError
        For an unknown name, with the known ones.
    TypeError
        For anything else.
    """
    if isinstance(loss, str):
        return look_up("loss", loss, _KNOWN)()
    if isinstance(loss, Loss):
        return loss
    raise TypeError(f"A loss is a name or an object of tinynet.losses, such as MeanSquaredError(). Received: {loss!r}")
