"""Which GPU computes, and what to do where there is none."""

import cupy as cp

OLDEST = 14
"""CuPy's first version whose kernels take None, as a null pointer."""

_OLDEST_CUDA = 12  # that there is such a CuPy for
_OLD_DRIVER = 35  # cudaErrorInsufficientDriver


def require() -> None:
    """Raise an ImportError that says what is missing, unless there is a GPU that CuPy can use."""
    if int(cp.__version__.split(".")[0]) < OLDEST:
        raise ImportError(f"it needs CuPy {OLDEST} or newer, and this is CuPy {cp.__version__}: "
                          f"pip install --upgrade {_package(_cuda())}")
    try:
        count = cp.cuda.runtime.getDeviceCount()
    except cp.cuda.runtime.CUDARuntimeError as error:
        if error.status == _OLD_DRIVER:
            raise ImportError(_about_driver()) from error
        raise ImportError(f"CuPy finds no NVIDIA GPU here ({error}). If there is one, see whether nvidia-smi lists it, "
                          f"and whether the variable CUDA_VISIBLE_DEVICES hides it") from error
    if not count:
        raise ImportError("CuPy finds no NVIDIA GPU here")


def libraries() -> str:
    """Say how to get the libraries that CuPy needs beside the driver."""
    return f"NVIDIA's compiler and libraries come with pip install '{_package(_cuda())}[ctk]'"


def _about_driver():
    driver, made_for = cp.cuda.runtime.driverGetVersion(), _cuda()
    if not driver:
        return (f"there is no NVIDIA driver here, or none that works. A GPU needs one for CUDA {made_for // 1000}; a "
                f"container gets the machine's by docker run --gpus all")
    mend = "install a newer driver"
    if _OLDEST_CUDA <= driver // 1000 < made_for // 1000:
        mend += f", or this driver's CuPy: pip uninstall {_package(made_for)}; pip install '{_package(driver)}[ctk]'"
    return (f"the NVIDIA driver here is for CUDA {_as_text(driver)} and older, and this CuPy was made for CUDA "
            f"{_as_text(made_for)}: {mend}")


def _cuda():
    """Return which CUDA this CuPy was made for: 12090 is 12.9."""
    return cp.cuda.runtime.runtimeGetVersion()


def _as_text(version):
    return f"{version // 1000}.{version % 1000 // 10}"


def _package(version):
    """Return the name of CuPy's package for a CUDA."""
    return f"cupy-cuda{version // 1000}x"


def set_device(number: int) -> None:
    """Compute on that GPU from now on, in this thread; models and arrays stay where they are.

    Raises
    ------
    ValueError
        If there is no GPU of that number.
    """
    count = cp.cuda.runtime.getDeviceCount()
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < count:
        names = ", ".join(f"{i} ({cp.cuda.runtime.getDeviceProperties(i)['name'].decode()})" for i in range(count))
        raise ValueError(f"set_device takes the number of a GPU; here are {names}. Received: {number!r}")
    cp.cuda.Device(number).use()
