"""Layers that only change the shape: the numbers stay where they are, so backward is the shape taken back."""

import math

from tinynet.errors import explain_keywords
from tinynet.layers.base import Layer
from tinynet.shapes import as_shape


class Input:
    """The shape of a model's inputs, as a first entry of `Sequential`.

    Parameters
    ----------
    shape : tuple, list or int
        Shape of one input, without the batch axis.
    """

    @explain_keywords
    def __init__(self, shape):
        self.shape = as_shape(shape, "shape of Input")


class _Reshaping(Layer):
    """y = x in another shape; dx = dy in x's shape. Both are views, nothing is copied."""

    same_in_training = True

    def forward(self, x, *, training=False):
        x = self.check_input(x)
        self.keep(training, x)
        return x.reshape(len(x), *self.output_shape)

    def backward(self, dy, *, need_dx=True):
        dy, x = self.recall(dy)
        return dy.reshape(x.shape)


class Flatten(_Reshaping):
    """Every input becomes one row: x (N, ...), y (N, I).

    Parameters
    ----------
    name, input_shape
        As for every :class:`~tinynet.layers.Layer`.
    """

    @explain_keywords
    def __init__(self, name: str | None = None, input_shape=None):
        super().__init__(name, input_shape)

    def build(self, input_shape):
        super().build(input_shape)
        self.output_shape = (math.prod(self.input_shape),)
        return self.output_shape


class Reshape(_Reshaping):
    """Every input gets the shape `target_shape`: x (N, *input_shape), y (N, *target_shape).

    Parameters
    ----------
    target_shape : tuple, list or int
        The new shape, without the batch axis; one entry may be -1 and is then computed.
    name, input_shape
        As for every :class:`~tinynet.layers.Layer`.

    Raises
    ------
    ValueError
        At build, if the two shapes do not hold equally many numbers.
    """

    @explain_keywords
    def __init__(self, target_shape, name: str | None = None, input_shape=None):
        super().__init__(name, input_shape)
        self.target_shape = tuple(target_shape) if isinstance(target_shape, tuple | list) else (target_shape,)
        if not self.target_shape:
            raise ValueError("target_shape of Reshape must have an entry; (1,) makes one number of each sample a row. "
                             "Received: ()")
        as_shape([entry for entry in self.target_shape if entry != -1], "target_shape of Reshape")
        if self.target_shape.count(-1) > 1:
            raise ValueError(f"target_shape of Reshape may leave one entry open as -1. Received: {target_shape!r}")

    def build(self, input_shape):
        super().build(input_shape)
        size = math.prod(self.input_shape)
        known = math.prod(entry for entry in self.target_shape if entry != -1)
        if size % known or (-1 not in self.target_shape and size != known):
            raise ValueError(f"Layer {self.name!r} cannot reshape {size} numbers to {self.target_shape}. "
                             f"Received: input_shape={self.input_shape}")
        self.output_shape = tuple(size // known if entry == -1 else entry for entry in self.target_shape)
        return self.output_shape
