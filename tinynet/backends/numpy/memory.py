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


def to_numpy(x: np.ndarray) -> np.ndarray:
    """Return a copy of `x` as a NumPy array of the caller's own."""
    return np.array(x)


def take(x: np.ndarray, rows: np.ndarray, out: np.ndarray) -> None:
    """Gather a batch: out[i] = x[rows[i]]. x (M, ...), rows (N,) integers in range, out (N, ...)."""
    # mode="clip" spares the copy that np.take makes to leave `out` untouched when an index is out of range.
    np.take(x, rows, axis=0, out=out, mode="clip")


def draw_uniform(generator: np.random.Generator, out: np.ndarray) -> None:
    """Fill `out` with random numbers, uniform in [0, 1)."""
    generator.random(out=out, dtype=out.dtype)
