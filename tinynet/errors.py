"""Errors for people: misspelled keywords and unknown names, each answered with the known ones."""

import difflib
import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np


def explain_keywords(function: Callable) -> Callable:
    """Decorate a public function so that a keyword it does not have is answered with those it has.

    Python's own message would name neither the layer nor the keyword that was probably meant.
    """
    parameters = [p for p in inspect.signature(function).parameters.values() if p.name != "self"]
    names = [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    owner = function.__qualname__.removesuffix(".__init__")

    @functools.wraps(function)
    def checked(*args, **kwargs):
        for name in kwargs:
            if name not in names:
                raise TypeError(
                    f"{owner} has no argument {name!r}{_hint(name, names)}; its arguments are {', '.join(names)}. "
                    f"Received: {name}={kwargs[name]!r}"
                )
        return function(*args, **kwargs)

    return checked


def look_up(what: str, name: str, known: Mapping[str, Any]) -> Any:
    """Return known[name], or raise a ValueError that lists what is known. `what` says what `name` should be."""
    if name in known:
        return known[name]
    raise ValueError(f"Unknown {what}{_hint(name, known)}; known are {', '.join(sorted(known))}. Received: {name!r}")


class NoRoomError(MemoryError):
    """A GPU has no room for an array."""


def as_array(what: str, values: Any) -> np.ndarray:
    """Return values as an array of NumPy's.

    Raises
    ------
    ValueError
        If their rows are of different lengths.
    TypeError
        If they lie on a GPU.
    """
    try:
        return np.asarray(values)
    except TypeError as error:
        if not hasattr(values, "__cuda_array_interface__"):  # as CuPy's and PyTorch's arrays there have
            raise
        raise TypeError(f"{what} must be an array of NumPy's, on any backend: the model moves it to the GPU. A CuPy "
                        f"array x gives one as x.get(), a PyTorch tensor as x.cpu().numpy(). Received: {error}"
                        ) from None
    except ValueError as error:
        raise ValueError(f"{what} must be an array, its rows of one length. Received: {error}") from None


def as_numbers(what: str, values: Any) -> np.ndarray:
    """Return values as an array, or raise a ValueError that names them if they are no numbers."""
    array = as_array(what, values)
    if array.dtype.kind not in "fiub":
        raise ValueError(f"{what} must be an array of numbers. Received: an array of type {array.dtype}")
    return array


def _hint(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    if name == "lr" and "learning_rate" in known:  # as tutorials of 2018 have it
        close = ["learning_rate"]
    return f" (did you mean {close[0]!r}?)" if close else ""
