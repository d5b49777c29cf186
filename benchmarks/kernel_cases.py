"""Every kernel that a training step of the described models calls, with arguments of the shapes it gets there."""

import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from benchmarks import models
from benchmarks.models import BETA_1, BETA_2, EPSILON, Model, input_shapes, weights_of_layers
from tinynet.shapes import slide

BUFFER = "buffer"  # among the arguments: the function by which a kernel asks for scratch arrays


@dataclasses.dataclass(frozen=True)
class Case:
    """A kernel and what it is called with; NumPy arrays among the arguments go to the wing first."""

    kernel: str
    shape: str
    arguments: Callable[[], list]
    products: float = math.inf  # numbers multiplied with numbers, where the seven loops can do it too


def cases(chosen: Sequence[Model]) -> list[Case]:
    """Return the cases of these models, each kernel and shape once."""
    found: dict[tuple[str, str], Case] = {}
    for model in chosen:
        for case in _of_model(model):
            found.setdefault((case.kernel, case.shape), case)
    return sorted(found.values(), key=lambda case: case.kernel)


def _of_model(model: Model) -> Iterator[Case]:
    for i, (layer, shape) in enumerate(zip(model.layers, input_shapes(model), strict=True)):
        if isinstance(layer, models.Conv):
            yield from _convolution(layer, shape, model.batch, first=i == 0)
        elif isinstance(layer, models.MaxPool):
            yield from _max_pool(layer, shape, model.batch)
        elif isinstance(layer, models.Dense):
            yield from _dense(layer, shape, model.batch)
        elif isinstance(layer, models.BatchNorm):
            yield from _batch_norm(layer, (model.batch, *shape))
        elif isinstance(layer, models.Dropout):
            yield from _dropout(layer, (model.batch, *shape))
        if isinstance(layer, models.Relu) or getattr(layer, "activation", None) == "relu":
            yield from _relu((model.batch, *layer.output_shape(shape)))
    yield from _softmax(model.batch, model.classes)
    yield from _optimizer(model)


def _normal(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    """Draw arrays of these shapes, float32; always the same ones."""
    generator = np.random.default_rng(4)
    return [generator.standard_normal(shape).astype(np.float32) for shape in shapes]


def _empty(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    """Make arrays for a kernel to fill; of zeros, so that what it leaves alone differs in no wing."""
    return [np.zeros(shape, np.float32) for shape in shapes]


def _named(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape))


def _convolution(layer: models.Conv, shape, count: int, first: bool) -> Iterator[Case]:
    size = (layer.size, layer.size, shape[-1], layer.filters)
    window = slide(shape[:2], size[:2], (layer.strides, layer.strides), "same")
    name = f" * {_named(size)}" + (f" / {layer.strides}" if layer.strides > 1 else "")

    def forward(x_shape, y_shape):
        x, kernel, bias = _normal(x_shape, size, size[-1:])
        return [x, kernel, bias if layer.use_bias else None, *_empty(y_shape), window, BUFFER]

    def backward(x_shape, y_shape):
        x, kernel, dy = _normal(x_shape, size, y_shape)
        dx, dkernel, dbias = _empty(x_shape, size, size[-1:])
        return [x, kernel, dy, None if first else dx, dkernel, dbias if layer.use_bias else None, window, BUFFER]

    for N in (1, count):
        shapes = (N, *shape), (N, *layer.output_shape(shape))
        products = math.prod(shapes[1]) * math.prod(size[:3])
        yield Case("conv2d", _named(shapes[0]) + name, lambda shapes=shapes: forward(*shapes), products)
    without = ", no dx" if first else ""
    yield Case("conv2d_backward", _named(shapes[0]) + name + without, lambda: backward(*shapes))


def _max_pool(layer: models.MaxPool, shape, count: int) -> Iterator[Case]:
    size = (layer.size, layer.size)
    window = slide(shape[:2], size, size, "valid")
    x_shape, y_shape = (count, *shape), (count, *layer.output_shape(shape))

    def backward():
        x, dy = _normal(x_shape, y_shape)
        blocks = x[:, : y_shape[1] * layer.size, : y_shape[2] * layer.size].reshape(
            count, y_shape[1], layer.size, y_shape[2], layer.size, shape[-1]
        )
        return [dy, x, blocks.max(axis=(2, 4)), *_empty(x_shape), window]

    name = f"{_named(x_shape)} by {_named(size)}"
    yield Case("max_pool", name, lambda: [*_normal(x_shape), *_empty(y_shape), window])
    yield Case("max_pool_backward", name, backward)


def _dense(layer: models.Dense, shape, count: int) -> Iterator[Case]:
    size = (shape[-1], layer.units)
    x_shape, y_shape = (count, *shape), (count, layer.units)

    def forward():
        x, kernel, bias = _normal(x_shape, size, size[1:])
        return [x, kernel, bias if layer.use_bias else None, *_empty(y_shape)]

    def backward():
        x, kernel, dy = _normal(x_shape, size, y_shape)
        dx, dkernel, dbias = _empty(x_shape, size, size[1:])
        return [x, kernel, dy, dx, dkernel, dbias if layer.use_bias else None, BUFFER]

    name = f"{_named(x_shape)} @ {_named(size)}"
    yield Case("dense", name, forward)
    yield Case("dense_backward", name, backward)


def _batch_norm(layer: models.BatchNorm, shape) -> Iterator[Case]:
    rows, C = (math.prod(shape[:-1]), shape[-1]), shape[-1:]

    def moments():
        return [*_normal(rows), *_empty(C, C)]

    def forward():
        x, beta = _normal(rows, C)
        return [x, x.mean(axis=0), x.var(axis=0), None, beta, *_empty(rows, C), layer.epsilon]

    def backward():
        x, dy, beta = _normal(rows, rows, C)
        inv_std = 1 / np.sqrt(x.var(axis=0) + np.float32(layer.epsilon))
        dx, dbeta = _empty(rows, C)
        return [x, x.mean(axis=0), inv_std, None, beta, dy, dx, None, dbeta, True]

    for kernel, arguments in (("moments", moments), ("batch_norm", forward), ("batch_norm_backward", backward)):
        yield Case(kernel, _named(rows), arguments)


def _dropout(layer: models.Dropout, shape) -> Iterator[Case]:
    def arguments():
        noise = np.random.default_rng(5).random(shape, dtype=np.float32)
        return [*_normal(shape), noise, layer.rate, *_empty(shape)]

    yield Case("dropout", _named(shape), arguments)
    yield Case("dropout_backward", _named(shape), arguments)


def _relu(shape) -> Iterator[Case]:
    def backward():
        dy, x = _normal(shape, shape)
        return [dy, x, np.maximum(x, 0), *_empty(shape)]

    yield Case("relu", _named(shape), lambda: [*_normal(shape), *_empty(shape)])
    yield Case("relu_backward", _named(shape), backward)


def _softmax(count: int, classes: int) -> Iterator[Case]:
    shape = (count, classes)
    weight = np.full(count, 1 / count, np.float32)

    def cross_entropy():
        return [np.arange(count) % classes, *_normal(shape), weight, *_empty(shape)]

    yield Case("softmax", _named(shape), lambda: [*_normal(shape), *_empty(shape)])
    yield Case("sparse_softmax_crossentropy", _named(shape), cross_entropy)


def _optimizer(model: Model) -> Iterator[Case]:
    moved = [2 if isinstance(layer, models.BatchNorm) else 0 for layer in model.layers]
    arrays = weights_of_layers(model)
    size = sum(array.size for own, count in zip(arrays, moved, strict=True) for array in own[: len(own) - count])
    rate = model.optimizer.learning_rate
    if model.optimizer.name == "sgd":
        yield Case("sgd", str(size), lambda: [*_normal((size,), (size,)), rate])
        return

    def adam():
        value, grad, mean, square = _normal(*[(size,)] * 4)
        return [value, grad, mean, np.square(square), rate, BETA_1, BETA_2, EPSILON, 0.0]

    yield Case("adam", str(size), adam)
