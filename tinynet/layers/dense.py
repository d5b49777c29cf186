"""The fully connected layer."""

import math

from tinynet import initializers, random, regularizers
from tinynet.errors import explain_keywords
from tinynet.layers.activation import Activation
from tinynet.layers.base import Layer, keeps
from tinynet.layers.parameters import draw
from tinynet.shapes import as_count


class Dense(Layer):
    """Every output sees every input: y = f(x @ kernel + bias).

    Shapes: x (N, I), kernel (I, O), bias (O,), y (N, O). Inputs with more axes, (N, ..., I), are treated as so many
    rows of I.

    Forward, with z for the values before the activation f::

        z[n, o] = Σ_i x[n, i] kernel[i, o] + bias[o]        y = f(z)

    Backward gets dy = ∂L/∂y and first takes the activation back: dz = dy · f'(z). Then, by the chain rule, each
    gradient is the sum over all the paths by which a number reaches the loss. kernel[i, o] is used once by every
    sample n, to make z[n, o], where it stands beside x[n, i]; so is bias[o], beside a 1; and x[n, i] goes into every
    output o::

        dkernel[i, o] = Σ_n x[n, i] dz[n, o]                 dkernel = x.T @ dz
        dbias[o]      = Σ_n dz[n, o]
        dx[n, i]      = Σ_o dz[n, o] kernel[i, o]            dx = dz @ kernel.T

    A ReLU is done by the layer's own kernel, in the pass that adds the bias.

    Parameters
    ----------
    units : int
        Number of outputs O.
    activation : str or function, optional
        See :class:`~tinynet.layers.Activation`; none leaves z as it is.
    use_bias : bool
        Whether there is a bias.
    kernel_initializer, bias_initializer : str or Initializer
        See :mod:`tinynet.initializers`.
    kernel_regularizer, bias_regularizer : str or Regularizer, optional
        See :mod:`tinynet.regularizers`.
    name, input_shape
        As for every :class:`~tinynet.layers.Layer`.

    Raises
    ------
    ValueError
        If `units` is not an integer of at least 1.
    """

    same_in_training = True

    @explain_keywords
    def __init__(self, units: int, activation=None, use_bias: bool = True, kernel_initializer="glorot_uniform",
                 bias_initializer="zeros", kernel_regularizer=None, bias_regularizer=None, name: str | None = None,
                 input_shape=None):
        super().__init__(name, input_shape)
        self.units = as_count(units, "units of Dense")
        self.activation = Activation(activation, name=self.name)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        # Its own kernels compute a ReLU, too; not where a subclass makes other logits.
        self._keeps_logits = keeps(self, Dense, "logits", "logits_backward")

    def build(self, input_shape):
        super().build(input_shape)
        generator = random.spawn()
        shape = (self.input_shape[-1], self.units)
        self.kernel = self.add_parameter(
            draw("kernel", shape, self.dtype, self.ops, self.kernel_initializer, generator, self.kernel_regularizer))
        self.bias = None
        if self.use_bias:
            self.bias = self.add_parameter(
                draw("bias", (self.units,), self.dtype, self.ops, self.bias_initializer, generator,
                     self.bias_regularizer))
        self.output_shape = (*self.input_shape[:-1], self.units)
        self.activation.build(self.output_shape)
        return self.output_shape

    def forward(self, x, *, training=False):
        if not (self._keeps_logits and self.activation.is_relu):
            z = self.logits(x, training=training)
            return self.activation.forward_over(z, training=training)
        x = self.check_input(x)
        y = self._map(x, training, bounds=(0, math.inf))
        self.keep(training, x, y)
        return y

    def backward(self, dy, *, need_dx=True):
        if not (self._keeps_logits and self.activation.is_relu):
            dz = self.activation.backward(dy)
            return self.logits_backward(dz, need_dx=need_dx)
        dy, x, y = self.recall(dy)
        return self._go_back(dy, x, need_dx, y)

    def logits(self, x, *, training=False):
        """Return z = x @ kernel + bias, the values before the activation."""
        x = self.check_input(x)
        z = self._map(x, training)
        self.keep(training, x)
        return z

    def logits_backward(self, dz, *, need_dx=True):
        """Fill the gradients of kernel and bias from dz, and return dx."""
        dz, x = self.recall(dz)
        return self._go_back(dz, x, need_dx)

    def _map(self, x, training, bounds=None):
        z = self.output("z", (len(x), *self.output_shape), x, kept=training)
        self.ops.dense(rows(x), self.kernel.value, self.bias.value if self.use_bias else None, rows(z), bounds)
        return z

    def _go_back(self, dz, x, need_dx, y=None):
        dx = self.output("dx", x.shape, dz) if need_dx else None
        dkernel, dbias = (None, None) if self._frozen else (self.kernel.grad, self.bias.grad if self.use_bias else None)
        self.ops.dense_backward(rows(x), self.kernel.value, rows(dz), rows(dx), dkernel, dbias, self.buffer, rows(y))
        return dx


def rows(x):
    """Return x (N, ..., C) as rows of C; None stays None."""
    return x if x is None or x.ndim == 2 else x.reshape(-1, x.shape[-1])
