"""How a training step is run, over and over, and how its batches come: recorded, and copied over meanwhile.

On a small network the GPU needs less time for the kernels than the host for launching them. So a step is recorded as a
CUDA graph, which is launched as one. See :mod:`tinynet.backends.cupy.recorder`.
"""

import logging
from collections.abc import Callable, Iterable, Iterator

import cupy as cp
import numpy as np

from tinynet import config
from tinynet.backends.cupy.memory import empty
from tinynet.backends.cupy.recorder import CannotRecordError, Graph, HostArrays

MOST_GRAPHS = 8
"""Shapes of batches that are recorded; batches of yet other shapes are run as they come."""

_log = logging.getLogger("tinynet")


class Repeated:
    """Equals `work`. For arrays of the same shapes it is run once, then recorded, and from then on replayed.

    Where it cannot be recorded it is always run, and a warning in the log "tinynet" says why.
    """

    def __init__(self, work: Callable, version: Callable[[], tuple], obstacle: str | None):
        self._work = work
        self._version = version
        self._made_for: tuple | None = None
        self._can_record = True
        self._tracks: dict[tuple, _Track] = {}  # by the arrays' shapes
        if obstacle is not None:
            self._give_up(obstacle)

    def __call__(self, *arrays):
        made_for = self._version(), config.matmul_precision()
        if made_for != self._made_for:
            self._made_for, self._tracks = made_for, {}
        shapes = tuple(None if a is None else (a.shape, a.dtype.char) for a in arrays)
        track = self._tracks.get(shapes)
        if not self._can_record or (track is None and len(self._tracks) == MOST_GRAPHS):
            return self._work(*arrays)
        if track is None:
            return self._run_first(shapes, arrays)
        try:
            return track.run(self._work, arrays)
        except CannotRecordError as error:
            self._give_up(str(error))
            return self._work(*arrays)

    def _run_first(self, shapes, arrays):
        with HostArrays() as noted:
            result = self._work(*arrays)
        self._tracks[shapes] = _Track(arrays)
        if noted.by is not None:
            self._give_up(f"{noted.by} needs numbers from the host")
        return result

    def _give_up(self, reason: str) -> None:
        self._can_record, self._tracks = False, {}
        _log.warning("This step is run kernel by kernel, as it cannot be recorded as a CUDA graph: %s", reason)


class _Track:
    """One recording, and the arrays that it reads.

    They are those of the batches while these lie in the same place each time, else its own, to which each is copied.
    """

    def __init__(self, arrays):
        self.inputs = arrays
        self.of_its_own = False
        self.graph: Graph | None = None

    def run(self, work: Callable, arrays):
        """Do the same work on these arrays as on the first ones."""
        if not _same_places(self.inputs, arrays):
            if not self.of_its_own:
                self.inputs = tuple(None if a is None else empty(a.shape, a.dtype) for a in arrays)
                self.of_its_own, self.graph = True, None
            for mine, given in zip(self.inputs, arrays, strict=True):
                if mine is not None:
                    mine[...] = given
        if self.graph is None:
            self.graph = Graph(work, self.inputs)
        self.graph.launch()
        return self.graph.result


def _same_places(mine, given):
    return all(a is b or a.data.ptr == b.data.ptr for a, b in zip(mine, given, strict=True))


def repeat(work: Callable, version: Callable[[], tuple], obstacle: str | None) -> Callable:
    """Equals numpy.steps.repeat. What is known by heart is a CUDA graph."""
    return Repeated(work, version, obstacle)


class _Slot:
    """Where a batch lies: pinned memory of the host, which a GPU can read by itself, and the arrays it is copied to."""

    def __init__(self):
        self._held: list = []
        self._copied = cp.cuda.Event(disable_timing=True)
        self.used = cp.cuda.Event(disable_timing=True)

    def copy(self, arrays, stream) -> tuple:
        """Return arrays of the device that will hold what these do, as soon as the current stream gets there."""
        self.finish()
        stream.wait_event(self.used)
        self._held += [None] * (len(arrays) - len(self._held))
        found = []
        for i, array in enumerate(arrays):
            if array is None or isinstance(array, cp.ndarray):
                found.append(array)
                continue
            if self._held[i] is None or self._held[i][0].nbytes < array.nbytes:
                self._held[i] = _pinned(array.nbytes), empty((array.nbytes,), "uint8")
                # It may be memory that earlier work of the current stream still uses: CuPy knows of that stream alone.
                stream.wait_event(cp.cuda.get_current_stream().record(self.used))
            pinned, there = (whole[: array.nbytes].view(array.dtype).reshape(array.shape) for whole in self._held[i])
            pinned[...] = array
            there.set(pinned, stream=stream)
            found.append(there)
        self._copied.record(stream)
        cp.cuda.get_current_stream().wait_event(self._copied)
        return tuple(found)

    def finish(self) -> None:
        """Wait until the pinned memory has been read."""
        self._copied.synchronize()


def _pinned(size: int) -> np.ndarray:
    return np.frombuffer(cp.cuda.alloc_pinned_memory(size), np.uint8, size)


def deliver(batches: Iterable[tuple]) -> Iterator[tuple]:
    """Equals numpy.steps.deliver. Two slots in turns, copied to by a stream of their own.

    The host runs ahead of the device: while a step is computed, the next batch is read, and copied beside it.
    """
    stream, slots = cp.cuda.Stream(non_blocking=True), [_Slot(), _Slot()]
    try:
        for i, arrays in enumerate(batches):
            slot = slots[i % 2]
            yield slot.copy(arrays, stream)
            slot.used.record(cp.cuda.get_current_stream())
    finally:
        for slot in slots:  # the next one to ask CuPy for pinned memory gets theirs, and writes into it at once
            slot.finish()
