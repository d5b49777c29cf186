"""Convolutions whose channels do not mix: DepthwiseConv2D, and SeparableConv2D, which mixes them in a second step."""

from tinynet import initializers, random, regularizers
from tinynet.errors import explain_keywords
from tinynet.layers.conv import Convolution
from tinynet.layers.dense import rows
from tinynet.shapes import as_count, as_image_shape, slide_over


class DepthwiseConv2D(Convolution):
    """Every channel is convolved by itself, with M = `depth_multiplier` kernels of its own.

    Shapes: x (N, H, W, C), depthwise_kernel (KH, KW, C, M), bias (C·M,), y (N, OH, OW, C·M), the M outputs of a channel
    side by side. A :class:`~tinynet.layers.Conv2D` of as many outputs has C times as many weights, and does C times
    as many multiplications.

    Forward, as in Conv2D, x being 0 outside the image::

        h = i·stride + a·dilation - before                   w = j·stride + b·dilation - before
        z[n, i, j, c·M + m] = Σ_a Σ_b x[n, h, w, c] kernel[a, b, c, m] + bias[c·M + m]            y = f(z)

    Backward, from dz = dy · f'(z), as in Conv2D: the kernel's entry is used by every image in every place beside the
    pixel it lies on, and the pixel in all the places from which the window covers it, but by its own M outputs alone::

        dkernel[a, b, c, m] = Σ_n Σ_i Σ_j x[n, h, w, c] dz[n, i, j, c·M + m]
        dbias[c·M + m]      = Σ_n Σ_i Σ_j dz[n, i, j, c·M + m]
        dx[n, h, w, c]      = Σ_m Σ dz[n, i, j, c·M + m] kernel[a, b, c, m]
                              the second Σ over all i, a and j, b that fall on this h and w

    Source: Sifre 2014, Rigid-motion scattering for image classification; Howard et al. 2017, MobileNets
    (https://arxiv.org/abs/1704.04861).

    Parameters
    ----------
    kernel_size, strides, padding, data_format, dilation_rate
        As for :class:`~tinynet.layers.Conv2D`.
    depth_multiplier : int
        Number of outputs M of each channel.
    activation, use_bias, bias_initializer, bias_regularizer
        As for :class:`~tinynet.layers.Conv2D`.
    depthwise_initializer, depthwise_regularizer
        Those of the kernel.
    name, input_shape
        As for every :class:`~tinynet.layers.Layer`.

    Raises
    ------
    ValueError
        If a size is no integer of at least 1, or strides and dilation are both above 1; at build, if the window is
        larger than the padded image.
    """

    @explain_keywords
    def __init__(self, kernel_size, strides=(1, 1), padding: str = "valid", depth_multiplier: int = 1,
                 data_format: str | None = None, dilation_rate=(1, 1), activation=None, use_bias: bool = True,
                 depthwise_initializer="glorot_uniform", bias_initializer="zeros", depthwise_regularizer=None,
                 bias_regularizer=None, name: str | None = None, input_shape=None):
        super().__init__(kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                         bias_initializer, bias_regularizer, name, input_shape)
        self.depth_multiplier = as_count(depth_multiplier, "depth_multiplier of DepthwiseConv2D")
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer)

    def build(self, input_shape):
        shape = as_image_shape(input_shape, self.name)
        self.window = slide_over(self.name, shape, self.kernel_size, self.strides, self.padding, self.dilation_rate)
        super().build(shape)
        generator = random.spawn()
        kernel_shape = (*self.kernel_size, shape[2], self.depth_multiplier)
        self.depthwise_kernel = self.draw(
            "depthwise_kernel", kernel_shape, self.depthwise_initializer, generator, self.depthwise_regularizer)
        self.bias = self.draw_bias(shape[2] * self.depth_multiplier, generator)
        self.output_shape = (*self.window.places, shape[2] * self.depth_multiplier)
        self.activation.build(self.output_shape)
        return self.output_shape

    def logits(self, x, *, training=False):
        """Return z, the values before the activation."""
        x = self.check_input(x)
        z = self.output("z", (len(x), *self.output_shape), x, kept=training)
        self.ops.depthwise_conv2d(x, self.depthwise_kernel.value, self.bias_value(), z, self.window)
        self.keep(training, x)
        return z

    def convolve_scaled(self, x, scale, shift, bounds):
        """Return scale · z + shift within `bounds`, at inference."""
        x = self.check_input(x)
        y = self.output("z", (len(x), *self.output_shape), x)
        shift = self.shifted_bias(scale, shift)
        self.ops.depthwise_conv2d(x, self.depthwise_kernel.value, shift, y, self.window, scale, bounds)
        self.keep(False)
        return y

    def logits_backward(self, dz, *, need_dx=True):
        """Fill the gradients of kernel and bias from dz, and return dx."""
        dz, x = self.recall(dz)
        dx = self.output("dx", x.shape, dz) if need_dx else None
        self.ops.depthwise_conv2d_backward(x, self.depthwise_kernel.value, dz, dx, self.grad(self.depthwise_kernel),
                                           self.grad(self.bias), self.window, self.buffer)
        return dx


class SeparableConv2D(Convolution):
    """First a depthwise convolution, without bias, then every pixel's channels are mixed by one dense layer.

    Shapes: x (N, H, W, C), depthwise_kernel (KH, KW, C, M), pointwise_kernel (1, 1, C·M, F), bias (F,), and
    y (N, OH, OW, F). The two are one Conv2D whose kernel[a, b, c, f] is written with fewer numbers, as
    Σ_m depthwise_kernel[a, b, c, m] pointwise_kernel[0, 0, c·M + m, f].

    Forward, u being what :class:`DepthwiseConv2D` makes of x::

        z[n, i, j, f] = Σ_k u[n, i, j, k] pointwise_kernel[0, 0, k, f] + bias[f]            y = f(z)

    Backward, from dz = dy · f'(z), is a dense layer's over the N·OH·OW pixels, then the depthwise convolution's::

        dpointwise_kernel[0, 0, k, f] = Σ_n Σ_i Σ_j u[n, i, j, k] dz[n, i, j, f]
        dbias[f]                      = Σ_n Σ_i Σ_j dz[n, i, j, f]
        du[n, i, j, k]                = Σ_f dz[n, i, j, f] pointwise_kernel[0, 0, k, f]
        dx, ddepthwise_kernel         = those of the depthwise convolution, for du

    Source: Chollet 2017, Xception: deep learning with depthwise separable convolutions
    (https://arxiv.org/abs/1610.02357).

    Parameters
    ----------
    filters : int
        Number of filters F: the channels of the output.
    kernel_size, strides, padding, data_format, dilation_rate, depth_multiplier
        As for :class:`DepthwiseConv2D`.
    activation, use_bias, bias_initializer, bias_regularizer
        As for :class:`~tinynet.layers.Conv2D`.
    depthwise_initializer, pointwise_initializer, depthwise_regularizer, pointwise_regularizer
        Those of the two kernels.
    name, input_shape
        As for every :class:`~tinynet.layers.Layer`.

    Raises
    ------
    ValueError
        As :class:`DepthwiseConv2D`.
    """

    @explain_keywords
    def __init__(self, filters: int, kernel_size, strides=(1, 1), padding: str = "valid",
                 data_format: str | None = None, dilation_rate=(1, 1), depth_multiplier: int = 1, activation=None,
                 use_bias: bool = True, depthwise_initializer="glorot_uniform", pointwise_initializer="glorot_uniform",
                 bias_initializer="zeros", depthwise_regularizer=None, pointwise_regularizer=None,
                 bias_regularizer=None, name: str | None = None, input_shape=None):
        super().__init__(kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                         bias_initializer, bias_regularizer, name, input_shape)
        self.filters = as_count(filters, "filters of SeparableConv2D")
        self.depth_multiplier = as_count(depth_multiplier, "depth_multiplier of SeparableConv2D")
        self.depthwise_initializer = initializers.get(depthwise_initializer)
        self.pointwise_initializer = initializers.get(pointwise_initializer)
        self.depthwise_regularizer = regularizers.get(depthwise_regularizer)
        self.pointwise_regularizer = regularizers.get(pointwise_regularizer)

    def build(self, input_shape):
        shape = as_image_shape(input_shape, self.name)
        self.window = slide_over(self.name, shape, self.kernel_size, self.strides, self.padding, self.dilation_rate)
        super().build(shape)
        generator = random.spawn()
        self.depthwise_kernel = self.draw("depthwise_kernel", (*self.kernel_size, shape[2], self.depth_multiplier),
                                          self.depthwise_initializer, generator, self.depthwise_regularizer)
        self.pointwise_kernel = self.draw("pointwise_kernel", (1, 1, shape[2] * self.depth_multiplier, self.filters),
                                          self.pointwise_initializer, generator, self.pointwise_regularizer)
        self.bias = self.draw_bias(self.filters, generator)
        self.output_shape = (*self.window.places, self.filters)
        self.activation.build(self.output_shape)
        return self.output_shape

    def logits(self, x, *, training=False):
        """Return z, the values before the activation."""
        x = self.check_input(x)
        u = self.buffer("u", (len(x), *self.window.places, self.pointwise_kernel.shape[2]))
        z = self.output("z", (len(x), *self.output_shape), x, kept=training)
        self.ops.depthwise_conv2d(x, self.depthwise_kernel.value, None, u, self.window)
        self.ops.dense(rows(u), rows(self.pointwise_kernel.value), self.bias_value(), rows(z))
        self.keep(training, x, u)
        return z

    def logits_backward(self, dz, *, need_dx=True):
        """Fill the gradients of both kernels and the bias from dz, and return dx."""
        dz, x, u = self.recall(dz)
        du = self.buffer("du", u.shape)
        dx = self.output("dx", x.shape, dz) if need_dx else None
        self.ops.dense_backward(rows(u), rows(self.pointwise_kernel.value), rows(dz), rows(du),
                                rows(self.grad(self.pointwise_kernel)), self.grad(self.bias), self.buffer)
        self.ops.depthwise_conv2d_backward(x, self.depthwise_kernel.value, du, dx, self.grad(self.depthwise_kernel),
                                           None, self.window, self.buffer)
        return dx
