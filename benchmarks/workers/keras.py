"""Keras on the JAX backend, by its fastest public step: its stateless methods in one jitted, donating function.

`train_on_batch` does the same work with about half a millisecond of Python around it.
"""

import os

os.environ["KERAS_BACKEND"] = "jax"

import jax
import keras

from benchmarks import models
from benchmarks.models import BETA_1, BETA_2, EPSILON, Model, batch, initial_weights


def prepare(threads: int) -> str:
    """Return Keras' version; XLA takes as many threads as the process may use cores, which the parent has set."""
    jax.config.update("jax_platforms", "cpu")
    return keras.__version__


class Runner:
    def __init__(self, model: Model):
        self.model = model
        self.x, self.y = (jax.device_put(array) for array in batch(model))
        self.network = _build(model)
        self.step, self.initial_state = _make_step(model, self.network)

    def restart(self) -> None:
        self.state = jax.tree.map(lambda array: array.copy(), self.initial_state)

    def run(self, steps: int) -> float:
        step, state, x, y = self.step, self.state, self.x, self.y
        for _ in range(steps):
            state, loss = step(state, x, y)
        self.state = jax.block_until_ready(state)
        return float(loss)


def _build(model: Model) -> keras.Sequential:
    layers = [keras.Input(model.input_shape)]
    layers += [_layer(layer) for layer in model.layers]
    network = keras.Sequential(layers)
    network.set_weights(initial_weights(model))
    return network


def _layer(layer: models.Layer) -> keras.Layer:
    if isinstance(layer, models.Dense):
        return keras.layers.Dense(layer.units, activation=layer.activation, use_bias=layer.use_bias)
    if isinstance(layer, models.Conv):
        return keras.layers.Conv2D(
            layer.filters, layer.size, layer.strides, "same", activation=layer.activation, use_bias=layer.use_bias
        )
    if isinstance(layer, models.MaxPool):
        return keras.layers.MaxPooling2D(layer.size)
    if isinstance(layer, models.Flatten):
        return keras.layers.Flatten()
    if isinstance(layer, models.BatchNorm):
        return keras.layers.BatchNormalization(momentum=layer.momentum, epsilon=layer.epsilon, scale=False)
    if isinstance(layer, models.Relu):
        return keras.layers.Activation("relu")
    return keras.layers.Dropout(layer.rate)


def _make_step(model: Model, network: keras.Sequential):
    optimizer = _optimizer(model)
    optimizer.build(network.trainable_variables)
    loss = keras.losses.SparseCategoricalCrossentropy()

    def loss_of(trainable, rest, x, y):
        predictions, rest = network.stateless_call(trainable, rest, x, training=True)
        return loss(y, predictions), rest

    def step(state, x, y):
        trainable, rest, optimizer_state = state
        (value, rest), gradients = jax.value_and_grad(loss_of, has_aux=True)(trainable, rest, x, y)
        trainable, optimizer_state = optimizer.stateless_apply(optimizer_state, gradients, trainable)
        return (trainable, rest, optimizer_state), value

    variables = (network.trainable_variables, network.non_trainable_variables, optimizer.variables)
    return jax.jit(step, donate_argnums=0), tuple([variable.value for variable in group] for group in variables)


def _optimizer(model: Model) -> keras.optimizers.Optimizer:
    rate = model.optimizer.learning_rate
    if model.optimizer.name == "sgd":
        return keras.optimizers.SGD(rate)
    return keras.optimizers.Adam(rate, beta_1=BETA_1, beta_2=BETA_2, epsilon=EPSILON)
