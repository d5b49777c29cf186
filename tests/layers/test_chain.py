"""The frozen front of a row: run as at inference, and never gone back through."""

import numpy as np
import pytest

import tinynet
from tinynet import layers
from tinynet.layers.base import is_same_in_training


class Loud(layers.Dense):
    """Says nothing about training, and does something else in it."""

    def forward(self, x, *, training=False):
        self.heard = training
        return super().forward(x, training=training)


def front(more=()):
    return tinynet.Sequential([
        layers.Conv2D(4, 3, padding="same", input_shape=(5, 5, 2)), layers.BatchNormalization(), layers.ReLU(6.0),
        layers.Residual([layers.Conv2D(4, 1), layers.BatchNormalization()]), *more])


def model_of(base):
    model = tinynet.Sequential([base, layers.GlobalAveragePooling2D(), layers.Dense(3, activation="softmax")])
    model.compile(tinynet.optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    return model


def batch(rng):
    return rng.normal(size=(6, 5, 5, 2)), rng.integers(0, 3, 6)


def saved(base):
    return [layer for layer in base.layers if layer._saved is not None]


def test_a_frozen_front_saves_nothing_and_the_head_learns_the_same(backend, rng):
    tinynet.set_seed(0)
    base = front()
    model = model_of(base)
    base.trainable = False
    model.build(base.input_shape)
    before = [weights.copy() for weights in base.get_weights()]
    x, y = batch(rng)
    model.forward(x, training=True)
    model.backward(rng.normal(size=(6, 3)), need_dx=True)  # the open loop may ask for dx, and finds all that it needs
    head = model.layers[-1]
    kernel = head.get_weights()[0]
    features = base.forward(x).mean(axis=(1, 2))
    p = model.forward(x)
    model.train_on_batch(x, y)
    assert saved(base) == []
    for ours, theirs in zip(base.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    dz = (p - np.eye(3)[y]) / 6
    np.testing.assert_allclose(head.get_weights()[0], kernel - 0.1 * features.T @ dz, rtol=1e-4, atol=1e-6)


def test_it_learns_again_at_the_step_after_it_is_freed(backend, rng):
    base = front()
    model = model_of(base)
    base.trainable = False
    x, y = batch(rng)
    model.train_on_batch(x, y)
    before = base.get_weights()
    base.trainable = True
    model.train_on_batch(x, y)
    assert all((ours != theirs).any() for ours, theirs in zip(base.get_weights(), before, strict=True))


def test_dropout_in_the_front_still_drops(backend, rng):
    tinynet.set_seed(0)
    base = front([layers.Dropout(0.5), layers.Conv2D(4, 1)])
    model = model_of(base)
    base.trainable = False
    x, y = batch(rng)
    losses = {model.train_on_batch(x, y, sample_weight=np.zeros(6)) for _ in range(2)}
    assert losses == {0.0}
    state = str(base.layers[4].generator.bit_generator.state)
    model.train_on_batch(x, y)
    assert str(base.layers[4].generator.bit_generator.state) != state


def test_a_layer_that_does_something_else_in_training_does_it(backend, rng):
    loud = Loud(4)
    base = front([loud])
    model = model_of(base)
    base.trainable = False
    model.train_on_batch(*batch(rng))
    assert loud.heard is True


def test_a_normalization_that_is_not_frozen_moves_its_statistics(backend, rng):
    bare = layers.BatchNormalization(center=False, scale=False)
    model = tinynet.Sequential([layers.Dense(4, input_shape=(3,)), bare, layers.Dense(2)])
    model.compile("sgd", "mse")
    model.layers[0].trainable = False
    model.train_on_batch(rng.normal(size=(5, 3)), rng.normal(size=(5, 2)))
    assert (bare.get_weights()[0] != 0).all()
    assert not is_same_in_training(bare)
    bare.trainable = False
    assert is_same_in_training(bare)


@pytest.mark.parametrize("name", layers.__all__)
def test_every_layer_says_whether_training_is_the_same(name):
    kind = getattr(layers, name)
    if not isinstance(kind, type) or not issubclass(kind, layers.Layer) or kind is layers.Layer:
        return
    differs = kind in (layers.BatchNormalization, layers.Dropout) or name.startswith("Random")
    where = next(owner for owner in kind.__mro__ if "same_in_training" in vars(owner))
    assert differs == (where is layers.Layer or kind is layers.BatchNormalization)
    assert differs or issubclass(where, next(owner for owner in kind.__mro__ if "forward" in vars(owner)))


def test_what_the_front_gives_lasts_until_backward_has_read_it(backend, rng, monkeypatch):
    x, y = batch(rng)

    def learned():
        tinynet.set_seed(0)
        base = front()
        base.trainable = False
        model = tinynet.Sequential([base, layers.Conv2D(4, 1), layers.Conv2D(4, 1), layers.Conv2D(4, 1),
                                    layers.Flatten(), layers.Dense(3, activation="softmax")])
        model.compile("sgd", "sparse_categorical_crossentropy")
        model.train_on_batch(x, y)
        return model.get_weights()

    found = learned()
    monkeypatch.setattr(layers.Layer, "output", lambda self, name, shape, reads, kept=False: self.buffer(name, shape))
    for ours, wanted in zip(found, learned(), strict=True):
        np.testing.assert_array_equal(ours, wanted)
