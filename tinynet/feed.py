"""The door: what users hand to `fit`, `evaluate` and `predict` is checked here and cut into batches.

Arrays are checked once. A Dataset may deliver other numbers in each pass, so every batch of it is checked.
"""

import itertools
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet import random
from tinynet.data import Dataset
from tinynet.errors import as_array, as_numbers
from tinynet.inputs import as_floats, as_samples, check_finite, check_inputs
from tinynet.shapes import as_count

if TYPE_CHECKING:
    from tinynet.trainer import Trainer

BATCH_SIZE = 32  # Keras' default


@dataclass
class Batch:
    """One batch as layers and losses take it: x (N, ...), y, and each sample's weight (N,), on the host, or None."""

    x: Any
    y: Any
    weight: np.ndarray | None


def accept_labels(trainer: "Trainer", y: np.ndarray, n: int) -> np.ndarray:
    """Return labels for n samples as the loss takes them, or raise a ValueError if they do not fit or are infinite."""
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite, and check_finite says so
        labels = trainer.check_labels(y, n)
    check_finite("y", labels)
    return labels


def delivered(ops, batches: Iterable[Batch]) -> Iterator[Batch]:
    """Yield batches of host arrays as such of the backend; the weights stay, as the loss adds its share to them."""
    weights: list = []

    def arrays():
        for batch in batches:
            weights.append(batch.weight)
            yield batch.x, batch.y

    for x, y in ops.deliver(arrays()):
        yield Batch(x, y, weights.pop(0))


def check_batch_size(batch_size: int | None) -> int:
    """Return the batch size, 32 where none is given, or raise a ValueError."""
    if batch_size is None:
        return BATCH_SIZE
    return as_count(batch_size, "batch_size")


class ArrayFeed:
    """Batches of arrays that lie in memory, in order or shuffled anew for each pass.

    Parameters
    ----------
    trainer : Trainer
        Whose model and loss say what fits.
    x, y : array
        Inputs, and truths; y None for inputs alone.
    sample_weight, class_weight
        As for :meth:`tinynet.Sequential.fit`.
    batch_size : int or None
        Samples in a batch.
    shuffle : bool
        Whether each pass has a new order.
    """

    is_endless = False

    def __init__(self, trainer: "Trainer", x, y, sample_weight=None, class_weight=None, batch_size=None, shuffle=False):
        self.model = trainer.model
        self.batch_size = check_batch_size(batch_size)
        if y is None:
            raise ValueError("Arrays need both x and y. Received: y=None")
        x, y = as_samples(x, y)
        self.x = check_inputs(self.model, x)
        if self.x.dtype != np.uint8:  # bytes become floats batch by batch, in a quarter of the memory
            self.x = as_floats(self.model, self.x)
            check_finite("x", self.x)
        self.y = accept_labels(trainer, y, len(x))
        self.weight = trainer.sample_weights(y, sample_weight, class_weight)
        self.steps = -(-len(x) // self.batch_size)
        ops = self.model.ops
        self._lies_there = ops.fits(self.x.nbytes + self.y.nbytes)
        if self._lies_there:
            self.x, self.y = (ops.asarray(whole, whole.dtype) for whole in (self.x, self.y))
        self._generator = random.spawn() if shuffle else None
        self._held: list | None = None

    def __iter__(self) -> Iterator[Batch]:
        return self._pass(0)

    def _pass(self, first: int) -> Iterator[Batch]:
        """Return the batches of one pass from number `first` on."""
        order = None if self._generator is None else self._generator.permutation(len(self.x))
        starts = range(first * self.batch_size, len(self.x), self.batch_size)
        parts = (slice(start, start + self.batch_size) for start in starts)
        if not self._lies_there:
            return delivered(self.model.ops, self._gathered_here(parts, order))
        if order is None and self.x.dtype == self.model.dtype:
            return (Batch(self.x[part], self.y[part], self._weight(part)) for part in parts)
        return self._gathered_there(parts, np.arange(len(self.x)) if order is None else order)

    def _gathered_here(self, parts, order) -> Iterator[Batch]:
        for part in parts:
            rows = part if order is None else order[part]
            yield Batch(as_floats(self.model, self.x[rows]), self.y[rows], self._weight(rows))

    def _gathered_there(self, parts, order) -> Iterator[Batch]:
        """Gather where the data lies, into the same two arrays for each batch."""
        ops = self.model.ops
        held = self._buffers()
        order_there = ops.asarray(order, np.int64)
        for part in parts:
            rows = order_there[part]
            x, y = held if len(rows) == self.batch_size else [whole[: len(rows)] for whole in held]
            ops.take(self.x, rows, x)
            ops.take(self.y, rows, y)
            yield Batch(x, y, self._weight(order[part]))

    def _weight(self, rows) -> np.ndarray | None:
        return None if self.weight is None else self.weight[rows]

    def stream(self, start: int = 0) -> Iterator[Batch]:
        """Return one iterator for a whole fit with steps_per_epoch, from batch `start` on: at its end it begins again.

        Batches that are passed over cost a permutation a pass.
        """
        passes, first = divmod(start, self.steps)
        if self._generator is not None:
            for _ in range(passes):
                self._generator.permutation(len(self.x))
        while True:
            yield from self._pass(first)
            first = 0

    def get_state(self) -> dict:
        """Return where the shuffling is, for :meth:`set_state` of a feed of as many samples."""
        state = None if self._generator is None else random.generator_state(self._generator)
        return {"samples": len(self.x), "shuffle": state}

    def set_state(self, state: dict) -> None:
        """Let the next pass be the one that would have followed :meth:`get_state`.

        Raises
        ------
        ValueError
            If the state is of another feed.
        """
        there = "a Dataset" if "samples" not in state else (
            f"{state['samples']} samples, {'not ' if state['shuffle'] is None else ''}shuffled")
        here = f"{len(self.x)} samples, {'not ' if self._generator is None else ''}shuffled"
        if there != here:
            raise ValueError(f"the data must be what it was, here arrays of {here}. Received: {there}")
        if self._generator is not None:
            random.set_generator_state(self._generator, state["shuffle"])

    def _buffers(self):
        if self._held is None:
            n = min(self.batch_size, len(self.x))
            self._held = [self.model.ops.empty((n, *whole.shape[1:]), dtype)
                          for whole, dtype in ((self.x, self.model.dtype), (self.y, self.y.dtype))]
        return self._held


class DatasetFeed:
    """Batches that a Dataset delivers as (x, y) or (x, y, sample weights); each is checked as it comes."""

    def __init__(self, trainer: "Trainer", dataset: Dataset, class_weight=None):
        self.trainer = trainer
        self.dataset = dataset
        self.class_weight = class_weight
        self.batch_size: int | None = None  # the largest so far: a dataset does not say
        self.is_endless = dataset.is_endless
        self.steps = None if dataset.is_endless else len(dataset)
        if self.steps == 0:
            raise ValueError("The dataset is empty. Received: a Dataset of 0 elements")

    def __iter__(self) -> Iterator[Batch]:
        return self._delivered(self.dataset)

    def _delivered(self, elements: Iterable) -> Iterator[Batch]:
        """Yield batches where the layers compute; the first element tells on which backend that is."""
        batches = self._checked(elements)
        for first in batches:
            yield from delivered(self.trainer.model.ops, itertools.chain([first], batches))

    def _checked(self, elements: Iterable) -> Iterator[Batch]:
        for element in elements:
            if not isinstance(element, tuple) or len(element) not in (2, 3):
                raise ValueError("A dataset for training holds pairs (x, y), or triples (x, y, sample weights). "
                                 f"Received: an element of type {type(element).__name__}")
            yield self._batch(*element)

    def stream(self, start: int = 0) -> Iterator[Batch]:
        """Return one iterator for a whole fit with steps_per_epoch, from batch `start` on.

        Only the dataset knows whether it repeats.
        """
        return self._delivered(self.dataset.iterate(start))

    def get_state(self) -> dict:
        """Return where the dataset's shuffles are, for :meth:`set_state` of a feed of the same dataset."""
        return {"shuffles": self.dataset.get_state()}

    def set_state(self, state: dict) -> None:
        """Let the next pass be the one that would have followed :meth:`get_state`.

        Raises
        ------
        ValueError
            If the state is of another feed.
        """
        if "shuffles" not in state:
            raise ValueError("the data must be what it was, here a Dataset. Received: arrays")
        self.dataset.set_state(state["shuffles"])

    def _batch(self, x, y, sample_weight=None) -> Batch:
        trainer = self.trainer
        x, y = as_array("x", x), as_numbers("y", y)
        # Before check_inputs, which builds the model for the first shape that it sees.
        if not x.ndim or not y.ndim or x.shape == trainer.model.input_shape:
            raise ValueError("The dataset must deliver batches; put .batch(32) at its end. "
                             f"Received: an element of shape {x.shape}")
        if len(x) != len(y):
            raise ValueError("x and y of a batch must hold equally many samples; if these are one sample, put "
                             f".batch(32) at the dataset's end. Received: x of shape {x.shape}, y of shape {y.shape}")
        self.batch_size = max(self.batch_size or 0, len(x))
        x = as_floats(trainer.model, check_inputs(trainer.model, x))
        check_finite("x", x)
        return Batch(x, accept_labels(trainer, y, len(x)), trainer.sample_weights(y, sample_weight, self.class_weight))


def make_feed(trainer: "Trainer", x, y, sample_weight, class_weight, batch_size, shuffle) -> ArrayFeed | DatasetFeed:
    """Return the feed for what a user gave: arrays, or a Dataset in place of x."""
    if not isinstance(x, Dataset):
        return ArrayFeed(trainer, x, y, sample_weight, class_weight, batch_size, shuffle)
    for argument, value in (("y", y), ("sample_weight", sample_weight), ("batch_size", batch_size)):
        if value is not None:
            raise ValueError(f"A Dataset brings its own {argument}; leave the argument out. Received: {argument} "
                             "beside a Dataset")
    return DatasetFeed(trainer, x, class_weight)


def in_steps(batches: Iterable, steps: int) -> Iterator:
    """Yield `steps` batches, and warn if there are fewer: what is computed from them is of less data than asked for."""
    done = 0
    for batch in itertools.islice(batches, steps):
        yield batch
        done += 1
    if done < steps:
        warnings.warn(f"The data ran out after {done} of {steps} batches. Call repeat() on the dataset, or ask for "
                      "fewer steps.", stacklevel=2)


def count_steps(feed: ArrayFeed | DatasetFeed, steps: int | None, argument: str) -> int:
    """Return how many batches a pass takes: `steps` where given, else as many as there are.

    Raises
    ------
    ValueError
        If the data has no end and `steps` is not given, or is not at least 1.
    """
    if steps is None:
        if feed.is_endless:
            raise ValueError(f"An endless dataset needs {argument}, such as {argument}=math.ceil(60000 / 32). "
                             f"Received: {argument}=None")
        return feed.steps
    return as_count(steps, argument)
