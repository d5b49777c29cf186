"""The convolutions and dense layers of the models, each by itself and with a batch that keeps a GPU busy."""

import dataclasses
import math
from collections.abc import Iterable, Iterator

import numpy as np

from benchmarks.models import MODELS, Conv, Dense, Model, Network, input_shapes

BATCH = 4096
# How many times as fast as PyTorch tinynet has to be.
TARGETS = {Conv: 0.6, Dense: 0.9}
NAMES = {Conv: "conv", Dense: "dense"}


@dataclasses.dataclass(frozen=True)
class SingleLayer(Network):
    """One layer without its activation: a step of it is forward, and with `backward` also backward.

    Backward fills the gradients of the weights and, as in training, that of the inputs unless the layer is the first.
    """

    backward: bool = dataclasses.field(kw_only=True)
    needs_dx: bool = dataclasses.field(kw_only=True)

    @property
    def layer(self) -> Conv | Dense:
        return self.layers[0]

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The shape of the output, without the batch axis."""
        return self.layer.output_shape(self.input_shape)

    @property
    def kernel_shape(self) -> tuple[int, ...]:
        if isinstance(self.layer, Dense):
            return (*self.input_shape, self.layer.units)
        return (self.layer.size, self.layer.size, self.input_shape[-1], self.layer.filters)

    @property
    def places(self) -> int:
        """How many times the kernel is used in one step: in each place of each image."""
        return self.batch * math.prod(self.output_shape[:-1])

    @property
    def operations(self) -> int:
        """Multiplications of one step by its definition, padding counted, and as many additions."""
        passes = 1 + (1 + self.needs_dx) * self.backward
        return 2 * passes * self.places * math.prod(self.kernel_shape)


def layers_of(models: Iterable[Model]) -> list[SingleLayer]:
    """Return the convolutions and dense layers of these models, each once."""
    return list(dict.fromkeys(single for model in models for single in _of_model(model)))


def _of_model(model: Model) -> Iterator[SingleLayer]:
    for i, (layer, shape) in enumerate(zip(model.layers, input_shapes(model), strict=True)):
        if isinstance(layer, Conv | Dense):
            yield from _both(layer, shape, needs_dx=i > 0)


def _both(layer: Conv | Dense, shape, needs_dx: bool) -> Iterator[SingleLayer]:
    layer = dataclasses.replace(layer, activation=None)
    for backward in (False, True):
        single = SingleLayer("", BATCH, shape, (layer,), target=TARGETS[type(layer)], backward=backward,
                             needs_dx=needs_dx and backward)  # fmt: skip
        strides = f" / {layer.strides}" if getattr(layer, "strides", 1) > 1 else ""
        done = f", forward and backward{'' if needs_dx else ', no dx'}" if backward else ", forward"
        without = "" if layer.use_bias else " without bias"
        name = f"{NAMES[type(layer)]} {_named(shape)} * {_named(single.kernel_shape)}{strides}{without}{done}"
        yield dataclasses.replace(single, name=name)


def _named(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


SINGLE_LAYERS = {single.name: single for single in layers_of(MODELS.values())}


def gradients(single: SingleLayer) -> np.ndarray:
    """Make dy for the layer's outputs, float32; always the same. The gradient of the kernel is then about 1."""
    shape = (single.batch, *single.output_shape)
    dy = np.random.default_rng(6).standard_normal(shape, dtype=np.float32)
    dy /= np.float32(math.sqrt(single.places))
    return dy


def sample(single: SingleLayer, y: np.ndarray, dkernel: np.ndarray | None, dx: np.ndarray | None) -> list[float]:
    """Return what frameworks compare of a step, all about 1: of y and dx the first example, of dkernel the first unit.

    They come as tinynet has them: y and dx (N, ..., channels), of images the first channel; dkernel (..., filters);
    None where not computed.
    """
    found = [_first(y)]
    if dkernel is not None:
        found.append(dkernel[..., 0].ravel())
    if dx is not None:
        found.append(_first(dx) * np.float32(math.sqrt(single.places)))
    return np.concatenate(found).tolist()


def _first(array: np.ndarray) -> np.ndarray:
    return (array[0] if array.ndim == 2 else array[0, ..., 0]).ravel()
