"""Library-wide choices: the float type that new layers compute in, the backend's name, and how exact products are."""

import contextvars
import os

FLOAT_TYPES = ("float32", "float64")
BACKENDS = ("numpy", "numba", "cupy")
PRECISIONS = ("highest", "high", "medium")

_floatx = "float32"
_matmul_precision = "highest"
_backend: str | None = None
# A `with use_backend(...)` block holds for its own thread and task only.
_backend_here: contextvars.ContextVar[str | None] = contextvars.ContextVar("tinynet_backend", default=None)


def floatx() -> str:
    """Return the name of the float type that layers take when they are built: "float32" or "float64"."""
    return _floatx


def set_floatx(name: str) -> None:
    """Choose the float type of layers built from now on; layers that are built keep theirs.

    Raises
    ------
    ValueError
        If `name` is neither "float32" nor "float64".
    """
    global _floatx
    if name not in FLOAT_TYPES:
        raise ValueError(f"set_floatx knows {', '.join(FLOAT_TYPES)}. Received: {name!r}")
    _floatx = name


def matmul_precision() -> str:
    """Return what :func:`set_matmul_precision` chose: "highest", "high" or "medium"."""
    return _matmul_precision


def set_matmul_precision(precision: str) -> None:
    """Choose how exact the matrix products of float32 arrays are on a GPU, from the next step on.

    It is a matter of the cupy backend alone. Arrays stay float32, and so do sums: only the numbers that are multiplied
    are rounded on their way into the product.

    Parameters
    ----------
    precision : str
        "highest": 24 bits of each number count, all that float32 has. "high": 11 bits (TensorFloat-32), several times
        as fast on GPUs since Ampere. "medium": 8 bits (bfloat16), faster still. The names are PyTorch's.

    Raises
    ------
    ValueError
        If `precision` is none of the three.
    """
    global _matmul_precision
    if precision not in PRECISIONS:
        raise ValueError(f"set_matmul_precision knows {', '.join(PRECISIONS)}. Received: {precision!r}")
    _matmul_precision = precision


def check_backend(name: str) -> str:
    """Return `name` if it is a backend's, else raise a ValueError that lists them."""
    if name not in BACKENDS:
        raise ValueError("Unknown backend; the backends are numpy and numba, on the CPU, and cupy, on NVIDIA GPUs. "
                         f"Received: {name!r}")
    return name


def backend() -> str | None:
    """Return the backend that use_backend, set_backend or TINYNET_BACKEND names, in this order, or None."""
    name = _backend_here.get() or _backend
    if name is None and (name := os.environ.get("TINYNET_BACKEND") or None) not in (None, *BACKENDS):
        raise ValueError(f"The environment variable TINYNET_BACKEND is {', '.join(BACKENDS)}, or not set. "
                         f"Received: {name!r}")
    return name


def choose_backend(name: str) -> None:
    """Set the backend of the process; see :func:`tinynet.backends.set_backend`."""
    global _backend
    _backend = check_backend(name)


def choose_backend_here(name: str) -> contextvars.Token:
    """Set the backend of this thread until the token is given back to :func:`leave_backend_here`."""
    return _backend_here.set(check_backend(name))


def leave_backend_here(token: contextvars.Token) -> None:
    """End what :func:`choose_backend_here` began."""
    _backend_here.reset(token)
