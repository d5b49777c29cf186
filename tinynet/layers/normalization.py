"""Batch and layer normalisation."""

import warnings

from tinynet import initializers, random
from tinynet.errors import explain_keywords
from tinynet.layers.base import Layer
from tinynet.layers.dense import rows
from tinynet.layers.parameters import draw


class _Normalization(Layer):
    """What both share: the axis of the channels, gamma and beta."""

    def __init__(self, axis, epsilon, center, scale, beta_initializer, gamma_initializer, name, input_shape):
        super().__init__(name, input_shape)
        if isinstance(axis, bool) or not isinstance(axis, int):
            raise ValueError(f"axis of {type(self).__name__} must be -1, the last one. Received: {axis!r}")
        if isinstance(epsilon, bool) or not isinstance(epsilon, int | float) or not epsilon > 0:
            raise ValueError(f"epsilon of {type(self).__name__} must be a number above 0. Received: {epsilon!r}")
        self.axis = axis
        self.epsilon = float(epsilon)
        self.center = center
        self.scale = scale
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)

    def build(self, input_shape):
        super().build(input_shape)
        last = len(self.input_shape)
        if not last:
            raise ValueError(f"Layer {self.name!r} needs an axis of channels. Received: input_shape=()")
        if self.axis not in (-1, last):
            raise ValueError(f"Layer {self.name!r} normalizes over the last axis: for inputs of shape "
                             f"(N, {', '.join(map(str, self.input_shape))}) axis must be -1 or {last}. "
                             f"Received: axis={self.axis}")
        self.gamma = self._draw("gamma", self.gamma_initializer) if self.scale else None
        self.beta = self._draw("beta", self.beta_initializer) if self.center else None
        return self.output_shape

    def _draw(self, name, initializer):
        shape = self.input_shape[-1:]
        return self.add_parameter(draw(name, shape, self.dtype, self.ops, initializer, random.spawn()))

    def _values(self):
        return [None if parameter is None else parameter.value for parameter in (self.gamma, self.beta)]

    def _grads(self):
        return [None if parameter is None or self._frozen else parameter.grad for parameter in (self.gamma, self.beta)]


class BatchNormalization(_Normalization):
    """Each channel gets mean 0 and variance 1 over the batch; then it is scaled by gamma and shifted by beta.

    Shapes: x, y (N, ..., C); gamma, beta, moving_mean, moving_variance (C,). A channel has M values in a batch of
    images, M = N·H·W. All that follows holds for each channel by itself, i and j running over its M values.

    Forward, in training::

        mean = 1/M Σ_i x_i        var = 1/M Σ_i (x_i - mean)²        σ = √(var + epsilon)

        xhat_i = (x_i - mean) / σ                                    y_i = gamma xhat_i + beta

    Every training batch also moves the moving statistics: moving_mean = momentum · moving_mean + (1 - momentum) · mean,
    and moving_variance likewise by var. They stand for mean and var at inference, where a prediction must not depend
    on which others are in its batch, and in a layer that is frozen (`trainable = False`), which moves them no further.

    Backward gets dy = ∂L/∂y. gamma and beta are used by every y_i, and so is xhat_i by one::

        dbeta = Σ_i dy_i          dgamma = Σ_i dy_i xhat_i           dxhat_i = gamma dy_i

    x_i goes three ways to the loss: straight into xhat_i, and into var and mean, of which all xhat are made. First the
    gradients of these two. From xhat_i = (x_i - mean) (var + epsilon)^(-1/2)::

        dvar  = Σ_i dxhat_i (x_i - mean) · (-1/2) (var + epsilon)^(-3/2)
              = -1/(2σ²) Σ_i dxhat_i xhat_i
        dmean = Σ_i dxhat_i · (-1/σ)  +  dvar · (-2/M) Σ_i (x_i - mean)
              = -1/σ Σ_i dxhat_i                                     as deviations from a mean sum to 0

    The three ways together, with ∂var/∂x_i = 2 (x_i - mean) / M and ∂mean/∂x_i = 1/M::

        dx_i = dxhat_i / σ  +  dvar · 2 (x_i - mean) / M  +  dmean / M
             = dxhat_i / σ  -  xhat_i / (σ M) Σ_j dxhat_j xhat_j  -  1/(σ M) Σ_j dxhat_j
             = gamma/σ (dy_i  -  mean(dy)  -  xhat_i mean(dy xhat))

    So dy loses its mean, and its part along xhat: moving all x_i together changes no y, and neither, but for epsilon,
    does stretching them. Where the moving statistics stood for the batch's own, they are constants, two of the three
    ways are closed, and dx_i = gamma/σ dy_i.

    Source: Ioffe and Szegedy 2015, Batch normalization: accelerating deep network training by reducing internal
    covariate shift (https://arxiv.org/abs/1502.03167).

    Parameters
    ----------
    axis : int
        The channels' axis: the last one, as -1 or as its number.
    momentum : float
        How much of the moving statistics stays with each batch, from 0 to 1.
    epsilon : float
        Added to the variance, above 0.
    center, scale : bool
        Whether there is a beta; whether there is a gamma. Before a ReLU gamma changes little: the next layer's kernel
        can scale as well.
    beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer : str or Initializer
        See :mod:`tinynet.initializers`.
    name, input_shape
        As for every :class:`~tinynet.layers.Layer`.

    Raises
    ------
    ValueError
        If `axis` is not the last one, or `momentum` or `epsilon` is out of range.

    Warns
    -----
    UserWarning
        Once, when a training batch has one value per channel: its variance is 0, so that y is beta whatever x was.
    """

    @explain_keywords
    def __init__(self, axis: int = -1, momentum: float = 0.99, epsilon: float = 0.001, center: bool = True,
                 scale: bool = True, beta_initializer="zeros", gamma_initializer="ones",
                 moving_mean_initializer="zeros", moving_variance_initializer="ones", name: str | None = None,
                 input_shape=None):
        super().__init__(axis, epsilon, center, scale, beta_initializer, gamma_initializer, name, input_shape)
        if isinstance(momentum, bool) or not isinstance(momentum, int | float) or not 0 <= momentum <= 1:
            raise ValueError(f"momentum of BatchNormalization must be a number from 0 to 1. Received: {momentum!r}")
        self.momentum = float(momentum)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self._warned = False

    @property
    def same_in_training(self) -> bool:
        """Only while it is frozen: then the moving statistics serve in training too."""
        return self._frozen

    def build(self, input_shape):
        output_shape = super().build(input_shape)
        self.moving_mean = self._draw("moving_mean", self.moving_mean_initializer)
        self.moving_variance = self._draw("moving_variance", self.moving_variance_initializer)
        self.moving_mean.trainable = self.moving_variance.trainable = False
        return output_shape

    def forward(self, x, *, training=False):
        return self.normalize(x, None, training)

    def backward(self, dy, *, need_dx=True):
        return self.normalize_backward(dy, None, need_dx)

    def normalize(self, x, bounds, training):
        """Return y, clipped to `bounds`, its lowest and highest value, where they are given: a ReLU in one pass."""
        x = self.check_input(x)
        y = self.output("y", x.shape, x, kept=training)
        mean, variance, inv_std = (self.buffer(name, x.shape[-1:]) for name in ("mean", "variance", "inv_std"))
        of_batch = training and not self._frozen
        if of_batch:
            self._warn_of_one_value(x)
            self.ops.moments(rows(x), mean, variance)
            self.ops.moving_averages(self.moving_mean.value, self.moving_variance.value, mean, variance, self.momentum)
        else:
            mean[...] = self.moving_mean.value
            variance[...] = self.moving_variance.value
        self.ops.batch_norm(rows(x), mean, variance, *self._values(), rows(y), inv_std, self.epsilon, bounds)
        self.keep(training, x, mean, inv_std, of_batch)
        return y

    def normalize_backward(self, dy, bounds, need_dx):
        """Fill the gradients of :meth:`normalize` from dy, and return dx."""
        dy, x, mean, inv_std, of_batch = self.recall(dy)
        dx = self.output("dx", x.shape, dy) if need_dx else None
        self.ops.batch_norm_backward(rows(x), mean, inv_std, *self._values(), rows(dy), rows(dx), *self._grads(),
                                     of_batch, bounds)
        return dx

    def as_scale(self):
        """Return the scale and shift (C,) with which y = scale x + shift at inference."""
        scale, shift = (self.buffer(name, self.input_shape[-1:]) for name in ("scale", "shift"))
        self.ops.batch_norm_as_scale(self.moving_mean.value, self.moving_variance.value, *self._values(), scale, shift,
                                     self.epsilon)
        return scale, shift

    def _warn_of_one_value(self, x) -> None:
        if x.size == x.shape[-1] and not self._warned:
            self._warned = True
            warnings.warn(f"Layer {self.name!r}: a training batch needs at least two values per channel, or its "
                          "variance is 0 and every output is beta; use larger batches. "
                          f"Received: an input of shape {x.shape}", stacklevel=3)


class LayerNormalization(_Normalization):
    """Each sample, or each pixel, gets mean 0 and variance 1 over its own channels; then come gamma and beta.

    Shapes: x, y (N, ..., C); gamma, beta (C,). All that follows holds for each row of C channels by itself; it needs no
    batch, and training and inference are the same.

    Forward::

        mean = 1/C Σ_c x_c        var = 1/C Σ_c (x_c - mean)²        σ = √(var + epsilon)

        xhat_c = (x_c - mean) / σ                                    y_c = gamma_c xhat_c + beta_c

    Backward: gamma_c and beta_c are used once by every row, so their gradients are sums over the rows r. Inside a row
    x_c goes the three ways that are followed in :class:`BatchNormalization`, and the same steps lead to the same
    formula; only gamma stays inside the means, as it now differs along them::

        dbeta_c = Σ_r dy_rc       dgamma_c = Σ_r dy_rc xhat_rc       dxhat_c = gamma_c dy_c

        dx_c = 1/σ (dxhat_c  -  mean(dxhat)  -  xhat_c mean(dxhat xhat))

    Source: Ba, Kiros and Hinton 2016, Layer normalization (https://arxiv.org/abs/1607.06450).

    Parameters
    ----------
    axis : int
        The axis normalized over: the last one, as -1 or as its number.
    epsilon : float
        Added to the variance, above 0.
    center, scale : bool
        Whether there is a beta; whether there is a gamma.
    beta_initializer, gamma_initializer : str or Initializer
        See :mod:`tinynet.initializers`.
    name, input_shape
        As for every :class:`~tinynet.layers.Layer`.

    Raises
    ------
    ValueError
        If `axis` is not the last one, or `epsilon` is not above 0.
    """

    same_in_training = True

    @explain_keywords
    def __init__(self, axis: int = -1, epsilon: float = 0.001, center: bool = True, scale: bool = True,
                 beta_initializer="zeros", gamma_initializer="ones", name: str | None = None, input_shape=None):
        super().__init__(axis, epsilon, center, scale, beta_initializer, gamma_initializer, name, input_shape)

    def forward(self, x, *, training=False):
        x = self.check_input(x)
        y = self.output("y", x.shape, x, kept=training)
        count = x.size // x.shape[-1]
        mean, inv_std = self.buffer("mean", (count,)), self.buffer("inv_std", (count,))
        self.ops.layer_norm(rows(x), *self._values(), rows(y), mean, inv_std, self.epsilon)
        self.keep(training, x, mean, inv_std)
        return y

    def backward(self, dy, *, need_dx=True):
        dy, x, mean, inv_std = self.recall(dy)
        dx = self.output("dx", x.shape, dy) if need_dx else None
        gamma, _ = self._values()
        self.ops.layer_norm_backward(rows(x), mean, inv_std, gamma, rows(dy), rows(dx), *self._grads())
        return dx
