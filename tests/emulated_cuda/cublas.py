"""Products of matrices as cuBLAS offers them: columns are contiguous, and everything comes as addresses."""

import ctypes
import functools
import types

import numpy as np

from emulated_cuda import memory, streams

INVALID, UNSUPPORTED = 7, 15  # CUBLAS_STATUS_...
TYPES = {0: np.dtype(np.float32), 1: np.dtype(np.float64)}  # CUDA_R_32F, CUDA_R_64F
# Of a compute type: the type of the numbers, and how many bits of their 24 significant ones are kept.
COMPUTE = {68: ("float32", 24), 69: ("float32", 24), 75: ("float32", 8), 77: ("float32", 11),
           70: ("float64", 53), 71: ("float64", 53)}
_handles: dict = {}  # of a handle: the stream's address


def _value(argument):
    return getattr(argument, "value", argument) or 0


def cublas_create(handle):
    """Write a new handle where told."""
    number = len(_handles) + 1
    _handles[number] = 0
    ctypes.c_void_p.from_address(_address(handle)).value = number
    return 0


def cublas_destroy(handle):
    """Forget a handle."""
    del _handles[_value(handle)]
    return 0


def cublas_set_stream(handle, stream):
    """Do products on a stream from now on."""
    _handles[_value(handle)] = _value(stream)
    return 0


def cublas_set_workspace(handle, workspace, size):
    """Take scratch memory."""
    if size:
        memory.around(_value(workspace), _value(size))
    return 0


def gemm(handle, transa, transb, m, n, k, alpha, a, atype, lda, b, btype, ldb, beta, c, ctype, ldc, compute, algorithm):
    """C = alpha op(A) op(B) + beta C."""
    return gemm_strided_batched(handle, transa, transb, m, n, k, alpha, a, atype, lda, 0, b, btype, ldb, 0, beta, c,
                                ctype, ldc, 0, 1, compute, algorithm)


def gemm_strided_batched(handle, transa, transb, m, n, k, alpha, a, atype, lda, stridea, b, btype, ldb, strideb, beta,
                         c, ctype, ldc, stridec, batches, compute, algorithm):
    """C[i] = alpha op(A[i]) op(B[i]) + beta C[i]."""
    transa, transb, m, n, k, lda, ldb, ldc, batches, compute, atype, btype, ctype, stridea, strideb, stridec = map(
        _value, (transa, transb, m, n, k, lda, ldb, ldc, batches, compute, atype, btype, ctype, stridea, strideb,
                 stridec))
    if not atype == btype == ctype or TYPES.get(atype) != COMPUTE.get(compute, (None,))[0]:
        return UNSUPPORTED
    if min(m, n, k, batches) < 0 or lda < max(1, k if transa else m) or ldb < max(1, n if transb else k) \
            or ldc < max(1, m) or not {transa, transb} <= {0, 1}:
        return INVALID
    if not (m and n and batches):
        return 0
    dtype, bits = COMPUTE[compute]
    kind = ctypes.c_float if dtype == "float32" else ctypes.c_double
    alpha, beta = (np.dtype(dtype).type(kind.from_address(_address(each)).value) for each in (alpha, beta))
    products = []
    for i in range(batches):
        left = _matrix(_value(a), stridea * i, m, k, lda, transa, dtype)
        right = _matrix(_value(b), strideb * i, k, n, ldb, transb, dtype)
        products.append((left, right, _matrix(_value(c), stridec * i, m, n, ldc, 0, dtype)))

    def work():
        for left, right, out in products:
            left, right = rounded(left, bits), rounded(right, bits)
            product = np.matmul(left, right, out=None if beta else out)  # no memory of the host that a GPU needs not
            product *= alpha
            if beta:
                out *= beta
                out += product

    streams.of_ptr(_handles[_value(handle)])._do(work)
    return 0


def _address(pointer):
    """Return an address that comes as an int, as a ctypes pointer or by reference."""
    if hasattr(pointer, "_obj"):  # ctypes.byref
        return ctypes.addressof(pointer._obj)
    return ctypes.cast(pointer, ctypes.c_void_p).value if not isinstance(pointer, int) else pointer


def _matrix(address, numbers, rows, columns, apart, is_transposed, dtype):
    """Return a view of op(A): its columns, or its rows where it is transposed, are contiguous and lie `apart`."""
    dtype = np.dtype(dtype)
    if not rows or not columns:
        return np.zeros((rows, columns), dtype)
    address += numbers * dtype.itemsize
    inside, outside = (columns, rows) if is_transposed else (rows, columns)
    held = memory.around(address, ((outside - 1) * apart + inside) * dtype.itemsize)
    strides = (apart * dtype.itemsize, dtype.itemsize) if is_transposed else (dtype.itemsize, apart * dtype.itemsize)
    return np.ndarray((rows, columns), dtype, held.raw, held.first + address - held.ptr, strides)


def rounded(numbers, bits):
    """Return float32 numbers rounded to so many significant bits, to even where two are as near."""
    if bits >= 24:
        return numbers
    lost = 24 - bits
    whole = np.ascontiguousarray(numbers).view(np.uint32)
    whole = whole + np.uint32((1 << lost - 1) - 1) + (whole >> np.uint32(lost) & np.uint32(1))
    found = (whole >> np.uint32(lost) << np.uint32(lost)).view(np.float32)
    return np.where(np.isfinite(numbers), found, numbers)


def _plain(function):
    """Return a function of its own, to which ctypes' attributes can be given."""
    return functools.wraps(function)(lambda *arguments: function(*arguments))


def library():
    """Return an object with cuBLAS' functions."""
    return types.SimpleNamespace(
        cublasCreate_v2=_plain(cublas_create), cublasDestroy_v2=_plain(cublas_destroy),
        cublasSetStream_v2=_plain(cublas_set_stream), cublasSetWorkspace_v2=_plain(cublas_set_workspace),
        cublasGemmEx=_plain(gemm), cublasGemmStridedBatchedEx=_plain(gemm_strided_batched))
