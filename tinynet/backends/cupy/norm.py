"""Batch and layer normalisation, on the GPU. Shapes as in the numpy wing's room.

What is summed by channels is shared by blocks of threads, each with a strip of rows and a few neighbouring channels:
`norm.cu` begins with a picture of it. A small batch is one strip, and one launch does all. A large one has many: each
leaves its sums, and a second launch adds them up. The order is always the same, so equal numbers give equal bits.
"""

from tinynet.backends.cupy.launch import BLOCKS, THREADS, Source
from tinynet.backends.cupy.memory import empty

LANES = 32  # neighbouring channels of a block: 32 numbers of float32 are one line of the cache
FEW_LANES = 4  # where the strips' sums are added up, more threads go through the strips
ALONE = 64  # up to so many rows a thread, one strip does all, without a second launch
ROWS = 16  # about so many rows a thread where there are many strips, more where BLOCKS would not do
FEW_ROWS = 4  # and where nothing is summed: strips cost nothing then, and there may be four times as many
LONG = 1024  # of more channels than that, a row is shared by a whole block, not by a warp

_source = Source("norm")


def moments(x, mean, variance) -> None:
    """Equals numpy.norm.moments.

    In one pass, as exact as two: threads find the mean and Σ (x - mean)² of a few numbers each, and what they found is
    merged by Chan's formula (Chan, Golub and LeVeque 1983, Algorithms for computing the sample variance), which takes
    no large numbers off each other.
    """
    M, C = x.shape
    strips = _strips(M, C)
    of_strips = None if strips == 1 else empty((strips, C, 3), "float64")
    _launch("moments", strips, C, LANES, x, of_strips, mean, variance, M)
    if strips > 1:
        _launch("merge_moments", 1, C, FEW_LANES, mean, variance, of_strips, strips)


def moving_averages(moving_mean, moving_variance, mean, variance, momentum) -> None:
    """Equals numpy.norm.moving_averages."""
    _source.each("moving_averages", mean.size, moving_mean, moving_variance, mean, variance, float(momentum))


def batch_norm(x, mean, variance, gamma, beta, y, inv_std, epsilon, bounds=None) -> None:
    """Equals numpy.norm.batch_norm."""
    M, C = x.shape
    _launch("batch_norm", _short_strips(M, C), C, LANES, x, mean, variance, gamma, beta, y, inv_std, float(epsilon),
            *_limits(bounds), M)


def batch_norm_backward(x, mean, inv_std, gamma, beta, dy, dx, dgamma, dbeta, of_batch, bounds=None) -> None:
    """Equals numpy.norm.batch_norm_backward."""
    M, C = x.shape
    given, limits = (x, mean, inv_std, gamma, beta, dy), _limits(bounds)
    needs_sums = dgamma is not None or dbeta is not None or (of_batch and dx is not None)
    strips, totals = _strips(M, C), None
    if needs_sums:
        of_strips = None if strips == 1 else empty((strips, C, 2), "float64")
        _launch("batch_norm_backward", strips, C, LANES, *given, of_strips, dx, dgamma, dbeta, bool(of_batch),
                *limits, M)
        if strips == 1:
            return
        totals = empty((C, 2), "float64")
        _launch("add_strips", 1, C, FEW_LANES, dgamma, dbeta, of_strips, totals, strips)
    if dx is not None:
        _launch("batch_norm_dx", _short_strips(M, C), C, LANES, *given, totals, dx, bool(of_batch), *limits, M)


def batch_norm_as_scale(mean, variance, gamma, beta, scale, shift, epsilon) -> None:
    """Equals numpy.norm.batch_norm_as_scale."""
    _source.each("batch_norm_as_scale", mean.size, mean, variance, gamma, beta, scale, shift, float(epsilon))


def layer_norm(x, gamma, beta, y, mean, inv_std, epsilon) -> None:
    """Equals numpy.norm.layer_norm. A warp of 32 threads shares a row, or a whole block if it is long."""
    _by_rows("layer_norm", x, gamma, beta, y, mean, inv_std, float(epsilon))


def layer_norm_backward(x, mean, inv_std, gamma, dy, dx, dgamma, dbeta) -> None:
    """Equals numpy.norm.layer_norm_backward. Dx by rows, dgamma and dbeta by channels."""
    M, C = x.shape
    if dx is not None:
        _by_rows("layer_norm_dx", x, mean, inv_std, gamma, dy, dx)
    if dgamma is not None or dbeta is not None:
        strips = _strips(M, C)
        of_strips = None if strips == 1 else empty((strips, C, 2), "float64")
        _launch("layer_norm_sums", strips, C, LANES, x, mean, inv_std, dy, of_strips, dgamma, dbeta, M)
        if strips > 1:
            _launch("add_strips", 1, C, FEW_LANES, dgamma, dbeta, of_strips, None, strips)


def _strips(M, C):
    lanes = _lanes(C, LANES)
    return 1 if M * lanes <= ALONE * THREADS else _parts(M, C, ROWS, BLOCKS)


def _short_strips(M, C):
    return _parts(M, C, FEW_ROWS, 4 * BLOCKS)


def _parts(M, C, rows, blocks):
    lanes = _lanes(C, LANES)
    return max(1, min(-(-M * lanes // (rows * THREADS)), blocks * lanes // C))


def _lanes(C, most):
    return min(most, 1 << (C - 1).bit_length())


def _launch(kernel, strips, C, most_lanes, *arguments):
    lanes = _lanes(C, most_lanes)
    _source.launch(kernel, (-(-C // lanes), strips), THREADS, *arguments, C, lanes)


def _limits(bounds):
    low, high = (0.0, 0.0) if bounds is None else bounds
    return bounds is not None, float(low), float(high)


def _by_rows(kernel, x, *arguments):
    M, C = x.shape
    team = 32 if C <= LONG else THREADS
    _source.launch(kernel, -(-M * team // THREADS), THREADS, x, *arguments, M, C, team)
