"""Matrix products, by NVIDIA's cuBLAS.

CuPy does not let its own products into a CUDA graph, cuBLAS does: so cuBLAS is called here directly.
"""

import ctypes
import os
import threading
import weakref

import cupy as cp
import numpy as np

from tinynet import config
from tinynet.backends.cupy import device
from tinynet.backends.cupy.recorder import keep

WORKSPACE = 32 * 2**20
"""Bytes of scratch memory for cuBLAS, its own default on Hopper: in a graph it cannot take memory when it wants to."""

_N, _T = 0, 1  # CUBLAS_OP_N, CUBLAS_OP_T
_TYPES = {"float32": 0, "float64": 1}  # CUDA_R_32F, CUDA_R_64F
_COMPUTE = {"highest": 68, "high": 77, "medium": 75}  # CUBLAS_COMPUTE_32F, ..._FAST_TF32, ..._FAST_16BF
_COMPUTE_64F = 70  # CUBLAS_COMPUTE_64F
_DEFAULT_ALGORITHM = -1  # CUBLAS_GEMM_DEFAULT
_SCALARS = {"float32": ctypes.c_float, "float64": ctypes.c_double}

_int, _pointer = ctypes.c_int, ctypes.c_void_p
_SIGNATURES = {
    "cublasCreate_v2": (_pointer,),
    "cublasDestroy_v2": (_pointer,),
    "cublasSetStream_v2": (_pointer, _pointer),
    "cublasSetWorkspace_v2": (_pointer, _pointer, ctypes.c_size_t),
    "cublasGemmEx": (_pointer, _int, _int, _int, _int, _int, _pointer, _pointer, _int, _int, _pointer, _int, _int,
                     _pointer, _pointer, _int, _int, _int, _int),
}
_here = threading.local()  # a handle is for one thread, and for one device


def matmul(a, b, out, transpose_a: bool = False, transpose_b: bool = False, add: bool = False) -> None:
    """Compute out = a @ b, or out += a @ b; each of a and b transposed first if so said.

    All three are 2-D arrays of one float type, whose rows are contiguous: whole arrays, or columns cut out of them.
    How exact the product is says :func:`tinynet.set_matmul_precision`.

    cuBLAS thinks in columns: to it an array of ours is its transpose. As out.T = b.T @ a.T, it is asked for the product
    of b and a.
    """
    rows, columns = out.shape
    inner = a.shape[0] if transpose_a else a.shape[1]
    if not rows or not columns:
        return
    dtype = out.dtype.name
    number = _SCALARS[dtype]
    alpha, beta = number(1), number(1 if add else 0)
    kind, compute = _TYPES[dtype], _COMPUTE[config.matmul_precision()] if dtype == "float32" else _COMPUTE_64F
    held = _held()
    keep((a, b, out, held.workspace))
    _check(held.library.cublasGemmEx(
        held.handle, _T if transpose_b else _N, _T if transpose_a else _N, columns, rows, inner,
        ctypes.addressof(alpha), b.data.ptr, kind, _row(b), a.data.ptr, kind, _row(a),
        ctypes.addressof(beta), out.data.ptr, kind, _row(out), compute, _DEFAULT_ALGORITHM), "cublasGemmEx")


def _row(array) -> int:
    """Return by how many numbers one row is apart from the next."""
    return max(array.strides[0] // array.itemsize, array.shape[1], 1)


class _Handle:
    """cuBLAS as one thread uses it on one device, on the stream that is current."""

    def __init__(self):
        self.library = load_library()
        for name, types in _SIGNATURES.items():
            function = getattr(self.library, name)
            function.argtypes, function.restype = types, _int
        handle = _pointer()
        _check(self.library.cublasCreate_v2(ctypes.addressof(handle)), "cublasCreate")
        self.handle = handle.value
        weakref.finalize(self, self.library.cublasDestroy_v2, self.handle).atexit = False
        self.workspace = cp.empty((WORKSPACE,), np.uint8)
        self.stream: cp.cuda.Stream | None = None  # held on to, so that no other stream gets its address

    def follow(self, stream: cp.cuda.Stream) -> None:
        """Go over to another stream; cuBLAS then forgets its workspace."""
        self.stream = stream
        _check(self.library.cublasSetStream_v2(self.handle, stream.ptr), "cublasSetStream")
        _check(self.library.cublasSetWorkspace_v2(self.handle, self.workspace.data.ptr, WORKSPACE),
               "cublasSetWorkspace")


def _held() -> _Handle:
    handles, number = _here.__dict__.setdefault("handles", {}), cp.cuda.runtime.getDevice()
    if number not in handles:
        handles[number] = _Handle()
    held, stream = handles[number], cp.cuda.get_current_stream()
    if held.stream != stream:
        held.follow(stream)
    return held


def load_library() -> ctypes.CDLL:
    """Return cuBLAS; CuPy knows where it lies, and loads it."""
    try:
        from cupy_backends.cuda.libs import cublas  # noqa: F401
    except ImportError as error:
        raise ImportError(f"CuPy cannot load cuBLAS; {device.libraries()}. Received: {error}") from error
    major = cp.cuda.runtime.runtimeGetVersion() // 1000
    return ctypes.CDLL(f"cublas64_{major}.dll" if os.name == "nt" else f"libcublas.so.{major}")


def _check(status: int, function: str) -> None:
    if status:
        raise RuntimeError(f"{function} failed with status {status}; cuBLAS' manual says what it means")
