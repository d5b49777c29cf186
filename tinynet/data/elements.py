"""Elements: what a dataset hands out one by one. An element is an array, or a tuple or a dict of elements.

The four functions here walk that structure: make arrays of it, take one slice, stack many to a batch, copy.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

Element = Any


def as_arrays(tensors: Any) -> Any:
    """Return the same tuples and dicts with a NumPy array at each leaf."""
    if isinstance(tensors, tuple):
        return tuple(as_arrays(part) for part in tensors)
    if isinstance(tensors, dict):
        return {key: as_arrays(part) for key, part in tensors.items()}
    try:
        array = np.asarray(tensors)
    except ValueError:
        array = None  # rows of different lengths
    if array is None or array.dtype == object:
        raise ValueError(
            "Dataset.from_tensor_slices makes one array of a list, so its rows need one length and one type of number; "
            f"components of different shapes go into a tuple. Received: a {type(tensors).__name__} that is no array"
        )
    if array.ndim == 0:
        raise ValueError(
            "Dataset.from_tensor_slices cuts arrays along their first axis, and a single number has none. "
            f"Received: {tensors!r}"
        )
    return array


def common_length(arrays: Any) -> int:
    """Return the length of the first axis, which all arrays must share."""
    lengths = [len(array) for array in _leaves(arrays)]
    if not lengths or min(lengths) == 0:
        raise ValueError(f"Dataset.from_tensor_slices needs at least one element. Received: {_shapes(arrays)}")
    if len(set(lengths)) > 1:
        raise ValueError(
            "Dataset.from_tensor_slices needs components of one length, as every element takes its slice of each. "
            f"Received: {_shapes(arrays)}"
        )
    return lengths[0]


def slicer(arrays: Any) -> Callable[[int], Element]:
    """Return the function from a position to the element there, whose arrays are copies."""
    if isinstance(arrays, tuple):
        parts = [slicer(array) for array in arrays]
        return lambda i: tuple([part(i) for part in parts])
    if isinstance(arrays, dict):
        named = {key: slicer(array) for key, array in arrays.items()}
        return lambda i: {key: part(i) for key, part in named.items()}
    if arrays.ndim == 1:
        return arrays.__getitem__
    return lambda i: arrays[i].copy()


def stack(elements: list[Element], where: str = "") -> Element:
    """Stack elements of one structure into a batch: a new array at each leaf, with the batch as its first axis.

    Raises
    ------
    ValueError
        If the elements differ in structure or shape; `where` names the component in the message.
    """
    first = elements[0]
    if isinstance(first, tuple):
        _check_structure([isinstance(e, tuple) and len(e) for e in elements], "tuples of one length", where)
        return tuple(stack(list(part), f"{where}[{k}]") for k, part in enumerate(zip(*elements, strict=True)))
    if isinstance(first, dict):
        _check_structure([isinstance(e, dict) and e.keys() for e in elements], "dicts with the same keys", where)
        return {key: stack([e[key] for e in elements], f"{where}[{key!r}]") for key in first}
    try:
        batch = np.array(elements)
    except ValueError as error:
        shapes = sorted({np.shape(e) for e in elements})
        raise ValueError(
            f"Dataset.batch needs elements of one shape: resize or pad them in map(). "
            f"Received: shapes {', '.join(map(str, shapes))}{_of(where)}"
        ) from error
    if batch.dtype == object:
        raise ValueError(
            "Dataset.batch needs elements made of arrays and numbers; perhaps a function given to map() does not "
            f"return its result. Received: {', '.join(sorted({type(e).__name__ for e in elements}))}{_of(where)}"
        )
    return batch


def copy(element: Element) -> Element:
    """Return the element with a copy of each of its arrays."""
    if isinstance(element, tuple):
        return tuple([copy(part) for part in element])
    if isinstance(element, dict):
        return {key: copy(part) for key, part in element.items()}
    return element.copy() if isinstance(element, np.ndarray) else element


def _check_structure(structures: list[Any], expected: str, where: str) -> None:
    if any(structure != structures[0] for structure in structures):
        raise ValueError(f"Dataset.batch needs elements of one structure: {expected}. Received: others{_of(where)}")


def _of(where: str) -> str:
    return f" in component {where}" if where else ""


def _leaves(arrays: Any) -> list[np.ndarray]:
    if isinstance(arrays, tuple):
        return [leaf for part in arrays for leaf in _leaves(part)]
    if isinstance(arrays, dict):
        return [leaf for part in arrays.values() for leaf in _leaves(part)]
    return [arrays]


def _shapes(arrays: Any) -> str:
    return "shapes " + (", ".join(str(array.shape) for array in _leaves(arrays)) or "of nothing")
