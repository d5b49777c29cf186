"""Convolution: Conv2D, and Conv2DTranspose, which runs a convolution from its output to its image."""

import math

from tinynet import initializers, random, regularizers
from tinynet.errors import explain_keywords
from tinynet.layers.activation import Activation
from tinynet.layers.base import Layer, keeps
from tinynet.layers.parameters import draw
from tinynet.shapes import as_count, as_image_shape, as_padding, as_pair, check_data_format, slide, slide_over


class Convolution(Layer):
    """What all convolution layers share: their window, the activation after the sum, and where gradients go.

    A layer that extends this defines build, `logits` and `logits_backward`.
    """

    same_in_training = True

    def __init__(self, kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                 bias_initializer, bias_regularizer, name, input_shape):
        super().__init__(name, input_shape)
        owner = type(self).__name__
        self.kernel_size = as_pair(kernel_size, f"kernel_size of {owner}")
        self.strides = as_pair(strides, f"strides of {owner}")
        self.padding = as_padding(padding, f"padding of {owner}")
        check_data_format(data_format, f"data_format of {owner}")
        self.data_format = data_format
        self.dilation_rate = as_pair(dilation_rate, f"dilation_rate of {owner}")
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise ValueError(f"{owner} takes strides above 1 or a dilation_rate above 1, not both, as Keras does. "
                             f"Received: strides={self.strides}, dilation_rate={self.dilation_rate}")
        self.activation = Activation(activation, name=self.name)
        self.use_bias = use_bias
        self.bias_initializer = initializers.get(bias_initializer)
        self.bias_regularizer = regularizers.get(bias_regularizer)

    def forward(self, x, *, training=False):
        z = self.logits(x, training=training)
        return self.activation.forward_over(z, training=training)

    def backward(self, dy, *, need_dx=True):
        dz = self.activation.backward(dy)
        return self.logits_backward(dz, need_dx=need_dx)

    def draw(self, name, shape, initializer, generator, regularizer):
        """Add a parameter, drawn by its initializer, and return it."""
        return self.add_parameter(draw(name, shape, self.dtype, self.ops, initializer, generator, regularizer))

    def draw_bias(self, filters, generator):
        """Add the bias and return it; None where there is none."""
        if not self.use_bias:
            return None
        return self.draw("bias", (filters,), self.bias_initializer, generator, self.bias_regularizer)

    def bias_value(self):
        """Return the bias' value, None where there is none."""
        return self.bias.value if self.use_bias else None

    def shifted_bias(self, scale, shift):
        """Return what is added to the scaled sums so that the bias is scaled too."""
        return scale * self.bias.value + shift if self.use_bias else shift

    def grad(self, parameter):
        """Return the gradient that backward fills: None for a bias that is not there, and in a frozen layer."""
        return None if parameter is None or self._frozen else parameter.grad

    def check_input(self, x):
        if self.built and x.shape[1:] == (self.input_shape[-1:] + self.input_shape[:-1]) != self.input_shape:
            raise ValueError(f"Layer {self.name!r} expects images of shape (N, H, W, C), here "
                             f"{self.input_shape} each; these look like channels first: np.moveaxis(x, 1, -1). "
                             f"Received: {x.shape}")
        return super().check_input(x)


class Conv2D(Convolution):
    """A window slides over the image, and at each place every filter weighs and sums what the window sees.

    Shapes: x (N, H, W, C), kernel (KH, KW, C // groups, F), bias (F,), y (N, OH, OW, F).

    Forward. In place (i, j) of the output the kernel's entry (a, b) lies on the pixel (h, w) of the image; `before`
    counts the rows (columns) of padding ahead of the image, and outside the image x is 0. With z for the values
    before the activation f::

        h = i·stride + a·dilation - before                   w = j·stride + b·dilation - before
        z[n, i, j, f] = Σ_a Σ_b Σ_c x[n, h, w, c] kernel[a, b, c, f] + bias[f]              y = f(z)

    Backward gets dy = ∂L/∂y and first takes the activation back: dz = dy · f'(z). z is a sum of products; when one
    factor of a product changes, z changes by the other factor. So each gradient is the sum, over all the products in
    which the number stands, of dz there times the other factor:

    - kernel[a, b, c, f] is used by every image n in every place (i, j), each time beside the pixel it lies on then;
      bias[f] as often, beside a 1::

        dkernel[a, b, c, f] = Σ_n Σ_i Σ_j x[n, h, w, c] dz[n, i, j, f]        with the h and w of above
        dbias[f]            = Σ_n Σ_i Σ_j dz[n, i, j, f]

    - x[n, h, w, c] is used by every filter f in all the places (i, j) from which the window covers it, each time
      beside the entry (a, b) that lies on it there::

        dx[n, h, w, c] = Σ_f Σ dz[n, i, j, f] kernel[a, b, c, f]     the second Σ over all i, a and j, b with
                               i·stride + a·dilation - before = h  and  j·stride + b·dilation - before = w

      Where stride and dilation are 1, i = h + before - a: then dx is itself a convolution, of dz with the kernel
      turned upside down and back to front. A pixel that no window covers, as strides may leave some, gets 0.

    As columns and a product. The sums over a, b, c are one sum over KH·KW·C numbers. Write what place (n, i, j) sees as
    one row of a matrix, columns (N·OH·OW, KH·KW·C), and the kernel as a matrix (KH·KW·C, F): what remains is a Dense
    layer with the places as its samples. Its gradients are known, and an entry of `columns` is nothing but a copy of
    a pixel, so the pixel's gradient is the sum of its copies'::

        columns[(n, i, j), (a, b, c)] = x[n, h, w, c]
        z        = columns @ kernel + bias
        dkernel  = columns.T @ dz                           the sum over n, i, j
        dcolumns = dz @ kernel.T                            the sum over f
        dx[n, h, w, c] = Σ dcolumns[(n, i, j), (a, b, c)]   over all i, a and j, b as above: the copies

    The copies of padding are dropped. `backends/numpy/conv.py` does this line by line, beside the seven plain loops.
    With groups, channels and filters are cut into that many parts, and part g of the filters sees part g of the
    channels: so many convolutions side by side. A ReLU is done by the convolution's own kernel, in the pass that
    writes z.

    Source: LeCun et al. 1998, Gradient-based learning applied to document recognition; as columns: Chellapilla et al.
    2006, High performance convolutional neural networks for document processing.

    Parameters
    ----------
    filters : int
        Number of filters F: the channels of the output.
    kernel_size, strides, dilation_rate : int or pair of int
        Height and width of the window (KH, KW), of its steps, and of the distance between its entries.
    padding : str
        "valid": the window stays inside the image; "same": zeros around it, so that OH = ⌈H / stride⌉.
    data_format : str, optional
        "channels_last"; there is no other.
    groups : int
        Into how many parts channels and filters are cut; divides both.
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
        If a size is no integer of at least 1, strides and dilation are both above 1, or groups do not divide filters;
        at build, if they do not divide the channels, or the window is larger than the padded image.
    """

    same_in_training = True

    @explain_keywords
    def __init__(self, filters: int, kernel_size, strides=(1, 1), padding: str = "valid",
                 data_format: str | None = None, dilation_rate=(1, 1), groups: int = 1, activation=None,
                 use_bias: bool = True, kernel_initializer="glorot_uniform", bias_initializer="zeros",
                 kernel_regularizer=None, bias_regularizer=None, name: str | None = None, input_shape=None):
        super().__init__(kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                         bias_initializer, bias_regularizer, name, input_shape)
        self.filters = as_count(filters, "filters of Conv2D")
        self.groups = as_count(groups, "groups of Conv2D")
        if self.filters % self.groups:
            raise ValueError(f"groups of Conv2D must divide its filters. Received: groups={groups}, filters={filters}")
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        # Its own kernels compute a ReLU, too; not where a subclass makes other logits.
        self._keeps_logits = keeps(self, Conv2D, "logits", "logits_backward")

    def build(self, input_shape):
        shape = as_image_shape(input_shape, self.name)
        if shape[2] % self.groups:
            raise ValueError(f"Layer {self.name!r}: groups={self.groups} must divide the channels of its images "
                             f"(H, W, C). Received: input_shape={shape}")
        self.window = slide_over(self.name, shape, self.kernel_size, self.strides, self.padding, self.dilation_rate)
        super().build(shape)
        generator = random.spawn()
        kernel_shape = (*self.kernel_size, shape[2] // self.groups, self.filters)
        self.kernel = self.draw("kernel", kernel_shape, self.kernel_initializer, generator, self.kernel_regularizer)
        self.bias = self.draw_bias(self.filters, generator)
        self.output_shape = (*self.window.places, self.filters)
        self.activation.build(self.output_shape)
        return self.output_shape

    def forward(self, x, *, training=False):
        if not (self._keeps_logits and self.activation.is_relu):
            return super().forward(x, training=training)
        x = self.check_input(x)
        y = self._convolve(x, training, bounds=(0, math.inf))
        self.keep(training, x, y)
        return y

    def backward(self, dy, *, need_dx=True):
        if not (self._keeps_logits and self.activation.is_relu):
            return super().backward(dy, need_dx=need_dx)
        dy, x, y = self.recall(dy)
        return self._go_back(dy, x, need_dx, y)

    def logits(self, x, *, training=False):
        """Return z, the values before the activation."""
        x = self.check_input(x)
        z = self._convolve(x, training)
        self.keep(training, x)
        return z

    def logits_backward(self, dz, *, need_dx=True):
        """Fill the gradients of kernel and bias from dz, and return dx."""
        dz, x = self.recall(dz)
        return self._go_back(dz, x, need_dx)

    def _convolve(self, x, training, bounds=None):
        z = self.output("z", (len(x), *self.output_shape), x, kept=training)
        self.ops.conv2d(x, self.kernel.value, self.bias_value(), z, self.window, self.buffer, bounds=bounds)
        return z

    def convolve_scaled(self, x, scale, shift, bounds):
        """Return scale · z + shift within `bounds`, at inference."""
        x = self.check_input(x)
        y = self.output("z", (len(x), *self.output_shape), x)
        shift = self.shifted_bias(scale, shift)
        self.ops.conv2d(x, self.kernel.value, shift, y, self.window, self.buffer, scale, bounds)
        self.keep(False)
        return y

    def _go_back(self, dz, x, need_dx, y=None):
        dx = self.output("dx", x.shape, dz) if need_dx else None
        self.ops.conv2d_backward(x, self.kernel.value, dz, dx, self.grad(self.kernel), self.grad(self.bias),
                                 self.window, self.buffer, y)
        return dx


class Conv2DTranspose(Convolution):
    """Every input pixel stamps the kernel, times its value, onto a larger image, `strides` apart; the stamps add up.

    Shapes: x (N, H, W, C), kernel (KH, KW, F, C), bias (F,), y (N, OH, OW, F), where OH = H·stride for "same" padding
    and H·stride + max(reach - stride, 0) for "valid", with reach = dilation (KH - 1) + 1.

    Forward. Pixel (i, j) puts the kernel's entry (a, b) on (h, w) of the output::

        h = i·stride + a·dilation - before                   w = j·stride + b·dilation - before
        z[n, h, w, f] = Σ_c Σ x[n, i, j, c] kernel[a, b, f, c] + bias[f]                   y = f(z)
                            the second Σ over all i, a and j, b that fall on this h and w

    That is dx in :class:`Conv2D`, of a convolution from images like y (F channels) to images like x (C filters): the
    same places, the same meetings, only from the output to the image. A convolution is a matrix M by which the image
    is multiplied, its backward pass multiplies by M.T; this layer's forward is M.T, and so its backward is M::

        z       = dx of that convolution, x taking the part of its dy
        dx      = that convolution of dz:                           Σ_a Σ_b Σ_f dz[n, h, w, f] kernel[a, b, f, c]
        dkernel = its dkernel, for the image dz and x as its dy:    Σ_n Σ_i Σ_j dz[n, h, w, f] x[n, i, j, c]
        dbias   = Σ_n Σ_h Σ_w dz[n, h, w, f]

    Source: Zeiler et al. 2010, Deconvolutional networks (deconvolution is the older name of this layer).

    Parameters
    ----------
    filters : int
        Number of filters F: the channels of the output.
    kernel_size, strides, padding, data_format, dilation_rate
        As for :class:`Conv2D`, of the convolution from y to x: strides make the output larger.
    activation, use_bias, kernel_initializer, bias_initializer, kernel_regularizer, bias_regularizer
        As for :class:`Conv2D`.
    name, input_shape
        As for every :class:`~tinynet.layers.Layer`.

    Raises
    ------
    ValueError
        If a size is no integer of at least 1, or strides and dilation are both above 1.
    """

    @explain_keywords
    def __init__(self, filters: int, kernel_size, strides=(1, 1), padding: str = "valid",
                 data_format: str | None = None, dilation_rate=(1, 1), activation=None, use_bias: bool = True,
                 kernel_initializer="glorot_uniform", bias_initializer="zeros", kernel_regularizer=None,
                 bias_regularizer=None, name: str | None = None, input_shape=None):
        super().__init__(kernel_size, strides, padding, data_format, dilation_rate, activation, use_bias,
                         bias_initializer, bias_regularizer, name, input_shape)
        self.filters = as_count(filters, "filters of Conv2DTranspose")
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)

    def build(self, input_shape):
        H, W, C = as_image_shape(input_shape, self.name)
        image = tuple(self._stamped_over(size, axis) for axis, size in enumerate((H, W)))
        self.window = slide(image, self.kernel_size, self.strides, self.padding, self.dilation_rate)
        super().build((H, W, C))
        generator = random.spawn()
        kernel_shape = (*self.kernel_size, self.filters, C)
        self.kernel = self.draw("kernel", kernel_shape, self.kernel_initializer, generator, self.kernel_regularizer)
        self.bias = self.draw_bias(self.filters, generator)
        self.output_shape = (*image, self.filters)
        self.activation.build(self.output_shape)
        return self.output_shape

    def _stamped_over(self, size, axis):
        stride = self.strides[axis]
        reach = self.dilation_rate[axis] * (self.kernel_size[axis] - 1) + 1
        return size * stride + (max(reach - stride, 0) if self.padding == "valid" else 0)

    def logits(self, x, *, training=False):
        """Return z, the values before the activation."""
        x = self.check_input(x)
        z = self.output("z", (len(x), *self.output_shape), x, kept=training)
        self.ops.conv2d_backward(z, self.kernel.value, x, z, None, None, self.window, self.buffer)
        if self.use_bias:
            self.ops.add_bias(z, self.bias.value)
        self.keep(training, x)
        return z

    def logits_backward(self, dz, *, need_dx=True):
        """Fill the gradients of kernel and bias from dz, and return dx."""
        dz, x = self.recall(dz)
        dkernel, dbias = self.grad(self.kernel), self.grad(self.bias)
        if dkernel is not None:
            self.ops.conv2d_backward(dz, self.kernel.value, x, None, dkernel, None, self.window, self.buffer)
        if dbias is not None:
            self.ops.sum_bias(dz, dbias)
        dx = self.output("dx", x.shape, dz) if need_dx else None
        if need_dx:
            self.ops.conv2d(dz, self.kernel.value, None, dx, self.window, self.buffer)
        return dx
