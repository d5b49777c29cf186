"""The graph while it grows: nodes, initializers, names, and the order of the axes."""

from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from tinynet.layers import Layer


class Value(NamedTuple):
    """An array on its way through the graph.

    Attributes
    ----------
    name : str
        By which nodes read it.
    rank : int
        Number of its axes, the batch's among them.
    channels_first : bool
        Whether it is (N, C, ...), as ONNX' operators for images want it, or (N, ..., C), as everywhere in tinynet.
        With two axes the two are the same, and it stays False.
    """

    name: str
    rank: int
    channels_first: bool = False


class Graph:
    """The nodes and initializers that there are so far, named after the layers: "conv2d/Relu", "conv2d/kernel".

    An array stays in the order of axes in which a node gave it, and is turned when a node needs the other one. So a
    convolutional network is turned twice: before its first convolution, and where it is flattened.

    Parameters
    ----------
    onnx : module
        The package.
    dtype : numpy.dtype
        The model's float type.
    """

    def __init__(self, onnx: ModuleType, dtype: np.dtype):
        self.onnx = onnx
        self.dtype = dtype
        self.nodes: list = []
        self.initializers: list = []
        self._names = {"input", "output"}
        self._turned: dict[str, Value] = {}

    def node(self, layer: Layer, operator: str, x: Value, *others: str, **attributes: Any) -> Value:
        """Add a node that reads x and, by their names, others; return its output, of the rank and order of x."""
        name = self._add(f"{layer.name}/{operator}", operator, [x.name, *others], attributes)
        return x._replace(name=name)

    def constant(self, layer: Layer, name: str, value, dtype=None) -> str:
        """Add an array as initializer, of the model's float type unless told another, and return its name."""
        name = self._new_name(f"{layer.name}/{name}")
        value = np.asarray(value, dtype or self.dtype, order="C")
        self.initializers.append(self.onnx.numpy_helper.from_array(value, name))
        return name

    def parameter(self, layer: Layer, name: str, change: Callable = np.asarray) -> list[str]:
        """Add a layer's parameter, changed as ONNX wants it, and return its name; of a parameter that is None, none."""
        parameter = getattr(layer, name)
        if parameter is None:
            return []
        return [self.constant(layer, name, change(layer.ops.to_numpy(parameter.value)))]

    def channels_first(self, x: Value) -> Value:
        """Return x as (N, C, ...)."""
        if x.channels_first or x.rank < 3:
            return x
        return self._turn(x, [0, x.rank - 1, *range(1, x.rank - 1)])

    def channels_last(self, x: Value) -> Value:
        """Return x as (N, ..., C)."""
        return self._turn(x, [0, *range(2, x.rank), 1]) if x.channels_first else x

    def alike(self, values: Iterable[Value]) -> list[Value]:
        """Return the values in one order: channels first if any of them is."""
        values = list(values)
        if any(x.channels_first for x in values):
            return [self.channels_first(x) for x in values]
        return values

    def _turn(self, x: Value, order: Sequence[int]) -> Value:
        if x.name not in self._turned:
            name = self._add(f"{x.name}/Transpose", "Transpose", [x.name], {"perm": order})
            self._turned[x.name] = Value(name, x.rank, not x.channels_first)
        return self._turned[x.name]

    def _add(self, name: str, operator: str, inputs: Sequence[str], attributes: dict) -> str:
        name = self._new_name(name)
        self.nodes.append(self.onnx.helper.make_node(operator, inputs, [name], name, **attributes))
        return name

    def _new_name(self, wanted: str) -> str:
        name, number = wanted, 0
        while name in self._names:
            number += 1
            name = f"{wanted}_{number}"
        self._names.add(name)
        return name
