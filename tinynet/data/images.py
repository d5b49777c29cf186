"""Photos: from a file's bytes to pixels, and to one size. Pillow does the work; it is loaded with the first photo."""

import io
import os

import numpy as np

from tinynet.errors import explain_keywords

MAX_PIXELS = 1 << 26
"""Pixels that a photo may have, 67 million: a small file can promise far more, and fill any memory."""

MAX_BYTES = 1 << 28
"""Bytes that a photo's file may have."""

_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP")  # Pillow knows more; some run other programs
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


@explain_keywords
def decode_image(contents: bytes | str | os.PathLike, channels: int = 3) -> np.ndarray:
    """Decode a photo: JPEG, PNG, GIF (its first picture), BMP or WebP, told apart by their first bytes.

    As in `tf.io.decode_image`, pixels come as they are stored: an EXIF note that the camera was held sideways is not
    followed. Several threads may decode at the same time.

    Parameters
    ----------
    contents : bytes or path
        What the file holds, or where it is.
    channels : {3, 1, 4}
        Red, green and blue; grey; or red, green, blue and opacity. A photo of another kind is converted.

    Returns
    -------
    array of uint8, (H, W, channels)

    Raises
    ------
    ValueError
        If it is no photo, damaged or cut short, or has more than 67 million pixels; the message names the file.
    FileNotFoundError
        If there is no file at the path.

    Examples
    --------
    >>> photos = Dataset.list_files("flower_photos/*/*.jpg").map(decode_image, num_parallel_calls=AUTOTUNE)
    """
    if channels not in _MODES:
        raise ValueError(f"decode_image: channels must be 1, 3 or 4. Received: {channels!r}")
    if isinstance(contents, str | os.PathLike):
        with open(contents, "rb") as file:
            return decode(file.read(MAX_BYTES + 1), str(contents), channels)
    if not isinstance(contents, bytes | bytearray | memoryview):
        raise TypeError(f"decode_image: contents must be bytes or a path. Received: {type(contents).__name__}")
    return decode(contents, "contents", channels)


def decode(contents: bytes | bytearray | memoryview, name: str, channels: int = 3) -> np.ndarray:
    """Decode as :func:`decode_image` does what a file of this name holds."""
    from PIL import Image, UnidentifiedImageError

    def error(why: str) -> ValueError:
        return ValueError(f"decode_image: {name} is no photo that can be read ({', '.join(_FORMATS)}). Received: {why}")

    if len(contents) > MAX_BYTES:
        raise error(f"more than {MAX_BYTES} bytes")
    try:
        with Image.open(io.BytesIO(contents), formats=_FORMATS) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                raise Image.DecompressionBombError
            pixels = np.array(_plain(image).convert(_MODES[channels]))
    except UnidentifiedImageError as cause:
        raise error(f"{len(contents)} bytes of something else") from cause
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as cause:
        raise error(f"more than {MAX_PIXELS} pixels, promised by {len(contents)} bytes") from cause
    except Exception as cause:  # Pillow raises nearly any error for a damaged file
        raise error(f"{len(contents)} bytes, damaged or cut short ({type(cause).__name__}: {cause})") from cause
    return pixels[..., np.newaxis] if channels == 1 else pixels


def _plain(image):
    """Return an opened image in a mode from which Pillow converts to every other without loss or complaint."""
    from PIL import Image

    if image.mode.startswith("I"):  # grey in 16 bits, of which the upper 8 are those of an 8-bit image
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert("RGBA") if image.mode == "P" and "transparency" in image.info else image


@explain_keywords
def resize_and_crop(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Bring a photo to one size: scaled until it just covers it, and cut off evenly on the two sides that stand over.

    Each new pixel is a mean of old ones, weighted by their distance (bilinear); so large photos shrink without
    jagged edges.

    Parameters
    ----------
    image : array of uint8, (H, W, C)
        C is 1, 3 or 4.
    size : tuple (height, width)
        In pixels.

    Returns
    -------
    array of uint8, (height, width, C)

    Raises
    ------
    ValueError
        If `image` or `size` is something else.

    Examples
    --------
    >>> photos.map(lambda photo: resize_and_crop(photo, (192, 192)))
    """
    height, width = check_size("resize_and_crop: size", size)
    image = np.asarray(image)
    if image.ndim != 3 or image.dtype != np.uint8 or image.shape[2] not in _MODES or 0 in image.shape:
        raise ValueError(
            "resize_and_crop: image must be uint8 of shape (H, W, C), C being 1, 3 or 4, as decode_image returns it. "
            f"Received: {image.dtype} of shape {image.shape}"
        )
    h, w, channels = image.shape
    if (h, w) == (height, width):
        return image.copy()
    from PIL import Image

    scale = min(h / height, w / width)  # old pixels to a new one
    top, left = max(h - scale * height, 0) / 2, max(w - scale * width, 0) / 2  # rounding may take them below 0
    box = (left, top, min(left + scale * width, w), min(top + scale * height, h))
    # A fourth channel called X is one like the others; called A it would be multiplied into them.
    photo = Image.frombytes({1: "L", 3: "RGB", 4: "RGBX"}[channels], (w, h), image.tobytes())
    pixels = np.array(photo.resize((width, height), Image.Resampling.BILINEAR, box))
    return pixels[..., np.newaxis] if channels == 1 else pixels


def check_size(name: str, size: tuple[int, int]) -> tuple[int, int]:
    """Return (height, width) as ints, or raise a ValueError unless these are two integers of at least 1."""
    sides = tuple(size) if isinstance(size, tuple | list) else ()
    is_whole = [isinstance(side, int | np.integer) and not isinstance(side, bool) and side >= 1 for side in sides]
    if len(sides) != 2 or not all(is_whole) or sides[0] * sides[1] > MAX_PIXELS:
        raise ValueError(f"{name} must be (height, width), {MAX_PIXELS} pixels at most. Received: {size!r}")
    return int(sides[0]), int(sides[1])
