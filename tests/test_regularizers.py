"""Penalties on weights: their values, their gradients, and what training makes of them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet
from tinynet import Sequential, layers, losses, optimizers, regularizers
from tinynet.backends import get_backend
from tinynet.gradient_check import numeric_gradient, relative_error

FACTORS = st.floats(0, 2)


def read(ops, regularizer, value):
    """Return the penalty as the host's number, wherever the backend has it."""
    return ops.to_numpy(regularizer.penalty(ops, value)).item()


@given(l1=FACTORS, l2=FACTORS, seed=st.integers(0, 999), shape=st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_penalty_and_gradient(backend, l1, l2, seed, shape):
    ops, w = get_backend(), np.random.default_rng(seed).normal(0, 1, shape)
    w[np.abs(w) < 0.01] = 0.5  # away from the kink of |w|
    value, found = ops.asarray(w, "float64"), regularizers.L1L2(l1, l2)
    wanted = sum(l1 * abs(x) + l2 * x * x for x in w.ravel().tolist())
    assert isinstance(found.penalty(ops, value), float) == (backend != "cupy")  # there a step waits for no number
    assert read(ops, found, value) == pytest.approx(wanted, rel=1e-12)
    grad = ops.asarray(np.ones(shape), "float64")
    found.add_gradient(ops, value, grad)
    np.testing.assert_array_equal(ops.to_numpy(value), w)
    numeric = numeric_gradient(lambda: read(ops, found, value), value)
    assert relative_error(ops.to_numpy(grad) - 1, numeric).max() < 1e-7


def test_known_numbers(backend):
    ops = get_backend()
    value = ops.asarray(np.array([[3.0, -1.0], [0.0, 0.5]]), "float32")
    for regularizer, penalty, gradient in [
        (regularizers.L1(0.1), 0.45, [[0.1, -0.1], [0.0, 0.1]]),
        (regularizers.L2(0.1), 1.025, [[0.6, -0.2], [0.0, 0.1]]),
        (regularizers.L1L2(0.1, 0.1), 1.475, [[0.7, -0.3], [0.0, 0.2]]),
    ]:
        grad = ops.zeros((2, 2), "float32")
        regularizer.add_gradient(ops, value, grad)
        assert read(ops, regularizer, value) == pytest.approx(penalty, rel=1e-6)
        np.testing.assert_allclose(ops.to_numpy(grad), gradient, rtol=1e-6)


@pytest.mark.parametrize("given_, factors", [
    ("l1", (0.01, 0)), ("L2", (0, 0.01)), ("l1_l2", (0, 0)), (regularizers.l2, (0, 0.01)),
    (regularizers.L1(0.5), (0.5, 0)), (regularizers.l1_l2(l1=0.1, l2=2), (0.1, 2)),
])
def test_get(given_, factors):
    found = regularizers.get(given_)
    assert (found.l1, found.l2) == factors
    assert regularizers.get(found) is found


def test_what_is_no_regularizer():
    assert regularizers.get(None) is None
    with pytest.raises(ValueError, match="Unknown regularizer .did you mean 'l2'.*known are l1, l1_l2, l2. "
                                         "Received: 'l22'"):
        layers.Dense(1, kernel_regularizer="l22")
    for wrong in (0.01, abs, dict):
        with pytest.raises(TypeError, match="A regularizer is None, a name, or .* Received: "):
            layers.Dense(1, bias_regularizer=wrong)
    for factor in (-0.1, math.inf, math.nan, "0.1", None, True):
        with pytest.raises(ValueError, match="l2 of L2 must be a finite number of at least 0. Received: "):
            regularizers.L2(factor)
    with pytest.raises(TypeError, match=r"L1 has no argument 'l2'; .*Received: l2=0.1"):
        regularizers.L1(l2=0.1)
    with pytest.raises(TypeError, match="Regularizer does not define penalty"):
        regularizers.Regularizer().penalty(None, None)
    with pytest.raises(TypeError, match="Regularizer does not define add_gradient"):
        regularizers.Regularizer().add_gradient(None, None, None)


def model_with():
    return Sequential([
        layers.Dense(5, activation="tanh", input_shape=(4,), kernel_regularizer=regularizers.L2(0.3)),
        layers.Dropout(0.0),
        layers.Dense(3, activation="softmax", bias_regularizer=regularizers.L1(0.2), bias_initializer="ones"),
    ])


def penalty_of(model):
    weights = [weight.astype(np.float64) for weight in model.get_weights()]
    return 0.3 * (weights[0] ** 2).sum() + 0.2 * np.abs(weights[3]).sum()


@pytest.fixture
def data(rng):
    return rng.normal(size=(12, 4)).astype(np.float32), rng.integers(0, 3, 12)


def test_layers_hand_them_to_their_parameters(backend):
    model = model_with()
    assert [type(parameter.regularizer).__name__ for parameter in model.parameters] == [
        "L2", "NoneType", "NoneType", "L1"]
    assert model.penalty() == pytest.approx(penalty_of(model), rel=1e-6)
    assert isinstance(model.penalty(), float)
    assert isinstance(model.penalize(), float)
    assert Sequential([model]).penalty() == model.penalty()
    assert Sequential([layers.Dense(2, input_shape=(3,))]).penalty() == 0.0


def test_the_loss_that_training_reports_has_the_penalty_in_it(backend, data):
    model, loss = model_with(), losses.SparseCategoricalCrossentropy()
    model.compile(optimizers.SGD(0.1), loss, ["accuracy"])
    wanted = loss(data[1], model.predict(data[0])) + penalty_of(model)
    assert model.evaluate(*data, verbose=0, batch_size=5)[0] == pytest.approx(wanted, rel=1e-5)
    assert model.test_on_batch(*data)[0] == pytest.approx(wanted, rel=1e-5)
    assert model.train_on_batch(*data)[0] == pytest.approx(wanted, rel=1e-5)
    wanted = loss(data[1], model.predict(data[0])) + penalty_of(model)
    history = model.fit(*data, batch_size=12, validation_data=data, verbose=0).history
    assert history["loss"] == pytest.approx([wanted], rel=1e-5)
    wanted = loss(data[1], model.predict(data[0])) + penalty_of(model)
    assert history["val_loss"] == pytest.approx([wanted], rel=1e-5)


def test_a_step_goes_down_the_penalty_too(backend, data):
    tinynet.set_floatx("float64")
    model, plain = model_with(), model_with()
    plain.set_weights(model.get_weights())
    for parameter in plain.parameters:
        parameter.regularizer = None
    before = model.get_weights()
    for one in (model, plain):
        one.compile(optimizers.SGD(0.1), "sparse_categorical_crossentropy")
        one.train_on_batch(*data)
    pulls = [0.1 * 2 * 0.3 * before[0], 0, 0, 0.1 * 0.2 * np.sign(before[3])]
    for regularized, free, pull in zip(model.get_weights(), plain.get_weights(), pulls, strict=True):
        np.testing.assert_allclose(regularized, free - pull, rtol=1e-12)


def test_the_open_loop_makes_the_same_steps_as_fit(backend, data):
    tinynet.set_floatx("float64")
    fitted, opened = model_with(), model_with()
    opened.set_weights(fitted.get_weights())
    loss, optimizer = losses.SparseCategoricalCrossentropy(), optimizers.Adam(0.05)
    fitted.compile(optimizers.Adam(0.05), "sparse_categorical_crossentropy")
    for _ in range(4):
        reported = fitted.train_on_batch(*data)
        p = opened.forward(data[0], training=True)
        value = loss(data[1], p)
        opened.backward(loss.gradient(data[1], p))
        penalty = opened.penalize()
        assert isinstance(penalty, float)
        value += penalty
        optimizer.step(opened)
        assert value == pytest.approx(reported, rel=1e-12)
    for ours, theirs in zip(fitted.get_weights(), opened.get_weights(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_a_frozen_layer_counts_and_stays(backend, data):
    model = model_with()
    model.layers[0].trainable = False
    model.compile(optimizers.SGD(0.1), "sparse_categorical_crossentropy")
    model.parameters[0].grad[...] = 7
    before = model.get_weights()
    wanted = losses.SparseCategoricalCrossentropy()(data[1], model.predict(data[0])) + penalty_of(model)
    assert model.train_on_batch(*data) == pytest.approx(wanted, rel=1e-5)
    assert (model.ops.to_numpy(model.parameters[0].grad) == 7).all()
    np.testing.assert_array_equal(model.get_weights()[0], before[0])
    assert not np.array_equal(model.get_weights()[3], before[3])


class Toward(regularizers.Regularizer):
    """The squared distance from 1: one of a user's own."""

    def penalty(self, ops, value):
        return float(((ops.to_numpy(value) - 1) ** 2).sum())

    def add_gradient(self, ops, value, grad):
        grad += 2 * (value - 1)


def test_one_of_your_own(backend):
    model = Sequential([layers.Dense(1, use_bias=False, kernel_regularizer=Toward(), input_shape=(3,))])
    model.compile(optimizers.SGD(0.25), "mse")
    x = np.zeros((2, 3))
    for _ in range(20):
        value = model.train_on_batch(x, np.zeros((2, 1)))
    assert value == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(model.get_weights()[0], 1, rtol=1e-5)
