"""Pooling: a window's numbers become one, their maximum or their mean, channel by channel. Nothing is learned."""

from tinynet.errors import explain_keywords
from tinynet.layers.base import Layer
from tinynet.shapes import as_image_shape, as_padding, as_pair, check_data_format, slide_over


class _Pooling2D(Layer):
    """A window that slides over the image; `strides` are the window's own size unless given."""

    def __init__(self, pool_size, strides, padding, data_format, name, input_shape):
        super().__init__(name, input_shape)
        owner = type(self).__name__
        self.pool_size = as_pair(pool_size, f"pool_size of {owner}")
        self.strides = self.pool_size if strides is None else as_pair(strides, f"strides of {owner}")
        self.padding = as_padding(padding, f"padding of {owner}")
        check_data_format(data_format, f"data_format of {owner}")
        self.data_format = data_format

    def build(self, input_shape):
        shape = as_image_shape(input_shape, self.name)
        self.window = slide_over(self.name, shape, self.pool_size, self.strides, self.padding)
        super().build(shape)
        self.output_shape = (*self.window.places, shape[2])
        return self.output_shape


class MaxPooling2D(_Pooling2D):
    """The largest number that the window sees, in each channel.

    Shapes: x (N, H, W, C), y (N, OH, OW, C).

    Forward. In place (i, j) the window covers the pixels (h, w) with ``h = i·stride + a - before``, a < KH, and
    w = j·… + b - …, b < KW, where `before` counts the rows (columns) of padding ahead of the image. Padding is left
    out, so it never wins::

        y[n, i, j, c] = max over a, b of x[n, h, w, c]

    Backward. Move one pixel a little: if it is the largest of a window, that window's y moves as far; if it is not, y
    stays. So the slope is 1 for the winner and 0 for all others, and a pixel's gradient is the sum over the places
    that it won, as windows may overlap::

        dx[n, h, w, c] = Σ dy[n, i, j, c]   over all places (i, j) whose maximum is the pixel (h, w)

    Between equal pixels the maximum has a kink, and no slope; as in TensorFlow the first of them, row by row, counts as
    the winner. Which one won is found again from x and y, so nothing more has to be saved.

    Source: Ranzato et al. 2007, Unsupervised learning of invariant feature hierarchies.

    Parameters
    ----------
    pool_size : int or pair of int
        Height and width of the window (KH, KW).
    strides : int or pair of int, optional
        By how many pixels it moves down and across; by default by its own size.
    padding : str
        "valid": the window stays inside the image; "same": it may stick out, so that OH = ⌈H / stride⌉.
    data_format : str, optional
        "channels_last"; there is no other.
    name, input_shape
        As for every :class:`~tinynet.layers.Layer`.

    Raises
    ------
    ValueError
        If a size is no integer of at least 1; at build, if the window is larger than the image and padding "valid".
    """

    same_in_training = True

    @explain_keywords
    def __init__(self, pool_size=(2, 2), strides=None, padding: str = "valid", data_format: str | None = None,
                 name: str | None = None, input_shape=None):
        super().__init__(pool_size, strides, padding, data_format, name, input_shape)

    def forward(self, x, *, training=False):
        x = self.check_input(x)
        y = self.output("y", (len(x), *self.output_shape), x, kept=training)
        self.ops.max_pool(x, y, self.window)
        self.keep(training, x, y)
        return y

    def backward(self, dy, *, need_dx=True):
        dy, x, y = self.recall(dy)
        dx = self.output("dx", x.shape, dy)
        self.ops.max_pool_backward(dy, x, y, dx, self.window)
        return dx


class AveragePooling2D(_Pooling2D):
    """The mean of the numbers that the window sees, in each channel.

    Shapes: x (N, H, W, C), y (N, OH, OW, C).

    Forward. The window covers the pixels that it covers in :class:`MaxPooling2D`; padding does not count, so m[i, j] of
    its KH·KW entries, those inside the image, make the mean::

        y[n, i, j, c] = Σ_a Σ_b x[n, h, w, c] / m[i, j]

    Backward. Each pixel of a window moves its mean with slope 1 / m[i, j], and a pixel's gradient is the sum over the
    places that see it::

        dx[n, h, w, c] = Σ dy[n, i, j, c] / m[i, j]   over all places (i, j) that see the pixel (h, w)

    Source: LeCun et al. 1998, Gradient-based learning applied to document recognition.

    Parameters
    ----------
    pool_size, strides, padding, data_format, name, input_shape
        As for :class:`MaxPooling2D`.

    Raises
    ------
    ValueError
        As :class:`MaxPooling2D`.
    """

    same_in_training = True

    @explain_keywords
    def __init__(self, pool_size=(2, 2), strides=None, padding: str = "valid", data_format: str | None = None,
                 name: str | None = None, input_shape=None):
        super().__init__(pool_size, strides, padding, data_format, name, input_shape)

    def forward(self, x, *, training=False):
        x = self.check_input(x)
        y = self.output("y", (len(x), *self.output_shape), x, kept=training)
        self.ops.average_pool(x, y, self.window)
        self.keep(training, x)
        return y

    def backward(self, dy, *, need_dx=True):
        dy, x = self.recall(dy)
        dx = self.output("dx", x.shape, dy)
        self.ops.average_pool_backward(dy, dx, self.window)
        return dx


class _GlobalPooling2D(Layer):
    """One window as large as the image: x (N, H, W, C), y (N, C), or (N, 1, 1, C) with keepdims."""

    def __init__(self, data_format, keepdims, name, input_shape):
        super().__init__(name, input_shape)
        check_data_format(data_format, f"data_format of {type(self).__name__}")
        self.data_format = data_format
        self.keepdims = bool(keepdims)

    def build(self, input_shape):
        *_, C = as_image_shape(input_shape, self.name)
        super().build(input_shape)
        self.output_shape = (1, 1, C) if self.keepdims else (C,)
        return self.output_shape


class GlobalMaxPooling2D(_GlobalPooling2D):
    """Each channel's largest number: one place of :class:`MaxPooling2D`, and backward likewise.

    Shapes: x (N, H, W, C), y (N, C)::

        y[n, c]        = max over h, w of x[n, h, w, c]
        dx[n, h, w, c] = dy[n, c] for the pixel that won, the first in row order where several did; 0 for the others

    Parameters
    ----------
    data_format : str, optional
        "channels_last"; there is no other.
    keepdims : bool
        Whether y keeps the axes of height and width, both of length 1: (N, 1, 1, C).
    name, input_shape
        As for every :class:`~tinynet.layers.Layer`.
    """

    same_in_training = True

    @explain_keywords
    def __init__(self, data_format: str | None = None, keepdims: bool = False, name: str | None = None,
                 input_shape=None):
        super().__init__(data_format, keepdims, name, input_shape)

    def forward(self, x, *, training=False):
        x = self.check_input(x)
        y = self.output("y", (len(x), x.shape[-1]), x, kept=training)
        self.ops.global_max_pool(x, y)
        self.keep(training, x, y)
        return y.reshape(len(x), *self.output_shape)

    def backward(self, dy, *, need_dx=True):
        dy, x, y = self.recall(dy)
        dx = self.output("dx", x.shape, dy)
        self.ops.global_max_pool_backward(dy.reshape(y.shape), x, y, dx)
        return dx


class GlobalAveragePooling2D(_GlobalPooling2D):
    """Each channel's mean: a head without weights, where the last convolution has a channel for each class.

    Shapes: x (N, H, W, C), y (N, C)::

        y[n, c]        = Σ_h Σ_w x[n, h, w, c] / (H·W)
        dx[n, h, w, c] = dy[n, c] / (H·W)                   as each pixel stands once in the sum

    Source: Lin et al. 2014, Network in network.

    Parameters
    ----------
    data_format, keepdims, name, input_shape
        As for :class:`GlobalMaxPooling2D`.
    """

    same_in_training = True

    @explain_keywords
    def __init__(self, data_format: str | None = None, keepdims: bool = False, name: str | None = None,
                 input_shape=None):
        super().__init__(data_format, keepdims, name, input_shape)

    def forward(self, x, *, training=False):
        x = self.check_input(x)
        y = self.output("y", (len(x), x.shape[-1]), x, kept=training)
        self.ops.global_average_pool(x, y)
        self.keep(training, x)
        return y.reshape(len(x), *self.output_shape)

    def backward(self, dy, *, need_dx=True):
        dy, x = self.recall(dy)
        dx = self.output("dx", x.shape, dy)
        self.ops.global_average_pool_backward(dy.reshape(len(x), -1), dx)
        return dx


# Keras' short names.
MaxPool2D = MaxPooling2D
AvgPool2D = AveragePooling2D
GlobalMaxPool2D = GlobalMaxPooling2D
GlobalAvgPool2D = GlobalAveragePooling2D
