"""The networks that are timed, described once as data; each worker builds them in its own framework."""

import dataclasses
import math

import numpy as np


@dataclasses.dataclass(frozen=True)
class Dense:
    """A fully connected layer with a bias; `activation` is "relu" or "softmax" (the last layer's)."""

    units: int
    activation: str


@dataclasses.dataclass(frozen=True)
class Optimizer:
    """`name` is "sgd" (plain) or "adam" (as Keras defines it: rates 0.9 and 0.999, epsilon 1e-7)."""

    name: str
    learning_rate: float


BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-7


@dataclasses.dataclass(frozen=True)
class Model:
    """A classifier trained on integer labels with the mean cross-entropy.

    `target` is how many times as fast as the fastest peer tinynet has to be.
    """

    name: str
    batch: int
    input_shape: tuple[int, ...]
    layers: tuple[Dense, ...]
    optimizer: Optimizer
    target: float

    @property
    def classes(self) -> int:
        return self.layers[-1].units


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
    ]
}


def initial_weights(model: Model) -> list[np.ndarray]:
    """Draw kernels (inputs, units; Glorot uniform) and zero biases, float32, in Keras' order; always the same ones."""
    generator = np.random.default_rng(1)
    weights = []
    inputs = math.prod(model.input_shape)
    for layer in model.layers:
        limit = math.sqrt(6 / (inputs + layer.units))
        weights.append(generator.uniform(-limit, limit, (inputs, layer.units)).astype(np.float32))
        weights.append(np.zeros(layer.units, np.float32))
        inputs = layer.units
    return weights


def examples(model: Model, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Make `count` inputs (float32 in [0, 1)) and labels (int64); always the same ones."""
    generator = np.random.default_rng(2)
    x = generator.random((count, *model.input_shape), dtype=np.float32)
    return x, generator.integers(0, model.classes, count)


def batch(model: Model) -> tuple[np.ndarray, np.ndarray]:
    """Make the one batch that every timed step trains on."""
    return examples(model, model.batch)
