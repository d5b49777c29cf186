"""JAX: one jitted step with donated weights and optimizer state, and inputs that live on the device."""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from benchmarks import models
from benchmarks.models import BETA_1, BETA_2, EPSILON, Model, batch, weights_of_layers


def prepare(threads: int) -> str:
    """Return JAX's version; XLA takes as many threads as the process may use cores, which the parent has set."""
    jax.config.update("jax_platforms", "cpu")
    return jax.__version__


class Runner:
    def __init__(self, model: Model):
        self.model = model
        self.x, self.y = (jax.device_put(array) for array in batch(model))
        self.step = _make_step(model)

    def restart(self) -> None:
        weights = [[jnp.array(array) for array in arrays] for arrays in weights_of_layers(self.model)]
        # Gradients change all of a layer's weights but the moving statistics, which come last.
        learned = [
            1 if isinstance(layer, models.BatchNorm) else len(arrays)
            for layer, arrays in zip(self.model.layers, weights, strict=True)
        ]
        self.weights = [arrays[:count] for arrays, count in zip(weights, learned, strict=True)]
        moving = [arrays[count:] for arrays, count in zip(weights, learned, strict=True)]
        self.state = moving, jax.random.key(3), _initial_slots(self.model, self.weights)

    def run(self, steps: int) -> float:
        step, weights, state, x, y = self.step, self.weights, self.state, self.x, self.y
        for _ in range(steps):
            weights, state, loss = step(weights, state, x, y)
        self.weights, self.state = jax.block_until_ready((weights, state))
        return float(loss)


def _make_step(model: Model):
    def loss_of(weights, moving, key, x, y):
        new_moving = []
        for layer, learned, statistics in zip(model.layers, weights, moving, strict=True):
            if isinstance(layer, models.BatchNorm):
                x, statistics = _batch_norm(layer, learned, statistics, x)
            elif isinstance(layer, models.Dropout):
                key, own = jax.random.split(key)
                x = jnp.where(jax.random.bernoulli(own, 1 - layer.rate, x.shape), x / (1 - layer.rate), 0)
            else:
                x = _FORWARD[type(layer)](layer, learned, x)
            new_moving.append(statistics)
        # The last layer's softmax is part of the cross-entropy.
        log_p = jax.nn.log_softmax(x)
        return -jnp.mean(jnp.take_along_axis(log_p, y[:, None], axis=1)), (new_moving, key)

    update = {"sgd": _sgd, "adam": _adam}[model.optimizer.name]

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(weights, state, x, y):
        moving, key, slots = state
        (loss, (moving, key)), gradients = jax.value_and_grad(loss_of, has_aux=True)(weights, moving, key, x, y)
        leaves, tree = jax.tree.flatten(weights)
        leaves, slots = update(model.optimizer.learning_rate, leaves, jax.tree.leaves(gradients), slots)
        return jax.tree.unflatten(tree, leaves), (moving, key, slots), loss

    return step


def _dense(layer: models.Dense, learned, x):
    return _activated(layer, x @ learned[0] + (learned[1] if layer.use_bias else 0))


def _conv(layer: models.Conv, learned, x):
    strides = (layer.strides, layer.strides)
    y = lax.conv_general_dilated(x, learned[0], strides, "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))
    return _activated(layer, y + (learned[1] if layer.use_bias else 0))


def _activated(layer, x):
    return jax.nn.relu(x) if layer.activation == "relu" else x


def _max_pool(layer: models.MaxPool, learned, x):
    """Reshape the windows into axes of their own, which XLA takes back much faster on a CPU than `reduce_window`."""
    H, W, C = layer.output_shape(x.shape[1:])
    k = layer.size
    return x[:, : H * k, : W * k].reshape(-1, H, k, W, k, C).max(axis=(2, 4))


_FORWARD = {
    models.Dense: _dense,
    models.Conv: _conv,
    models.MaxPool: _max_pool,
    models.Flatten: lambda layer, learned, x: x.reshape(len(x), -1),
    models.Relu: lambda layer, learned, x: jax.nn.relu(x),
}


def _batch_norm(layer: models.BatchNorm, learned, statistics, x):
    """Return y and the new moving mean and variance."""
    axes = tuple(range(x.ndim - 1))
    mean, variance = jnp.mean(x, axes), jnp.var(x, axes)
    y = (x - mean) * lax.rsqrt(variance + layer.epsilon) + learned[0]
    part = 1 - layer.momentum
    return y, [old + part * (new - old) for old, new in zip(statistics, (mean, variance), strict=True)]


def _initial_slots(model: Model, weights: list):
    if model.optimizer.name == "sgd":
        return ()
    leaves = jax.tree.leaves(weights)
    return [jnp.zeros_like(w) for w in leaves], [jnp.zeros_like(w) for w in leaves], jnp.zeros((), jnp.float32)


def _sgd(rate, weights, gradients, slots):
    return [w - rate * g for w, g in zip(weights, gradients, strict=True)], slots


def _adam(rate, weights, gradients, slots):
    m, v, t = slots
    t = t + 1
    m = [BETA_1 * a + (1 - BETA_1) * g for a, g in zip(m, gradients, strict=True)]
    v = [BETA_2 * a + (1 - BETA_2) * g * g for a, g in zip(v, gradients, strict=True)]
    rate = rate * jnp.sqrt(1 - BETA_2**t) / (1 - BETA_1**t)
    weights = [w - rate * a / (jnp.sqrt(b) + EPSILON) for w, a, b in zip(weights, m, v, strict=True)]
    return weights, (m, v, t)
