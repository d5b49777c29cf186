"""The networks that are timed, described once as data; each worker builds them in its own framework."""

import dataclasses
import math
from collections.abc import Iterator

import numpy as np

Shape = tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class Layer:
    """One that leaves the shape as it is and has no weights, unless it says otherwise; shapes have no batch axis."""

    def output_shape(self, shape: Shape) -> Shape:
        return shape

    def weights(self, shape: Shape, generator: np.random.Generator) -> list[np.ndarray]:
        """Draw the weights for inputs of `shape`, float32, in Keras' order and layout."""
        return []

    def parts(self, shape: Shape) -> Iterator[tuple["Layer", Shape]]:
        """Yield the layers that this one is made of, with the shapes of their inputs: where not of others, itself."""
        yield self, shape


@dataclasses.dataclass(frozen=True)
class Dense(Layer):
    """A fully connected layer; `activation` is "relu", "softmax" (the last layer's) or None."""

    units: int
    activation: str | None = None
    use_bias: bool = True

    def output_shape(self, shape):
        return (self.units,)

    def weights(self, shape, generator):
        return _kernel_and_bias((*shape, self.units), self.use_bias, generator)


@dataclasses.dataclass(frozen=True)
class Conv(Layer):
    """A convolution of images (H, W, C) by square kernels, padded by TensorFlow's SAME rule."""

    filters: int
    size: int
    strides: int = 1
    activation: str | None = None
    use_bias: bool = True

    def output_shape(self, shape):
        H, W, _ = shape
        return (-(-H // self.strides), -(-W // self.strides), self.filters)

    def weights(self, shape, generator):
        return _kernel_and_bias((self.size, self.size, shape[-1], self.filters), self.use_bias, generator)


@dataclasses.dataclass(frozen=True)
class MaxPool(Layer):
    """The maxima of square windows that touch; what is left at the far edges is dropped (VALID)."""

    size: int = 2

    def output_shape(self, shape):
        H, W, C = shape
        return (H // self.size, W // self.size, C)


@dataclasses.dataclass(frozen=True)
class Flatten(Layer):
    """Rows, columns and channels in one axis, the channels varying fastest."""

    def output_shape(self, shape):
        return (math.prod(shape),)


@dataclasses.dataclass(frozen=True)
class BatchNorm(Layer):
    """Batch normalisation of the last axis, centred and not scaled, with Keras' momentum and epsilon by default."""

    momentum: float = 0.99
    epsilon: float = 0.001

    def weights(self, shape, generator):
        """Return beta, the moving mean and the moving variance."""
        return [np.zeros(shape[-1], np.float32), np.zeros(shape[-1], np.float32), np.ones(shape[-1], np.float32)]


@dataclasses.dataclass(frozen=True)
class Relu(Layer):
    """ReLU as a layer of its own, behind a batch normalisation."""


@dataclasses.dataclass(frozen=True)
class Dropout(Layer):
    """Each number is dropped with probability `rate`; the others are divided by 1 - rate."""

    rate: float


def _kernel_and_bias(shape: Shape, use_bias: bool, generator: np.random.Generator) -> list[np.ndarray]:
    """Draw a Glorot-uniform kernel (..., inputs, outputs), and zeros for the bias where there is one."""
    *window, inputs, outputs = shape
    limit = math.sqrt(6 / (math.prod(window) * (inputs + outputs)))
    kernel = generator.uniform(-limit, limit, shape).astype(np.float32)
    return [kernel, np.zeros(outputs, np.float32)] if use_bias else [kernel]


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """`name` is "sgd" (plain) or "adam" (as Keras defines it: rates 0.9 and 0.999, epsilon 1e-7)."""

    name: str
    learning_rate: float


BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7


@dataclasses.dataclass(frozen=True)
class Network:
    """A network that is run only forwards, as at inference: one step of it is one batch.

    `target` is how many times as fast as the fastest peer tinynet has to be.
    """

    name: str
    batch: int
    input_shape: Shape
    layers: tuple[Layer, ...]
    target: float = dataclasses.field(kw_only=True)

    @property
    def has_images(self) -> bool:
        """Whether the inputs are images (H, W, C)."""
        return len(self.input_shape) == 3


@dataclasses.dataclass(frozen=True)
class Model(Network):
    """A classifier trained on integer labels with the mean cross-entropy: one step of it is one update."""

    optimizer: Optimizer

    @property
    def classes(self) -> int:
        return self.layers[-1].units


def _normed(layer: Layer) -> tuple[Layer, ...]:
    return (layer, BatchNorm(), Relu())


IMAGE = (28, 28, 1)
MODELS = {
    model.name: model
    for model in [
        Model("softmax_b128", 128, (784,), (Dense(10, "softmax"),), Optimizer("sgd", 0.01), target=2.5),
        Model(
            "fashion_dense_b32",
            32,
            (784,),
            (Dense(128, "relu"), Dense(10, "softmax")),
            Optimizer("adam", 0.001),
            target=1.8,
        ),
        Model(
            "mlp_200_60_b128",
            128,
            (784,),
            (Dense(200, "relu"), Dense(60, "relu"), Dense(10, "softmax")),
            Optimizer("adam", 0.001),
            target=1.25,
        ),
        Model(
            "fashion_cnn_b32",
            32,
            IMAGE,
            (
                Conv(32, 3, activation="relu"),
                MaxPool(),
                Conv(64, 3, activation="relu"),
                MaxPool(),
                Flatten(),
                Dense(128, "relu"),
                Dense(10, "softmax"),
            ),
            Optimizer("adam", 0.001),
            target=1.25,
        ),
        Model(
            "deep_mnist_b50",
            50,
            IMAGE,
            (
                Conv(32, 5, activation="relu"),
                MaxPool(),
                Conv(64, 5, activation="relu"),
                MaxPool(),
                Flatten(),
                Dense(1024, "relu"),
                Dropout(0.5),
                Dense(10, "softmax"),
            ),
            Optimizer("adam", 1e-4),
            target=1.0,
        ),
        Model(
            "phd_bn_b64",
            64,
            IMAGE,
            (
                *_normed(Conv(12, 3, use_bias=False)),
                *_normed(Conv(24, 6, strides=2, use_bias=False)),
                *_normed(Conv(32, 6, strides=2, use_bias=False)),
                Flatten(),
                *_normed(Dense(200, use_bias=False)),
                Dropout(0.3),
                Dense(10, "softmax"),
            ),
            Optimizer("adam", 0.01),
            target=1.25,
        ),
    ]
}


def without_dropout(model: Network) -> Network:
    """Return the model with nothing random in it, whose losses frameworks can agree on."""
    return dataclasses.replace(model, layers=tuple(layer for layer in model.layers if not isinstance(layer, Dropout)))


def input_shapes(model: Network) -> list[Shape]:
    """Return the shape of each layer's input."""
    shapes = [model.input_shape]
    for layer in model.layers[:-1]:
        shapes.append(layer.output_shape(shapes[-1]))
    return shapes


def parts(model: Network) -> Iterator[tuple[Layer, Shape]]:
    """Yield the layers, with those that are made of others replaced by these, and the shapes of their inputs."""
    for layer, shape in zip(model.layers, input_shapes(model), strict=True):
        yield from layer.parts(shape)


def weights_of_layers(model: Network) -> list[list[np.ndarray]]:
    """Draw the initial weights of each of the `parts` (kernels Glorot uniform, biases zero); always the same ones."""
    generator = np.random.default_rng(1)
    return [layer.weights(shape, generator) for layer, shape in parts(model)]


def initial_weights(model: Network) -> list[np.ndarray]:
    """Return the weights of all layers in a row, as Keras' `set_weights` takes them."""
    return [array for weights in weights_of_layers(model) for array in weights]


def examples(model: Model, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Make `count` inputs and their labels."""
    return inputs(model, count), labels(model, count)


def inputs(model: Network, count: int) -> np.ndarray:
    """Make `count` inputs, float32 in [0, 1); always the same ones."""
    return np.random.default_rng(2).random((count, *model.input_shape), dtype=np.float32)


def labels(model: Model, count: int) -> np.ndarray:
    """Make `count` labels, int64; always the same ones."""
    return np.random.default_rng(3).integers(0, model.classes, count)


def batch(model: Model) -> tuple[np.ndarray, np.ndarray]:
    """Make the one batch that every timed step trains on."""
    return examples(model, model.batch)
