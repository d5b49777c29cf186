"""Dropout."""

import numpy as np

from tinynet import random
from tinynet.errors import explain_keywords
from tinynet.layers.base import Layer


class Dropout(Layer):
    """In training each number is dropped with probability `rate`; those that stay are divided by 1 - rate.

    So the expected output equals the input, and nothing is left to do at inference: "inverted" dropout. With the mask
    m[i] = 1 / (1 - rate) or 0, y = m · x, and therefore dx = m · dy. Every layer draws from a generator of its own.

    Source: Srivastava et al. 2014, Dropout: a simple way to prevent neural networks from overfitting.

    Parameters
    ----------
    rate : float
        Share of the numbers that is dropped, at least 0 and below 1.
    name, input_shape
        As for every :class:`~tinynet.layers.Layer`.

    Raises
    ------
    ValueError
        If `rate` lies outside [0, 1).
    """

    @explain_keywords
    def __init__(self, rate: float, name: str | None = None, input_shape=None):
        super().__init__(name, input_shape)
        if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 <= rate < 1:
            raise ValueError(f"rate of Dropout must be a number of at least 0 and below 1. Received: {rate!r}")
        self.rate = float(rate)

    def build(self, input_shape):
        super().build(input_shape)
        self.generator = self.ops.make_generator(random.spawn_seeds())
        return self.output_shape

    def move_to(self, ops):
        super().move_to(ops)
        state = random.generator_state(self.generator)
        self.generator = ops.make_generator(np.random.SeedSequence(0))
        random.set_generator_state(self.generator, state)

    def forward(self, x, *, training=False):
        x = self.check_input(x)
        if not training:
            self.keep(False)
            return x
        noise = self.buffer("noise", x.shape)
        y = self.output("y", x.shape, x, kept=training)
        self.ops.draw_uniform(self.generator, noise)
        self.ops.dropout(x, noise, self.rate, y)
        self.keep(training, noise)
        return y

    def backward(self, dy, *, need_dx=True):
        dy, noise = self.recall(dy)
        dx = self.output("dx", dy.shape, dy)
        self.ops.dropout_backward(dy, noise, self.rate, dx)
        return dx
