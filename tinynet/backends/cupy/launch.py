"""CUDA sources: the kernels of a room, compiled once for each float type, and launched.

Each room `<room>.py` has its kernels beside it in `<room>.cu`. CUDA C++ in short: a kernel, marked `__global__`, is a
function that very many threads run at once; `__device__` marks a function that kernels call, and `extern "C"` keeps a
kernel's name as it is written. Threads come in `gridDim.x` blocks of `blockDim.x`; `blockIdx.x` is the block's number
and `threadIdx.x` the thread's number in it; `.y` counts along a second axis. Threads of one block may share memory
(`__shared__`) and wait for each other (`__syncthreads`); blocks know nothing of each other. 32 threads in a row are a
warp: they run together, may hand numbers to each other (`__shfl_xor_sync`), and numbers that they read side by side
come in few accesses. So neighbouring threads take neighbouring numbers here. `__restrict__` promises that an array
shares no memory with one that is written, and `#pragma unroll` asks for several rounds of a loop at a time, so that
their reads are under way together. `common.cuh` has what all rooms use: `real`, which is float or double, the number of
a thread, and sums over a block.
"""

import functools
from pathlib import Path

import cupy as cp
import numpy as np

from tinynet.backends.cupy import device
from tinynet.backends.cupy.recorder import keep

THREADS = 256
"""Threads of a block, where a kernel has no reason for another number."""

BLOCKS = 1024
"""Blocks that share a large task: what 132 multiprocessors, a large GPU's, hold of 256 threads at a time, 8 each."""

MOST = 2**31 - 2**20
"""Numbers that an array may have. Kernels count in C's int, and some of them a little beyond the last number."""

_MOST_BESIDE = 65535  # blocks along the second and the third axis of a launch
_HERE = Path(__file__).parent
_INTEGERS, _FLOATS = (bool, int, np.integer), (float, np.floating)
_C_NAMES = {"float32": "float", "float64": "double"}


class Source:
    """The kernels of one room's `.cu` file.

    Arguments are handed over by their types: an array as a pointer to its first number, so it must be contiguous; None
    as a null pointer; a bool or an int as C's int; a float as C's double.

    Parameters
    ----------
    room : str
        The file's name, without its ending.
    """

    def __init__(self, room: str):
        self.room = room

    def each(self, kernel: str, count: int, *arguments) -> None:
        """Launch a kernel that has one thread for each of `count` numbers, and leaves the threads beyond them idle.

        The count is its last argument.
        """
        self.launch(kernel, -(-count // THREADS), THREADS, *arguments, count)

    def launch(self, kernel: str, blocks: int | tuple[int, ...], threads: int, *arguments) -> None:
        """Launch a kernel in so many blocks of so many threads; blocks (a, b) count by blockIdx.x and blockIdx.y.

        Its `real` is float if one of the arrays is of float32; double arrays beside it are sums,
        numbers, or maps of images.
        """
        blocks = blocks if isinstance(blocks, tuple) else (blocks,)
        if 0 in blocks:
            return
        if max(blocks[1:], default=0) > _MOST_BESIDE:
            raise ValueError(f"The kernel {kernel} shares a row of tasks among {_MOST_BESIDE} blocks at most; take "
                             f"smaller images or fewer filters. Received: a row that needs {max(blocks[1:])}")
        found = {a.dtype.char for a in arguments if isinstance(a, cp.ndarray)}  # dtype.name takes NumPy a while
        dtype = "float64" if "d" in found and "f" not in found else "float32"
        given = tuple(map(_as_c, arguments))
        keep(given)
        compiled(self.room, kernel, dtype)(blocks, (threads,), given)


@functools.cache
def compiled(room: str, kernel: str, dtype: str):
    """Return a kernel for a float type; CuPy compiles it for each device that it is launched on.

    Raises
    ------
    RuntimeError
        If NVIDIA's compiler is not there.
    """
    try:
        return _module(room, dtype).get_function(kernel)
    except RuntimeError as error:
        raise RuntimeError(f"CuPy cannot load the kernels of {room}.cu; {device.libraries()}. "
                           f"Received: {error}") from error


@functools.cache
def _module(room: str, dtype: str):
    return cp.RawModule(code=text(room), options=options(dtype))


def text(room: str) -> str:
    """Return the source of a room: what all rooms use, and its own."""
    return (_HERE / "common.cuh").read_text("utf-8") + (_HERE / f"{room}.cu").read_text("utf-8")


def options(dtype: str) -> tuple[str, ...]:
    """Return the compiler's options for a float type."""
    return ("--std=c++17", f"-DREAL={_C_NAMES[dtype]}")


def _as_c(argument):
    if isinstance(argument, cp.ndarray):
        if argument.size > MOST:
            raise _too_large(f"an array of shape {argument.shape}")
        return argument
    if isinstance(argument, _INTEGERS):
        if not -MOST <= argument <= MOST:
            raise _too_large(argument)
        return np.int32(argument)
    if isinstance(argument, _FLOATS):
        return np.float64(argument)
    return argument


def _too_large(what):
    return ValueError(f"CUDA kernels here count to {MOST}; take smaller batches. Received: {what}")
