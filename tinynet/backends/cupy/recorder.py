"""CUDA graphs: all that a function launches, recorded once, and launched again as one.

While a stream records, nothing runs: every launch is noted down with the addresses of its arrays. So a graph is right
as long as those arrays are where they were: it holds on to those that kernels of this wing and cuBLAS are given, and
has a memory pool of its own for those that are made while it is recorded.
"""

import contextlib
import gc
import threading
from collections.abc import Callable

import cupy as cp

_here = threading.local()


class CannotRecordError(RuntimeError):
    """What a function does cannot be repeated by a graph; the message says what that is."""


class Graph:
    """All that `work(*arrays)` launches, to be launched again.

    Parameters
    ----------
    work : callable
        A function of arrays that has run before, so that all it needs is compiled and in its place.
    arrays : sequence of array
        Those that it will find new numbers in.

    Attributes
    ----------
    result
        What `work` returned: arrays that each launch fills anew.

    Raises
    ------
    CannotRecordError
        If `work` needs numbers from the host, or tells it any.
    """

    def __init__(self, work: Callable, arrays):
        self._pool = cp.cuda.MemoryPool()  # it must end before the arrays in it do, as CuPy's pools leak otherwise
        self._kept: list = [arrays]
        stream = cp.cuda.Stream(non_blocking=True)
        cp.cuda.get_current_stream().synchronize()
        with stream, cp.cuda.using_allocator(self._pool.malloc), _no_collection():
            stream.begin_capture()
            _here.kept = self._kept
            try:
                self.result = work(*arrays)
                self._graph = stream.end_capture()
            except RuntimeError as error:  # as CUDA and CuPy call what they do not let into a graph
                _abandon(stream)
                raise CannotRecordError(str(error)) from error
            except BaseException:
                _abandon(stream)
                raise
            finally:
                _here.kept = None

    def launch(self) -> None:
        """Do it all again, on the stream that is current."""
        self._graph.launch()


@contextlib.contextmanager
def _no_collection():
    """Let Python not collect garbage meanwhile: what that frees on the GPU has no place in a recording."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _abandon(stream) -> None:
    with contextlib.suppress(cp.cuda.runtime.CUDARuntimeError):  # it may have ended by itself
        stream.end_capture()


def keep(arguments) -> None:
    """While this thread records: hold on to what a launch was given."""
    kept = getattr(_here, "kept", None)
    if kept is not None:
        kept.append(arguments)


class HostArrays:
    """Notes whether anything comes from the host inside of ``with HostArrays() as noted:``: no graph can repeat that.

    `noted.by` is then the name of the layer that asked for it, or "the step"; else None. It is used in the first run of
    a step: a recording that breaks off has already done the host's part of a step, such as draws, once too often.
    """

    def __init__(self):
        self.by: str | None = None

    def __enter__(self) -> "HostArrays":
        _here.noted = self
        return self

    def __exit__(self, *_) -> None:
        _here.noted = None


def note_host_array(frame) -> None:
    """Say that an array comes from the host, in this frame of the program."""
    noted = getattr(_here, "noted", None)
    if noted is not None:
        noted.by = noted.by or _layer(frame)
    if getattr(_here, "kept", None) is not None:
        raise CannotRecordError(f"{_layer(frame)} needs numbers from the host")


def _layer(frame) -> str:
    """Return the name of the layer whose method runs in a frame or has called it."""
    while frame is not None:
        owner = frame.f_locals.get("self")
        if hasattr(owner, "output_shape") and hasattr(owner, "name"):
            return f"layer {owner.name!r}"
        frame = frame.f_back
    return "the step"
