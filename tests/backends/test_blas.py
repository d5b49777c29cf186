"""cuBLAS as the cupy wing holds it. What its products are is tested with the layers' kernels."""

import importlib
import sys
import threading

import numpy as np
import pytest


@pytest.fixture
def blas(on_gpu):
    return importlib.import_module("tinynet.backends.cupy.blas")


@pytest.fixture
def handles(blas):
    """Return the stand-in's handles: their numbers, and the stream of each."""
    from emulated_cuda import cublas, kernels

    if sys.modules["cupy"].RawModule is not kernels.RawModule:
        pytest.skip("only the stand-in shows its handles")
    return cublas._handles


def multiply(blas):
    cp = blas.cp
    a, out = cp.ones((3, 4), "float32"), cp.empty((3, 3), "float32")
    blas.matmul(a, a, out, transpose_b=True)
    np.testing.assert_array_equal(out.get(), 4)


def test_a_threads_handle_ends_with_it(blas, handles):
    multiply(blas)
    before, inside = set(handles), []

    def work():
        multiply(blas)
        inside.extend(set(handles) - before)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert len(inside) == 1
    assert set(handles) == before


def test_products_follow_the_current_stream(blas, handles):
    """Also to a stream that has the address of one before it, which is why that one must not end."""
    cp = blas.cp
    multiply(blas)
    own, = (held for held in blas._here.handles.values())
    for _ in range(3):
        stream = cp.cuda.Stream(non_blocking=True)
        with stream:
            multiply(blas)
        assert handles[own.handle] == stream.ptr
        assert own.stream is stream
    multiply(blas)
    assert handles[own.handle] == 0
