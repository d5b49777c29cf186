"""Depthwise convolutions by tiles whose columns are channels.

With one output a channel, a row of x or y is places of C channels each, and everything happens channel by channel: a
tile is ROWS places of a row for one or two vectors of channels, and holds its sums in registers while the window's
entries go by. Places beside each other that see the same entries share a tile, so that the border needs no padding.
Several outputs a channel, and channels that do not fill tiles, are left to plain loops.

The gradients are sums of the same kind. dx runs over dy: entry a of the kernel meets pixel h in the place i where
h + before = i·stride + a·dilation, so once a pixel's first entry is known, the next are stride entries further and
dilation places back (both divided by what they have in common). That of the kernel runs over the places, with the
entries of a kernel's row, where they are three, as the rows of its tile.
"""

import math

import numpy as np

from tinynet.backends.numba.conv import as_given
from tinynet.backends.numba.dense import sum_rows
from tinynet.backends.numba.jit import jit
from tinynet.backends.numba.products import after_sums, columns_of_tile
from tinynet.backends.numba.tile import ROWS, VECTOR, make_tile
from tinynet.backends.numba.workers import is_large, parts, share

THREE = 3
tall_two, tall_one, tall_half, flat_two, flat_one, flat_half = (
    make_tile(rows, vectors, size, mixes=False, writes=True)
    for rows in (ROWS, 1) for vectors, size in ((2, VECTOR), (1, VECTOR), (1, VECTOR // 2)))
three_two, three_one, three_half, add_two, add_one, add_half = (
    make_tile(rows, vectors, size, mixes=False)
    for rows in (THREE, 1) for vectors, size in ((2, VECTOR), (1, VECTOR), (1, VECTOR // 2)))


def depthwise_conv2d(x, kernel, bias, y, window, scale=None, bounds=None) -> None:
    """Equals numpy.depthwise.depthwise_conv2d."""
    bias, scale, bounds = as_given(y, bias, scale, bounds)
    work = convolve if fits_tiles(kernel) else convolve_plainly
    share(lambda _, some: work(x[some], kernel, bias, y[some], window, scale, bounds), share_out(x, y))


def depthwise_conv2d_backward(x, kernel, dy, dx, dkernel, dbias, window, buffer) -> None:
    """Equals numpy.depthwise.depthwise_conv2d_backward."""
    slices = share_out(x, dy)
    dkernels = buffer("dkernels", (len(slices), *kernel.shape))
    # An empty array says that nothing is asked for: each pattern of None would be compiled anew.
    dx = x[:0] if dx is None else dx
    work = go_back if fits_tiles(kernel) else go_back_plainly
    share(lambda part, some: work(x[some], kernel, dy[some], dx[some],
                                  dkernels[part, : 0 if dkernel is None else len(kernel)], window), slices)
    if dkernel is not None:
        dkernels[: len(slices)].sum(axis=0, out=dkernel)
    if dbias is not None:
        sum_rows(dy.reshape(-1, dy.shape[3]), dbias)


def fits_tiles(kernel) -> bool:
    """Whether each channel has one output, and the channels fill half vectors, the narrowest tile."""
    return kernel.shape[3] == 1 and kernel.shape[2] * kernel.itemsize % (VECTOR // 2) == 0


def share_out(x, y) -> list[slice]:
    """Return the threads' shares of the images."""
    return parts(len(x), is_large(numbers=x.size + y.size))


@jit
def convolve(x, kernel, bias, y, window, scale, bounds) -> None:
    """Compute depthwise_conv2d of some images by tiles."""
    N, H, W, C = x.shape
    KH, KW = window.size
    DH, DW = window.dilation
    OH, OW = window.places
    flat_x, flat_kernel, flat_y = x.ravel(), kernel.ravel(), y.ravel()
    zero, one = np.int64(0), np.int64(1)
    steps = (window.strides[1] * C, zero, DH * W * C, DW * C)
    weight_steps = (zero, KW * C, C)
    after = after_sums(scale, bias, bounds, C, x)
    begin, end = inner_places(window, W)
    for n in range(N):
        for i in range(OH):
            top = i * window.strides[0] - window.before[0]  # the row of the image on which the first entry lies
            first_a, end_a = entries_inside(top, DH, KH, H)
            j = 0
            while j < OW:
                left = j * window.strides[1] - window.before[1]
                places = end - begin if j == begin else 1
                first_b, end_b = entries_inside(left, DW, KW, W)
                seen = ((n * H + top + first_a * DH) * W + left + first_b * DW) * C
                counts = (one, end_a - first_a, end_b - first_b)
                write_places(flat_x, seen, steps, flat_kernel, (first_a * KW + first_b) * C, weight_steps, counts, C,
                             flat_y, ((n * OH + i) * OW + j) * C, C, places, after)
                j += places


@jit
def go_back(x, kernel, dy, dx, dkernel, window) -> None:
    """Compute the gradients of some images by tiles, those that are not empty."""
    dkernel[:] = 0
    for n in range(dy.shape[0]):
        if dx.size:
            convolve_back(dy[n], kernel, dx[n], window)
        if dkernel.size:
            correlate(x[n], dy[n], dkernel, window)


@jit
def convolve_back(dy, kernel, dx, window) -> None:
    """Compute the dx (H, W, C) of an image."""
    H, W, C = dx.shape
    OH, OW, _ = dy.shape
    KH, KW = window.size
    SH, SW = window.strides
    DH, DW = window.dilation
    common_h, common_w = math.gcd(SH, DH), math.gcd(SW, DW)
    next_a, next_b = SH // common_h, SW // common_w
    back_a, back_b = DH // common_h, DW // common_w
    flat_dy, flat_kernel, flat_dx = dy.ravel(), kernel.ravel(), dx.ravel()
    zero, one = np.int64(0), np.int64(1)
    steps = (C, zero, -back_a * OW * C, -back_b * C)
    weight_steps = (zero, next_a * KW * C, next_b * C)
    nothing = np.empty(0, dx.dtype)
    after = after_sums(nothing, nothing, nothing, C, dx)
    if common_w > 1:
        dx[:] = 0  # some pixels meet no entry
    for h in range(H):
        a = zero  # the first entry that meets this row, in place i
        while a < KH and (h + window.before[0] - a * DH) % SH:
            a += 1
        i = (h + window.before[0] - a * DH) // SH
        first_a, end_a = entries_inside(i, -back_a, max(zero, -((a - KH) // next_a)), OH)
        for b in range(next_b):
            j = -((b * DW - window.before[1]) // SW)  # the first place whose entry b meets a pixel, w
            w = j * SW + b * DW - window.before[1]
            entries = max(zero, -((b - KW) // next_b))
            begin, end = (entries - 1) * back_b, min(OW, j + (W - w + SW - 1) // SW)  # places back to back
            while w < W:
                first_b, end_b = entries_inside(j, -back_b, entries, OW)
                places = end - j if begin <= j < end else 1
                seen = ((i - first_a * back_a) * OW + j - first_b * back_b) * C
                weight = ((a + first_a * next_a) * KW + b + first_b * next_b) * C
                counts = (one, end_a - first_a, end_b - first_b)
                write_places(flat_dy, seen, steps, flat_kernel, weight, weight_steps, counts, C,
                             flat_dx, (h * W + w) * C, SW * C, places, after)
                j += places
                w += places * SW


@jit
def correlate(x, dy, dkernel, window) -> None:
    """Add an image's part of the kernel's gradient, a row of places after the other."""
    H, W, C = x.shape
    OH, OW, _ = dy.shape
    KH, KW = window.size
    SH, SW = window.strides
    first_w = -window.before[1]  # on which column of the image the first entry lies, in the first place
    begin, end = inner_places(window, W)
    if KW != THREE:
        begin = end = OW
    flat_x, flat_dy, flat_dkernel = x.ravel(), dy.ravel(), dkernel.ravel()
    zero, one = np.int64(0), np.int64(1)
    steps, dy_steps = (window.dilation[1] * C, zero, zero, SW * C), (zero, zero, C)
    for i in range(OH):
        for a in range(KH):
            h = i * SH + a * window.dilation[0] - window.before[0]
            if h < 0 or h >= H:
                continue
            start = zero
            while start < C:
                columns = columns_of_tile(C - start, x.itemsize)
                seen, beside, into = (h * W + first_w) * C + start, i * OW * C + start, a * KW * C + start
                if begin < end:
                    add_products(KW, columns, flat_x, seen + begin * SW * C, steps, flat_dy, beside + begin * C,
                                 dy_steps, flat_dkernel, into, C, (one, one, end - begin))
                for b in range(KW):
                    low, high = entries_inside(first_w + b * window.dilation[1], SW, OW, W)
                    for j, stop in ((low, min(high, begin)), (max(low, end), high)):
                        if j < stop:
                            add_products(one, columns, flat_x, seen + j * SW * C + b * steps[0], steps, flat_dy,
                                         beside + j * C, dy_steps, flat_dkernel, into + b * C, C, (one, one, stop - j))
                start += columns


@jit
def write_places(A, a, a_steps, B, b, b_steps, counts, channels, out, o, o_step, places, after) -> None:
    """Compute all channels of `places` places beside each other, and write them to out[o + place·o_step]."""
    rows = ROWS if places >= ROWS else 1
    p = 0
    while p < places:
        p = min(p, places - rows)  # the last tile may compute some places again
        c = np.int64(0)
        while c < channels:
            columns = columns_of_tile(channels - c, A.itemsize)
            write_tile(rows, columns, A, a + p * a_steps[0] + c, a_steps, B, b + c, b_steps, out, o + p * o_step + c,
                       o_step, counts, c, after)
            c += columns
        p += rows


@jit
def write_tile(rows, columns, A, a, a_steps, B, b, b_steps, C, c, c_row, counts, f, after) -> None:
    """Call the writing tile of so many rows and columns; see :func:`tinynet.backends.numba.tile.make_tile`."""
    vectors = 2 * columns * A.itemsize // VECTOR
    if rows == 1:
        if vectors == 4:
            flat_two(A, a, a_steps, B, b, b_steps, C, c, c_row, counts, f, after)
        elif vectors == 2:
            flat_one(A, a, a_steps, B, b, b_steps, C, c, c_row, counts, f, after)
        else:
            flat_half(A, a, a_steps, B, b, b_steps, C, c, c_row, counts, f, after)
    elif vectors == 4:
        tall_two(A, a, a_steps, B, b, b_steps, C, c, c_row, counts, f, after)
    elif vectors == 2:
        tall_one(A, a, a_steps, B, b, b_steps, C, c, c_row, counts, f, after)
    else:
        tall_half(A, a, a_steps, B, b, b_steps, C, c, c_row, counts, f, after)


@jit
def add_products(rows, columns, A, a, a_steps, B, b, b_steps, C, c, c_row, counts) -> None:
    """Call the adding tile of so many rows and columns; see :func:`tinynet.backends.numba.tile.make_tile`."""
    vectors = 2 * columns * A.itemsize // VECTOR
    if rows == 1:
        if vectors == 4:
            add_two(A, a, a_steps, B, b, b_steps, C, c, c_row, counts)
        elif vectors == 2:
            add_one(A, a, a_steps, B, b, b_steps, C, c, c_row, counts)
        else:
            add_half(A, a, a_steps, B, b, b_steps, C, c, c_row, counts)
    elif vectors == 4:
        three_two(A, a, a_steps, B, b, b_steps, C, c, c_row, counts)
    elif vectors == 2:
        three_one(A, a, a_steps, B, b, b_steps, C, c, c_row, counts)
    else:
        three_half(A, a, a_steps, B, b, b_steps, C, c, c_row, counts)


@jit
def inner_places(window, width):
    """Return (first, end) of the places in a row in which all entries lie inside the image; or twice one beyond it."""
    places = window.places[1]
    begin, end = entries_inside(-window.before[1], window.strides[1], places, width)
    last = (window.size[1] - 1) * window.dilation[1] - window.before[1]
    low, high = entries_inside(last, window.strides[1], places, width)
    begin, end = max(begin, low), min(end, high)
    return (begin, end) if begin < end else (places, places)


@jit
def entries_inside(start, step, count, size):
    """Return (first, end) of the t below `count` with 0 <= start + t·step < size; twice the same if there are none."""
    if step > 0:
        first, end = max(0, -(start // step)), (size - 1 - start) // step + 1
    else:
        first, end = max(0, -((size - 1 - start) // -step)), start // -step + 1
    first = min(first, count)
    return first, max(first, min(end, count))


@jit
def convolve_plainly(x, kernel, bias, y, window, scale, bounds) -> None:
    """Compute depthwise_conv2d of some images, number by number."""
    N, H, W, C = x.shape
    KH, KW, _, M = kernel.shape
    factor, shift, limits = after_sums(scale, bias, bounds, C * M, x)
    for n in range(N):
        for i in range(window.places[0]):
            for j in range(window.places[1]):
                out = y[n, i, j]
                for f in range(C * M):
                    out[f] = 0
                for a in range(KH):
                    h = i * window.strides[0] + a * window.dilation[0] - window.before[0]
                    for b in range(KW):
                        w = j * window.strides[1] + b * window.dilation[1] - window.before[1]
                        if 0 <= h < H and 0 <= w < W:
                            pixel, weight = x[n, h, w], kernel[a, b]
                            for m in range(M):
                                for c in range(C):
                                    out[c * M + m] += pixel[c] * weight[c, m]
                for f in range(C * M):
                    value = out[f] * factor[f] + shift[f]
                    value = limits[0] if value <= limits[0] else value
                    out[f] = limits[1] if value >= limits[1] else value


@jit
def go_back_plainly(x, kernel, dy, dx, dkernel, window) -> None:
    """Compute the gradients of some images, number by number, those that are not empty."""
    N, H, W, C = x.shape
    KH, KW, _, M = kernel.shape
    dkernel[:] = 0
    dx[:] = 0
    for n in range(N):
        for i in range(window.places[0]):
            for j in range(window.places[1]):
                dout = dy[n, i, j]
                for a in range(KH):
                    h = i * window.strides[0] + a * window.dilation[0] - window.before[0]
                    for b in range(KW):
                        w = j * window.strides[1] + b * window.dilation[1] - window.before[1]
                        if 0 <= h < H and 0 <= w < W:
                            pixel, weight = x[n, h, w], kernel[a, b]
                            if dkernel.size:
                                dweight = dkernel[a, b]
                                for m in range(M):
                                    for c in range(C):
                                        dweight[c, m] += pixel[c] * dout[c * M + m]
                            if dx.size:
                                dpixel = dx[n, h, w]
                                for m in range(M):
                                    for c in range(C):
                                        dpixel[c] += weight[c, m] * dout[c * M + m]
