"""Shapes as users write them, and the sizes and pads of sliding windows: the one place that knows the SAME rule."""

import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


def as_shape(shape: int | Sequence[int], argument: str = "input_shape") -> tuple[int, ...]:
    """Return a shape given as a tuple, a list or one integer as a tuple of integers of at least 1.

    Raises
    ------
    ValueError
        If an entry is not an integer of at least 1. The batch axis is no part of a shape here.
    """
    entries = (shape,) if isinstance(shape, int | np.integer) else shape
    if not isinstance(entries, tuple | list) or not all(_is_positive(entry) for entry in entries):
        raise ValueError(
            f"{argument} must be a tuple or list of integers of at least 1, without the batch axis. Received: {shape!r}"
        )
    return tuple(int(entry) for entry in entries)


def as_count(value: int, argument: str) -> int:
    """Return an integer of at least 1, or raise a ValueError that names the argument."""
    if not _is_positive(value):
        raise ValueError(f"{argument} must be an integer of at least 1. Received: {value!r}")
    return int(value)


def as_pair(value: int | Sequence[int], argument: str) -> tuple[int, int]:
    """Return a window's height and width, given as one integer for both or as a pair.

    Raises
    ------
    ValueError
        If `value` is neither an integer nor a pair of integers of at least 1.
    """
    pair = (value, value) if isinstance(value, int | np.integer) else value
    if not isinstance(pair, tuple | list) or len(pair) != 2 or not all(_is_positive(entry) for entry in pair):
        raise ValueError(f"{argument} must be an integer of at least 1, or a pair of them. Received: {value!r}")
    return int(pair[0]), int(pair[1])


def _is_positive(entry) -> bool:
    return isinstance(entry, int | np.integer) and not isinstance(entry, bool) and entry >= 1


def as_padding(padding: str, argument: str) -> str:
    """Return "valid" or "same", as TensorFlow also writes it in capitals, or raise a ValueError naming the argument."""
    if isinstance(padding, str) and padding.lower() in ("valid", "same"):
        return padding.lower()
    raise ValueError(f"{argument} must be 'valid' or 'same'. Received: {padding!r}")


def check_data_format(data_format: str | None, argument: str) -> None:
    """Raise a ValueError that names the argument, unless it asks for the one layout that there is."""
    if data_format not in (None, "channels_last"):
        raise ValueError(f"{argument} must be 'channels_last', images being (N, H, W, C) here; np.moveaxis(x, 1, -1) "
                         f"takes channels that stand first there. Received: {data_format!r}")


def as_image_shape(shape: Sequence[int], layer_name: str) -> tuple[int, int, int]:
    """Return the shape (H, W, C) of a layer's images, or raise a ValueError that names the layer."""
    shape = as_shape(shape)
    if len(shape) != 3:
        channel = ", one channel too: Reshape((H, W, 1)) or x[..., np.newaxis] before it" if len(shape) == 2 else ""
        raise ValueError(f"Layer {layer_name!r} expects images of shape (H, W, C){channel}. Received: "
                         f"input_shape={shape}")
    return shape


def window_size(size: int, kernel: int, stride: int, padding: str, dilation: int = 1) -> int:
    """Return how many places a window takes along an axis of `size` elements.

    "valid" lets no place stick out: ⌊(size - reach) / stride⌋ + 1, with reach = dilation (kernel - 1) + 1.
    "same" makes a place for every `stride` elements, whatever the kernel: ⌈size / stride⌉.

    Raises
    ------
    ValueError
        If `padding` is neither, or the window is larger than the axis.
    """
    if padding == "same":
        return -(-size // stride)
    if padding != "valid":
        raise ValueError(f"padding must be 'valid' or 'same'. Received: {padding!r}")
    reach = dilation * (kernel - 1) + 1
    if reach > size:
        raise ValueError(f"A window that reaches over {reach} elements does not fit an axis of {size}. "
                         f"Received: kernel {kernel}, dilation {dilation}, padding 'valid'")
    return (size - reach) // stride + 1


def window_pads(size: int, kernel: int, stride: int, padding: str, dilation: int = 1) -> tuple[int, int]:
    """Return the pads before and after an axis, by TensorFlow's rule: an odd one stands after it.

    "same" adds what the last place needs: (places - 1) stride + reach - size, if that is positive.
    """
    if padding == "valid":
        return 0, 0
    reach = dilation * (kernel - 1) + 1
    total = max((window_size(size, kernel, stride, padding, dilation) - 1) * stride + reach - size, 0)
    return total // 2, total - total // 2


class Window(NamedTuple):
    """A window that slides over an image: all that kernels know of it. Each field is a pair (height, width).

    Place (i, j) of the output looks at the rows ``i * strides[0] + a * dilation[0] - before[0]``, a < size[0], of the
    input, and likewise at its columns; what lies outside the image is padding.
    """

    size: tuple[int, int]
    strides: tuple[int, int]
    dilation: tuple[int, int]
    before: tuple[int, int]
    places: tuple[int, int]


def slide(image: tuple[int, int], size: tuple[int, int], strides: tuple[int, int], padding: str,
          dilation: tuple[int, int] = (1, 1)) -> Window:
    """Return the window of `size` that slides over an image (height, width); `places` is the output's size.

    Raises
    ------
    ValueError
        As :func:`window_size`.
    """
    axes = list(zip(image, size, strides, (padding, padding), dilation, strict=True))
    before = tuple(window_pads(*axis)[0] for axis in axes)
    places = tuple(window_size(*axis) for axis in axes)
    return Window(size, strides, dilation, before, places)


def slide_over(layer_name: str, shape: tuple[int, int, int], size: tuple[int, int], strides: tuple[int, int],
               padding: str, dilation: tuple[int, int] = (1, 1)) -> Window:
    """Return the window of a layer whose images have the shape (H, W, C).

    Raises
    ------
    ValueError
        If the window is larger than the padded image; it names the layer, and guesses whether the channels stand first.
    """
    try:
        window = slide(shape[:2], size, strides, padding, dilation)
    except ValueError:
        guess = ""
        if shape[0] <= 4 < min(shape[1:]):
            guess = " It looks like channels first; images are (H, W, C) here, so try np.moveaxis(x, 1, -1)."
        reach = tuple(step * (count - 1) + 1 for step, count in zip(dilation, size, strict=True))
        raise ValueError(f"Layer {layer_name!r}: a window that reaches over {reach} pixels does not fit an image of "
                         f"(H, W) = {shape[:2]} with padding={padding!r}.{guess} Received: input_shape={shape}"
                         ) from None
    if shape[0] in (1, 3) and shape[1] == shape[2] >= 16:
        warnings.warn(f"Layer {layer_name!r}: images of shape {shape} look like channels first, and are taken as "
                      f"{shape[2]} channels; images are (H, W, C) here: np.moveaxis(x, 1, -1). "
                      f"Received: input_shape={shape}", stacklevel=2)
    return window
