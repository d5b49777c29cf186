"""What a user reads where memory does not suffice: which model, for how many samples, and how many would fit."""

import math
import traceback
from collections.abc import Callable

from tinynet.layers import Layer
from tinynet.layers.base import with_sublayers

SHARE = 0.5
"""Share of the free memory that a batch is advised to fill: the sizes of arrays are estimated."""


class Room:
    """Inside of ``with Room(model, size):`` a MemoryError is raised anew, with what a user can do about it.

    The model gives back the memory of its buffers before that, so that a smaller batch finds it.

    Parameters
    ----------
    model : Layer
        Whose layers are at work.
    size : callable
        Returns how many samples a batch has; None before that is known.
    error : type
        The errors meant: any MemoryError where nothing but layers is at work; else :class:`NoRoomError`, as data and
        callbacks may run out of the host's memory.
    holds_batch : bool
        Whether the caller holds the batch where the layers compute: a smaller one would leave that much more room.
    """

    __slots__ = ("error", "holds_batch", "model", "size")

    def __init__(self, model: Layer, size: Callable[[], int | None], error: type = MemoryError,
                 holds_batch: bool = True):
        self.model = model
        self.size = size
        self.error = error
        self.holds_batch = holds_batch

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind, error, trace) -> None:
        if not isinstance(error, self.error) or not self.model.built:
            return
        size = self.size()
        if not size:
            return
        said = f"{type(error).__name__}: {error}"
        traceback.clear_frames(trace)  # or what they were at work with would hold its memory
        for layer in with_sublayers(self.model):
            layer.release()
        raise MemoryError(f"{self.model.kind} {self.model.name!r} has no room for a batch of {size} samples; "
                          f"{self._advice(size)}. Received: {said}") from None

    def _advice(self, size: int) -> str:
        free = self.model.ops.free_bytes()
        if free is None:
            return "take a smaller batch_size"
        if self.holds_batch:
            free += size * self.model.dtype.itemsize * math.prod(self.model.input_shape)
        fits = min(int(SHARE * free / sample_bytes(self.model)), size - 1)
        if fits < 1:
            return "not one sample would fit, so make images or layers smaller"
        return f"batch_size={2 ** int(math.log2(fits))} would fit"


def sample_bytes(model: Layer) -> int:
    """Estimate how many bytes of buffers a training step needs for each sample.

    Each layer keeps its output, and about as much again for its backward: a mask, or the values before an activation.
    Gradients go back through two arrays in turns, as large as the largest output.
    """
    sizes = [math.prod(layer.output_shape) for layer in with_sublayers(model) if layer is not model]
    return model.dtype.itemsize * (math.prod(model.input_shape) + 2 * sum(sizes) + 2 * max(sizes, default=0))
