"""Arrays on the GPU, random numbers in them, and numbers that stay there.

A *number* is an array of one float64. Losses and counts are such, and so is what changes from step to step, as the
learning rate: the host writes it, or reads it, only where somebody wants to know, and a recorded step finds it in its
place.
"""

import math
import sys

import cupy as cp
import numpy as np

from tinynet.backends.cupy.launch import Source
from tinynet.backends.cupy.recorder import note_host_array
from tinynet.errors import NoRoomError

SHARE = 0.5
"""Share of the free memory that a data set may fill; the rest is for the layers."""

_AT_ONCE = 4  # numbers that one launch sets or adds up
_source = Source("memory")
_TAKE = {"float32": "take_reals", "float64": "take_reals", "uint8": "take_bytes", "int32": "take_labels"}


def empty(shape: tuple[int, ...], dtype: str) -> cp.ndarray:
    """Equals numpy.memory.empty.

    Raises
    ------
    NoRoomError
        If the GPU has no room for it: how many bytes it needs, and how many are free.
    """
    try:
        return cp.empty(shape, dtype)
    except cp.cuda.memory.OutOfMemoryError as error:
        asked = math.prod(shape) * np.dtype(dtype).itemsize
        raise NoRoomError(f"The GPU has no room for an array of shape {tuple(shape)}: it takes {asked:,} bytes, and "
                          f"{free_bytes():,} are free") from error


def zeros(shape: tuple[int, ...], dtype: str) -> cp.ndarray:
    """Equals numpy.memory.zeros."""
    made = empty(shape, dtype)
    made[...] = 0
    return made


def asarray(x, dtype: str) -> cp.ndarray:
    """Equals numpy.memory.asarray. An array of the host is copied over."""
    if isinstance(x, cp.ndarray):
        return cp.ascontiguousarray(x, dtype)
    note_host_array(sys._getframe())
    x = np.ascontiguousarray(x, dtype)
    made = empty(x.shape, x.dtype)
    made.set(x)
    return made


def is_array(x) -> bool:
    """Equals numpy.memory.is_array."""
    return isinstance(x, cp.ndarray)


def may_share_memory(a: cp.ndarray, b: cp.ndarray) -> bool:
    """Equals numpy.memory.may_share_memory. Both are contiguous."""
    first, second = a.data.ptr, b.data.ptr
    return first < second + b.nbytes and second < first + a.nbytes


def to_numpy(x: cp.ndarray) -> np.ndarray:
    """Equals numpy.memory.to_numpy. It waits until all that was launched is done."""
    return cp.asnumpy(x)


def fits(size: int) -> bool:
    """Equals numpy.memory.fits. The GPU needs so much memory to spare."""
    return size <= SHARE * free_bytes()


def free_bytes() -> int | None:
    """Equals numpy.memory.free_bytes. CuPy gives back what it held for arrays to come, and may have a limit."""
    pool = cp.get_default_memory_pool()
    pool.free_all_blocks()  # what CuPy holds beside its arrays is in pieces, and no array of a larger size
    free, limit = cp.cuda.runtime.memGetInfo()[0], pool.get_limit()
    return min(free, max(0, limit - pool.total_bytes())) if limit else free


def take(x: cp.ndarray, rows: cp.ndarray, out: cp.ndarray) -> None:
    """Equals numpy.memory.take. A thread for each number of out. Bytes become floats on the way.

    A data set may have more numbers than kernels count elsewhere: rows are found in 64 bits. So the kernel is given the
    beginning of x, and not all of it.
    """
    width = out.size // max(len(out), 1)
    _source.each(_TAKE[x.dtype.name], out.size, x[:1], rows, out, width)


def number(value) -> cp.ndarray:
    """Return a number of this wing: `value` itself where it is one already."""
    return value if isinstance(value, cp.ndarray) else numbers((value,), None)[0]


def numbers(values: tuple[float, ...], held: list | None) -> list:
    """Equals numpy.memory.numbers. They lie end to end, so that a launch sets several; `held` is returned, set anew."""
    if held is None:
        whole = empty((len(values),), "float64")
        held = [whole[i : i + 1] for i in range(len(values))]
    for i in range(0, len(values), _AT_ONCE):
        part = [float(value) for value in values[i : i + _AT_ONCE]]
        _source.launch("set_numbers", 1, 1, held[i], len(part), *part, *[0.0] * (_AT_ONCE - len(part)))
    return held


def tally(totals: cp.ndarray, values: list, times: list) -> None:
    """Equals numpy.memory.tally."""
    pairs = [(number(value), float(each)) for value, each in zip(values, times, strict=True)]
    for i in range(0, len(pairs), _AT_ONCE):
        part = pairs[i : i + _AT_ONCE]
        filled = part + [(None, 0.0)] * (_AT_ONCE - len(part))
        _source.launch("tally", 1, 1, totals[i:], len(part), *[a for pair in filled for a in pair])


class Generator:
    """NumPy's Philox generator, with its state on the device: it draws the same numbers there.

    Parameters
    ----------
    seeds : np.random.SeedSequence
        Where it begins.
    """

    def __init__(self, seeds: np.random.SeedSequence):
        self.words = empty((3,), "uint64")  # the key's two, and how many halves of words were drawn
        self.state = np.random.Philox(seeds).state

    @property
    def bit_generator(self) -> "Generator":
        """Itself, so that its state is found where that of a NumPy generator is."""
        return self

    @property
    def state(self) -> dict:
        """Where the generator stands, as the state of NumPy's Philox."""
        *key, halves = (int(word) for word in to_numpy(self.words))
        words = -(-halves // 2)
        # A twin on the host draws the last of its four words once more: so NumPy fills in the rest of the state.
        twin = np.random.Philox(key=np.array(key, np.uint64), counter=max(0, (words - 1) // 4))
        if halves:
            twin.random_raw((words - 1) % 4 + 1 - halves % 2)
        if halves % 2:
            np.random.Generator(twin).random(dtype=np.float32)
        return twin.state

    @state.setter
    def state(self, state: dict) -> None:
        np.random.Philox().state = state  # which raises an error if it is none
        counter = sum(int(word) << (64 * i) for i, word in enumerate(state["state"]["counter"]))
        # A word a draw: four of each number before the counter's, and buffer_pos of the counter's own.
        words = max(0, counter - 1) * 4 + (state["buffer_pos"] if counter else 0)
        halves = 2 * words - state["has_uint32"]
        self.words.set(np.array([*state["state"]["key"], halves], np.uint64))


def make_generator(seeds: np.random.SeedSequence) -> Generator:
    """Equals numpy.memory.make_generator. Its state lies on the device, so that a recorded step draws on."""
    return Generator(seeds)


def draw_uniform(generator: Generator, out: cp.ndarray) -> None:
    """Equals numpy.memory.draw_uniform. A thread for each number.

    They are the same to the last bit, as long as a generator draws floats of one type.
    """
    _source.each("draw_uniform", out.size, generator.words, out)
    _source.launch("count_drawn", 1, 1, generator.words, out.size, out.dtype == np.float32)
