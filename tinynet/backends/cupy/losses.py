"""Losses of numbers and of yes-or-no answers on the GPU, a thread for each. Shapes as in the numpy wing's room."""

import cupy as cp

from tinynet.backends.cupy.launch import Source
from tinynet.backends.cupy.totals import add_up, blocks_for
from tinynet.backends.numpy.softmax import CLIP

_source = Source("losses")


def mean_squared_error(y, p, weight, dp) -> cp.ndarray:
    """Equals numpy.losses.mean_squared_error."""
    return _loss("mean_squared_error", y, p, weight, dp)


def mean_absolute_error(y, p, weight, dp) -> cp.ndarray:
    """Equals numpy.losses.mean_absolute_error."""
    return _loss("mean_absolute_error", y, p, weight, dp)


def huber(y, p, weight, dp, delta) -> cp.ndarray:
    """Equals numpy.losses.huber."""
    return _loss("huber", y, p, weight, dp, float(delta))


def binary_crossentropy(y, p, weight, dp) -> cp.ndarray:
    """Equals numpy.losses.binary_crossentropy."""
    return _loss("binary_crossentropy", y, p, weight, dp, CLIP)


def logistic_crossentropy(y, z, weight, dz) -> cp.ndarray:
    """Equals numpy.losses.logistic_crossentropy."""
    return _loss("logistic_crossentropy", y, z, weight, dz)


def _loss(kernel, y, p, weight, dp, *constants):
    return add_up(_source, kernel, blocks_for(p.size), y, p, weight, dp, *constants, p.size, p.shape[-1])
