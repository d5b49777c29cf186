"""The three wings (numpy, numba, cupy): the same rooms, the same function names, the same arguments.

`numpy` is the readable specification that the other two are tested against. A wing is loaded when the first layer is
built for it, never before.
"""

import contextlib
import importlib
import warnings
from collections.abc import Iterator
from types import ModuleType

from tinynet import config

_wings: dict[str, ModuleType] = {}
_ON_CPU = {"cupy": "numba"}  # what to take where a wing is missing: numpy, else


def get_backend() -> ModuleType:
    """Load (once) and return the wing that new layers use: the chosen one, else numba, else numpy.

    Raises
    ------
    ImportError
        If a backend was chosen by name and cannot be imported here.
    """
    name = config.backend()
    if name is None:
        return _load_default()
    return _load(name)


def set_backend(name: str) -> None:
    """Choose the backend of layers built from now on: "numpy", "numba" or "cupy".

    Raises
    ------
    ValueError
        For an unknown name.
    ImportError
        If the backend cannot be imported here.
    """
    _load(config.check_backend(name))
    config.choose_backend(name)


def use_backend(name: str) -> contextlib.AbstractContextManager[ModuleType]:
    """Choose the backend inside a `with` block, for this thread only. Without `with` it chooses nothing.

    Raises
    ------
    ValueError
        For an unknown name.
    ImportError
        If the backend cannot be imported here.

    Examples
    --------
    >>> with tinynet.use_backend("numpy"):
    ...     model.build((784,))
    """
    return _inside(name, _load(config.check_backend(name)))


@contextlib.contextmanager
def _inside(name: str, wing: ModuleType) -> Iterator[ModuleType]:
    token = config.choose_backend_here(name)
    try:
        yield wing
    finally:
        config.leave_backend_here(token)


def set_device(number: int) -> None:
    """Say on which GPU the cupy backend computes from now on, in this thread; unasked it is 0, the first.

    It does not choose that backend: :func:`set_backend`, or a model's `to`, does.

    Raises
    ------
    ImportError
        If the cupy backend cannot be loaded here.
    ValueError
        If there is no such GPU.
    """
    _load("cupy").device.set_device(number)


def _load(name: str) -> ModuleType:
    if name not in _wings:
        try:
            # `from . import numpy` would quietly bind the package of that name, not the wing.
            _wings[name] = importlib.import_module("tinynet.backends." + name)
        except ImportError as error:
            raise ImportError(f"The backend {name!r} cannot be loaded here: {error}. On the CPU "
                              f"tinynet.set_backend({_ON_CPU.get(name, 'numpy')!r}) computes. Received: {name!r}"
                              ) from error
    return _wings[name]


def _load_default() -> ModuleType:
    if "default" not in _wings:
        try:
            _wings["default"] = _load("numba")
        except ImportError as error:
            warnings.warn(f"tinynet computes with its slow numpy backend: {error.__cause__}", stacklevel=3)
            _wings["default"] = _load("numpy")
    return _wings["default"]
