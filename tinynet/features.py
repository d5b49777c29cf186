"""What a frozen front makes of all data, computed once: transfer learning then trains on that."""

from collections.abc import Iterator

import numpy as np

from tinynet.callbacks import CallbackList, progress
from tinynet.data import Dataset
from tinynet.errors import as_array, explain_keywords
from tinynet.feed import check_batch_size, in_steps
from tinynet.inputs import accept, as_samples, check_finite
from tinynet.layers import Layer
from tinynet.layers.chain import Row
from tinynet.shapes import as_count


@explain_keywords
def precompute_features(front: Layer, x, y=None, batch_size: int | None = None, verbose=0,
                        steps: int | None = None) -> tuple[np.ndarray, np.ndarray | None]:
    """Run a front over all data a single time, in inference mode; return (features, labels), ready for `fit`.

    The front of a network that is not trained gives the same features for an image in every epoch. So each image goes
    through it once, here, and only what stands behind it is trained, on the features::

        features, labels = precompute_features(front, photos)
        head.fit(features, labels, epochs=12)
        model = Sequential([front, head])    # takes photos

    It pays where each epoch would see the same images: of random changes of the data (augmentation in `map`) the
    features keep the ones drawn in this pass. A dataset's shuffling is kept in order with its labels.

    Parameters
    ----------
    front : Layer or Sequential
        What to run; built for the data if it is not. Its parameters and moving statistics stay as they are.
    x : array (N, *input_shape) or Dataset
        Inputs; or a Dataset of batches, of x alone or pairs (x, y).
    y : array (N, ...), optional
        Labels of arrays.
    batch_size : int, optional
        Samples computed at once, 32 by default; a Dataset brings its own.
    verbose : 0, 1, 2 or "auto"
        As for :meth:`tinynet.Sequential.predict`; silent by default.
    steps : int, optional
        Number of batches of a Dataset; an endless one needs it.

    Returns
    -------
    features : array (N, *output_shape)
        In the front's float type.
    labels : array (N, ...) or None
        In the order of the features; None where there are none.

    Raises
    ------
    TypeError
        If `front` is no layer.
    ValueError
        If the data is endless and `steps` not given, is empty, has another shape, or NaN in it.
    """
    if not isinstance(front, Layer):
        raise TypeError("precompute_features takes the front, a layer or model, and then the data. "
                        f"Received: {type(front).__name__}")
    batches, steps = _from_dataset(x, y, batch_size, steps) if isinstance(x, Dataset) else \
        _from_arrays(x, y, batch_size, steps)
    events = CallbackList(progress.choose_for_evaluation(verbose), front, {"epochs": 1, "steps": steps})
    events.call("on_test_begin", {})
    features, labels = _Rows(), _Rows()
    for inputs, truth in batches:
        inputs = accept(front, inputs)
        check_finite("x", inputs)
        outputs = front.propagate(inputs) if isinstance(front, Row) else front.forward(inputs)
        features.append(front.ops.to_numpy(outputs))
        if truth is not None:
            labels.append(truth)
        if labels.count not in (0, features.count):
            raise ValueError("x and y must hold equally many samples. "
                             f"Received: {features.count} inputs and {labels.count} labels")
    if not features.count:
        raise ValueError("precompute_features needs at least one input. Received: none")
    events.call("on_test_end", {})
    return features.array(), labels.array()


class _Rows:
    """Rows put one behind another in one array, which doubles when it is full."""

    def __init__(self):
        self.count = 0
        self._held: np.ndarray | None = None

    def append(self, rows: np.ndarray) -> None:
        end = self.count + len(rows)
        if self._held is None:
            self._held = np.empty_like(rows)
        if (rows.shape[1:], rows.dtype) != (self._held.shape[1:], self._held.dtype):
            raise ValueError("All batches must hold labels of one shape and type. Received: "
                             f"{(len(rows), *self._held.shape[1:])} of {self._held.dtype}, then {rows.shape} of "
                             f"{rows.dtype}")
        if end > len(self._held):
            longer = np.empty((max(end, 2 * self.count), *rows.shape[1:]), self._held.dtype)
            longer[: self.count] = self._held[: self.count]
            self._held = longer
        self._held[self.count : end] = rows
        self.count = end

    def array(self) -> np.ndarray | None:
        return None if self._held is None else self._held[: self.count]


def _from_arrays(x, y, batch_size: int | None, steps: int | None) -> tuple[Iterator, int]:
    if steps is not None:
        raise ValueError(f"steps are for a Dataset; arrays are taken whole. Received: steps={steps!r} beside arrays")
    size = check_batch_size(batch_size)
    x, y = (as_array("x", x), None) if y is None else as_samples(x, y)
    if not x.ndim:
        raise ValueError(f"x must be an array (N, ...). Received: a number, {x}")
    starts = range(0, len(x), size)
    return ((x[i : i + size], None if y is None else y[i : i + size]) for i in starts), len(starts)


def _from_dataset(dataset: Dataset, y, batch_size, steps: int | None) -> tuple[Iterator, int]:
    for argument, value in (("y", y), ("batch_size", batch_size)):
        if value is not None:
            raise ValueError(f"A Dataset brings its own {argument}; leave the argument out. Received: {argument} "
                             "beside a Dataset")
    if steps is None and dataset.is_endless:
        raise ValueError("Features of an endless dataset would never end: leave repeat() out, or give steps, such as "
                         "steps=len(photos) // 32. Received: steps=None")
    steps = len(dataset) if steps is None else as_count(steps, "steps")
    return (_pair(element) for element in in_steps(dataset, steps)), steps


def _pair(element):
    if not isinstance(element, tuple):
        return element, None
    if len(element) != 2:
        raise ValueError("A dataset for features holds batches x, or pairs (x, y). "
                         f"Received: an element of {len(element)} arrays")
    x, y = element[0], as_array("y", element[1])
    if not y.ndim:
        raise ValueError(f"The dataset must deliver batches; put .batch(32) at its end. Received: a label {y}")
    return x, y
