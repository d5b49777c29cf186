"""The layers, under the names and with the arguments that Keras gives them."""

from tinynet.layers.activation import Activation, ReLU, Softmax
from tinynet.layers.base import Layer
from tinynet.layers.dense import Dense
from tinynet.layers.dropout import Dropout
from tinynet.layers.parameters import Parameter
from tinynet.layers.reshape import Flatten, Input, Reshape

__all__ = [
    "Activation",
    "Dense",
    "Dropout",
    "Flatten",
    "Input",
    "Layer",
    "Parameter",
    "ReLU",
    "Reshape",
    "Softmax",
]
