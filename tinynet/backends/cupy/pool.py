"""Pooling, on the GPU. Equals numpy.pool.

Forward a thread has one number of y. Backward it has one of dx, and looks at all places that saw this pixel. A pool of
the whole image is shared by a block's threads.
"""

from tinynet.backends.cupy.launch import THREADS, Source
from tinynet.backends.cupy.windows import as_arguments, each_row

CHANNELS = 32
"""Neighbouring channels of a block, where it pools the whole image."""

_source = Source("pool")


def max_pool(x, y, window) -> None:
    """Equals numpy.pool.max_pool."""
    _each_place("max_pool", x, y, window)


def max_pool_backward(dy, x, y, dx, window) -> None:
    """Equals numpy.pool.max_pool_backward."""
    _each_pixel("max_pool_backward", dx, window, dy, x, y)


def average_pool(x, y, window) -> None:
    """Equals numpy.pool.average_pool."""
    _each_place("average_pool", x, y, window)


def average_pool_backward(dy, dx, window) -> None:
    """Equals numpy.pool.average_pool_backward."""
    _each_pixel("average_pool_backward", dx, window, dy)


def global_max_pool(x, y) -> None:
    """Equals numpy.pool.global_max_pool."""
    _each_image("global_max_pool", x, x, y)


def global_max_pool_backward(dy, x, y, dx) -> None:
    """Equals numpy.pool.global_max_pool_backward."""
    _each_image("global_max_pool_backward", x, dy, x, y, dx)


def global_average_pool(x, y) -> None:
    """Equals numpy.pool.global_average_pool."""
    _each_image("global_average_pool", x, x, y)


def global_average_pool_backward(dy, dx) -> None:
    """Equals numpy.pool.global_average_pool_backward."""
    _, H, W, C = dx.shape
    _source.each("global_average_pool_backward", dx.size, dy, dx, H * W, C)


def _each_place(kernel, x, y, window):
    _, H, W, C = x.shape
    each_row(_source, kernel, len(x) * window.places[0], window.places[1] * C, x, y, H, W, C, *as_arguments(window))


def _each_pixel(kernel, dx, window, *arrays):
    N, H, W, C = dx.shape
    each_row(_source, kernel, N * H, W * C, *arrays, dx, H, W, C, *as_arguments(window))


def _each_image(kernel, x, *arrays):
    """Launch a kernel of which a block has CHANNELS channels of an image; its threads share the pixels."""
    N, H, W, C = x.shape
    _source.launch(kernel, (N, -(-C // CHANNELS)), THREADS, *arrays, H * W, C)
