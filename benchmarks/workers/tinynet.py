"""tinynet: `train_on_batch` on NumPy arrays, and `predict` for networks that are not trained."""

import numpy as np
import threadpoolctl

import tinynet
from benchmarks import models
from benchmarks.mobilenet import GlobalAverage, MobileNetV2
from benchmarks.models import BETA_1, BETA_2, EPSILON, Model, Network, initial_weights, input_shapes, inputs, labels


def prepare(threads: int) -> str:
    """Hold the BLAS to so many threads, where the parent could not set the cores, and return tinynet's version."""
    if any(pool["num_threads"] > threads for pool in threadpoolctl.threadpool_info()):
        threadpoolctl.threadpool_limits(threads)
    return tinynet.__version__


class ForwardRunner:
    def __init__(self, model: Network):
        self.model = model
        self.x = inputs(model, model.batch)
        self.network = build(model)

    def restart(self) -> None:
        self.network.set_weights(initial_weights(self.model))

    def run(self, steps: int) -> np.ndarray:
        network, x = self.network, self.x
        for _ in range(steps):
            y = network.predict(x, batch_size=len(x))
        return y


class Runner(ForwardRunner):
    def __init__(self, model: Model):
        super().__init__(model)
        self.y = labels(model, model.batch)

    def restart(self) -> None:
        super().restart()
        compile_network(self.model, self.network)

    def run(self, steps: int) -> float:
        network, x, y = self.network, self.x, self.y
        for _ in range(steps):
            loss = network.train_on_batch(x, y)
        return float(loss)


def build(model: Network) -> tinynet.Sequential:
    layers = [build_layer(*described) for described in zip(model.layers, input_shapes(model), strict=True)]
    return tinynet.Sequential([tinynet.layers.Input(shape=model.input_shape), *layers])


def build_layer(layer: models.Layer, shape: models.Shape) -> tinynet.layers.Layer:
    layers = tinynet.layers
    if isinstance(layer, MobileNetV2):
        return tinynet.applications.MobileNetV2(input_shape=shape, include_top=False, weights=None)
    if isinstance(layer, GlobalAverage):
        return layers.GlobalAveragePooling2D()
    if isinstance(layer, models.Dense):
        return layers.Dense(layer.units, activation=layer.activation, use_bias=layer.use_bias)
    if isinstance(layer, models.Conv):
        return layers.Conv2D(
            layer.filters, layer.size, layer.strides, "same", activation=layer.activation, use_bias=layer.use_bias
        )
    if isinstance(layer, models.MaxPool):
        return layers.MaxPooling2D(layer.size)
    if isinstance(layer, models.Flatten):
        return layers.Flatten()
    if isinstance(layer, models.BatchNorm):
        return layers.BatchNormalization(momentum=layer.momentum, epsilon=layer.epsilon, scale=False)
    if isinstance(layer, models.Relu):
        return layers.Activation("relu")
    return layers.Dropout(layer.rate)


def compile_network(model: Model, network: tinynet.Sequential, metrics: tuple[str, ...] = ()) -> None:
    """Compile with a new optimizer, which knows nothing of earlier steps."""
    rate = model.optimizer.learning_rate
    if model.optimizer.name == "sgd":
        optimizer = tinynet.optimizers.SGD(rate)
    else:
        optimizer = tinynet.optimizers.Adam(rate, beta_1=BETA_1, beta_2=BETA_2, epsilon=EPSILON)
    network.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy", metrics=list(metrics))
