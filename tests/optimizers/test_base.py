"""What all optimizers share: the scale of the loss, and that they can be copied."""

import copy

import numpy as np
import pytest

import tinynet
from tinynet import Sequential, callbacks, initializers, layers, optimizers

CLASSES = 3


@pytest.fixture
def data(rng):
    return rng.normal(size=(12, 4)).astype(np.float32), rng.integers(0, CLASSES, 12)


def classifier(**first):
    return Sequential([layers.Dense(5, activation="tanh", input_shape=(4,), **first),
                       layers.Dense(CLASSES, activation="softmax")])


@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"])
def test_a_scaled_loss_changes_nothing_but_what_underflows(backend, optimizer, data):
    """A power of two is exact; the penalty and the lengths that gradients are clipped to are not scaled."""
    ways = []
    for factor in (None, 2.0**16):
        tinynet.set_seed(0)
        model = classifier(kernel_regularizer="l2")
        model.compile(getattr(optimizers, optimizer)(0.1, clipnorm=0.02, loss_scale_factor=factor),
                      "sparse_categorical_crossentropy")
        losses_ = model.fit(*data, epochs=3, batch_size=5, verbose=0).history["loss"]
        ways.append([np.array(losses_), np.array(model.train_on_batch(*data)), *model.get_weights()])
    for plain, scaled in zip(*ways, strict=True):
        np.testing.assert_array_equal(plain, scaled)


def test_a_scaled_loss_keeps_gradients_that_underflow(backend):
    """Between the layers the gradient is 2e-30 · 1e-20, which float32 does not have."""
    for factor, moves in ((None, False), (2.0**60, True)):
        first = layers.Dense(1, kernel_initializer="zeros", input_shape=(1,))
        model = Sequential([first, layers.Dense(1, kernel_initializer=initializers.Constant(1e-20), use_bias=False)])
        model.compile(optimizers.Adam(0.1, epsilon=1e-30, loss_scale_factor=factor), "mse")
        model.train_on_batch(np.full((1, 1), 1e30), np.full((1, 1), 1e-30))
        assert (first.get_weights()[0] != 0).any() == moves


def test_the_factor_may_change_during_fit(backend, data):
    ways = []
    for factors in ([None] * 6, [None, 8.0, 8.0, 64.0, None, None]):
        tinynet.set_seed(0)
        model = classifier()
        model.compile("adam", "sparse_categorical_crossentropy")

        def change(epoch, logs, optimizer=model.optimizer, factors=factors):
            optimizer.loss_scale_factor = factors[epoch]

        model.fit(*data, epochs=6, batch_size=4, verbose=0, callbacks=[callbacks.LambdaCallback(on_epoch_begin=change)])
        ways.append(model)
    for weight, same in zip(*[model.get_weights() for model in ways], strict=True):
        np.testing.assert_array_equal(weight, same)


@pytest.mark.parametrize("factor", [0, -1.0, 2.0**127, 2.0**-127, float("inf"), float("nan"), "dynamic", [1]])
def test_a_factor_that_float32_cannot_hold(factor):
    with pytest.raises(ValueError, match=r"^Adam: loss_scale_factor must be a number from 2\*\*-126 to .* Received"):
        optimizers.Adam(loss_scale_factor=factor)


@pytest.mark.parametrize("wing", ["numpy", "numba"])
def test_a_used_optimizer_can_be_copied(wing, data):
    with tinynet.use_backend(wing):
        model = classifier()
    model.compile("adam", "sparse_categorical_crossentropy")
    model.train_on_batch(*data)
    assert copy.deepcopy(model.optimizer).iterations == 1
