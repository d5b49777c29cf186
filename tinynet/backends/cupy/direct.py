"""Convolutions straight from the image, for filters that see few numbers; no columns are laid out.

These are the first layer of a network, which sees one channel or three; and those in many groups, up to depthwise ones,
which have a group for each channel. Shapes are those of :func:`tinynet.backends.numpy.conv.conv2d`: kernel (KH, KW, C
of a group, F).
"""

from tinynet.backends.cupy.launch import BLOCKS, Source
from tinynet.backends.cupy.memory import empty
from tinynet.backends.cupy.sums import as_bounds, sum_rows
from tinynet.backends.cupy.windows import as_arguments, each_row, threads_for

PLACES = 4
"""Places side by side that a thread computes."""

ENTRIES = 4
"""Entries of the kernel whose gradients a thread computes."""

_source = Source("direct")


def convolve(x, kernel, bias, y, window, scale=None, bounds=None):
    """Compute numpy.conv.conv2d: a thread has one filter in PLACES places side by side."""
    _, H, W, C = x.shape
    N, OH, OW, F = y.shape
    lowest, highest = as_bounds(bounds)
    each_row(_source, "convolve", N * OH, -(-OW // PLACES) * F, x, kernel, bias, scale, lowest, highest, y, H, W, C,
             kernel.shape[2], F, *as_arguments(window))


def kernel_gradient(x, dy, y, dkernel, dbias, window, buffer):
    """Compute dkernel and, unless it is None, dbias of numpy.conv.conv2d_backward; y is None or goes with a ReLU.

    Blocks sum over some rows of places each, and a second launch adds up what they have found. To both the bias is one
    more entry of the kernel, which sees 1 everywhere.
    """
    _, H, W, C = x.shape
    N, OH, _, F = dy.shape
    rows, entries = N * OH, dkernel[..., 0].size + 1
    width = -(-entries // ENTRIES) * F
    threads = threads_for(width)
    blocks = -(-width // threads)
    rows_of_part = -(-rows // max(1, min(rows, BLOCKS // blocks)))
    parts = -(-rows // rows_of_part)
    found = buffer("parts", (parts, entries * F))
    _source.launch("kernel_gradient", (parts, blocks), threads, x, dy, y, found, rows, rows_of_part, H, W, C,
                   dkernel.shape[2], F, *as_arguments(window))
    # The bias' sums come last; where nobody wants them they still need a place.
    sum_rows(found, dkernel, empty((F,), x.dtype) if dbias is None else dbias)


def image_gradient(kernel, dy, dx, window):
    """Compute dx of numpy.conv.conv2d_backward: a thread has one number of it."""
    N, H, W, C = dx.shape
    each_row(_source, "image_gradient", N * H, W * C, dy, kernel, dx, H, W, C, kernel.shape[2], dy.shape[3],
             *as_arguments(window))
