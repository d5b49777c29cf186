"""Activation functions as layers: the one place where their backward passes are called."""

from collections.abc import Callable

from tinynet import activations
from tinynet.activations import RULES, Rule
from tinynet.errors import explain_keywords
from tinynet.layers.base import Layer


class Activation(Layer):
    """y = f(x), element by element (softmax: over the last axis). x and y have any shape (N, ...).

    By the chain rule dx = dy · f'(x); the derivatives are derived beside their functions in
    `backends/numpy/elementwise.py` and, for softmax, `backends/numpy/softmax.py`.

    Parameters
    ----------
    activation : str or function
        relu, relu6, leaky_relu, elu, gelu, sigmoid, tanh, softplus, softmax or linear; or the function of that name
        from :mod:`tinynet.activations`.
    name, input_shape
        As for every :class:`~tinynet.layers.Layer`.
    """

    same_in_training = True

    @explain_keywords
    def __init__(self, activation: str | Callable | None, name: str | None = None, input_shape=None):
        super().__init__(name, input_shape)
        self._choose(activations.get(activation))

    def _choose(self, function: str, rule: Rule | None = None) -> None:
        self.function = function
        self.rule = rule or RULES.get(function)  # linear has none

    def build(self, input_shape):
        super().build(input_shape)
        self._find_kernels()
        return self.output_shape

    def move_to(self, ops):
        super().move_to(ops)
        self._find_kernels()

    def _find_kernels(self) -> None:
        if self.rule:
            self._kernel = getattr(self.ops, self.rule.kernel)
            self._backward_kernel = getattr(self.ops, self.rule.kernel + "_backward")

    def forward(self, x, *, training=False):
        x = self.check_input(x)
        return self._compute(x, self.output("y", x.shape, x, kept=training) if self.rule else x, training)

    def forward_over(self, z, *, training=False):
        """Do what forward does, and write y over z where backward will not need z: for the layer that owns z."""
        aside = self.rule and self.rule.needs_x
        return self._compute(z, self.output("y", z.shape, z, kept=training) if aside else z, training)

    def _compute(self, x, y, training):
        if self.rule:
            self._kernel(x, y, *self.rule.constants)
        self.keep(training, x, y)
        return y

    def backward(self, dy, *, need_dx=True):
        dy, x, y = self.recall(dy)
        if not self.rule:
            return dy
        dx = self.output("dx", dy.shape, dy)
        self._backward_kernel(dy, x, y, dx, *self.rule.constants)
        return dx

    @property
    def is_relu(self) -> bool:
        """Whether f is the plain ReLU, which a layer's own kernel may compute in the same pass."""
        return self.rule is RULES["relu"]

    @property
    def activation(self) -> "Activation":
        """Itself, so that a model's last activation is found in the same way whichever layer it ends in."""
        return self

    def logits(self, x, *, training=False):
        """Return what goes into the activation: here the input itself."""
        x = self.check_input(x)
        self.keep(training, x)
        return x

    def logits_backward(self, dz, *, need_dx=True):
        """Return the gradient of :meth:`logits`: dz itself."""
        dz, _ = self.recall(dz)
        return dz


class ReLU(Activation):
    """y = max(x, 0); with `max_value` no more than that, with `negative_slope` slope · x below zero.

    Parameters
    ----------
    max_value : float, optional
        Ceiling of y, above 0; 6 makes MobileNet's ReLU6.
    negative_slope : float
        At least 0, and not together with `max_value`.
    name, input_shape
        As for every :class:`~tinynet.layers.Layer`.
    """

    @explain_keywords
    def __init__(self, max_value: float | None = None, negative_slope: float = 0.0, name=None, input_shape=None):
        Layer.__init__(self, name, input_shape)
        if negative_slope < 0 or (max_value is not None and (max_value <= 0 or negative_slope)):
            raise ValueError("ReLU takes a max_value above 0 or a negative_slope of at least 0, not both. "
                             f"Received: max_value={max_value!r}, negative_slope={negative_slope!r}")
        self.max_value = max_value
        self.negative_slope = negative_slope
        if max_value is not None:
            self._choose("relu", Rule("clipped_relu", (float(max_value),)))
        elif negative_slope:
            self._choose("relu", Rule("leaky_relu", (float(negative_slope),)))
        else:
            self._choose("relu")


class Softmax(Activation):
    """y = exp(x) / Σ exp(x) over the last axis.

    dx[c] = y[c] (dy[c] - Σ_k dy[k] y[k]). Before a cross-entropy, `Sequential.compile` pairs the two into one function
    of the logits, whose gradient is y minus the label, and which is exact where exp would overflow.
    """

    @explain_keywords
    def __init__(self, name=None, input_shape=None):
        super().__init__("softmax", name, input_shape)
