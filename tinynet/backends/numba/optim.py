"""Update rules in one pass over flat arrays, and penalties.

Constants are cast to the arrays' own type, or float64 would creep in.

A running mean whose gradients have stayed 0, as those of a unit that never fires, shrinks from step to step until it is
a denormal number, which processors compute with slowly. Below TINY it becomes 0. Beside Keras' epsilon of 1e-7 that is
nothing: the root of such a square is 1e-15, and such a mean moves a value by less than 1e-23 times the rate. Only an
epsilon below 1e-15 would feel it.
"""

import math

import numpy as np

from tinynet.backends.numba.jit import jit
from tinynet.backends.numba.workers import shared

TINY = 1e-30


@shared
@jit
def sgd(value, grad, rate) -> None:
    """Equals numpy.optim.sgd."""
    r = value.dtype.type(rate)
    for i in range(value.size):
        value[i] -= r * grad[i]


@shared
@jit
def momentum(value, grad, velocity, rate, friction, nesterov) -> None:
    """Equals numpy.optim.momentum."""
    r, f = value.dtype.type(rate), value.dtype.type(friction)
    zero, tiny = value.dtype.type(0), value.dtype.type(TINY)
    for i in range(value.size):
        v = f * velocity[i] - r * grad[i]
        velocity[i] = zero if abs(v) < tiny else v
        value[i] += f * v - r * grad[i] if nesterov else v


@shared
@jit
def adam(value, grad, mean, square, rate, beta_1, beta_2, epsilon, decay) -> None:
    """Equals numpy.optim.adam."""
    r, e, d = value.dtype.type(rate), value.dtype.type(epsilon), value.dtype.type(decay)
    a, b = value.dtype.type(1 - beta_1), value.dtype.type(1 - beta_2)
    zero, tiny = value.dtype.type(0), value.dtype.type(TINY)
    for i in range(value.size):
        m = mean[i] + a * (grad[i] - mean[i])
        s = square[i] + b * (grad[i] * grad[i] - square[i])
        mean[i] = zero if abs(m) < tiny else m
        square[i] = zero if s < tiny else s
        value[i] -= d * value[i] + r * m / (math.sqrt(s) + e)


@shared
@jit
def rmsprop(value, grad, square, rate, rho, epsilon) -> None:
    """Equals numpy.optim.rmsprop."""
    r, e, a = value.dtype.type(rate), value.dtype.type(epsilon), value.dtype.type(1 - rho)
    zero, tiny = value.dtype.type(0), value.dtype.type(TINY)
    for i in range(value.size):
        s = square[i] + a * (grad[i] * grad[i] - square[i])
        square[i] = zero if s < tiny else s
        value[i] -= r * grad[i] / math.sqrt(s + e)


@shared
@jit
def adagrad(value, grad, total, rate, epsilon) -> None:
    """Equals numpy.optim.adagrad."""
    r, e = value.dtype.type(rate), value.dtype.type(epsilon)
    for i in range(value.size):
        total[i] += grad[i] * grad[i]
        value[i] -= r * grad[i] / math.sqrt(total[i] + e)


def shorten(grads, longest) -> None:
    """Equals numpy.optim.shorten."""
    norm = math.sqrt(sum(squared_norm(grad) for grad in grads))
    if norm > longest:
        for grad in grads:
            scale(grad, longest / norm)


@jit
def squared_norm(grad) -> float:
    """Return Σ grad²."""
    total = np.float64(0)  # a float would become float32 beside one, where nothing is compiled
    for i in range(grad.size):
        total += grad[i] * grad[i]
    return total


@jit
def scale(x, factor) -> None:
    """Equals numpy.optim.scale."""
    flat = x.ravel()
    f = x.dtype.type(factor)
    for i in range(flat.size):
        flat[i] *= f


@jit
def penalty(value, l1, l2) -> float:
    """Equals numpy.optim.penalty."""
    flat = value.ravel()
    sizes, squares = np.float64(0), np.float64(0)
    for i in range(flat.size):
        sizes += abs(flat[i])
        squares += flat[i] * flat[i]
    return l1 * sizes + l2 * squares


@jit
def add_penalty_gradient(value, grad, l1, l2) -> None:
    """Equals numpy.optim.add_penalty_gradient."""
    value, grad = value.ravel(), grad.ravel()
    a, b = value.dtype.type(l1), value.dtype.type(2 * l2)
    zero = value.dtype.type(0)
    for i in range(value.size):
        v = value[i]
        grad[i] += (a if v > zero else (-a if v < zero else a * v)) + b * v
