"""Which recipe each layer class has, and the layers in a row and in branches."""

import functools
from collections.abc import Callable, Iterable
from typing import Any

from tinynet import layers
from tinynet.layers import Layer
from tinynet.layers.chain import leaves
from tinynet.onnx_export import basics, images
from tinynet.onnx_export.graph import Graph, Value


def add_row(graph: Graph, row: Iterable[Layer], x: Value) -> Value:
    """Add the nodes of layers in a row, models among them, and return what the last layer gives.

    Raises
    ------
    TypeError
        If a layer's class has no recipe.
    """
    for layer in leaves(row):
        kind = type(layer)
        if kind not in RECIPES:
            known = ", ".join(sorted(known.__name__ for known in RECIPES))
            raise TypeError(f"export_onnx has no recipe for layers of the class {kind.__name__}, as {layer.name!r} is "
                            f"one. Give it one, tinynet.onnx_export.RECIPES[{kind.__name__}] = recipe: a function of "
                            "(graph, layer, x) that adds nodes and returns their output, or the recipe of a class that "
                            f"computes the same. There are recipes for {known}. Received: {layer!r}")
        x = RECIPES[kind](graph, layer, x)
    return x


def add(graph, layer, x):
    """Add the sum of the branches, each of which begins with x."""
    ends = graph.alike(add_row(graph, row.layers, x) for row in layer.branches)
    return functools.reduce(lambda a, b: graph.node(layer, "Add", a, b.name), ends)


def concatenate(graph, layer, x):
    """Put the branches' channels side by side."""
    first, *others = graph.alike(add_row(graph, row.layers, x) for row in layer.branches)
    return graph.node(layer, "Concat", first, *(y.name for y in others), axis=1 if first.channels_first else -1)


RECIPES: dict[type[Layer], Callable[[Graph, Any, Value], Value]] = {
    layers.Activation: basics.activation,
    layers.Add: add,
    layers.AveragePooling2D: images.average_pooling2d,
    layers.BatchNormalization: basics.batch_normalization,
    layers.Concatenate: concatenate,
    layers.Conv2D: images.conv2d,
    layers.Conv2DTranspose: images.conv2d_transpose,
    layers.Dense: basics.dense,
    layers.DepthwiseConv2D: images.depthwise_conv2d,
    layers.Dropout: basics.nothing,
    layers.Flatten: basics.reshape,
    layers.GlobalAveragePooling2D: images.global_average_pooling2d,
    layers.GlobalMaxPooling2D: images.global_max_pooling2d,
    layers.LayerNormalization: basics.layer_normalization,
    layers.MaxPooling2D: images.max_pooling2d,
    layers.RandomCrop: images.random_crop,
    layers.RandomFlip: basics.nothing,
    layers.RandomRotation: basics.nothing,
    layers.ReLU: basics.activation,
    layers.Reshape: basics.reshape,
    layers.Residual: add,
    layers.SeparableConv2D: images.separable_conv2d,
    layers.Softmax: basics.activation,
    layers.UpSampling2D: images.up_sampling2d,
    layers.ZeroPadding2D: images.zero_padding2d,
}
