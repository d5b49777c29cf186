"""What a model is given: arrays of numbers of its shape, checked, and said what would fit."""

import numpy as np

from tinynet.errors import as_array, as_numbers
from tinynet.layers import Layer
from tinynet.layers.chain import path

_NUMBERS = "one number a sample is x[..., None], and 100.0 alone is np.array([[100.0]])"


def accept(model: Layer, x):
    """Return x (N, *input_shape) as an array of the model's backend and float type, building the model if need be.

    Raises
    ------
    ValueError, TypeError
        As :func:`check_inputs`.
    """
    x = check_inputs(model, x)
    return model.ops.asarray(as_floats(model, x), model.dtype)


def check_inputs(model: Layer, x) -> np.ndarray:
    """Return x (N, *input_shape) as an array of numbers on the host, building the model if need be.

    Raises
    ------
    ValueError
        If x has another shape; the message lists the shapes of the layers.
    TypeError
        If x is no array of numbers.
    """
    x = as_array("x", x)
    if x.dtype.kind not in "fiub":
        raise TypeError(f"Model {model.name!r} takes arrays of numbers. Received: x of type {x.dtype}")
    if not model.built:
        if x.ndim < 2:
            raise ValueError(f"Model {model.name!r} takes batches, x (N, ...); a single input x is np.array([x]), "
                             f"{_NUMBERS}. Received: x of shape {x.shape}")
        model.build(model.input_shape or x.shape[1:])
    if x.shape[1:] != model.input_shape or not x.ndim:
        raise ValueError(_shape_error(model, x.shape))
    return x


def as_floats(model: Layer, x: np.ndarray) -> np.ndarray:
    """Return x in the model's float type; what is too large for float32 becomes infinite, and check_finite says so."""
    if x.dtype == model.dtype:
        return np.ascontiguousarray(x)
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(x, model.dtype)


def _shape_error(model: Layer, shape: tuple[int, ...]) -> str:
    wanted = ", ".join(["N", *map(str, model.input_shape)])
    said = f"{model.kind} {model.name!r} takes inputs of shape ({wanted}), N being the batch"
    if model.input_shape == (1,) and len(shape) < 2:
        said += "; " + _NUMBERS
    elif shape == model.input_shape:
        said += "; a single input x, such as one image, is a batch of one as np.array([x])"
    elif shape[1:] == model.input_shape[:-1] and model.input_shape[-1] == 1:
        said += "; x[..., None], which is x with a last axis of 1, would fit"
    elif shape[1:] == (*model.input_shape, 1):
        said += "; x[..., 0], which is x without its last axis, would fit"
    elif len(shape) == 4 and shape[1:] == model.input_shape[-1:] + model.input_shape[:-1]:
        said += "; this looks like channels first: np.moveaxis(x, 1, -1) would fit"
    way = path(model.input_shape, getattr(model, "layers", [model]))
    return f"{said}. Its layers: {way}. Received: {shape}"


def check_finite(what: str, values: np.ndarray) -> None:
    """Raise a ValueError if an array holds NaN or infinity."""
    # The extremes of an array with NaN are NaN; they cost no array of the same size.
    if values.size and values.dtype.kind == "f" and not (np.isfinite(values.min()) and np.isfinite(values.max())):
        count = int(values.size - np.isfinite(values).sum())
        raise ValueError(f"{what} must be finite, or every weight becomes NaN. Received: {count} values that are NaN "
                         "or infinite")


def as_samples(x, y) -> tuple[np.ndarray, np.ndarray]:
    """Return x and y as arrays, or raise a ValueError unless they hold equally many samples, and at least one."""
    x, y = as_array("x", x), as_numbers("y", y)
    if not x.ndim or not len(x) or x.shape[:1] != y.shape[:1]:
        raise ValueError("x and y must hold equally many samples, and at least one. "
                         f"Received: x of shape {x.shape}, y of shape {y.shape}")
    return x, y
