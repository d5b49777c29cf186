"""Activation functions by name and as plain functions of arrays.

`layers.Dense(128, activation="relu")` and `layers.Dense(128, activation=tinynet.activations.relu)` (or
`tf.nn.relu` in pasted code) say the same. The formulas and their derivatives stand in
`backends/numpy/elementwise.py` and `backends/numpy/softmax.py`; :class:`tinynet.layers.Activation` runs them.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tinynet.backends import get_backend
from tinynet.errors import look_up


@dataclass(frozen=True)
class Rule:
    """Which kernels compute an activation, and what they need.

    Attributes
    ----------
    kernel : str
        Name of the forward kernel; the backward kernel's is `kernel + "_backward"`.
    constants : tuple of float
        Numbers that both kernels take last.
    needs_x : bool
        Whether backward looks at x. Where it does not, y may be written over x.
    """

    kernel: str
    constants: tuple[float, ...] = ()
    needs_x: bool = False


def relu(x: np.ndarray) -> np.ndarray:
    """Return max(x, 0) (Nair and Hinton 2010)."""
    return _apply("relu", x)


def relu6(x: np.ndarray) -> np.ndarray:
    """Return min(max(x, 0), 6), as in MobileNet."""
    return _apply("relu6", x)


def leaky_relu(x: np.ndarray) -> np.ndarray:
    """Return x where positive, else 0.2 x: Keras' slope."""
    return _apply("leaky_relu", x)


def elu(x: np.ndarray) -> np.ndarray:
    """Return x where positive, else exp(x) - 1 (Clevert et al. 2015, https://arxiv.org/abs/1511.07289)."""
    return _apply("elu", x)


def gelu(x: np.ndarray) -> np.ndarray:
    """Return x Φ(x), exactly, by erf (Hendrycks and Gimpel 2016, https://arxiv.org/abs/1606.08415)."""
    return _apply("gelu", x)


def sigmoid(x: np.ndarray) -> np.ndarray:
    """Return 1 / (1 + exp(-x))."""
    return _apply("sigmoid", x)


def tanh(x: np.ndarray) -> np.ndarray:
    """Return the hyperbolic tangent of x."""
    return _apply("tanh", x)


def softplus(x: np.ndarray) -> np.ndarray:
    """Return log(1 + exp(x))."""
    return _apply("softplus", x)


def softmax(x: np.ndarray) -> np.ndarray:
    """Return exp(x) / Σ exp(x) over the last axis: each row becomes probabilities."""
    return _apply("softmax", x)


def linear(x: np.ndarray) -> np.ndarray:
    """Return x itself, copied."""
    return np.array(x)


RULES = {
    "relu": Rule("relu"),
    "relu6": Rule("clipped_relu", (6.0,)),
    "leaky_relu": Rule("leaky_relu", (0.2,)),
    "elu": Rule("elu"),
    "gelu": Rule("gelu", needs_x=True),
    "sigmoid": Rule("sigmoid"),
    "tanh": Rule("tanh"),
    "softplus": Rule("softplus"),
    "softmax": Rule("softmax"),
}
_FUNCTIONS = {f.__name__: f for f in (relu, relu6, leaky_relu, elu, gelu, sigmoid, tanh, softplus, softmax, linear)}


def get(activation: str | Callable | None) -> str:
    """Return the name of an activation given by its name, as one of this module's functions, or as None (linear).

    Raises
    ------
    ValueError
        For an unknown name, with the known ones.
    TypeError
        For any other function: its derivative is not known.
    """
    if activation is None:
        return "linear"
    if isinstance(activation, str):
        return look_up("activation", activation, _FUNCTIONS).__name__
    if activation in _FUNCTIONS.values():
        return activation.__name__
    raise TypeError(
        "An activation is one of tinynet.activations, by name or as a function: of any other function the derivative "
        f"is not known. Known are {', '.join(sorted(_FUNCTIONS))}. Received: {activation!r}"
    )


def _apply(name: str, x: np.ndarray) -> np.ndarray:
    rule = RULES[name]
    ops = get_backend()
    x = np.asarray(x)
    shape = x.shape
    x = ops.asarray(x, x.dtype if x.dtype in ("float32", "float64") else "float64")
    if name == "softmax" and not shape:
        raise ValueError(f"softmax needs at least one axis. Received: {x!r}")
    y = ops.empty(x.shape, x.dtype)
    getattr(ops, rule.kernel)(x, y, *rule.constants)
    return ops.to_numpy(y).reshape(shape)
