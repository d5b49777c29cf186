"""Which GPU computes, and what to do where there is none."""

import cupy as cp

_INSTALL = "pip install 'tinynet[cuda12]' or 'tinynet[cuda13]', whichever the driver is for (nvidia-smi says)"
_OLD_DRIVER = 35  # cudaErrorInsufficientDriver


def require() -> None:
    """Raise an ImportError that says what is missing, unless there is a GPU that CuPy can use."""
    try:
        count = cp.cuda.runtime.getDeviceCount()
    except cp.cuda.runtime.CUDARuntimeError as error:
        runtime = cp.cuda.runtime.runtimeGetVersion()
        if error.status == _OLD_DRIVER:
            raise ImportError(_about_driver(runtime)) from error
        raise ImportError(f"there is no NVIDIA GPU here that CuPy can use ({error}); without one, the numba backend is "
                          "the fast one") from error
    if not count:
        raise ImportError("there is no NVIDIA GPU here; without one, the numba backend is the fast one")


def _about_driver(runtime: int) -> str:
    driver = cp.cuda.runtime.driverGetVersion()
    wanted = f"this CuPy was made for CUDA {_as_text(runtime)}"
    if not driver:
        return f"there is no NVIDIA driver here, or none that works ({wanted})"
    return (f"the NVIDIA driver here goes up to CUDA {_as_text(driver)}, and {wanted}: install a newer driver, or the "
            f"CuPy that fits, by {_INSTALL}")


def _as_text(version: int) -> str:
    return f"{version // 1000}.{version % 1000 // 10}"


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
