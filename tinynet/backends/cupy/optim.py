"""Update rules on the GPU, a thread for each number, and penalties.

What changes from step to step, as the rate and Adam's decay, may be a number in the GPU's memory: a recorded step
replays with what stands there.
"""

import cupy as cp

from tinynet.backends.cupy.launch import THREADS, Source
from tinynet.backends.cupy.memory import empty, number
from tinynet.backends.cupy.totals import add_up, blocks_for

_source = Source("optim")


def sgd(value, grad, rate) -> None:
    """Equals numpy.optim.sgd."""
    _source.each("sgd", value.size, value, grad, number(rate))


def momentum(value, grad, velocity, rate, friction, nesterov) -> None:
    """Equals numpy.optim.momentum."""
    _source.each("momentum", value.size, value, grad, velocity, number(rate), float(friction), bool(nesterov))


def adam(value, grad, mean, square, rate, beta_1, beta_2, epsilon, decay) -> None:
    """Equals numpy.optim.adam."""
    _source.each("adam", value.size, value, grad, mean, square, number(rate), float(1 - beta_1), float(1 - beta_2),
                 float(epsilon), number(decay))


def rmsprop(value, grad, square, rate, rho, epsilon) -> None:
    """Equals numpy.optim.rmsprop."""
    _source.each("rmsprop", value.size, value, grad, square, number(rate), float(1 - rho), float(epsilon))


def adagrad(value, grad, total, rate, epsilon) -> None:
    """Equals numpy.optim.adagrad."""
    _source.each("adagrad", value.size, value, grad, total, number(rate), float(epsilon))


def scale(x, factor) -> None:
    """Equals numpy.optim.scale."""
    _source.each("scale", x.size, x, number(factor))


def shorten(grads, longest) -> None:
    """Equals numpy.optim.shorten.

    Blocks sum up the squares, each its part; then the blocks of a second kernel all add up these sums, and each scales
    its part of the gradients.
    """
    blocks = [blocks_for(grad.size) for grad in grads]
    sums = empty((sum(blocks),), "float64")
    start = 0
    for grad, count in zip(grads, blocks, strict=True):
        _source.launch("sum_squares", count, THREADS, grad, grad.size, sums[start : start + count])
        start += count
    for grad, count in zip(grads, blocks, strict=True):
        _source.launch("shorten", count, THREADS, grad, grad.size, sums, sums.size, float(longest))


def penalty(value, l1, l2) -> cp.ndarray:
    """Equals numpy.optim.penalty."""
    return add_up(_source, "penalty", blocks_for(value.size), value, float(l1), float(l2), value.size)


def add_penalty_gradient(value, grad, l1, l2) -> None:
    """Equals numpy.optim.add_penalty_gradient."""
    _source.each("add_penalty_gradient", value.size, value, grad, float(l1), float(l2))
