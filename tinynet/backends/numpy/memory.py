"""Arrays of this wing, and random numbers in them."""

import math

import numpy as np

ALIGNED = 64
"""Bytes of a line of the processor's cache: arrays begin with one, so that no vector of theirs lies in two."""


def empty(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Make an uninitialised array."""
    size = math.prod(shape) * np.dtype(dtype).itemsize
    held = np.empty(size + ALIGNED, np.uint8)
    start = -held.ctypes.data % ALIGNED
    return held[start : start + size].view(dtype).reshape(shape)


def zeros(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Make an array of zeros."""
    made = empty(shape, dtype)
    made[...] = 0
    return made


def asarray(x, dtype: str) -> np.ndarray:
    """Return `x` as a C-contiguous array of this wing; `x` itself where it is one already."""
    return np.ascontiguousarray(x, dtype)


def may_share_memory(a: np.ndarray, b: np.ndarray) -> bool:
    """Whether two arrays may have numbers in common."""
    return np.may_share_memory(a, b)


def is_array(x) -> bool:
    """Whether `x` is an array of this wing."""
    return isinstance(x, np.ndarray)


def to_numpy(x: np.ndarray) -> np.ndarray:
    """Return a copy of `x` as a NumPy array of the caller's own."""
    return np.array(x)


def fits(size: int) -> bool:
    """Whether there is room for so many bytes of data beside the layers: on the host they lie already."""
    return True


def free_bytes() -> int | None:
    """Return how many bytes of memory are free for arrays; None where that is not known, as on a CPU."""
    return None


def take(x: np.ndarray, rows: np.ndarray, out: np.ndarray) -> None:
    """Gather a batch: out[i] = x[rows[i]]. x (M, ...), rows (N,) integers in range, out (N, ...) of any type."""
    if x.dtype != out.dtype:
        out[...] = x[rows]
        return
    # mode="clip" spares the copy that np.take makes to leave `out` untouched when an index is out of range.
    np.take(x, rows, axis=0, out=out, mode="clip")


def numbers(values: tuple[float, ...], held: list | None) -> list:
    """Return `values`, which change from step to step, as this wing's kernels take them.

    A wing may keep them in one place, `held`, which is what was returned the last time.
    """
    return list(values)


def tally(totals: np.ndarray, values: list, times: list) -> None:
    """Add up: totals[i] += values[i] · times[i]. totals of float64, values what losses and counts return."""
    for i, (value, each) in enumerate(zip(values, times, strict=True)):
        totals[i] += value * each


def make_generator(seeds: np.random.SeedSequence) -> np.random.Generator:
    """Make a generator for :func:`draw_uniform`.

    It is Philox (https://doi.org/10.1145/2063384.2063405), whose n-th number is a function of n and of a key: so a
    wing may draw many at once, and yet the same.
    """
    return np.random.Generator(np.random.Philox(seeds))


def draw_uniform(generator: np.random.Generator, out: np.ndarray) -> None:
    """Fill `out` with random numbers, uniform in [0, 1)."""
    generator.random(out=out, dtype=out.dtype)
