"""A small pool of threads that share the batch of one large kernel, the BLAS held to one thread meanwhile.

The kernels stay serial: each thread runs them on its own samples. Waking a thread and waiting for it takes time, so
only work that lasts longer is shared; the two thresholds here say from where.
"""

import concurrent.futures
import contextlib
import functools
import os
import threading
from collections.abc import Callable

import numpy as np
import threadpoolctl

LARGE_NUMBERS = 1_500_000
"""Numbers in all the arrays that a kernel passes over from which it is shared."""

LARGE_PRODUCTS = 8_000_000
"""Multiplications of a matrix product from which it is shared."""

CACHED_NUMBERS = 4_000_000
"""Numbers in a layer's output up to which it may stay in cache until the next layer has read it."""

_busy = threading.Lock()
_held: list[int] = []  # while work is shared: how many threads the BLAS had before


def is_large(numbers: int = 0, products: int = 0) -> bool:
    """Whether work is worth sharing that reads and writes so many numbers, or multiplies so many."""
    return numbers >= LARGE_NUMBERS or products >= LARGE_PRODUCTS


def parts(n: int, large: bool = True) -> list[slice]:
    """Return the slices of n samples that threads take: as many as the BLAS has threads, or one of small work.

    They depend on nothing else, so that sums over them come out the same to the last bit.
    """
    count = min(n, blas_threads()) if large and n else 1
    edges = [n * i // count for i in range(count + 1)]
    return [slice(*edge) for edge in zip(edges[:-1], edges[1:], strict=True)]


def shared(kernel: Callable) -> Callable:
    """Share a kernel's batch between threads where it is large; the first axis of all its arrays is the batch."""
    @functools.wraps(kernel)
    def run(*arguments):
        if not is_large(numbers=sum(a.size for a in arguments if isinstance(a, np.ndarray))):
            kernel(*arguments)
            return
        share(lambda _, samples: kernel(*[a[samples] if isinstance(a, np.ndarray) else a for a in arguments]),
              parts(len(arguments[0])))

    return run


def lanes(n: int, numbers: int) -> list[list[slice]]:
    """Equals numpy.workers.lanes. Here there may be several lanes, as many as threads, and slices."""
    at_once = max(1, CACHED_NUMBERS // numbers)
    return [[slice(start, min(start + at_once, lane.stop)) for start in range(lane.start, lane.stop, at_once)] or [lane]
            for lane in parts(n, is_large(numbers=n * numbers))]


def share(work: Callable, tasks: list) -> None:
    """Equals numpy.workers.share. Each i has a thread of its own; this thread takes the first.

    While another Python thread has the pool, all of it runs on this one, with the same result.
    """
    if len(tasks) == 1 or _busy.locked():
        for i, task in enumerate(tasks):
            work(i, task)
        return
    with one_blas_thread():
        pool = _pool(len(tasks) - 1, os.getpid())
        others = [pool.submit(work, i, tasks[i]) for i in range(1, len(tasks))]
        try:
            work(0, tasks[0])
        finally:
            errors = [other.exception() for other in others]  # this waits for them
        for error in errors:
            if error:
                raise error


@contextlib.contextmanager
def one_blas_thread():
    """Hold the BLAS to one thread: a second one would go on spinning for a while, beside the pool's."""
    if _held or not _busy.acquire(blocking=False):
        yield
        return
    _held.append(blas_threads())
    try:
        _let_blas_use(1)
        yield
    finally:
        _let_blas_use(_held[0])
        _held.clear()  # after that, so that no other thread ever sees the one as all there are
        _busy.release()


def blas_threads() -> int:
    """Return how many threads NumPy's products may use; 1 where that cannot be known."""
    held = _held[:1]  # another thread may clear it at any moment
    return held[0] if held else min((library.num_threads for library in _blas()), default=1)


def _let_blas_use(threads: int) -> None:
    for library in _blas():
        library.set_num_threads(threads)


@functools.cache
def _blas() -> list:
    return threadpoolctl.ThreadpoolController().select(user_api="blas").lib_controllers


@functools.cache
def _pool(threads: int, process: int) -> concurrent.futures.ThreadPoolExecutor:
    """Return the threads of this process: a forked child has none of its parent's."""
    return concurrent.futures.ThreadPoolExecutor(threads, thread_name_prefix="tinynet")
