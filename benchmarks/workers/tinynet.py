"""tinynet: `train_on_batch` on NumPy arrays."""

import threadpoolctl

import tinynet
from benchmarks import models
from benchmarks.models import BETA_1, BETA_2, EPSILON, Model, batch, initial_weights


def prepare(threads: int) -> str:
    """Hold the BLAS to so many threads, where the parent could not set the cores, and return tinynet's version."""
    if any(pool["num_threads"] > threads for pool in threadpoolctl.threadpool_info()):
        threadpoolctl.threadpool_limits(threads)
    return tinynet.__version__


class Runner:
    def __init__(self, model: Model):
        self.model = model
        self.x, self.y = batch(model)
        self.network = build(model)

    def restart(self) -> None:
        self.network.set_weights(initial_weights(self.model))
        compile_network(self.model, self.network)

    def run(self, steps: int) -> float:
        network, x, y = self.network, self.x, self.y
        for _ in range(steps):
            loss = network.train_on_batch(x, y)
        return float(loss)


def build(model: Model) -> tinynet.Sequential:
    return tinynet.Sequential([tinynet.layers.Input(shape=model.input_shape), *map(build_layer, model.layers)])


def build_layer(layer: models.Layer) -> tinynet.layers.Layer:
    layers = tinynet.layers
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
