"""The training step: what `compile` makes of a model, a loss, an optimizer and metrics."""

import contextlib
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tinynet import losses, metrics, optimizers, regularizers
from tinynet.errors import as_numbers
from tinynet.feed import Batch
from tinynet.inputs import check_finite
from tinynet.layers import Layer
from tinynet.layers.base import with_sublayers
from tinynet.out_of_memory import Room
from tinynet.tally import Tally

_PLAIN = (bool, int, float, str, np.generic)
_IN_EACH_STEP = ("iterations", "layouts", "learning_rate", "loss_scale_factor")  # what an optimizer heeds by itself


class Trainer:
    """One model with what trains it. Users meet it through the methods of :class:`tinynet.Sequential`.

    Parameters
    ----------
    model : Sequential
        The model; it may be built later.
    optimizer : str or Optimizer
        See :mod:`tinynet.optimizers`.
    loss : str or Loss
        See :mod:`tinynet.losses`.
    metric_names : sequence of str or Metric
        See :mod:`tinynet.metrics`.
    """

    def __init__(self, model: Layer, optimizer, loss, metric_names: Sequence):
        if loss is None:
            raise ValueError("compile needs a loss, such as 'sparse_categorical_crossentropy'. Received: loss=None")
        if isinstance(metric_names, str) or not isinstance(metric_names, Sequence):
            raise TypeError(f"compile: metrics is a list, such as ['accuracy']. Received: {metric_names!r}")
        self.model = model
        self.optimizer = optimizers.get(optimizer)
        self.loss = losses.get(loss)
        self.metric_names = list(metric_names)
        self.first_rate = self.optimizer.learning_rate  # callbacks may change it
        self.position: Callable[[], dict | None] = lambda: None  # how far `fit` came
        # What is wrong with a metric is an error of compile, not of fit.
        names = [metrics.get(name, self.loss, (1,)).name for name in self.metric_names]
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f"Two metrics cannot share a name, as {twice!r}, which is their key in History. "
                             f"Received: {names}")
        if "loss" in names:
            raise ValueError(f"A metric cannot be named 'loss', the loss' own key in History. Received: {names}")
        self.metrics: list[metrics.Metric] = []
        self._prepared_for: tuple | None = None
        self.trained, self.tested = Tally(), Tally()
        self.is_repeating = False  # inside of `repeating`
        self._repeated: Callable | None = None
        self._settings: dict = {}
        self._changes = 0  # of the settings

    def step(self, batch: Batch) -> None:
        """Make one update from a checked batch, and add its loss and metrics to `trained`."""
        shape = (len(batch.x), *self.model.output_shape)
        if self.is_repeating and self._repeated is None:
            self._repeated = self.model.ops.repeat(
                self._update_and_add, lambda: (self.optimizer.layouts, self._changes), self._stranger())
        with Room(self.model, lambda: shape[0]):
            self._step(self._repeated or self._update_and_add, batch, shape)
        self.trained.count(shape)

    def step_alone(self, batch: Batch) -> list[float]:
        """Make one update from a checked batch of host arrays, and return its loss and metrics."""
        shape = (len(batch.x), *self.model.output_shape)
        with Room(self.model, lambda: shape[0], holds_batch=False):
            found = self._step(self._update, self._there(batch), shape)
        return self._scores(*found, shape)

    def _step(self, update, batch, shape):
        done = self.optimizer.iterations
        try:
            weight = self._row_weights(batch, shape)
            self.optimizer.begin_step(self.model)
            return update(batch.x, batch.y, weight)
        except BaseException:
            self.optimizer.iterations = done
            raise

    def _there(self, batch):
        """Return a batch of arrays of the model's backend."""
        ops, x, y = self.model.ops, batch.x, batch.y
        return Batch(ops.asarray(x, x.dtype), ops.asarray(y, y.dtype), batch.weight)

    def _scores(self, value, measured, shape):
        loss, *totals = [self.model.ops.to_numpy(number).item() for number in (value, *measured)]
        return [loss, *[metric.score(total, metric.counted(shape))
                        for metric, total in zip(self.metrics, totals, strict=True)]]

    @contextlib.contextmanager
    def repeating(self) -> Iterator[None]:
        """Let steps be recorded and replayed inside, where the backend does that.

        From step to step nothing may change but numbers in arrays.

        A fit in a callback of another one has a tally of its own.
        """
        outer = self.is_repeating, self._repeated, self.trained
        self.is_repeating, self._repeated, self.trained = True, None, Tally()
        if self._prepared_for is not None:
            self.trained.prepare(self.model.ops, self.metrics)
        try:
            yield
        finally:
            self.is_repeating, self._repeated, self.trained = outer

    def notice_settings(self) -> None:
        """See whether a callback has changed a setting, such as a layer's rate: then steps are recorded anew."""
        settings = {(i, name): value for i, part in enumerate(self._parts()) for name, value in vars(part).items()
                    if isinstance(value, _PLAIN) and not (part is self.optimizer and name in _IN_EACH_STEP)}
        if settings != self._settings:
            self._settings = settings
            self._changes += 1

    def _parts(self) -> list:
        """Return all objects that a step is made of."""
        return [*with_sublayers(self.model), self.loss, self.optimizer, *self.metrics,
                *[parameter.regularizer for parameter in self.model.parameters if parameter.regularizer is not None]]

    def _stranger(self) -> str | None:
        """Return a reason not to do steps by heart: a part that is not the library's, and may do anything in Python."""
        for part in self._parts():
            kind = type(part)
            if not kind.__module__.startswith("tinynet.") and not getattr(kind, "repeatable", False):
                return (f"{kind.__name__} is not the library's, and its Python may do something else in each step; "
                        "`repeatable = True` in the class says that it does not")
        return None

    def _update_and_add(self, x, y, weight) -> None:
        value, measured = self._update(x, y, weight)
        self.trained.add(value, measured, len(x))

    def _update(self, x, y, weight) -> tuple:
        """Do all of a step that happens where the kernels are: forward, loss, backward, penalties, optimizer.

        Return the loss and what the metrics measured, as the backend has numbers.
        """
        model = self.model
        if self._paired:
            p = model.logits(x, training=True, need_dx=False)
        else:
            p = model.propagate(x, training=True, need_dx=False)
        dp = model.buffer("dp", p.shape)
        value = self._loss.value_and_gradient(model.ops, y, p, weight, dp)
        self.optimizer.scale_loss(model, dp)
        if self._paired:
            model.logits_backward(dp, need_dx=False)
        else:
            model.backpropagate(dp, need_dx=False)
        self.optimizer.unscale(model)
        if self._has_penalty():
            regularizers.add_gradients(model.parameters, model.ops)
            value = value + regularizers.total_penalty(model.parameters, model.ops)
        self.optimizer.apply(model)
        return value, self._measured(y, p)

    def test(self, batch: Batch) -> None:
        """Add the loss and metrics of a checked batch to `tested`, without training."""
        with Room(self.model, lambda: len(batch.x)):
            value, measured, shape = self._test(batch)
            self.tested.add(value, measured, shape[0])
        self.tested.count(shape)

    def test_alone(self, batch: Batch) -> list[float]:
        """Return the loss and metrics of a checked batch of host arrays, without training."""
        with Room(self.model, lambda: len(batch.x), holds_batch=False):
            found = self._test(self._there(batch))
        return self._scores(*found)

    def _test(self, batch):
        model = self.model
        p = model.logits(batch.x) if self._paired else model.propagate(batch.x)
        dp = model.buffer("dp", p.shape)
        value = self._loss.value_and_gradient(model.ops, batch.y, p, self._row_weights(batch, p.shape), dp)
        if self._has_penalty():
            value = value + regularizers.total_penalty(model.parameters, model.ops)
        return value, self._measured(batch.y, p), p.shape

    def _has_penalty(self):
        return any(parameter.regularizer is not None for parameter in self.model.parameters)

    def _measured(self, y, p) -> list:
        if self._paired and self._metrics_need_values:
            head, z = self.model.activation, p
            p = self.model.buffer("p", z.shape)
            getattr(self.model.ops, head.rule.kernel)(z, p)
        return [metric.measure(self.model.ops, y, p) for metric in self.metrics]

    def _row_weights(self, batch: Batch, shape: tuple[int, ...]):
        if batch.weight is not None:
            return self.model.ops.asarray(self._loss.row_weights(shape, batch.weight), self.model.dtype)
        held = self._weights.get(shape[0])
        if held is None:
            held = self._weights[shape[0]] = self.model.ops.asarray(self._loss.row_weights(shape), self.model.dtype)
        return held

    def follow(self) -> None:
        """Go where the model is now, if it has trained before, and let go of what was held where it came from."""
        self.optimizer.follow(self.model)
        if self._prepared_for is not None:
            self.prepare()

    def prepare(self) -> None:
        """Pair the loss with the model's last activation and resolve the metrics, now that the model is built."""
        head = self.model.activation
        prepared_for = (head, self.model.output_shape, self.model.ops)
        if self._prepared_for == prepared_for:
            return
        self._prepared_for = prepared_for
        self._weights: dict[int, Any] = {}
        self._paired = head is not None and head.function == self.loss.paired_activation
        self._loss = self.loss
        if self._paired:
            if self.loss.from_logits:
                warnings.warn(f"The loss says from_logits=True, but the model ends in a {head.function}; the loss is "
                              "computed from what goes into it.", stacklevel=4)
            self._loss = self.loss.on_logits()
        self.metrics = [metrics.get(name, self.loss, self.model.output_shape) for name in self.metric_names]
        self._metrics_need_values = any(metric.needs_values for metric in self.metrics)
        for tally in (self.trained, self.tested):
            tally.prepare(self.model.ops, self.metrics)

    def check_labels(self, y: np.ndarray, n: int) -> np.ndarray:
        """Return labels for n samples as the loss takes them, or raise a ValueError that says what would fit."""
        self.prepare()
        shape = (n, *self.model.output_shape)
        checked = self._loss.check(y, shape, self.model.dtype)
        for metric in self.metrics:
            metric.check(y, shape, self.model.dtype)
        return np.ascontiguousarray(checked, self._loss.label_type(self.model.dtype))

    def sample_weights(self, y: np.ndarray, sample_weight, class_weight) -> np.ndarray | None:
        """Return each sample's weight (N,): its own times its class'; None where all are 1."""
        if sample_weight is None and class_weight is None:
            return None
        weight = np.ones(len(y)) if sample_weight is None else as_numbers("sample_weight", sample_weight)
        if weight.shape != (len(y),):
            raise ValueError(f"sample_weight must have one entry a sample, ({len(y)},). Received: {weight.shape}")
        check_finite("sample_weight", weight)
        if class_weight is None:
            return weight
        if not isinstance(class_weight, Mapping):
            raise ValueError(f"class_weight is a dictionary, from each class to its weight. Received: {class_weight!r}")
        labels = self._classes(y)
        classes = np.unique(labels).tolist()
        missing = [c for c in classes if c not in class_weight]
        if missing:
            raise ValueError("class_weight maps every class to its weight. "
                             f"Received: {class_weight!r}, without {missing}")
        table = as_numbers("class_weight", [class_weight[c] for c in classes])
        check_finite("class_weight", table)
        return weight * table[np.searchsorted(classes, labels)]

    def _classes(self, y: np.ndarray) -> np.ndarray:
        if self.loss.labels == "sparse" and y.ndim == 1:
            return y
        if self.loss.labels == "one-hot" and y.ndim == 2:
            return y[:, 0].round().astype(int) if y.shape[1] == 1 else y.argmax(axis=1)
        raise ValueError("class_weight needs samples that have one class each. "
                         f"Received: labels of shape {y.shape} for {type(self.loss).__name__}")
