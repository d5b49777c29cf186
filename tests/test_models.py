import numpy as np
import pytest

import tinynet
from tinynet import Sequential, layers, optimizers


def two_layers(**model):
    return Sequential([layers.Dense(5, activation="tanh", input_shape=(4,)), layers.Dense(3, activation="softmax")],
                      **model)


@pytest.fixture
def data(rng):
    return rng.normal(size=(12, 4)).astype(np.float32), rng.integers(0, 3, 12)


def same_weights(one, two):
    return all(np.array_equal(a, b) for a, b in zip(one.get_weights(), two.get_weights(), strict=True))


@pytest.mark.parametrize("make", [
    lambda: Sequential([layers.Flatten(input_shape=(2, 2)), layers.Dense(3)]),
    lambda: Sequential([layers.Input((2, 2)), layers.Flatten(), layers.Dense(3)]),
    lambda: Sequential(layer for layer in (layers.Input(shape=[2, 2]), layers.Flatten(), layers.Dense(3))),
    lambda: built_by_adding(layers.Flatten(input_shape=[2, 2]), layers.Dense(3)),
    lambda: built_by_adding(layers.Input(shape=(2, 2)), layers.Flatten(), layers.Dense(3)),
])
def test_a_model_that_knows_its_input_is_built_at_once(make):
    model = make()
    assert model.built
    assert (model.input_shape, model.output_shape) == ((2, 2), (3,))
    assert [parameter.name for parameter in model.parameters] == ["kernel", "bias"]
    assert [weight.shape for weight in model.get_weights()] == [(4, 3), (3,)]


def built_by_adding(*entries):
    model = Sequential()
    for entry in entries:
        model.add(entry)
    return model


def test_a_model_that_does_not_is_built_by_hand_or_by_its_first_data():
    model = Sequential([layers.Flatten(), layers.Dense(3)])
    assert not model.built
    assert model.build((2, 2)) == (3,)
    assert model.forward(np.ones((5, 2, 2))).shape == (5, 3)
    model = Sequential([layers.Flatten(), layers.Dense(3)])
    assert model.predict(np.ones((5, 2, 2))).shape == (5, 3)
    assert model.input_shape == (2, 2)


def test_a_model_may_grow():
    model = two_layers()
    first = model.get_weights()
    model.add(layers.Dense(2))
    assert model.output_shape == (2,)
    assert model.predict(np.ones((1, 4))).shape == (1, 2)
    for before, after in zip(first, model.get_weights(), strict=False):
        np.testing.assert_array_equal(before, after)


def test_a_model_is_as_it_was_after_an_add_that_failed():
    """In a notebook the next cell goes on with it."""
    model = Sequential([layers.Input((4,))])
    with pytest.raises(ValueError, match="'reshape' cannot be built"):
        model.add(layers.Reshape((3,)))
    model.add(layers.Dense(4))
    other = Sequential([layers.Dense(3, input_shape=(5,))])
    for bad in (layers.Reshape((3,)), other):
        with pytest.raises(ValueError, match="Received: "):
            model.add(bad)
    model.add(layers.Dense(2))
    assert [type(layer) for layer in model.layers] == [layers.Dense, layers.Dense]
    assert model.predict(np.ones((1, 4))).shape == (1, 2)
    other.add(layers.Dense(2))  # it is part of no model


def test_a_model_that_could_not_be_built_does_not_answer():
    """Half built, it handed its input back as the prediction."""
    model = Sequential([layers.Dense(3), layers.Reshape((2,))])
    for _ in range(2):
        with pytest.raises(ValueError, match="'reshape' cannot be built: .*Received: "):
            model.predict(np.ones((1, 4)))
    assert not model.built


@pytest.mark.parametrize("first", [layers.Flatten, lambda: Sequential([layers.Flatten()]), lambda: layers.Dense(4)])
def test_a_first_input_of_the_wrong_shape_can_be_made_good(first):
    model = Sequential([first(), layers.Reshape((2, 2)), layers.Flatten(), layers.Reshape((4, 1))])
    with pytest.raises(ValueError, match="'reshape' cannot be built: .*Received: "):
        model.predict(np.zeros((1, 3, 5)))
    assert model.predict(np.ones((5, 4))).shape == (5, 4, 1)
    assert len(model.get_weights()) == len(model.layers[0].parameters)


def test_names():
    model = Sequential([layers.Dense(2), layers.Dense(2, name="hidden"), layers.Dense(2), layers.ReLU(), layers.ReLU()])
    assert [layer.name for layer in model.layers] == ["dense", "hidden", "dense_1", "re_lu", "re_lu_1"]
    assert two_layers(name="mine").name == "mine"
    for again in (layers.Dense(2, name="hidden"), Sequential([layers.Dense(2, name="hidden")])):
        with pytest.raises(ValueError, match="cannot share a name. Received: 'hidden' again$"):
            model.add(again)


def test_names_are_unique_through_nested_models():
    inner = Sequential([layers.Dense(3, input_shape=(4,)), layers.Dense(3)])
    outer = Sequential([layers.Dense(4, input_shape=(4,)), inner, layers.Dense(2), Sequential([layers.Dense(2)])])
    assert [layer.name for layer in outer.layers] == ["dense", "sequential", "dense_3", "sequential_1"]
    assert [layer.name for layer in inner.layers] == ["dense_1", "dense_2"]
    assert outer.layers[3].layers[0].name == "dense_4"


def test_a_nested_model_equals_the_flat_one(backend, data):
    flat = Sequential([layers.Dense(5, activation="tanh", input_shape=(4,)), layers.Dense(6, activation="relu"),
                       layers.Dense(6), layers.Dense(3, activation="softmax")])
    innermost = Sequential([layers.Dense(6, activation="relu", input_shape=(5,))])
    inner = Sequential([innermost, layers.Dense(6)])
    nested = Sequential([layers.Dense(5, activation="tanh", input_shape=(4,)), inner,
                         layers.Dense(3, activation="softmax")])
    nested.set_weights(flat.get_weights())
    for model in (flat, nested):
        tinynet.set_seed(3)
        model.compile(optimizers.Adam(0.05), "sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(*data, epochs=3, batch_size=5, verbose=0)
    assert same_weights(flat, nested)
    np.testing.assert_array_equal(flat.predict(data[0]), nested.predict(data[0]))
    assert [len(model.parameters) for model in (innermost, inner, nested)] == [2, 4, 8]


def test_a_model_that_ends_in_a_model_is_paired_with_its_loss(backend):
    inner = Sequential([layers.Dense(2, kernel_initializer="zeros", bias_initializer=lambda s, g: [0.0, 150.0]),
                        layers.Softmax()])
    model = Sequential([layers.Input((1,)), inner])
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert model.evaluate(np.zeros((1, 1)), np.array([0]), verbose=0) == 150


def test_an_inner_model_still_trains_on_its_own(backend, data):
    inner = two_layers()
    alone = two_layers()
    alone.set_weights(inner.get_weights())
    outer = Sequential([inner, layers.Dense(2)])
    for model in (inner, alone):
        model.compile(optimizers.Adam(0.05), "sparse_categorical_crossentropy")
        model.fit(*data, epochs=2, shuffle=False, verbose=0)
    assert same_weights(inner, alone)
    for weight, same in zip(alone.get_weights(), outer.get_weights(), strict=False):
        np.testing.assert_array_equal(weight, same)
    expected = alone.predict(data[0]) @ outer.get_weights()[4]
    np.testing.assert_allclose(outer.predict(data[0]), expected, rtol=1e-4, atol=1e-6)


def test_a_trained_model_goes_on_in_an_outer_one(backend, data):
    inner = two_layers()
    inner.compile("adam", "sparse_categorical_crossentropy")
    inner.fit(*data, verbose=0)
    before = inner.get_weights()
    outer = Sequential([inner, layers.Dense(1)])
    for weight, same in zip(before, outer.get_weights(), strict=False):
        np.testing.assert_array_equal(weight, same)
    outer.compile("sgd", "mse")
    outer.train_on_batch(data[0], np.ones((12, 1)))
    assert not np.array_equal(before[0], inner.get_weights()[0])
    np.testing.assert_array_equal(inner.get_weights()[0], outer.get_weights()[0])


def test_an_inner_model_that_grows_is_not_overlooked():
    inner = Sequential([layers.Dense(3, input_shape=(4,))])
    outer = Sequential([inner])
    try:
        inner.add(layers.Dense(2))
    except ValueError as error:
        assert "Received: " in str(error)
        return
    assert outer.predict(np.ones((1, 4))).shape == (1, 2)
    assert len(outer.get_weights()) == 4


@pytest.mark.parametrize("again", [lambda layer, model: layer, lambda layer, model: Sequential([layer]),
                                   lambda layer, model: model])
def test_the_same_layer_twice(again):
    layer = layers.Dense(4, input_shape=(4,))
    model = Sequential([layer])
    with pytest.raises(ValueError, match="cannot be used twice in one model; make a second .*Received: .* again$"):
        model.add(again(layer, model))


def test_weights_are_copied_both_ways():
    model = two_layers()
    weights = model.get_weights()
    weights[0][...] = 9
    assert not (model.get_weights()[0] == 9).any()
    model.set_weights(weights)
    weights[0][...] = 7
    assert (model.get_weights()[0] == 9).all()
    other = two_layers()
    other.set_weights([weight.tolist() for weight in model.get_weights()])
    assert same_weights(model, other)


@pytest.mark.parametrize("weights", [[], [np.zeros((5, 4))], [np.zeros((4, 5)), np.zeros(5), np.zeros((5, 3)), 0.0]])
def test_weights_that_do_not_fit(weights):
    with pytest.raises(ValueError, match=r"takes weights of the shapes \[\(4, 5\), \(5,\), .*Received: \["):
        two_layers().set_weights(weights)


def test_a_model_has_one_float_type():
    model = Sequential([layers.Dense(3, input_shape=(4,))])
    tinynet.set_floatx("float64")
    with pytest.raises(ValueError, match=r"same floatx. Received: \['float32', 'float64'\]$"):
        model.add(layers.Dense(3))
        model.compile("sgd", "mse")
        model.train_on_batch(np.ones((2, 4)), np.ones((2, 3)))


def test_trainable_of_a_model_is_that_of_its_layers():
    model = two_layers()
    assert model.trainable
    model.layers[0].trainable = False
    assert model.trainable
    model.trainable = False
    assert [layer.trainable for layer in model.layers] == [False, False]
    outer = Sequential([model, layers.Dense(2)])
    assert [parameter.frozen for parameter in outer.parameters] == [True] * 4 + [False] * 2
    model.layers[1].trainable = True
    assert outer.trainable


def test_a_layer_without_parameters_does_not_make_a_frozen_model_trainable():
    model = Sequential([layers.Flatten(input_shape=(2, 2)), layers.Dense(3), layers.ReLU()])
    model.layers[1].trainable = False
    assert not model.trainable
    assert not Sequential([model, layers.Dropout(0.5)]).trainable
    model.layers[1].trainable = True
    assert model.trainable
    assert Sequential([layers.Flatten(input_shape=(2, 2))]).trainable


def test_the_open_loop_builds_the_model():
    model = Sequential([layers.Dense(2)])
    with pytest.raises(RuntimeError, match=r"'sequential': backward needs a forward\(x, training=True\).* built$"):
        model.backward(np.ones((3, 2)))
    assert model.forward(np.ones((3, 4)), training=True).shape == (3, 2)
    assert model.backward(np.ones((3, 2))).shape == (3, 4)


def test_an_add_of_another_float_type_leaves_all_as_it_was():
    model = Sequential([layers.Dense(3, input_shape=(4,))])
    before = model.parameters, model.output_shape, model.layers[:], model.forward(np.ones((1, 4))).tolist()
    late = layers.Dense(5)
    tinynet.set_floatx("float64")
    with pytest.raises(ValueError, match="same floatx"):
        model.add(late)
    assert before == (model.parameters, model.output_shape, model.layers, model.forward(np.ones((1, 4))).tolist())
    assert not late.built
    tinynet.set_floatx("float32")
    model.add(late)
    assert model.predict(np.ones((1, 4))).shape == (1, 5)


def test_a_model_of_two_float_types_is_not_built():
    early = layers.Dense(3)
    early.build((4,))
    model = Sequential([layers.Dense(4), early])
    tinynet.set_floatx("float64")
    for _ in range(2):
        with pytest.raises(ValueError, match="same floatx"):
            model.build((4,))
        assert not model.built and not model.layers[0].built


def test_a_built_model_keeps_its_float_type():
    model = two_layers()
    kernel = model.parameters[0]
    tinynet.set_floatx("float64")
    assert model.build((4,)) == (3,)
    assert model.dtype == np.float32 and model.parameters[0] is kernel
    outer = Sequential([model])
    assert outer.dtype == np.float32
    assert outer.predict(np.ones((1, 4))).dtype == np.float32


class Scaled(layers.Dense):
    """A user's layer with logits of its own, which Dense's forward and backward go through."""

    def logits(self, x, *, training=False):
        return 2 * super().logits(x, training=training)

    def logits_backward(self, dz, *, need_dx=True):
        return super().logits_backward(2 * dz, need_dx=need_dx)


@pytest.mark.parametrize("last", [
    lambda: layers.Dense(2, activation="softmax"), lambda: Scaled(2, activation="softmax"), layers.Softmax,
    lambda: layers.Conv2D(2, 2, activation="softmax"), lambda: layers.Conv2DTranspose(2, 2, activation="softmax"),
    lambda: layers.SeparableConv2D(2, 2, activation="softmax"),
])
def test_layers_whose_logits_are_their_own_are_paired(last):
    assert Sequential([layers.Input((3, 3, 2)), last()]).activation.function == "softmax"


def test_a_layer_by_name_or_place():
    inner = layers.Dense(2, name="deep")
    model = Sequential([layers.Dense(2, input_shape=(2,)), layers.Residual([Sequential([inner])])])
    assert model.get_layer("deep") is inner and model.get_layer(index=-1) is model.layers[1]
    assert model.get_layer(name="dense") is model.layers[0]
    with pytest.raises(ValueError, match="Unknown layer of model 'sequential'.*mean 'dense'.*Received: 'dens'"):
        model.get_layer("dens")
    with pytest.raises(ValueError, match="has 2 layers. Received: index=2"):
        model.get_layer(index=2)
    for arguments in ({}, {"name": "dense", "index": 0}):
        with pytest.raises(ValueError, match="a name or an index. Received"):
            model.get_layer(**arguments)
    for arguments in ({"name": 0}, {"index": "0"}, {"index": 0.0}):
        with pytest.raises(TypeError, match="a layer's name, or its place in layers as index=0. Received"):
            model.get_layer(**arguments)


def test_all_layers_of_a_model_those_inside_others_too():
    inside = layers.BatchNormalization()
    residual = layers.Residual([layers.Dense(4), inside])
    model = Sequential([layers.Dense(4, input_shape=(3,)), residual, Sequential([layers.Dense(2)])])
    found = model.flatten_layers()
    assert [type(layer).__name__ for layer in found] == ["Dense", "Residual", "Dense", "BatchNormalization",
                                                         "Sequential", "Dense"]
    assert found[3] is inside
