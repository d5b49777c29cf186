"""What callers hand in, checked once and brought to one form."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np


def as_pictures(images: Any) -> np.ndarray:
    """Bring images to what is drawn: uint8 of shape (n, H, W), dark on white, or (n, H, W, 3) in colour."""
    images = np.asarray(images)
    if images.ndim == 2 and math.isqrt(images.shape[1]) ** 2 == images.shape[1]:
        images = images.reshape(len(images), math.isqrt(images.shape[1]), -1)
    channels_last = images.ndim > 0 and images.shape[-1] in (1, 3)
    # Three axes with channels are a single image.
    if images.ndim not in (3, 4) or channels_last != (images.ndim == 4) or not _are_numbers(images):
        raise ValueError(
            "images has to hold at least one picture and to be of shape (n, H, W), (n, H, W, 1), (n, H, W, 3) or, for "
            "square ones, flat (n, H * W); a single image goes in as np.array([img]). "
            f"Received: {_described(images)}"
        )
    if images.shape[-1] == 1:
        images = images[..., 0]
    pixels = _as_bytes(images)
    return pixels if pixels.ndim == 4 else 255 - pixels


def as_picture(image: Any) -> np.ndarray:
    """Check a single image, (H, W), (H, W, 1), (H, W, 3) or flat (H * W), and return it as (H, W) or (H, W, 3)."""
    image = np.asarray(image)
    if image.ndim == 1 and math.isqrt(image.size) ** 2 == image.size:
        image = image.reshape(math.isqrt(image.size), -1)
    if image.ndim == 3 and image.shape[2] == 1:
        image = image[..., 0]
    if not (image.ndim == 2 or image.ndim == 3 and image.shape[2] == 3) or not _are_numbers(image):
        raise ValueError(
            "image has to be one picture of shape (H, W), (H, W, 1), (H, W, 3) or flat (H * W) for a square one; "
            f"images[0] is the first of many. Received: {_described(image)}"
        )
    return image


def as_classes(values: Any, count: int, argument: str, limit: int | None = None) -> np.ndarray:
    """Bring class numbers (n,), or one-hot rows or probabilities (n, classes), to class numbers (n,) below `limit`."""
    classes = np.asarray(values)
    if classes.ndim == 2 and classes.shape[1] > 1:
        classes = classes.argmax(axis=1)
    if classes.shape != (count,) or classes.dtype.kind not in "iu":
        raise ValueError(
            f"{argument} has to hold one class for each of the {count} images: whole numbers of shape ({count},), or "
            f"rows of shape ({count}, classes). Received: {_described(np.asarray(values))}"
        )
    if classes.min() < 0 or (limit is not None and classes.max() >= limit):
        known = "at least 0" if limit is None else f"from 0 to {limit - 1}, as there are {limit} classes"
        raise ValueError(f"{argument} has to be {known}. Received: classes from {classes.min()} to {classes.max()}")
    return classes


def as_probabilities(values: Any, count: int) -> np.ndarray:
    """Check probabilities of shape (n, classes)."""
    probabilities = np.asarray(values)
    if probabilities.ndim != 2 or len(probabilities) != count or probabilities.shape[1] < 2:
        raise ValueError(
            f"probabilities has to hold one row of class probabilities for each of the {count} images, shape "
            f"({count}, classes), as predict returns them. Received: shape {probabilities.shape}"
        )
    if not (probabilities.min() >= -1e-3 and probabilities.max() <= 1 + 1e-3):
        raise ValueError(
            "probabilities have to lie between 0 and 1; if these are logits, softmax turns them into probabilities. "
            f"Received: values from {probabilities.min():.4g} to {probabilities.max():.4g}"
        )
    return probabilities


def as_one_prediction(values: Any) -> np.ndarray:
    """Check one prediction of shape (classes,) and return it as (1, classes)."""
    if np.ndim(values) != 1:
        raise ValueError(
            "probabilities has to be one prediction of shape (classes,): predictions[0] is the first of many. "
            f"Received: shape {np.shape(values)}"
        )
    return np.asarray(values)[np.newaxis]


def as_names(class_names: Sequence[str] | None, classes: int) -> list[str]:
    """Return the name of each class, or its number where there are no names."""
    if class_names is None:
        return [str(number) for number in range(classes)]
    if len(class_names) != classes:
        raise ValueError(f"class_names has to name each of the {classes} classes. Received: {len(class_names)} names")
    return [str(name) for name in class_names]


def as_shades(values: np.ndarray, largest: float | None = None) -> np.ndarray:
    """Turn numbers of any shape into colours, uint8 (..., 3): 0 is white, what lies above darker, what lies below red.

    `largest` is the size that gets the full shade; the largest of the values if nothing is said.
    """
    values = np.asarray(values, np.float64)
    largest = np.abs(values).max() if largest is None else largest
    if not math.isfinite(largest):
        raise ValueError(f"what is drawn has to be of finite numbers only. Received: values up to {largest}")
    light = (255 * (1 - np.abs(values) / max(largest, 1e-12)) + 0.5).astype(np.uint8)
    return np.stack([np.where(values < 0, 255, light), light, light], axis=-1)


def _are_numbers(array: np.ndarray) -> bool:
    return array.size > 0 and array.dtype.kind in "buif"


def _described(array: np.ndarray) -> str:
    return f"{array.dtype} of shape {array.shape}"


def _as_bytes(images: np.ndarray) -> np.ndarray:
    if images.dtype == np.uint8:
        return images
    low, high = float(images.min()), float(images.max())
    if not math.isfinite(high - low):
        raise ValueError(f"images has to hold finite numbers only. Received: values from {low} to {high}")
    return ((images - low) * (255 / max(high - low, 1e-12)) + 0.5).astype(np.uint8)
