"""A trained model as an ONNX graph, the format that other programs run: onnxruntime, browsers, phones.

A graph is a list of nodes. Each node has an operator, as "Conv", reads arrays by their names, and gives its own output
a name. The constants among the arrays, here the weights, are called initializers. :data:`RECIPES` has, for every layer
class, the function that adds the layer's nodes to the graph; :func:`export` runs through the layers.

A layer class of one's own needs an entry there: a function of the graph, the built layer and its input, which adds
nodes and returns the output. See `basics.py` for many, and :class:`Graph` for what they call::

    from tinynet.onnx_export import RECIPES

    RECIPES[MyCube] = lambda graph, layer, x: graph.node(layer, "Pow", x, graph.constant(layer, "power", 3.0))
    RECIPES[MyDense] = RECIPES[Dense]    # where it computes the same

Operators: https://onnx.ai/onnx/operators/
"""

from tinynet.onnx_export.file import as_onnx, export
from tinynet.onnx_export.graph import Graph, Value
from tinynet.onnx_export.recipes import RECIPES

__all__ = ["RECIPES", "Graph", "Value", "as_onnx", "export"]
