"""Convolutions: x (N, H, W, C), kernel (KH, KW, C // groups, F), bias (F,) or None, y (N, OH, OW, F).

Two ways to one result: :func:`naive_conv2d` is the definition, seven loops; :func:`conv2d` lays out what every place of
the window sees as one row of a matrix, so that the loops become one matrix product. `window` is a
:class:`tinynet.shapes.Window`. The derivation of the backward pass is in :class:`tinynet.layers.Conv2D`.
"""

import numpy as np


def naive_conv2d(x, kernel, bias, y, window) -> None:
    """Compute a convolution as it is defined, number by number.

    y[n, i, j, f] = Σ_a Σ_b Σ_c x[n, i·stride + a·dilation - before, j·stride + b·dilation - before, c]
    · kernel[a, b, c, f] + bias[f], where x is 0 outside the image. With groups, f and c run over one group each.
    """
    KH, KW, group_channels, _ = kernel.shape
    N, OH, OW, F = y.shape
    group_filters = F * group_channels // x.shape[3]
    for n in range(N):
        for i in range(OH):
            for j in range(OW):
                for f in range(F):
                    total = 0.0 if bias is None else bias[f]
                    first = f // group_filters * group_channels
                    for a in range(KH):
                        h = i * window.strides[0] + a * window.dilation[0] - window.before[0]
                        for b in range(KW):
                            w = j * window.strides[1] + b * window.dilation[1] - window.before[1]
                            if 0 <= h < x.shape[1] and 0 <= w < x.shape[2]:
                                for c in range(group_channels):
                                    total += x[n, h, w, first + c] * kernel[a, b, c, f]
                    y[n, i, j, f] = total


def conv2d(x, kernel, bias, y, window, buffer, scale=None, bounds=None) -> None:
    """Compute the convolution of :func:`naive_conv2d` as columns @ kernel, group by group.

    With `scale` (F,), y = scale · sum + bias. With `bounds`, the lowest and the highest value, y is then clipped to
    them: (0, inf) is a ReLU.
    """
    for channels, filters in groups(x, kernel):
        columns = _matrix(_image_to_columns(x[..., channels], window, buffer))
        np.matmul(columns, as_columns(kernel[..., filters]), out=as_columns(y)[:, filters])
    finish(y, bias, scale, bounds)


def finish(y, bias, scale, bounds):
    """Do what comes after the sums of a convolution, in place; each unless it is None."""
    if scale is not None:
        y *= scale
    if bias is not None:
        y += bias
    if bounds is not None:
        np.clip(y, *bounds, out=y)


def conv2d_backward(x, kernel, dy, dx, dkernel, dbias, window, buffer, y=None) -> None:
    """Fill the gradients of :func:`conv2d`, each unless it is None; only `dkernel` needs the numbers in x.

    y = columns @ kernel + bias, as in a dense layer whose samples are the N·OH·OW places, so dkernel = columns.T @ dy,
    dbias = Σ dy over the places, dcolumns = dy @ kernel.T. A pixel was copied into the rows of all the places that see
    it, so its gradient is the sum of its copies'; :class:`tinynet.layers.Conv2D` derives the same from the indices.
    With `y`, what :func:`conv2d` made with a ReLU, dy first goes back through that: it counts where y > 0.
    """
    if y is not None:
        dy = np.multiply(dy, y > 0, out=buffer("dz", dy.shape))
    if dbias is not None:
        sum_bias(dy, dbias)
    for channels, filters in groups(x, kernel):
        dz = as_columns(dy)[:, filters]
        if dkernel is not None:
            columns = _matrix(_image_to_columns(x[..., channels], window, buffer))
            dkernel[..., filters] = (columns.T @ dz).reshape(dkernel[..., filters].shape)
        if dx is not None:
            dcolumns = _empty_columns(x[..., channels], window, buffer)
            np.matmul(dz, as_columns(kernel[..., filters]).T, out=_matrix(dcolumns))
            _columns_to_image(dcolumns, dx[..., channels], window)


def groups(x, kernel):
    """Yield each group's slice of the channels of x and its slice of the filters; one group has all of both."""
    C, group_channels, F = x.shape[3], kernel.shape[2], kernel.shape[3]
    group_filters = F * group_channels // C
    for g in range(C // group_channels):
        yield (slice(g * group_channels, (g + 1) * group_channels), slice(g * group_filters, (g + 1) * group_filters))


def as_columns(array):
    """Return (..., F) as a matrix of F columns: the kernel as (KH·KW·C, F), an output as (N·OH·OW, F)."""
    return array.reshape(-1, array.shape[-1])


def _matrix(columns):
    """Return columns (N, OH, OW, KH, KW, C) as a matrix (N·OH·OW, KH·KW·C): a row for every place of the window."""
    N, OH, OW, KH, KW, C = columns.shape
    return columns.reshape(N * OH * OW, KH * KW * C)


def _empty_columns(x, window, buffer):
    """Return the scratch array (N, OH, OW, KH, KW, C)."""
    return buffer("columns", (len(x), *window.places, *window.size, x.shape[3]))


def _image_to_columns(x, window, buffer):
    """Return what each place of the window sees of x (N, H, W, C), padding being 0: (N, OH, OW, KH, KW, C)."""
    columns = _empty_columns(x, window, buffer)
    columns[...] = 0
    for a, b, places, pixels in taps(x, window):
        columns[places][:, :, :, a, b] = x[pixels]
    return columns


def _columns_to_image(dcolumns, dx, window) -> None:
    """Add up in each pixel of dx (N, H, W, C) what came back to its copies: the gradient of _image_to_columns."""
    dx[...] = 0
    for a, b, places, pixels in taps(dx, window):
        dx[pixels] += dcolumns[places][:, :, :, a, b]


def taps(x, window):
    """Yield (a, b, places, pixels): kernel entry (a, b) meets x[pixels] in the places `places`, elsewhere padding.

    Both index an array whose first three axes are (N, height, width). Entries come in row order; pooling asks too.
    """
    for a in range(window.size[0]):
        rows_out, rows_in = _meeting(x.shape[1], a, window, 0)
        for b in range(window.size[1]):
            columns_out, columns_in = _meeting(x.shape[2], b, window, 1)
            yield a, b, (slice(None), rows_out, columns_out), (slice(None), rows_in, columns_in)


def _meeting(size, tap, window, axis):
    """Return the places in which entry `tap` of the kernel lies within an axis of `size`, and what it meets there."""
    stride, places = window.strides[axis], window.places[axis]
    start = tap * window.dilation[axis] - window.before[axis]  # what the tap meets in place 0
    first = max(0, -(start // stride))  # the first place with start + place·stride ≥ 0
    count = max(0, min(places, (size - 1 - start) // stride + 1) - first)
    begin = start + first * stride
    return slice(first, first + count), slice(begin, begin + count * stride, stride)


def add_bias(y, bias) -> None:
    """Compute y += bias. y (N, OH, OW, F), bias (F,)."""
    y += bias


def sum_bias(dy, dbias) -> None:
    """Compute dbias[f] = Σ_n Σ_i Σ_j dy[n, i, j, f]: the gradient of :func:`add_bias`."""
    np.sum(dy, axis=(0, 1, 2), out=dbias)
