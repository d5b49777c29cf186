"""The update rules by name. Their arithmetic stands in `backends/numpy/optim.py`."""

import math

from tinynet.errors import explain_keywords
from tinynet.optimizers.base import Optimizer


class SGD(Optimizer):
    """Gradient descent, with momentum if asked for: velocity = momentum · velocity - rate · grad.

    Parameters
    ----------
    learning_rate : float or schedule
        As for every :class:`Optimizer`.
    momentum : float
        Share of the velocity that each step keeps, at least 0 and below 1.
    nesterov : bool
        Whether the step looks ahead along the velocity (Sutskever et al. 2013).
    clipnorm, global_clipnorm, loss_scale_factor : float, optional
        As for every :class:`Optimizer`.
    """

    @explain_keywords
    def __init__(self, learning_rate=0.01, momentum: float = 0.0, nesterov: bool = False, clipnorm=None,
                 global_clipnorm=None, loss_scale_factor=None):
        super().__init__(learning_rate, clipnorm, global_clipnorm, loss_scale_factor)
        self.momentum = _share(momentum, "SGD: momentum")
        self.nesterov = nesterov
        self.slots = ("velocity",) if momentum else ()

    def update(self, ops, value, grad, rate, velocity=None):
        if velocity is None:
            ops.sgd(value, grad, rate)
        else:
            ops.momentum(value, grad, velocity, rate, self.momentum, self.nesterov)


class Adam(Optimizer):
    """Steps of a size set by the gradients' running mean and mean square (https://arxiv.org/abs/1412.6980).

    mean = β₁ mean + (1 - β₁) g and square = β₂ square + (1 - β₂) g², both from zero, are too small at first by 1 - β^t;
    the rate makes up for it, and value -= rate √(1 - β₂^t) / (1 - β₁^t) · mean / (√square + ε).

    Parameters
    ----------
    learning_rate : float or schedule
        As for every :class:`Optimizer`.
    beta_1, beta_2 : float
        How much of the running means each step keeps, at least 0 and below 1.
    epsilon : float
        Added to √square; Keras' 1e-7.
    clipnorm, global_clipnorm, loss_scale_factor : float, optional
        As for every :class:`Optimizer`.
    """

    slots = ("mean", "square")
    weight_decay = 0.0

    @explain_keywords
    def __init__(self, learning_rate=0.001, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-7,
                 clipnorm=None, global_clipnorm=None, loss_scale_factor=None):
        super().__init__(learning_rate, clipnorm, global_clipnorm, loss_scale_factor)
        self.beta_1 = _share(beta_1, f"{type(self).__name__}: beta_1")
        self.beta_2 = _share(beta_2, f"{type(self).__name__}: beta_2")
        self.epsilon = epsilon

    def numbers(self, rate):
        t = self.iterations
        corrected = rate * math.sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)
        return (corrected, rate * self.weight_decay)

    def update(self, ops, value, grad, rate, decay, mean, square):
        ops.adam(value, grad, mean, square, rate, self.beta_1, self.beta_2, self.epsilon, decay)


class AdamW(Adam):
    """Adam that also shrinks every value by rate · weight_decay a step (https://arxiv.org/abs/1711.05101).

    Parameters
    ----------
    learning_rate : float or schedule
        As for every :class:`Optimizer`.
    weight_decay : float
        Share that is taken off, times the rate.
    beta_1, beta_2, epsilon, clipnorm, global_clipnorm, loss_scale_factor
        As for :class:`Adam`.
    """

    @explain_keywords
    def __init__(self, learning_rate=0.001, weight_decay: float = 0.004, beta_1: float = 0.9, beta_2: float = 0.999,
                 epsilon: float = 1e-7, clipnorm=None, global_clipnorm=None, loss_scale_factor=None):
        super().__init__(learning_rate, beta_1, beta_2, epsilon, clipnorm, global_clipnorm, loss_scale_factor)
        self.weight_decay = weight_decay


class RMSprop(Optimizer):
    """value -= rate · grad / √(square + ε), square the running mean of grad² (Hinton's lecture 6e, 2012).

    Parameters
    ----------
    learning_rate : float or schedule
        As for every :class:`Optimizer`.
    rho : float
        How much of the running mean each step keeps, at least 0 and below 1.
    epsilon : float
        Added under the root.
    clipnorm, global_clipnorm, loss_scale_factor : float, optional
        As for every :class:`Optimizer`.
    """

    slots = ("square",)

    @explain_keywords
    def __init__(self, learning_rate=0.001, rho: float = 0.9, epsilon: float = 1e-7, clipnorm=None,
                 global_clipnorm=None, loss_scale_factor=None):
        super().__init__(learning_rate, clipnorm, global_clipnorm, loss_scale_factor)
        self.rho = _share(rho, "RMSprop: rho")
        self.epsilon = epsilon

    def update(self, ops, value, grad, rate, square):
        ops.rmsprop(value, grad, square, rate, self.rho, self.epsilon)


class Adagrad(Optimizer):
    """value -= rate · grad / √(total + ε), total the sum of all grad² so far (Duchi et al. 2011).

    Parameters
    ----------
    learning_rate : float or schedule
        As for every :class:`Optimizer`.
    initial_accumulator_value : float
        Where `total` begins.
    epsilon : float
        Added under the root.
    clipnorm, global_clipnorm, loss_scale_factor : float, optional
        As for every :class:`Optimizer`.
    """

    slots = ("total",)

    @explain_keywords
    def __init__(self, learning_rate=0.001, initial_accumulator_value: float = 0.1, epsilon: float = 1e-7,
                 clipnorm=None, global_clipnorm=None, loss_scale_factor=None):
        super().__init__(learning_rate, clipnorm, global_clipnorm, loss_scale_factor)
        self.initial_accumulator_value = self.slot_start = initial_accumulator_value
        self.epsilon = epsilon

    def update(self, ops, value, grad, rate, total):
        ops.adagrad(value, grad, total, rate, self.epsilon)


def _share(value: float, what: str) -> float:
    if not 0 <= value < 1:
        raise ValueError(f"{what} must be at least 0 and below 1. Received: {value!r}")
    return value
