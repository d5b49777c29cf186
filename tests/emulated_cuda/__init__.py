"""A stand-in for the package `cupy`, so that the CUDA kernels run where there is no GPU.

`emulated.h` makes C++ of CUDA C++, `kernels` compiles and launches it, the other files are as much of CuPy as tinynet
calls: the names and signatures are CuPy 14's, and what CuPy refuses (numbers that slip to the host by themselves, reads
while a stream captures) is refused here. Beyond that it looks for what a GPU keeps to itself: wrong types of arguments,
writes outside of an array or into one that was freed (`memory.mistakes`), barriers that not all threads reach. New and
freed memory is full of NaN.

Streams may be made to run late (`streams.putting_off`), and launches be run again by threads that really run at once,
under ThreadSanitizer (`races`).

What it cannot show: how fast anything is; what threads of different blocks do to each other, for blocks run one after
the other; the last bits of the GPU's own functions, of its fused multiply-add and of cuBLAS; that CuPy has floats below
1.2e-38 taken for 0 (-ftz=true); CuPy's pool, which hands out pieces of 512 bytes; what a GPU makes of floats that fit
no integer; misaligned addresses of vectors; a read of another array's numbers within one allocation; several devices;
and limits of the hardware (registers, shared memory), which NVRTC looks at in `test_cuda_sources.py`.
"""

import sys

from emulated_cuda import kernels


def available() -> bool:
    """Say whether the stand-in can work here: it needs Linux and a compiler of C++20."""
    if kernels.compiler() is None:
        return False
    try:
        kernels.build("", ())
    except kernels.KernelError:
        return False
    return True


def install():
    """Make `import cupy` find the stand-in; return it."""
    from emulated_cuda import fake_cupy

    for name, module in fake_cupy.modules().items():
        sys.modules[name] = module
    return sys.modules["cupy"]
