"""Update rules over flat arrays: `value` is changed in place by its `grad`; so are the optimizer's slots.

Beside them the penalties that regularizers add to a loss, over arrays of any shape.
"""

import math

import numpy as np


def sgd(value, grad, rate) -> None:
    """value -= rate · grad."""
    value -= rate * grad


def momentum(value, grad, velocity, rate, friction, nesterov) -> None:
    """velocity = friction · velocity - rate · grad, and value += velocity (Nesterov: a step further along it)."""
    velocity *= friction
    velocity -= rate * grad
    value += friction * velocity - rate * grad if nesterov else velocity


def adam(value, grad, mean, square, rate, beta_1, beta_2, epsilon, decay) -> None:
    """Kingma and Ba's Adam (https://arxiv.org/abs/1412.6980), algorithm 1 in the order of its section 2.

    mean and square are the running means of grad and grad²; `rate` has their bias correction in it already. `decay` is
    what the value loses first (AdamW, https://arxiv.org/abs/1711.05101): 0 for plain Adam.
    """
    mean += (1 - beta_1) * (grad - mean)
    square += (1 - beta_2) * (grad * grad - square)
    value -= decay * value + rate * mean / (np.sqrt(square) + epsilon)


def rmsprop(value, grad, square, rate, rho, epsilon) -> None:
    """value -= rate · grad / √(square + epsilon), square the running mean of grad²."""
    square += (1 - rho) * (grad * grad - square)
    value -= rate * grad / np.sqrt(square + epsilon)


def adagrad(value, grad, total, rate, epsilon) -> None:
    """value -= rate · grad / √(total + epsilon), total the sum of all grad² so far."""
    total += grad * grad
    value -= rate * grad / np.sqrt(total + epsilon)


def scale(x, factor) -> None:
    """x *= factor."""
    x *= factor


def shorten(grads, longest) -> None:
    """grad *= longest / norm, for each of the list `grads`, if norm > longest: √Σ grad² over all of them together."""
    norm = math.sqrt(sum(float(np.dot(grad, grad)) for grad in grads))
    if norm > longest:
        for grad in grads:
            grad *= longest / norm


def penalty(value, l1, l2) -> float:
    """Return l1 Σ |value| + l2 Σ value²."""
    return float(l1 * np.abs(value).sum() + l2 * np.square(value).sum())


def add_penalty_gradient(value, grad, l1, l2) -> None:
    """grad += the gradient of the penalty by value: l1 sign(value) + 2 l2 value."""
    grad += l1 * np.sign(value) + 2 * l2 * value
