"""Pooling, image by image; the innermost loop runs over the channels and becomes SIMD.

The general kernels keep one row of y at hand and pass the image's rows over it, tap by tap. Windows of 2×2 that tile
the image, as nearly all of them do, have kernels of their own for the maximum, which write everything once.
"""

import numpy as np

from tinynet.backends.numba.jit import jit
from tinynet.backends.numba.workers import shared


@jit
def larger(a, b):
    """Return max(a, b), the first of equals; NaN if either is."""
    return a if a >= b or a != a else b


@jit
def wins(value, best):
    """Whether a value is the maximum that was found; where that is NaN, whether the value is NaN."""
    return value == best or value != value


@jit
def pixel(place, tap, window, axis):
    """Return the row (axis 0) or column (axis 1) that a tap of the window meets; it may lie outside the image."""
    return place * window.strides[axis] + tap * window.dilation[axis] - window.before[axis]


@jit
def tiles_by_two(x, window):
    """Whether the window is 2×2 and its places lie side by side, all inside the image."""
    return (window.size == (2, 2) and window.strides == (2, 2) and window.dilation == (1, 1)
            and 2 * window.places[0] <= x.shape[1] and 2 * window.places[1] <= x.shape[2])


@shared
@jit
def max_pool(x, y, window) -> None:
    """Equals numpy.pool.max_pool."""
    if tiles_by_two(x, window):
        max_of_four(x, y)
        return
    N, H, W, C = x.shape
    for n in range(N):
        for i in range(window.places[0]):
            y[n, i] = -np.inf
            for a in range(window.size[0]):
                h = pixel(i, a, window, 0)
                if h < 0 or h >= H:
                    continue
                for b in range(window.size[1]):
                    for j in range(window.places[1]):
                        w = pixel(j, b, window, 1)
                        if w < 0 or w >= W:
                            continue
                        seen, best = x[n, h, w], y[n, i, j]
                        for c in range(C):
                            best[c] = larger(best[c], seen[c])


@jit
def max_of_four(x, y) -> None:
    """Compute max_pool for windows that tile by two."""
    N, OH, OW, C = y.shape
    for n in range(N):
        for i in range(OH):
            upper, lower = x[n, 2 * i], x[n, 2 * i + 1]
            for j in range(OW):
                p, q, r, s = upper[2 * j], upper[2 * j + 1], lower[2 * j], lower[2 * j + 1]
                best = y[n, i, j]
                for c in range(C):
                    best[c] = larger(larger(p[c], q[c]), larger(r[c], s[c]))


@shared
@jit
def max_pool_backward(dy, x, y, dx, window) -> None:
    """Equals numpy.pool.max_pool_backward."""
    if tiles_by_two(x, window):
        max_of_four_backward(dy, x, y, dx, window.strides)
        return
    N, H, W, C = x.shape
    zero = dy.dtype.type(0)
    left = np.empty((window.places[1], C), dy.dtype)
    for n in range(N):
        dx[n] = zero
        for i in range(window.places[0]):
            for j in range(window.places[1]):
                given, rest = dy[n, i, j], left[j]
                for c in range(C):
                    rest[c] = given[c]
            for a in range(window.size[0]):
                h = pixel(i, a, window, 0)
                if h < 0 or h >= H:
                    continue
                for b in range(window.size[1]):
                    for j in range(window.places[1]):
                        w = pixel(j, b, window, 1)
                        if w < 0 or w >= W:
                            continue
                        seen, best, got, rest = x[n, h, w], y[n, i, j], dx[n, h, w], left[j]
                        for c in range(C):
                            won = wins(seen[c], best[c])
                            got[c] += rest[c] if won else zero
                            rest[c] = zero if won else rest[c]


@jit
def max_of_four_backward(dy, x, y, dx, strides) -> None:
    """Compute max_pool_backward for windows that tile by two: every dx is written once.

    The strides, 2, come as an argument. Were they a constant, LLVM would ask once for a whole row whether what is
    written as p_dx and as q_dx overlaps, find that it does, and take the loop that is not SIMD.
    """
    N, OH, OW, C = y.shape
    zero = dy.dtype.type(0)
    dx[:, 2 * OH :] = zero
    dx[:, :, 2 * OW :] = zero
    for n in range(N):
        for i in range(OH):
            h = i * strides[0]
            for j in range(OW):
                w = j * strides[1]
                p, q, r, s = x[n, h, w], x[n, h, w + 1], x[n, h + 1, w], x[n, h + 1, w + 1]
                p_dx, q_dx, r_dx, s_dx = dx[n, h, w], dx[n, h, w + 1], dx[n, h + 1, w], dx[n, h + 1, w + 1]
                best, given = y[n, i, j], dy[n, i, j]
                for c in range(C):
                    p_won, q_won = wins(p[c], best[c]), wins(q[c], best[c])
                    r_won, s_won = wins(r[c], best[c]), wins(s[c], best[c])
                    left = given[c]
                    p_dx[c] = left if p_won else zero
                    left = zero if p_won else left
                    q_dx[c] = left if q_won else zero
                    left = zero if q_won else left
                    r_dx[c] = left if r_won else zero
                    left = zero if r_won else left
                    s_dx[c] = left if s_won else zero


@shared
@jit
def average_pool(x, y, window) -> None:
    """Equals numpy.pool.average_pool."""
    N, H, W, C = x.shape
    for n in range(N):
        for i in range(window.places[0]):
            y[n, i] = 0
            for a in range(window.size[0]):
                h = pixel(i, a, window, 0)
                if h < 0 or h >= H:
                    continue
                for b in range(window.size[1]):
                    for j in range(window.places[1]):
                        w = pixel(j, b, window, 1)
                        if w < 0 or w >= W:
                            continue
                        seen, total = x[n, h, w], y[n, i, j]
                        for c in range(C):
                            total[c] += seen[c]
            rows = pixels_seen(i, H, window, 0)
            for j in range(window.places[1]):
                total, count = y[n, i, j], y.dtype.type(rows * pixels_seen(j, W, window, 1))
                for c in range(C):
                    total[c] /= count


@shared
@jit
def average_pool_backward(dy, dx, window) -> None:
    """Equals numpy.pool.average_pool_backward."""
    N, H, W, C = dx.shape
    shares = np.empty((window.places[1], C), dy.dtype)
    for n in range(N):
        dx[n] = 0
        for i in range(window.places[0]):
            rows = pixels_seen(i, H, window, 0)
            for j in range(window.places[1]):
                given, share, count = dy[n, i, j], shares[j], dy.dtype.type(rows * pixels_seen(j, W, window, 1))
                for c in range(C):
                    share[c] = given[c] / count
            for a in range(window.size[0]):
                h = pixel(i, a, window, 0)
                if h < 0 or h >= H:
                    continue
                for b in range(window.size[1]):
                    for j in range(window.places[1]):
                        w = pixel(j, b, window, 1)
                        if w < 0 or w >= W:
                            continue
                        got, share = dx[n, h, w], shares[j]
                        for c in range(C):
                            got[c] += share[c]


@jit
def pixels_seen(place, length, window, axis):
    """Return how many taps meet a pixel of an axis of `length`, seen from one place."""
    seen = 0
    for tap in range(window.size[axis]):
        if 0 <= pixel(place, tap, window, axis) < length:
            seen += 1
    return seen


@shared
@jit
def global_max_pool(x, y) -> None:
    """Equals numpy.pool.global_max_pool."""
    N, H, W, C = x.shape
    for n in range(N):
        best = y[n]
        best[:] = -np.inf
        for h in range(H):
            for w in range(W):
                seen = x[n, h, w]
                for c in range(C):
                    best[c] = larger(best[c], seen[c])


@shared
@jit
def global_max_pool_backward(dy, x, y, dx) -> None:
    """Equals numpy.pool.global_max_pool_backward."""
    N, H, W, C = x.shape
    zero = dy.dtype.type(0)
    left = np.empty(C, dy.dtype)
    for n in range(N):
        best, given = y[n], dy[n]
        for c in range(C):
            left[c] = given[c]
        for h in range(H):
            for w in range(W):
                seen, got = x[n, h, w], dx[n, h, w]
                for c in range(C):
                    won = wins(seen[c], best[c])
                    got[c] = left[c] if won else zero
                    left[c] = zero if won else left[c]


@shared
@jit
def global_average_pool(x, y) -> None:
    """Equals numpy.pool.global_average_pool."""
    N, H, W, C = x.shape
    count = x.dtype.type(H * W)
    for n in range(N):
        total = y[n]
        total[:] = 0
        for h in range(H):
            for w in range(W):
                seen = x[n, h, w]
                for c in range(C):
                    total[c] += seen[c]
        for c in range(C):
            total[c] /= count


@shared
@jit
def global_average_pool_backward(dy, dx) -> None:
    """Equals numpy.pool.global_average_pool_backward."""
    N, H, W, C = dx.shape
    count = dy.dtype.type(H * W)
    for n in range(N):
        given, first = dy[n], dx[n, 0, 0]
        for c in range(C):
            first[c] = given[c] / count
        for h in range(H):
            for w in range(W):
                got = dx[n, h, w]
                for c in range(C):
                    got[c] = first[c]
