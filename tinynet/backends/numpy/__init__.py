"""The readable wing: every kernel as plainly as NumPy says it, and the oracle of the other wings.

Each kernel writes into arrays that it is given (`y`, `dx`, ...) and checks nothing: layers, losses and optimizers
check what comes from outside, once.
"""

from tinynet.backends.numpy.dense import dense, dense_backward
from tinynet.backends.numpy.elementwise import (
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
from tinynet.backends.numpy.losses import (
    binary_crossentropy,
    huber,
    logistic_crossentropy,
    mean_absolute_error,
    mean_squared_error,
)
from tinynet.backends.numpy.memory import asarray, draw_uniform, empty, take, to_numpy, zeros
from tinynet.backends.numpy.optim import adagrad, adam, momentum, rmsprop, scale, sgd, squared_norm
from tinynet.backends.numpy.softmax import (
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

name = "numpy"

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
