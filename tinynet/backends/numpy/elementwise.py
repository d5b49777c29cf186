"""Activations, dropout and sums, element by element: y = f(x), and dx = dy · f'(x).

Every backward kernel gets dy, x and y. Most derivatives read more simply from y, and then a layer may have written y
over x: only those named in `tinynet.activations` as needing x look at it. At ReLU's kinks (0, and the ceiling of a
clipped one) the derivative is 0, as in TensorFlow.
"""

import math

import numpy as np

_erfc = np.frompyfunc(math.erfc, 1, 1)


def relu(x, y) -> None:
    """Compute y = max(x, 0)."""
    np.maximum(x, 0, out=y)


def relu_backward(dy, x, y, dx) -> None:
    """Compute dx = dy where y > 0, else 0."""
    np.multiply(dy, y > 0, out=dx)


def clipped_relu(x, y, ceiling) -> None:
    """Compute y = min(max(x, 0), ceiling); ReLU6 has the ceiling 6."""
    np.clip(x, 0, ceiling, out=y)


def clipped_relu_backward(dy, x, y, dx, ceiling) -> None:
    """Compute dx = dy where 0 < y < ceiling, else 0."""
    np.multiply(dy, (y > 0) & (y < ceiling), out=dx)


def leaky_relu(x, y, slope) -> None:
    """Compute y = x where x > 0, else slope · x. The slope is at least 0."""
    y[...] = np.where(x > 0, x, slope * x)


def leaky_relu_backward(dy, x, y, dx, slope) -> None:
    """Compute dx = dy where y > 0 (as x > 0 then), else slope · dy."""
    dx[...] = np.where(y > 0, dy, slope * dy)


def elu(x, y) -> None:
    """Compute y = x where x > 0, else exp(x) - 1."""
    y[...] = np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def elu_backward(dy, x, y, dx) -> None:
    """Compute dx = dy where y > 0, else dy · exp(x), and exp(x) = y + 1."""
    dx[...] = np.where(y > 0, dy, dy * (y + 1))


def gelu(x, y) -> None:
    """Compute y = x Φ(x), Φ the normal distribution function: Φ(x) = erfc(-x / √2) / 2, exact in both tails."""
    y[...] = x * _normal_cdf(x)


def gelu_backward(dy, x, y, dx) -> None:
    """Compute dx = dy · (Φ(x) + x φ(x)), by the product rule; φ = Φ' is the normal density."""
    density = np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
    dx[...] = dy * (_normal_cdf(x) + x * density)


def _normal_cdf(x):
    return 0.5 * _erfc(-x / math.sqrt(2)).astype(x.dtype)


def sigmoid(x, y) -> None:
    """Compute y = 1 / (1 + exp(-x)), by exp(-|x|) alone, which cannot overflow."""
    e = np.exp(-np.abs(x))
    y[...] = np.where(x >= 0, 1, e) / (1 + e)


def sigmoid_backward(dy, x, y, dx) -> None:
    """Compute dx = dy · y (1 - y)."""
    np.multiply(dy, y * (1 - y), out=dx)


def tanh(x, y) -> None:
    """Compute y = tanh(x)."""
    np.tanh(x, out=y)


def tanh_backward(dy, x, y, dx) -> None:
    """Compute dx = dy · (1 - y²)."""
    np.multiply(dy, 1 - y * y, out=dx)


def softplus(x, y) -> None:
    """Compute y = log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)), which cannot overflow."""
    y[...] = np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


def softplus_backward(dy, x, y, dx) -> None:
    """Compute dx = dy · sigmoid(x), and sigmoid(x) = 1 - exp(-y)."""
    np.multiply(dy, -np.expm1(-y), out=dx)


def dropout(x, noise, rate, y) -> None:
    """Compute y = x / (1 - rate) where noise >= rate, else 0; noise is uniform in [0, 1)."""
    y[...] = np.where(noise >= rate, x / (1 - rate), 0)


def dropout_backward(dy, noise, rate, dx) -> None:
    """Compute dx = dy / (1 - rate) where the forward pass let x through, else 0: the same map."""
    dropout(dy, noise, rate, dx)


def add(a, b, y) -> None:
    """Compute y = a + b; y may be one of the two."""
    np.add(a, b, out=y)
