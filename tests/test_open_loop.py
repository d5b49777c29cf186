"""The open loop of a model: forward, backward, and whose the arrays are that go in and out."""

import numpy as np
import pytest

import tinynet
from tinynet import Sequential, layers, losses


def two_layers():
    return Sequential([layers.Dense(5, activation="tanh", input_shape=(4,)), layers.Dense(3, activation="softmax")])


@pytest.fixture
def data(rng):
    return rng.normal(size=(12, 4)).astype(np.float32), rng.integers(0, 3, 12)


def test_backward_is_the_gradient_of_forward(backend, rng):
    tinynet.set_floatx("float64")
    model, loss = two_layers(), losses.SparseCategoricalCrossentropy()
    x, y = rng.normal(size=(6, 4)), rng.integers(0, 3, 6)
    dx = model.backward(loss.gradient(y, model.forward(x, training=True)))
    grads = [model.ops.to_numpy(parameter.grad) for parameter in model.parameters]

    def slope(array, place, evaluate):
        old, values = array[place], []
        for change in (1e-6, -1e-6):
            array[place] = old + change
            values.append(evaluate())
        array[place] = old
        return (values[0] - values[1]) / 2e-6

    for place in [(0, 0), (5, 3)]:
        assert dx[place] == pytest.approx(slope(x, place, lambda: loss(y, model.forward(x))), rel=1e-6)
    weights = model.get_weights()

    def with_weights():
        model.set_weights(weights)
        return loss(y, model.forward(x))

    for array, grad in zip(weights, grads, strict=True):
        place = tuple(size - 1 for size in array.shape)
        assert grad[place] == pytest.approx(slope(array, place, with_weights), rel=1e-6)


def test_backward_overwrites_gradients_and_can_leave_dx_out(data):
    model = two_layers()
    for _ in range(2):
        model.forward(data[0], training=True)
        assert model.backward(np.ones((12, 3)), need_dx=False) is None
        grad = model.parameters[0].grad.copy()
        model.forward(data[0], training=True)
        assert model.backward(np.ones((12, 3))).shape == (12, 4)
        np.testing.assert_array_equal(model.parameters[0].grad, grad)


INTERRUPTIONS = {
    "nothing": lambda model, x, y: model.backward(np.ones((12, 3))),
    "forward": lambda model, x, y: model.forward(x),
    "predict": lambda model, x, y: model.predict(x),
    "evaluate": lambda model, x, y: model.evaluate(x, y, verbose=0),
    "test_on_batch": lambda model, x, y: model.test_on_batch(x, y),
    "train_on_batch": lambda model, x, y: model.train_on_batch(x, y),
}


@pytest.mark.parametrize("last", [lambda: layers.Dense(3, activation="softmax"), layers.Softmax])
@pytest.mark.parametrize("name", INTERRUPTIONS)
def test_backward_needs_a_training_forward_just_before(backend, name, last, data):
    model = Sequential([layers.Dense(5, activation="relu", input_shape=(4,)), layers.Dropout(0.5), layers.Dense(3),
                        last()])
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.forward(data[0], training=True)
    INTERRUPTIONS[name](model, *data)
    with pytest.raises(RuntimeError, match=r"backward needs a forward\(x, training=True\).*Received: "):
        model.backward(np.ones((12, 3)))


def test_below_a_frozen_front_nothing_is_left_to_go_backward_with(backend, data):
    model = two_layers()
    model.layers[0].trainable = False
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.train_on_batch(*data)
    with pytest.raises(RuntimeError, match="backward needs a forward"):
        model.layers[0].backward(np.ones((12, 5), np.float32))


@pytest.mark.parametrize("shape", [(12, 2), (11, 3), (3,)])
def test_errors_of_backward_name_the_users_layer(shape, data):
    model = two_layers()
    with pytest.raises(RuntimeError, match="Layer 'dense_1': backward needs a forward"):
        model.backward(np.ones((12, 3)))
    model.forward(data[0], training=True)
    with pytest.raises(ValueError, match=rf"Layer 'dense_1': dy must .*\(12, 3\). Received: \({shape[0]},"):
        model.backward(np.ones(shape))


MODELS = {
    "dense": lambda: two_layers(),
    "flatten": lambda: Sequential([layers.Flatten(input_shape=(4,))]),
    "linear": lambda: Sequential([layers.Activation("linear", input_shape=(4,))]),
    "dropout": lambda: Sequential([layers.Dropout(0.0, input_shape=(4,))]),
    "reshape": lambda: Sequential([layers.Reshape((2, 2), input_shape=(4,)), layers.Flatten()]),
}


@pytest.mark.parametrize("name", MODELS)
def test_what_a_model_returns_is_the_callers_own(backend, name, data):
    model, x = MODELS[name](), data[0]
    before = x.copy()
    dy = np.ones((12, *model.output_shape), np.float32)
    for run in (lambda: model.predict(x), lambda: model.predict_on_batch(x), lambda: model.forward(x)):
        found = run()
        expected = found.copy()
        again = run()
        found[...] = -9
        np.testing.assert_array_equal(run(), expected)
        np.testing.assert_array_equal(again, expected)
    found = model.forward(x, training=True)
    found[...] = -9
    dx = model.backward(dy)
    expected = dx.copy()
    model.forward(x, training=True)
    found = model.backward(dy)
    np.testing.assert_array_equal(dx, expected)
    found[...] = -9
    np.testing.assert_array_equal(dy, 1)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("convert", [
    lambda x: x.astype(np.float64), lambda x: x.astype(">f4"), lambda x: x.tolist(), np.asfortranarray,
    lambda x: np.repeat(x, 2, axis=1)[:, ::2],
])
def test_any_array_of_the_same_numbers(backend, convert, data):
    model, x = two_layers(), data[0]
    np.testing.assert_array_equal(model.predict(convert(x)), model.predict(x))


@pytest.mark.parametrize("dtype", [bool, np.uint8, np.int64])
def test_integers_are_numbers_too(dtype):
    model, x = two_layers(), np.eye(4, dtype=dtype)
    np.testing.assert_array_equal(model.predict(x), model.predict(x.astype(np.float32)))
