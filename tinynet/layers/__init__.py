"""The layers, under the names and with the arguments that Keras gives them."""

from tinynet.layers.activation import Activation, ReLU, Softmax
from tinynet.layers.augmentation import RandomCrop, RandomFlip, RandomRotation
from tinynet.layers.base import Layer
from tinynet.layers.composite import Add, Concatenate, Residual
from tinynet.layers.conv import Conv2D, Conv2DTranspose
from tinynet.layers.dense import Dense
from tinynet.layers.depthwise import DepthwiseConv2D, SeparableConv2D
from tinynet.layers.dropout import Dropout
from tinynet.layers.normalization import BatchNormalization, LayerNormalization
from tinynet.layers.padding import UpSampling2D, ZeroPadding2D
from tinynet.layers.parameters import Parameter
from tinynet.layers.pooling import (
    AveragePooling2D,
    AvgPool2D,
    GlobalAveragePooling2D,
    GlobalAvgPool2D,
    GlobalMaxPool2D,
    GlobalMaxPooling2D,
    MaxPool2D,
    MaxPooling2D,
)
from tinynet.layers.reshape import Flatten, Input, Reshape

__all__ = [
    "Activation",
    "Add",
    "AveragePooling2D",
    "AvgPool2D",
    "BatchNormalization",
    "Concatenate",
    "Conv2D",
    "Conv2DTranspose",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "Flatten",
    "GlobalAveragePooling2D",
    "GlobalAvgPool2D",
    "GlobalMaxPool2D",
    "GlobalMaxPooling2D",
    "Input",
    "Layer",
    "LayerNormalization",
    "MaxPool2D",
    "MaxPooling2D",
    "Parameter",
    "RandomCrop",
    "RandomFlip",
    "RandomRotation",
    "ReLU",
    "Reshape",
    "Residual",
    "SeparableConv2D",
    "Softmax",
    "UpSampling2D",
    "ZeroPadding2D",
]
