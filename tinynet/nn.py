"""The names that tutorials write as `tf.nn.relu` and the like: the functions of :mod:`tinynet.activations`."""

from tinynet.activations import elu, gelu, leaky_relu, relu, relu6, sigmoid, softmax, softplus, tanh

__all__ = ["elu", "gelu", "leaky_relu", "relu", "relu6", "sigmoid", "softmax", "softplus", "tanh"]
