"""MobileNetV2 as its users have it: a frozen front that only predicts, and a network to be fine-tuned."""

import dataclasses
import math

import numpy as np

from benchmarks.models import BatchNorm, Conv, Dense, Layer, Model, Network, Optimizer


@dataclasses.dataclass(frozen=True)
class DepthwiseConv(Layer):
    """A convolution of each channel by a square kernel of its own, without a bias, padded by TensorFlow's SAME rule."""

    size: int
    strides: int = 1

    def output_shape(self, shape):
        H, W, C = shape
        return (-(-H // self.strides), -(-W // self.strides), C)

    def weights(self, shape, generator):
        limit = math.sqrt(6 / (self.size**2 * (1 + 1)))  # Glorot's: each output comes of one channel
        return [generator.uniform(-limit, limit, (self.size, self.size, shape[-1], 1)).astype(np.float32)]


@dataclasses.dataclass(frozen=True)
class ScaledBatchNorm(BatchNorm):
    """Batch normalisation that scales too, and whose statistics moved already, as they are in a trained network.

    The variances are about those of what comes in, so that a frozen network's outputs depend on its inputs.
    """

    momentum: float = 0.999

    def weights(self, shape, generator):
        """Return gamma, beta, the moving mean and the moving variance."""
        ranges = [(0.5, 1.5), (-0.5, 0.5), (-0.5, 0.5), (0.4, 0.8)]
        return [generator.uniform(*ends, shape[-1]).astype(np.float32) for ends in ranges]


@dataclasses.dataclass(frozen=True)
class Relu6(Layer):
    """min(max(x, 0), 6)."""


@dataclasses.dataclass(frozen=True)
class GlobalAverage(Layer):
    """The mean of each channel over all places."""

    def output_shape(self, shape):
        return shape[-1:]


@dataclasses.dataclass(frozen=True)
class Row(Layer):
    """Layers in a row."""

    layers: tuple[Layer, ...]

    def output_shape(self, shape):
        for layer in self.layers:
            shape = layer.output_shape(shape)
        return shape

    def parts(self, shape):
        for layer in self.layers:
            yield from layer.parts(shape)
            shape = layer.output_shape(shape)


@dataclasses.dataclass(frozen=True)
class Residual(Row):
    """Layers in a row, to whose output their input is added."""


@dataclasses.dataclass(frozen=True)
class MobileNetV2(Row):
    """The network of Sandler et al. 2018 (https://arxiv.org/abs/1801.04381), table 2, up to its last convolution.

    tinynet has it ready made; the peers build it of these layers.
    """

    layers: tuple[Layer, ...] = dataclasses.field(default_factory=lambda: tuple(_table()))


def _table() -> list[Layer]:
    layers = [*_normed(Conv(32, 3, strides=2, use_bias=False)), Relu6()]
    channels = 32
    for expansion, filters, count, strides in [
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    ]:  # fmt: skip
        for i in range(count):
            block = _bottleneck(channels, expansion, filters, strides if i == 0 else 1)
            layers += block if i == 0 else [Residual(tuple(block))]
            channels = filters
    return [*layers, *_normed(Conv(1280, 1, use_bias=False)), Relu6()]


def _bottleneck(channels: int, expansion: int, filters: int, strides: int) -> list[Layer]:
    expand = [*_normed(Conv(expansion * channels, 1, use_bias=False)), Relu6()] if expansion > 1 else []
    return [*expand, *_normed(DepthwiseConv(3, strides)), Relu6(), *_normed(Conv(filters, 1, use_bias=False))]


def _normed(layer: Layer) -> tuple[Layer, ...]:
    return (layer, ScaledBatchNorm())


PHOTO = (192, 192, 3)
HEAD = (GlobalAverage(), Dense(5, "softmax"))
TRANSFER = {
    model.name: model
    for model in [
        Network("mobilenet_forward_b16", 16, PHOTO, (MobileNetV2(),), target=1.2),
        Network("mobilenet_forward_b1", 1, PHOTO, (MobileNetV2(),), target=1.2),
        Model("mobilenet_tuning_b16", 16, PHOTO, (MobileNetV2(), *HEAD), Optimizer("adam", 1e-5), target=1.2),
    ]
}
