"""Batch and layer normalisation in few passes. Shapes as in the numpy wing's room.

A loop over a dozen channels is too short to fill vectors. So rows of channels (M, C) are read as fewer, wider rows of
several pixels, about LANES numbers each, and what belongs to a channel (its mean, its gamma) is repeated as often: a
*lane* is one column of the wide rows, and what is summed by lanes is folded into channels at the end. Rows that do
not fill a wide one follow as they are.
"""

import math

import numpy as np

from tinynet.backends.numba.jit import jit
from tinynet.backends.numba.workers import is_large, parts, share
from tinynet.backends.numpy.norm import batch_norm_as_scale

__all__ = [
    "batch_norm",
    "batch_norm_as_scale",
    "batch_norm_backward",
    "layer_norm",
    "layer_norm_backward",
    "moments",
    "moving_averages",
]

LANES = 512  # long enough for the loops, and so short that a few such arrays stay in the fastest cache
BLOCK = 32  # wide rows summed in x's own float type, before they go into a sum of float64
SAMPLE = 8  # an eighth of the rows says around which value deviations are summed


def moments(x, mean, variance) -> None:
    """Equals numpy.norm.moments.

    In one pass over x: for any s, mean = s + Σ (x - s) / M, and variance = Σ (x - s)² / M - (mean - s)². The difference
    loses nothing if s is near the mean, and here s is the mean of a share f of the rows. If that lies off the mean, the
    mean of the rest lies off it f / (1 - f) times as far on the other side, and both add to the variance, which is
    therefore at least (mean - s)² f / (1 - f). With f = 1/8 what is taken off is at most seven times what is left, and
    costs three bits.
    """
    sample = x[: (len(x) + SAMPLE - 1) // SAMPLE]
    sums, _ = add_up(sum_deviations, [sample], np.zeros_like(mean))
    shift = (sums / len(sample)).astype(x.dtype)
    sums, squares = add_up(sum_deviations, [x], shift)
    off = sums / len(x)
    mean[...] = shift + off
    variance[...] = np.maximum(squares / len(x) - off * off, 0)  # rounding may have taken it below


@jit
def moving_averages(moving_mean, moving_variance, mean, variance, momentum) -> None:
    """Equals numpy.norm.moving_averages."""
    keep, rest = mean.dtype.type(momentum), mean.dtype.type(1 - momentum)
    for c in range(mean.size):
        moving_mean[c] = keep * moving_mean[c] + rest * mean[c]
        moving_variance[c] = keep * moving_variance[c] + rest * variance[c]


def batch_norm(x, mean, variance, gamma, beta, y, inv_std, epsilon, bounds=None) -> None:
    """Equals numpy.norm.batch_norm."""
    inv_std[...] = 1 / np.sqrt(variance + epsilon)
    scale, shift, limits = constants(inv_std, gamma, beta, bounds)
    share(lambda _, some: normalize(x[some], mean, scale, shift, limits, y[some]),
          parts(len(x), is_large(numbers=2 * x.size)))


def batch_norm_backward(x, mean, inv_std, gamma, beta, dy, dx, dgamma, dbeta, of_batch, bounds=None) -> None:
    """Equals numpy.norm.batch_norm_backward."""
    scale, shift, limits = constants(inv_std, gamma, beta, bounds)
    by_deviation, constant = np.zeros_like(mean), np.zeros_like(mean)
    if of_batch or dgamma is not None or dbeta is not None:
        sum_dy, sum_dy_deviation = add_up(sum_gradients, [dy, x], mean, scale, shift, limits)
        sum_dy_xhat = sum_dy_deviation * inv_std
        if dgamma is not None:
            dgamma[...] = sum_dy_xhat
        if dbeta is not None:
            dbeta[...] = sum_dy
        if of_batch:
            by_deviation[...] = scale * inv_std * sum_dy_xhat / len(x)
            constant[...] = scale * sum_dy / len(x)
    if dx is not None:
        share(lambda _, some: project(x[some], dy[some], mean, scale, shift, limits, by_deviation, constant, dx[some]),
              parts(len(x), is_large(numbers=3 * x.size)))


def constants(inv_std, gamma, beta, bounds) -> tuple:
    """Return scale and shift with y = (x - mean) scale + shift, and y's lowest and highest value, as arrays."""
    scale = inv_std if gamma is None else inv_std * gamma
    shift = np.zeros_like(inv_std) if beta is None else beta
    return scale, shift, np.array((-np.inf, np.inf) if bounds is None else bounds, inv_std.dtype)


def add_up(kernel, arrays, *more) -> list:
    """Return the sums over all threads of what `kernel` returns for each one's rows of the arrays."""
    slices = parts(len(arrays[0]), is_large(numbers=sum(array.size for array in arrays)))
    found = [None] * len(slices)

    def work(part, some):
        found[part] = kernel(*[array[some] for array in arrays], *more)

    share(work, slices)
    return [sum(sums) for sums in zip(*found, strict=True)]


@jit
def normalize(x, mean, scale, shift, limits, y) -> None:
    """Compute y = (x - mean) scale + shift within the limits. All but x and y (C,)."""
    for x_rows, y_rows in zip(widen(x), widen(y)):  # noqa: B905, zip of compiled code knows no strict
        lanes = x_rows.shape[1]
        normalize_rows(x_rows, repeat(mean, lanes), repeat(scale, lanes), repeat(shift, lanes), limits[0], limits[1],
                       y_rows)


@jit
def project(x, dy, mean, scale, shift, limits, by_deviation, constant, dx) -> None:
    """Compute dx = scale dy - by_deviation (x - mean) - constant, dy counting where y lies within the limits."""
    for x_rows, dy_rows, dx_rows in zip(widen(x), widen(dy), widen(dx)):  # noqa: B905
        lanes = x_rows.shape[1]
        project_rows(x_rows, dy_rows, repeat(mean, lanes), repeat(scale, lanes), repeat(shift, lanes), limits[0],
                     limits[1], repeat(by_deviation, lanes), repeat(constant, lanes), dx_rows)


@jit
def widen(x) -> tuple:
    """Return rows (M, C) as wide rows (M // k, k C), and the M % k rows that are left. All are views of x."""
    M, C = x.shape
    pixels = max(1, min(LANES // C, M))
    wide = M // pixels
    return x[: wide * pixels].reshape(wide, pixels * C), x[wide * pixels :]


@jit
def repeat(values, lanes) -> np.ndarray:
    """Return values (C,) end to end, until there are as many as lanes."""
    repeated = np.empty(lanes, values.dtype)
    for start in range(0, lanes, values.size):
        for c in range(values.size):
            repeated[start + c] = values[c]
    return repeated


@jit
def fold(lanes, total) -> None:
    """Add what was summed by lanes (k C,) to the channels' total (C,)."""
    for start in range(0, lanes.size, total.size):
        for c in range(total.size):
            total[c] += lanes[start + c]


@jit
def sum_deviations(x, shift) -> tuple:
    """Return Σ (x - shift) and Σ (x - shift)² of each channel, float64 (C,)."""
    sums, squares = np.zeros(shift.size), np.zeros(shift.size)
    for rows in widen(x):
        add_deviations(rows, repeat(shift, rows.shape[1]), sums, squares)
    return sums, squares


@jit
def add_deviations(rows, shift, sums, squares) -> None:
    """Add the sums of wide rows, block by block."""
    block_sums, block_squares = np.empty_like(shift), np.empty_like(shift)
    lane_sums, lane_squares = np.zeros(shift.size), np.zeros(shift.size)
    for start in range(0, rows.shape[0], BLOCK):
        block_sums[:] = 0
        block_squares[:] = 0
        for r in range(start, min(start + BLOCK, rows.shape[0])):
            row = rows[r]
            for i in range(row.size):
                deviation = row[i] - shift[i]
                block_sums[i] += deviation
                block_squares[i] += deviation * deviation
        for i in range(shift.size):
            lane_sums[i] += block_sums[i]
            lane_squares[i] += block_squares[i]
    fold(lane_sums, sums)
    fold(lane_squares, squares)


@jit
def sum_gradients(dy, x, mean, scale, shift, limits) -> tuple:
    """Return Σ dy and Σ dy (x - mean) of each channel, float64 (C,), over the y within the limits."""
    sums, products = np.zeros(mean.size), np.zeros(mean.size)
    for dy_rows, x_rows in zip(widen(dy), widen(x)):  # noqa: B905
        lanes = x_rows.shape[1]
        add_gradients(dy_rows, x_rows, repeat(mean, lanes), repeat(scale, lanes), repeat(shift, lanes), limits[0],
                      limits[1], sums, products)
    return sums, products


@jit
def add_gradients(dy, x, mean, scale, shift, low, high, sums, products) -> None:
    """Add the sums of wide rows, block by block."""
    zero = dy.dtype.type(0)
    block_sums, block_products = np.empty_like(mean), np.empty_like(mean)
    lane_sums, lane_products = np.zeros(mean.size), np.zeros(mean.size)
    for start in range(0, x.shape[0], BLOCK):
        block_sums[:] = 0
        block_products[:] = 0
        for r in range(start, min(start + BLOCK, x.shape[0])):
            x_row, dy_row = x[r], dy[r]
            for i in range(x_row.size):
                deviation = x_row[i] - mean[i]
                y = deviation * scale[i] + shift[i]
                given = dy_row[i] if (y > low) & (y < high) else zero
                block_sums[i] += given
                block_products[i] += given * deviation
        for i in range(mean.size):
            lane_sums[i] += block_sums[i]
            lane_products[i] += block_products[i]
    fold(lane_sums, sums)
    fold(lane_products, products)


@jit
def normalize_rows(x, mean, scale, shift, low, high, y) -> None:
    """Compute y = (x - mean) scale + shift within the limits, all by lanes. NaN stays NaN."""
    for r in range(x.shape[0]):
        x_row, y_row = x[r], y[r]
        for i in range(x_row.size):
            value = (x_row[i] - mean[i]) * scale[i] + shift[i]
            value = low if value <= low else value
            y_row[i] = high if value >= high else value


@jit
def project_rows(x, dy, mean, scale, shift, low, high, by_deviation, constant, dx) -> None:
    """Compute dx = scale dy - by_deviation (x - mean) - constant, all by lanes, dy counting where low < y < high."""
    zero = dy.dtype.type(0)
    for r in range(x.shape[0]):
        x_row, dy_row, dx_row = x[r], dy[r], dx[r]
        for i in range(x_row.size):
            deviation = x_row[i] - mean[i]
            y = deviation * scale[i] + shift[i]
            given = dy_row[i] if (y > low) & (y < high) else zero
            dx_row[i] = scale[i] * given - by_deviation[i] * deviation - constant[i]


@jit
def layer_norm(x, gamma, beta, y, mean, inv_std, epsilon) -> None:
    """Equals numpy.norm.layer_norm."""
    M, C = x.shape
    for n in range(M):
        x_row, y_row = x[n], y[n]
        total = square = 0.0
        for c in range(C):
            total += x_row[c]
        mean[n] = center = x.dtype.type(total / C)
        for c in range(C):
            deviation = x_row[c] - center
            square += deviation * deviation
        inv_std[n] = scale = x.dtype.type(1 / math.sqrt(square / C + epsilon))
        for c in range(C):
            y_row[c] = (x_row[c] - center) * scale
        if gamma is not None:
            for c in range(C):
                y_row[c] *= gamma[c]
        if beta is not None:
            for c in range(C):
                y_row[c] += beta[c]


@jit
def layer_norm_backward(x, mean, inv_std, gamma, dy, dx, dgamma, dbeta) -> None:
    """Equals numpy.norm.layer_norm_backward."""
    M, C = x.shape
    xhat, dxhat = np.empty(C, x.dtype), np.empty(C, x.dtype)
    sum_dy, sum_dy_xhat = np.zeros(C), np.zeros(C)
    for n in range(M):
        x_row, dy_row = x[n], dy[n]
        center, scale = mean[n], inv_std[n]
        for c in range(C):
            xhat[c] = (x_row[c] - center) * scale
            dxhat[c] = dy_row[c]
        if dgamma is not None:
            for c in range(C):
                sum_dy_xhat[c] += dy_row[c] * xhat[c]
        if dbeta is not None:
            for c in range(C):
                sum_dy[c] += dy_row[c]
        if dx is not None:
            if gamma is not None:
                for c in range(C):
                    dxhat[c] *= gamma[c]
            first = second = 0.0
            for c in range(C):
                first += dxhat[c]
                second += dxhat[c] * xhat[c]
            mean_dxhat, mean_product = x.dtype.type(first / C), x.dtype.type(second / C)
            dx_row = dx[n]
            for c in range(C):
                dx_row[c] = scale * (dxhat[c] - mean_dxhat - xhat[c] * mean_product)
    for c in range(C):
        if dgamma is not None:
            dgamma[c] = sum_dy_xhat[c]
        if dbeta is not None:
            dbeta[c] = sum_dy[c]
