"""What a row of layers does in one pass over its arrays where, layer by layer, it would take two or three.

A batch normalization and the ReLU after it are one pass: the clipping costs nothing while y is being written, and
backward asks whether y was clipped by computing it anew. At inference the moving statistics make of normalization a
scale and a shift of each channel, and a convolution before it does that as well, to every sum that it writes. The
results are those of the layers one by one, up to rounding.
"""

import math
from collections.abc import Sequence

from tinynet.layers.activation import Activation, ReLU
from tinynet.layers.base import Layer
from tinynet.layers.conv import Conv2D
from tinynet.layers.depthwise import DepthwiseConv2D
from tinynet.layers.normalization import BatchNormalization


class Fused:
    """A step of a row: [convolution,] batch normalization[, ReLU]; it does what these layers do one after the other.

    Parameters
    ----------
    convolution : Conv2D, DepthwiseConv2D or None
        Without an activation of its own.
    normalization : BatchNormalization
        What comes next.
    bounds : pair of float or None
        Between which the ReLU after that keeps its output; None where there is none.
    """

    def __init__(self, convolution: Layer | None, normalization: BatchNormalization, bounds: tuple | None):
        self.convolution = convolution
        self.normalization = normalization
        self.bounds = bounds
        self.layers = [normalization] if convolution is None else [convolution, normalization]
        self.parameters = [parameter for layer in self.layers for parameter in layer.parameters]
        self.output_shape = normalization.output_shape

    @property
    def same_in_training(self) -> bool:
        """As of a :class:`~tinynet.layers.Layer`."""
        return self.normalization.same_in_training

    def forward(self, x, *, training: bool = False):
        """Return y from x."""
        if self.convolution is None:
            return self.normalization.normalize(x, self.bounds, training)
        if training:
            z = self.convolution.forward(x, training=True)
            return self.normalization.normalize(z, self.bounds, training)
        return self.convolution.convolve_scaled(x, *self.normalization.as_scale(), self.bounds)

    def backward(self, dy, *, need_dx: bool = True):
        """Fill the gradients of all parameters from dy, and return dx."""
        if self.convolution is None:
            return self.normalization.normalize_backward(dy, self.bounds, need_dx)
        dz = self.normalization.normalize_backward(dy, self.bounds, need_dx=True)
        return self.convolution.backward(dz, need_dx=need_dx)

    def forget(self) -> None:
        """Drop what forward saved."""
        for layer in self.layers:
            layer.forget()


def fuse(layers: Sequence[Layer]) -> list[Layer | Fused]:
    """Return the steps of a row: its layers, those that can do so in one pass together as one."""
    steps: list[Layer | Fused] = []
    i = 0
    while i < len(layers):
        convolution = layers[i] if _only_sums(layers[i]) else None
        at = i if convolution is None else i + 1
        if at < len(layers) and type(layers[at]) is BatchNormalization:
            bounds = _bounds(layers[at + 1]) if at + 1 < len(layers) else None
            if convolution is not None or bounds is not None:
                steps.append(Fused(convolution, layers[at], bounds))
                i = at + (1 if bounds is None else 2)
                continue
        steps.append(layers[i])
        i += 1
    return steps


def _only_sums(layer: Layer) -> bool:
    """Whether a layer is a convolution without an activation; a subclass may do anything in its forward."""
    return type(layer) in (Conv2D, DepthwiseConv2D) and layer.activation.rule is None


def _bounds(layer: Layer) -> tuple[float, float] | None:
    """Return between which values a plain or a clipped ReLU keeps its output, None for any other layer."""
    if type(layer) not in (Activation, ReLU) or layer.rule is None:
        return None
    if layer.rule.kernel == "relu":
        return (0.0, math.inf)
    return (0.0, *layer.rule.constants) if layer.rule.kernel == "clipped_relu" else None
