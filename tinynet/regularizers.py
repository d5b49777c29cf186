"""Penalties on weights: what a layer's weights cost in the loss by their size, so that training keeps them small.

A regularizer is given to a layer, as in ``Dense(10, kernel_regularizer="l2")``. `fit`, `evaluate` and the like add its
penalty to the loss; in an open loop `model.penalize()` does (see :class:`tinynet.Sequential`).
"""

import math
import numbers
from collections.abc import Iterable
from types import ModuleType

from tinynet.errors import explain_keywords, look_up


class Regularizer:
    """Base of the regularizers: a number for an array w of any shape, and how that number changes with w."""

    def penalty(self, ops: ModuleType, value):
        """Return what `value`, an array of the backend `ops`, adds to the loss: a float, or what `ops` has for one.

        On a GPU that may be an array of one number, as a step there waits for none. What a model's own `penalty` and
        `penalize` return is a float everywhere.
        """
        raise TypeError(f"{type(self).__name__} does not define penalty")

    def add_gradient(self, ops: ModuleType, value, grad) -> None:
        """Add the gradient of :meth:`penalty` by `value` to `grad`, an array of the same shape."""
        raise TypeError(f"{type(self).__name__} does not define add_gradient")


class L1L2(Regularizer):
    """Penalty l1 Σ |w| + l2 Σ w², with the gradient l1 sign(w) + 2 l2 w, where sign(0) = 0.

    The first term pulls every weight towards 0 with the same force, and many end there: a sparse kernel (Tibshirani
    1996, Regression shrinkage and selection via the lasso). The second pulls large weights more, and few end at 0
    (Krogh and Hertz 1991, A simple weight decay can improve generalization).

    Parameters
    ----------
    l1, l2 : float
        What the two sums are multiplied by, at least 0.

    Raises
    ------
    ValueError
        If one is not a finite number of at least 0.
    """

    @explain_keywords
    def __init__(self, l1: float = 0.0, l2: float = 0.0):
        self.l1 = self._factor("l1", l1)
        self.l2 = self._factor("l2", l2)

    def _factor(self, argument: str, value: float) -> float:
        if isinstance(value, bool) or not isinstance(value, numbers.Real) or not 0 <= value < math.inf:
            raise ValueError(f"{argument} of {type(self).__name__} must be a finite number of at least 0. "
                             f"Received: {value!r}")
        return float(value)

    def penalty(self, ops, value):
        return ops.penalty(value, self.l1, self.l2)

    def add_gradient(self, ops, value, grad):
        ops.add_penalty_gradient(value, grad, self.l1, self.l2)


class L1(L1L2):
    """Penalty l1 Σ |w|, with the gradient l1 sign(w); see :class:`L1L2`.

    Parameters
    ----------
    l1 : float
        At least 0.
    """

    @explain_keywords
    def __init__(self, l1: float = 0.01):
        super().__init__(l1=l1)


class L2(L1L2):
    """Penalty l2 Σ w², with the gradient 2 l2 w; see :class:`L1L2`.

    Parameters
    ----------
    l2 : float
        At least 0.
    """

    @explain_keywords
    def __init__(self, l2: float = 0.01):
        super().__init__(l2=l2)


def total_penalty(parameters: Iterable, ops: ModuleType):
    """Return what the regularizers of all parameters add to the loss, as :meth:`Regularizer.penalty` does."""
    total = 0.0
    for parameter in parameters:
        if parameter.regularizer is not None:
            total = total + parameter.regularizer.penalty(ops, parameter.value)
    return total


def add_gradients(parameters: Iterable, ops: ModuleType) -> None:
    """Add the regularizers' gradients to those of their parameters, where they are trainable."""
    for parameter in parameters:
        if parameter.regularizer is not None and parameter.trainable and not parameter.frozen:
            parameter.regularizer.add_gradient(ops, parameter.value, parameter.grad)


l1, l2, l1_l2 = L1, L2, L1L2  # as tutorials have them: regularizers.l2(0.001)

_KNOWN = {"l1": L1, "l2": L2, "l1_l2": L1L2}


def get(regularizer: str | type | Regularizer | None) -> Regularizer | None:
    """Return a regularizer from its name (in any case, with its defaults), its class, or itself; None stays None.

    Raises
    ------
    ValueError
        For an unknown name, with the known ones.
    TypeError
        For anything else.
    """
    if isinstance(regularizer, str):
        return look_up("regularizer", regularizer.lower(), _KNOWN)()
    made = regularizer() if isinstance(regularizer, type) else regularizer
    if made is None or isinstance(made, Regularizer):
        return made
    raise TypeError("A regularizer is None, a name, or an object of tinynet.regularizers, such as L2(0.01); one of "
                    f"your own extends Regularizer. Received: {regularizer!r}")


__all__ = ["L1", "L1L2", "L2", "Regularizer", "get", "l1", "l1_l2", "l2"]
