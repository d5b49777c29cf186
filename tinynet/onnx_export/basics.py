"""Recipes of the layers for inputs of any rank. Each adds a layer's nodes to the graph and returns their output."""

import math

import numpy as np

from tinynet.onnx_export.graph import Value

ELEMENTWISE = {"relu": "Relu", "elu": "Elu", "sigmoid": "Sigmoid", "tanh": "Tanh", "softplus": "Softplus"}


def nothing(graph, layer, x):
    """Add no node: the layer does something in training only."""
    return x


def dense(graph, layer, x):
    """MatMul takes an input with more axes as Dense does: as rows of its last one."""
    x = graph.node(layer, "MatMul", graph.channels_last(x), *graph.parameter(layer, "kernel"))
    if layer.use_bias:
        x = graph.node(layer, "Add", x, *graph.parameter(layer, "bias"))
    return activation(graph, layer.activation, x)


def activation(graph, layer, x):
    """Add one node for most of them; element by element, so that either order of axes will do."""
    rule = layer.rule
    if rule is None:
        return x
    if rule.kernel == "softmax":
        return graph.node(layer, "Softmax", x, axis=1 if x.channels_first else -1)
    if rule.kernel == "clipped_relu":
        ceiling, = rule.constants
        return graph.node(layer, "Clip", x, graph.constant(layer, "min", 0), graph.constant(layer, "max", ceiling))
    if rule.kernel == "leaky_relu":
        slope, = rule.constants
        return graph.node(layer, "LeakyRelu", x, alpha=slope)
    if rule.kernel == "gelu":
        return gelu(graph, layer, x)
    return graph.node(layer, ELEMENTWISE[rule.kernel], x)


def gelu(graph, layer, x):
    """Compute x Φ(x), Φ(x) = (1 + erf(x / √2)) / 2: later versions of ONNX have one operator for it."""
    scaled = graph.node(layer, "Div", x, graph.constant(layer, "root of two", math.sqrt(2)))
    doubled = graph.node(layer, "Add", graph.node(layer, "Erf", scaled), graph.constant(layer, "one", 1))
    cdf = graph.node(layer, "Div", doubled, graph.constant(layer, "two", 2))
    return graph.node(layer, "Mul", x, cdf.name)


def batch_normalization(graph, layer, x):
    """Normalize by the moving statistics, as at inference. ONNX wants a gamma and a beta."""
    gamma = graph.parameter(layer, "gamma") or [graph.constant(layer, "gamma", np.ones(layer.input_shape[-1]))]
    beta = graph.parameter(layer, "beta") or [graph.constant(layer, "beta", np.zeros(layer.input_shape[-1]))]
    return graph.node(layer, "BatchNormalization", graph.channels_first(x), *gamma, *beta,
                      *graph.parameter(layer, "moving_mean"), *graph.parameter(layer, "moving_variance"),
                      epsilon=layer.epsilon)


def layer_normalization(graph, layer, x):
    """Normalize over the last axis. ONNX wants a gamma."""
    gamma = graph.parameter(layer, "gamma") or [graph.constant(layer, "gamma", np.ones(layer.input_shape[-1]))]
    return graph.node(layer, "LayerNormalization", graph.channels_last(x), *gamma, *graph.parameter(layer, "beta"),
                      axis=-1, epsilon=layer.epsilon)


def reshape(graph, layer, x):
    """Give x the layer's output shape. The batch's axis stands there as 0, which ONNX reads as "what it was"."""
    shape = graph.constant(layer, "shape", [0, *layer.output_shape], np.int64)
    y = graph.node(layer, "Reshape", graph.channels_last(x), shape)
    return Value(y.name, 1 + len(layer.output_shape))
