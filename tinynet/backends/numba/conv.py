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

from tinynet.backends.numba.dense import add_to_rows, dense_backward, sum_rows
from tinynet.backends.numba.jit import jit
from tinynet.backends.numba.products import (
    add_tile,
    after_sums,
    columns_of_tile,
    empty_sums,
    read_on,
    whole_vectors,
    write_row,
)
from tinynet.backends.numba.tile import ROWS
from tinynet.backends.numba.workers import is_large, parts, share
from tinynet.backends.numpy.conv import as_columns

AT_ONCE = 16_384
"""Numbers of an image that a pointwise convolution reads before it goes on to the next filters."""


def conv2d(x, kernel, bias, y, window, buffer, scale=None, bounds=None) -> None:
    """Equals numpy.conv.conv2d."""
    weights = by_groups(x, kernel, buffer)
    bias, scale, bounds = as_given(y, bias, scale, bounds)
    if is_pointwise(x, kernel, window):
        pixels, weights, sums = as_columns(x), as_columns(weights), as_columns(y)
        share(lambda _, some: mix_channels(pixels[some], weights, bias, sums[some], scale, bounds),
              parts(len(pixels), is_large(products=y.size * kernel.shape[2])))
        return
    slices = share_out(y, kernel)
    images = padded_images(x, window, len(slices), buffer)
    share(lambda part, some: convolve(x[some], weights, bias, y[some], window, images[part], scale, bounds), slices)


def conv2d_backward(x, kernel, dy, dx, dkernel, dbias, window, buffer, y=None) -> None:
    """Equals numpy.conv.conv2d_backward."""
    if is_pointwise(x, kernel, window) and y is None:
        dense_backward(as_columns(x), as_columns(kernel), as_columns(dy), None if dx is None else as_columns(dx),
                       None if dkernel is None else as_columns(dkernel), dbias, buffer)
        return
    slices = share_out(dy, kernel)
    groups = x.shape[3] // kernel.shape[2]
    before, dys = padded_gradients(x, kernel, dy, window, len(slices), buffer)
    images = padded_images(x, window, len(slices), buffer)
    turned = by_groups_transposed(x, kernel, buffer)
    dkernels = buffer("dkernels", (len(slices), groups, *kernel.shape[:3], dys.shape[3] // groups))
    dbiases = buffer("dbiases", (len(slices), dy.shape[3]))
    # An empty array says that nothing is asked for: each pattern of None would be compiled anew.
    dx = x[:0] if dx is None else dx
    y = dy[:0] if y is None else y

    def work(part, some):
        go_back(x[some], dy[some], y[some], turned, dx[some], dkernels[part, : 0 if dkernel is None else groups],
                dbiases[part, : 0 if dbias is None else dy.shape[3]], window, groups, images[part], dys[part], before)

    share(work, slices)
    if dkernel is not None:
        filters = kernel.shape[3] // groups
        total = dkernels[: len(slices)].sum(axis=0)
        for g in range(groups):
            dkernel[..., g * filters : (g + 1) * filters] = total[g, ..., :filters]
    if dbias is not None:
        dbiases[: len(slices)].sum(axis=0, out=dbias)


def as_given(y, *optional) -> list:
    """Return what may be None as arrays, empty ones for None: each pattern of None would be compiled anew."""
    return [np.asarray(() if values is None else values, y.dtype) for values in optional]


def is_pointwise(x, kernel, window) -> bool:
    """Whether the convolution is a dense layer at every pixel: a window of one pixel, one group."""
    return window.size == window.strides == (1, 1) and window.before == (0, 0) and kernel.shape[2] == x.shape[3]


def share_out(y, kernel) -> list[slice]:
    """Return the threads' shares of the images; a number of y costs KH·KW·C multiplications, in short loops."""
    return parts(len(y), is_large(products=4 * y.size * kernel[..., 0].size))


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
def convolve(x, weights, bias, y, window, image, scale, bounds) -> None:
    """Compute conv2d of some images. weights (G, KH, KW, C of a group, filters of a group, padded)."""
    N, OH, OW, F = y.shape
    G, KH, KW, C, width = weights.shape
    pixel, line = image.shape[2], image.shape[1] * image.shape[2]
    filters = F // G
    # Without dilation and groups, a row of the window lies in memory as one run.
    counts = (KH, np.int64(1), KW * C) if G == 1 and window.dilation[1] == 1 else (KH, KW, C)
    steps = (window.strides[1] * pixel, window.dilation[0] * line, window.dilation[1] * pixel, 1)
    weight_steps = (KW * C * width, C * width, width)
    flat_image, flat_weights, flat_y = image.ravel(), weights.ravel(), y.ravel()
    sums, after = empty_sums(x), after_sums(scale, bias, bounds, read_on(F, x.itemsize), x)
    for n in range(N):
        place(x[n], x[:0], image, window.before, pixel, pixel)
        for g in range(G):
            start = 0
            while start < width:
                columns = columns_of_tile(width - start, x.itemsize)
                for i in range(OH):
                    write_row(flat_image, i * window.strides[0] * line + g * C, steps,
                              flat_weights, g * KH * KW * C * width + start, weight_steps, counts, columns,
                              filters - start, sums, flat_y, (n * OH + i) * OW * F + g * filters + start, F, OW,
                              g * filters + start, after)
                start += columns


@jit
def mix_channels(x, weights, bias, y, scale, bounds) -> None:
    """Compute a convolution with a window of one pixel: x (P, C), weights (C, filters, padded), y (P, F).

    So many pixels at a time that they stay in the fastest cache while all filters go by.
    """
    P, C = x.shape
    F, width = y.shape[1], weights.shape[1]
    flat_x, flat_weights, flat_y = x.ravel(), weights.ravel(), y.ravel()
    zero, one = np.int64(0), np.int64(1)
    steps, weight_steps, counts = (C, zero, zero, one), (zero, zero, width), (one, one, C)
    sums, after = empty_sums(x), after_sums(scale, bias, bounds, read_on(F, x.itemsize), x)
    at_once = ROWS * max(1, AT_ONCE // (ROWS * C))
    for p in range(0, P, at_once):
        start = zero
        while start < width:
            columns = columns_of_tile(width - start, x.itemsize)
            write_row(flat_x, p * C, steps, flat_weights, start, weight_steps, counts, columns, F - start, sums,
                      flat_y, p * F + start, F, min(at_once, P - p), start, after)
            start += columns


@jit
def go_back(x, dy, y, weights, dx, dkernel, dbias, window, groups, image, gradient, before) -> None:
    """Compute the gradients of some images, those that are not empty; with y, dy first goes back through its ReLU."""
    filters, width = dy.shape[3] // groups, gradient.shape[2] // groups
    dkernel[:] = 0
    dbias[:] = 0
    for n in range(x.shape[0]):
        place(dy[n], y[n : n + 1], gradient, before, filters, width)
        if dx.size:
            convolve_back(gradient, weights, dx[n], window, before)
        if dkernel.size:
            place(x[n], x[:0], image, window.before, x.shape[3], x.shape[3])
            correlate(image, gradient, dkernel, window, before)
        if dbias.size:
            add_places(gradient, before, dy.shape[1:3], groups, dbias)


@jit
def convolve_back(gradient, weights, dx, window, before) -> None:
    """Compute the dx (H, W, C) of an image. weights (G, KH, KW, filters of a group, C of a group, padded)."""
    H, W, channels = dx.shape
    G, KH, KW, F, width = weights.shape
    C = channels // G
    pixel, line = gradient.shape[2], gradient.shape[1] * gradient.shape[2]
    SH, SW = window.strides
    DH, DW = window.dilation
    common = math.gcd(SH, DH), math.gcd(SW, DW)
    next_a, next_b = SH // common[0], SW // common[1]
    steps = (pixel, -(DH // common[0]) * line, -(DW // common[1]) * pixel, 1)
    weight_steps = (next_a * KW * F * width, next_b * F * width, width)
    flat_gradient, flat_weights, flat_dx = gradient.ravel(), weights.ravel(), dx.ravel()
    sums, nothing = empty_sums(dx), np.empty(0, dx.dtype)
    after = after_sums(nothing, nothing, nothing, read_on(C, dx.itemsize), dx)
    if common[1] > 1:
        dx[:] = 0  # some pixels meet no entry
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
                    into = (h * W + w) * channels + g * C + start
                    write_row(flat_gradient, seen, steps, flat_weights, weight, weight_steps, counts, columns,
                              C - start, sums, flat_dx, into, SW * channels, max(0, -((w - W) // SW)), start, after)
            start += columns


@jit
def correlate(image, gradient, dkernel, window, before) -> None:
    """Add an image's part of the kernel's gradient. dkernel (G, KH, KW, C of a group, filters of a group, padded)."""
    G, KH, KW, C, width = dkernel.shape
    pixel, line = image.shape[2], image.shape[1] * image.shape[2]
    dy_pixel, dy_line = gradient.shape[2], gradient.shape[1] * gradient.shape[2]
    whole = G == 1 and window.dilation[1] == 1
    runs, length = (1, KW * C) if whole else (KW, C)
    steps = (1, 0, window.strides[0] * line, window.strides[1] * pixel)
    dy_steps = (0, dy_line, dy_pixel)
    counts = (1, window.places[0], window.places[1])
    flat_image, flat_gradient, flat_dkernel = image.ravel(), gradient.ravel(), dkernel.ravel()
    for g in range(G):
        start = 0
        while start < width:
            columns = columns_of_tile(width - start, image.itemsize)
            seen = before[0] * dy_line + before[1] * dy_pixel + g * width + start
            for a in range(KH):
                for b in range(runs):
                    entry = (a * window.dilation[0]) * line + b * window.dilation[1] * pixel + g * C
                    into = ((g * KH + a) * KW + b) * C * width + start
                    k = 0
                    while k < length:
                        rows = ROWS if k + ROWS <= length else 1
                        add_tile(rows, columns, flat_image, entry + k, steps, flat_gradient, seen, dy_steps,
                                 flat_dkernel, into + k * width, width, counts)
                        k += rows
            start += columns


@jit
def add_places(gradient, before, places, groups, dbias) -> None:
    """Add an image's part of the bias' gradient."""
    width, filters = gradient.shape[2] // groups, dbias.size // groups
    total = np.zeros(gradient.shape[2], gradient.dtype)
    for i in range(places[0]):
        for j in range(places[1]):
            seen = gradient[before[0] + i, before[1] + j]
            for f in range(total.size):
                total[f] += seen[f]
    for g in range(groups):
        for f in range(filters):
            dbias[g * filters + f] += total[g * width + f]


@jit
def place(image, y, padded, before, group, width) -> None:
    """Copy an image (H, W, C) into the padded one, each group of its channels to the beginning of `width` channels.

    With y (1, H, W, C), not empty, only the numbers where y > 0 are copied, and 0 for the others.
    """
    H, W, C = image.shape
    H, W = min(H, padded.shape[0] - before[0]), min(W, padded.shape[1] - before[1])
    zero = image.dtype.type(0)
    if group == width:
        rows, padded_rows = image.reshape(image.shape[0], -1), padded.reshape(padded.shape[0], -1)
        for h in range(H):
            ours, theirs = rows[h], padded_rows[before[0] + h, before[1] * C :]
            for k in range(W * C):
                theirs[k] = ours[k]
            if y.size:
                passed = y[0, h].ravel()
                for k in range(W * C):
                    theirs[k] = theirs[k] if passed[k] > zero else zero
        return
    for h in range(H):
        for w in range(W):
            for g in range(C // group):
                ours = image[h, w, g * group : (g + 1) * group]
                theirs = padded[before[0] + h, before[1] + w, g * width :]
                for c in range(group):
                    theirs[c] = ours[c]
                if y.size:
                    passed = y[0, h, w, g * group : (g + 1) * group]
                    for c in range(group):
                        theirs[c] = theirs[c] if passed[c] > zero else zero


def add_bias(y, bias) -> None:
    """Equals numpy.conv.add_bias."""
    add_to_rows(as_columns(y), bias)


def sum_bias(dy, dbias) -> None:
    """Equals numpy.conv.sum_bias."""
    sum_rows(as_columns(dy), dbias)
