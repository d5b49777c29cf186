"""The fast wing on the CPU: the numpy wing's kernels, compiled by numba, serial, beside the BLAS' own threads.

Each kernel equals the kernel of the same name in the same room of the numpy wing. No kernel is parallel: a second pool
of threads would spin beside the BLAS' own, and the two would keep each other from the cores.
"""

from tinynet.backends.numba.dense import dense, dense_backward
from tinynet.backends.numba.elementwise import (
    clipped_relu,
    clipped_relu_backward,
    dropout,
    dropout_backward,
    elu,
    elu_backward,
    gelu,
    gelu_backward,
    leaky_relu,
    leaky_relu_backward,
    relu,
    relu_backward,
    sigmoid,
    sigmoid_backward,
    softplus,
    softplus_backward,
    tanh,
    tanh_backward,
)
from tinynet.backends.numba.losses import (
    binary_crossentropy,
    huber,
    logistic_crossentropy,
    mean_absolute_error,
    mean_squared_error,
)
from tinynet.backends.numba.memory import asarray, draw_uniform, empty, take, to_numpy, zeros
from tinynet.backends.numba.optim import adagrad, adam, momentum, rmsprop, scale, sgd, squared_norm
from tinynet.backends.numba.softmax import (
    categorical_crossentropy,
    count_hits,
    count_one_hot_hits,
    count_same_side,
    softmax,
    softmax_backward,
    softmax_crossentropy,
    sparse_categorical_crossentropy,
    sparse_softmax_crossentropy,
)

name = "numba"

__all__ = [
    "adagrad",
    "adam",
    "asarray",
    "binary_crossentropy",
    "categorical_crossentropy",
    "clipped_relu",
    "clipped_relu_backward",
    "count_hits",
    "count_one_hot_hits",
    "count_same_side",
    "dense",
    "dense_backward",
    "draw_uniform",
    "dropout",
    "dropout_backward",
    "elu",
    "elu_backward",
    "empty",
    "gelu",
    "gelu_backward",
    "huber",
    "leaky_relu",
    "leaky_relu_backward",
    "logistic_crossentropy",
    "mean_absolute_error",
    "mean_squared_error",
    "momentum",
    "relu",
    "relu_backward",
    "rmsprop",
    "scale",
    "sgd",
    "sigmoid",
    "sigmoid_backward",
    "softmax",
    "softmax_backward",
    "softmax_crossentropy",
    "softplus",
    "softplus_backward",
    "sparse_categorical_crossentropy",
    "sparse_softmax_crossentropy",
    "squared_norm",
    "take",
    "tanh",
    "tanh_backward",
    "to_numpy",
    "zeros",
]
