"""Convolutions tile by tile, straight from the image: no columns are laid out.

Each thread takes some images and copies one at a time into an array with the padding around it. A tile is ROWS places
of a row of the output, for one or two vectors of filters: the sums stay in registers while the window's entries go by.
The gradients are products of the same kind. That of the kernel has the window's entries as the rows of its tiles and
adds up over places; that of the image runs over dy with the kernel turned around: entry a of the kernel meets pixel h
in place i where h + before = i·stride + a·dilation, so once a pixel's first entry is known, the next are stride entries
further and dilation places back (both divided by what they have in common).

Filters (for dx: channels) are padded with zeros to whole vectors. `window` is a :class:`tinynet.shapes.Window`.
"""

import math

import numpy as np

from tinynet.backends.numba.dense import add_to_rows, dense, dense_backward, sum_rows
from tinynet.backends.numba.jit import jit
from tinynet.backends.numba.products import add_tile, columns_of_tile, empty_sums, whole_vectors, write_row
from tinynet.backends.numba.tile import ROWS
from tinynet.backends.numba.workers import is_large, parts, share
from tinynet.backends.numpy.conv import as_columns


def conv2d(x, kernel, bias, y, window, buffer) -> None:
    """Equals numpy.conv.conv2d."""
    if is_pointwise(x, kernel, window):
        dense(as_columns(x), as_columns(kernel), bias, as_columns(y))
        return
    slices = share_out(y, kernel)
    weights = by_groups(x, kernel, buffer)
    images = padded_images(x, window, len(slices), buffer)
    bias = np.zeros(y.shape[3], y.dtype) if bias is None else bias
    share(lambda part, some: convolve(x[some], weights, bias, y[some], window, images[part]), slices)


def conv2d_backward(x, kernel, dy, dx, dkernel, dbias, window, buffer) -> None:
    """Equals numpy.conv.conv2d_backward."""
    if is_pointwise(x, kernel, window):
        dense_backward(as_columns(x), as_columns(kernel), as_columns(dy), None if dx is None else as_columns(dx),
                       None if dkernel is None else as_columns(dkernel), dbias)
        return
    slices = share_out(dy, kernel)
    groups = x.shape[3] // kernel.shape[2]
    before, dys = padded_gradients(x, kernel, dy, window, len(slices), buffer)
    turned = by_groups_transposed(x, kernel, buffer) if dx is not None else None
    images = padded_images(x, window, len(slices), buffer)
    dkernels = buffer("dkernels", (len(slices), groups, *kernel.shape[:3], dys.shape[3] // groups))
    dbiases = buffer("dbiases", (len(slices), dy.shape[3]))

    def work(part, some):
        if dx is not None:
            convolve_back(dy[some], turned, dx[some], window, dys[part], before)
        if dkernel is not None:
            correlate(x[some], dy[some], dkernels[part], window, images[part], dys[part], before)
        if dbias is not None:
            sum_rows(as_columns(dy[some]), dbiases[part])

    share(work, slices)
    if dkernel is not None:
        filters = kernel.shape[3] // groups
        total = dkernels[: len(slices)].sum(axis=0)
        for g in range(groups):
            dkernel[..., g * filters : (g + 1) * filters] = total[g, ..., :filters]
    if dbias is not None:
        dbiases[: len(slices)].sum(axis=0, out=dbias)


def is_pointwise(x, kernel, window) -> bool:
    """Whether the convolution is a dense layer at every pixel: a window of one pixel, one group."""
    return window.size == window.strides == (1, 1) and window.before == (0, 0) and kernel.shape[2] == x.shape[3]


def share_out(y, kernel) -> list[slice]:
    """Return the threads' shares of the images; a number of y costs KH·KW·C multiplications."""
    return parts(len(y), is_large(y.size, y.size * kernel[..., 0].size))


def by_groups(x, kernel, buffer):
    """Return the kernel as (groups, KH, KW, C of a group, filters of a group, padded)."""
    KH, KW, C, F = kernel.shape
    groups = x.shape[3] // C
    filters = F // groups
    if groups == 1 and whole_vectors(F, kernel.dtype) == F:
        return kernel[np.newaxis]
    weights = buffer("weights", (groups, KH, KW, C, whole_vectors(filters, kernel.dtype)))
    weights[...] = 0
    weights[..., :filters] = kernel.reshape(KH, KW, C, groups, filters).transpose(3, 0, 1, 2, 4)
    return weights


def by_groups_transposed(x, kernel, buffer):
    """Return the kernel as (groups, KH, KW, filters of a group, C of a group, padded)."""
    KH, KW, C, F = kernel.shape
    groups = x.shape[3] // C
    filters = F // groups
    weights = buffer("turned", (groups, KH, KW, filters, whole_vectors(C, kernel.dtype)))
    weights[...] = 0
    weights[..., :C] = kernel.reshape(KH, KW, C, groups, filters).transpose(3, 0, 1, 4, 2)
    return weights


def padded_images(x, window, threads, buffer):
    """Return room for one image a thread, as far as the window reaches; 0 but for what :func:`place` will write."""
    axes = zip(window.size, window.strides, window.dilation, window.places, strict=True)
    height, width = ((places - 1) * stride + (size - 1) * dilation + 1 for size, stride, dilation, places in axes)
    images = buffer("images", (threads, height, width, x.shape[3]))
    images[...] = 0
    return images


def padded_gradients(x, kernel, dy, window, threads, buffer):
    """Return ((rows, columns) before, room for one image of dy a thread), with all that a pixel of dx may look at.

    The filters of each group are padded to whole vectors.
    """
    groups = x.shape[3] // kernel.shape[2]
    filters = groups * whole_vectors(dy.shape[3] // groups, dy.dtype)
    axes = list(zip(x.shape[1:3], *window, strict=True))
    before = tuple(dilation * (size - 1) // stride for _, size, stride, dilation, _, _ in axes)
    after = tuple(max(places, (length - 1 + pad) // stride + 1) for length, _, stride, _, pad, places in axes)
    dys = buffer("dys", (threads, before[0] + after[0], before[1] + after[1], filters))
    dys[...] = 0
    return before, dys


@jit
def convolve(x, weights, bias, y, window, image) -> None:
    """Compute conv2d of some images. weights (G, KH, KW, C of a group, filters of a group, padded)."""
    N, OH, OW, F = y.shape
    G, KH, KW, C, width = weights.shape
    pixel, line = image.shape[2], image.shape[1] * image.shape[2]
    filters = F // G
    # Without dilation and groups, a row of the window lies in memory as one run.
    counts = (KH, 1, KW * C) if G == 1 and window.dilation[1] == 1 else (KH, KW, C)
    steps = (window.strides[1] * pixel, window.dilation[0] * line, window.dilation[1] * pixel, 1)
    weight_steps = (KW * C * width, C * width, width)
    flat_image, flat_weights, flat_y = image.ravel(), weights.ravel(), y.ravel()
    sums = empty_sums(x)
    for n in range(N):
        place(x[n], image, window.before, pixel, pixel)
        for g in range(G):
            start = 0
            while start < width:
                columns = columns_of_tile(width - start, x.itemsize)
                for i in range(OH):
                    write_row(flat_image, i * window.strides[0] * line + g * C, steps,
                              flat_weights, g * KH * KW * C * width + start, weight_steps, counts, columns, sums,
                              flat_y, (n * OH + i) * OW * F + g * filters + start, F, OW,
                              bias[g * filters + start : (g + 1) * filters])
                start += columns


@jit
def convolve_back(dy, weights, dx, window, image, before) -> None:
    """Compute the dx of some images. weights (G, KH, KW, filters of a group, C of a group, padded)."""
    N, H, W, channels = dx.shape
    G, KH, KW, F, width = weights.shape
    C = channels // G
    pixel, line = image.shape[2], image.shape[1] * image.shape[2]
    SH, SW = window.strides
    DH, DW = window.dilation
    common = math.gcd(SH, DH), math.gcd(SW, DW)
    next_a, next_b = SH // common[0], SW // common[1]
    steps = (pixel, -(DH // common[0]) * line, -(DW // common[1]) * pixel, 1)
    weight_steps = (next_a * KW * F * width, next_b * F * width, width)
    flat_image, flat_weights, flat_dx = image.ravel(), weights.ravel(), dx.ravel()
    sums = empty_sums(dx)
    nothing = np.zeros(C, dx.dtype)
    for n in range(N):
        place(dy[n], image, before, F, pixel // G)
        if common[1] > 1:
            dx[n] = 0  # some pixels meet no entry
        for g in range(G):
            start = 0
            while start < width:
                columns = columns_of_tile(width - start, dx.itemsize)
                for h in range(H):
                    a = 0  # the first entry that meets this row, in place i
                    while a < KH and (h + window.before[0] - a * DH) % SH:
                        a += 1
                    i = (h + window.before[0] - a * DH) // SH
                    for b in range(next_b):
                        j = -((b * DW - window.before[1]) // SW)  # the first place whose entry b meets a pixel, w
                        w = j * SW + b * DW - window.before[1]
                        counts = (max(0, -((a - KH) // next_a)), max(0, -((b - KW) // next_b)), F)
                        seen = (i + before[0]) * line + (j + before[1]) * pixel + g * (pixel // G)
                        weight = ((g * KH + a) * KW + b) * F * width + start
                        into = ((n * H + h) * W + w) * channels + g * C + start
                        write_row(flat_image, seen, steps, flat_weights, weight, weight_steps, counts, columns, sums,
                                  flat_dx, into, SW * channels, max(0, -((w - W) // SW)), nothing[start:])
                start += columns


@jit
def correlate(x, dy, dweights, window, image, gradient, before) -> None:
    """Compute the kernel's gradient from some images. dweights (G, KH, KW, C of a group, filters, padded)."""
    N, OH, OW, F = dy.shape
    G, KH, KW, C, width = dweights.shape
    pixel, line = image.shape[2], image.shape[1] * image.shape[2]
    dy_pixel, dy_line = gradient.shape[2], gradient.shape[1] * gradient.shape[2]
    whole = G == 1 and window.dilation[1] == 1
    runs, length = (1, KW * C) if whole else (KW, C)
    steps = (1, 0, window.strides[0] * line, window.strides[1] * pixel)
    dy_steps = (0, dy_line, dy_pixel)
    flat_image, flat_gradient, flat_dweights = image.ravel(), gradient.ravel(), dweights.ravel()
    flat_dweights[:] = 0
    for n in range(N):
        place(x[n], image, window.before, pixel, pixel)
        place(dy[n], gradient, before, F // G, dy_pixel // G)
        for g in range(G):
            start = 0
            while start < width:
                columns = columns_of_tile(width - start, x.itemsize)
                seen = before[0] * dy_line + before[1] * dy_pixel + g * width + start
                for a in range(KH):
                    for b in range(runs):
                        entry = (a * window.dilation[0]) * line + b * window.dilation[1] * pixel + g * C
                        into = ((g * KH + a) * KW + b) * C * width + start
                        k = 0
                        while k < length:
                            rows = ROWS if k + ROWS <= length else 1
                            add_tile(rows, columns, flat_image, entry + k, steps, flat_gradient, seen, dy_steps,
                                     flat_dweights, into + k * width, width, (1, OH, OW))
                            k += rows
                start += columns


@jit
def place(image, padded, before, group, width) -> None:
    """Copy an image (H, W, C) into the padded one, each group of its channels to the beginning of `width` channels."""
    H, W, C = image.shape
    H, W = min(H, padded.shape[0] - before[0]), min(W, padded.shape[1] - before[1])
    if group == width:
        rows, padded_rows = image.reshape(image.shape[0], -1), padded.reshape(padded.shape[0], -1)
        for h in range(H):
            ours, theirs = rows[h], padded_rows[before[0] + h, before[1] * C :]
            for k in range(W * C):
                theirs[k] = ours[k]
        return
    for h in range(H):
        for w in range(W):
            for g in range(C // group):
                ours = image[h, w, g * group : (g + 1) * group]
                theirs = padded[before[0] + h, before[1] + w, g * width :]
                for c in range(group):
                    theirs[c] = ours[c]


def add_bias(y, bias) -> None:
    """Equals numpy.conv.add_bias."""
    add_to_rows(as_columns(y), bias)


def sum_bias(dy, dbias) -> None:
    """Equals numpy.conv.sum_bias."""
    sum_rows(as_columns(dy), dbias)
