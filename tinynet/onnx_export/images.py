"""Recipes of the layers for images. ONNX has images as (N, C, H, W) and kernels as (F, C // groups, KH, KW)."""

import numpy as np

from tinynet.onnx_export.basics import activation
from tinynet.onnx_export.graph import Value


def conv2d(graph, layer, x):
    """Add a Conv, and the activation."""
    x = convolve(graph, layer, x, layer.groups, *graph.parameter(layer, "kernel", filters_first),
                 *graph.parameter(layer, "bias"))
    return activation(graph, layer.activation, x)


def depthwise_conv2d(graph, layer, x):
    """Add a Conv with a group for each channel, and the activation."""
    x = convolve(graph, layer, x, layer.input_shape[-1], *graph.parameter(layer, "depthwise_kernel", as_groups),
                 *graph.parameter(layer, "bias"))
    return activation(graph, layer.activation, x)


def separable_conv2d(graph, layer, x):
    """Add a Conv with a group for each channel, one whose window is a single pixel, and the activation."""
    x = convolve(graph, layer, x, layer.input_shape[-1], *graph.parameter(layer, "depthwise_kernel", as_groups))
    x = graph.node(layer, "Conv", x, *graph.parameter(layer, "pointwise_kernel", filters_first),
                   *graph.parameter(layer, "bias"))
    return activation(graph, layer.activation, x)


def convolve(graph, layer, x, groups, *weights):
    """Add a Conv with the layer's window."""
    return graph.node(layer, "Conv", graph.channels_first(x), *weights, group=groups, strides=layer.window.strides,
                      dilations=layer.window.dilation, pads=pads(layer.window, layer.input_shape))


def conv2d_transpose(graph, layer, x):
    """Add a ConvTranspose, and the activation. The layer's window slides over its output.

    There pads are cut off, and output_padding is what lies behind the last stamp.
    """
    window = layer.window
    x = graph.node(layer, "ConvTranspose", graph.channels_first(x), *graph.parameter(layer, "kernel", filters_first),
                   *graph.parameter(layer, "bias"), strides=window.strides, dilations=window.dilation,
                   pads=pads(window, layer.output_shape),
                   output_padding=[max(0, -count) for count in sticks_out(window, layer.output_shape)])
    return activation(graph, layer.activation, x)


def filters_first(kernel):
    """Return a kernel (KH, KW, C, F) as (F, C, KH, KW)."""
    return kernel.transpose(3, 2, 0, 1)


def as_groups(kernel):
    """Return a depthwise kernel (KH, KW, C, M) as (C·M, 1, KH, KW), the filters of C groups."""
    KH, KW, C, M = kernel.shape
    return kernel.transpose(2, 3, 0, 1).reshape(C * M, 1, KH, KW)


def pads(window, image):
    """Return the padding in ONNX' order: above, left, below, right."""
    return [*window.before, *(max(0, count) for count in sticks_out(window, image))]


def sticks_out(window, image):
    """Return by how much the window's last place reaches beyond the image's end, below and right.

    That is the padding there; where strides leave the last rows or columns unseen, it is negative.
    """
    return [(places - 1) * stride + dilation * (size - 1) + 1 - before - length
            for size, stride, dilation, before, places, length in zip(*window, image[:2], strict=True)]


def max_pooling2d(graph, layer, x):
    """Add a MaxPool."""
    return pool(graph, layer, x, "MaxPool")


def average_pooling2d(graph, layer, x):
    """Add an AveragePool in which padding does not count."""
    return pool(graph, layer, x, "AveragePool", count_include_pad=0)


def pool(graph, layer, x, operator, **attributes):
    """Add a node with the layer's window."""
    return graph.node(layer, operator, graph.channels_first(x), kernel_shape=layer.window.size,
                      strides=layer.window.strides, pads=pads(layer.window, layer.input_shape), **attributes)


def global_max_pooling2d(graph, layer, x):
    """Add the maximum over height and width."""
    return reduce_image(graph, layer, x, "ReduceMax")


def global_average_pooling2d(graph, layer, x):
    """Add the mean over height and width."""
    return reduce_image(graph, layer, x, "ReduceMean")


def reduce_image(graph, layer, x, operator):
    """Add a node that takes height and width together, wherever they stand."""
    y = graph.node(layer, operator, x, axes=height_and_width(x), keepdims=int(layer.keepdims))
    return y if layer.keepdims else Value(y.name, 2)


def height_and_width(x):
    """Return the numbers of the two axes."""
    return [2, 3] if x.channels_first else [1, 2]


def zero_padding2d(graph, layer, x):
    """Add a Pad: how much stands before each axis, then how much behind each."""
    (top, bottom), (left, right) = layer.padding
    borders = graph.constant(layer, "pads", [0, 0, top, left, 0, 0, bottom, right], np.int64)
    return graph.node(layer, "Pad", graph.channels_first(x), borders)


def up_sampling2d(graph, layer, x):
    """Add a Resize that knows the pixels by their centres, as tinynet does; its second input, a region, is left out."""
    scales = graph.constant(layer, "scales", [1, 1, *layer.size], np.float32)
    return graph.node(layer, "Resize", graph.channels_first(x), "", scales, coordinate_transformation_mode="half_pixel",
                      mode={"nearest": "nearest", "bilinear": "linear"}[layer.interpolation])


def random_crop(graph, layer, x):
    """Add a Slice: at inference the layer cuts out the middle."""
    size = layer.output_shape[:2]
    start = [(whole - part) // 2 for whole, part in zip(layer.input_shape, size, strict=False)]
    end = [a + part for a, part in zip(start, size, strict=True)]
    numbers = {"starts": start, "ends": end, "axes": height_and_width(x)}
    return graph.node(layer, "Slice", x, *(graph.constant(layer, *item, np.int64) for item in numbers.items()))
