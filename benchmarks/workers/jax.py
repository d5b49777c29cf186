"""JAX: one jitted step with donated weights and optimizer state, and inputs that live on the device."""

import functools

import jax
import jax.numpy as jnp

from benchmarks.models import BETA_1, BETA_2, EPSILON, Model, batch, initial_weights


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
        self.weights = [jnp.array(array) for array in initial_weights(self.model)]
        self.state = _initial_state(self.model, self.weights)

    def run(self, steps: int) -> float:
        step, weights, state, x, y = self.step, self.weights, self.state, self.x, self.y
        for _ in range(steps):
            weights, state, loss = step(weights, state, x, y)
        self.weights, self.state = jax.block_until_ready((weights, state))
        return float(loss)


def _make_step(model: Model):
    def loss_of(weights, x, y):
        for i, layer in enumerate(model.layers):
            x = x @ weights[2 * i] + weights[2 * i + 1]
            if layer.activation == "relu":
                x = jax.nn.relu(x)
        # The last layer's softmax is part of the cross-entropy.
        log_p = jax.nn.log_softmax(x)
        return -jnp.mean(jnp.take_along_axis(log_p, y[:, None], axis=1))

    update = {"sgd": _sgd, "adam": _adam}[model.optimizer.name]

    @functools.partial(jax.jit, donate_argnums=(0, 1))
    def step(weights, state, x, y):
        loss, gradients = jax.value_and_grad(loss_of)(weights, x, y)
        weights, state = update(model.optimizer.learning_rate, weights, gradients, state)
        return weights, state, loss

    return step


def _initial_state(model: Model, weights: list):
    if model.optimizer.name == "sgd":
        return ()
    return [jnp.zeros_like(w) for w in weights], [jnp.zeros_like(w) for w in weights], jnp.zeros((), jnp.float32)


def _sgd(rate, weights, gradients, state):
    return [w - rate * g for w, g in zip(weights, gradients, strict=True)], state


def _adam(rate, weights, gradients, state):
    m, v, t = state
    t = t + 1
    m = [BETA_1 * a + (1 - BETA_1) * g for a, g in zip(m, gradients, strict=True)]
    v = [BETA_2 * a + (1 - BETA_2) * g * g for a, g in zip(v, gradients, strict=True)]
    rate = rate * jnp.sqrt(1 - BETA_2**t) / (1 - BETA_1**t)
    weights = [w - rate * a / (jnp.sqrt(b) + EPSILON) for w, a, b in zip(weights, m, v, strict=True)]
    return weights, (m, v, t)
