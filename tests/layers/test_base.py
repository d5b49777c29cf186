import numpy as np
import pytest

import tinynet
from tinynet import layers
from tinynet.layers.base import snake_case, with_sublayers


class Double(layers.Layer):
    """The smallest layer with a derivative: y = 2 x."""

    def forward(self, x, *, training=False):
        x = self.check_input(x)
        y = self.buffer("y", x.shape)
        y[...] = 2 * x
        self.keep(training, x)
        return y

    def backward(self, dy, *, need_dx=True):
        dy, _ = self.recall(dy)
        return 2 * dy


def test_a_layer_of_ones_own(check_layer):
    check_layer(lambda: Double("twice"), np.random.default_rng(0).normal(size=(3, 4, 2)), lambda x: 2 * x)


def test_a_layer_of_ones_own_trains_inside_a_model(backend, rng):
    model = tinynet.Sequential([layers.Dense(3, input_shape=(4,)), Double(), layers.Dense(1)])
    assert [layer.name for layer in model.layers] == ["dense", "double", "dense_1"]
    assert tinynet.gradcheck(model, rng.normal(size=(5, 4)))


def test_what_a_layer_must_define():
    layer = layers.Layer()
    layer.build((2,))
    with pytest.raises(TypeError, match="Layer does not define forward"):
        layer.forward(np.zeros((1, 2)))
    with pytest.raises(TypeError, match="Layer does not define backward"):
        layer.backward(np.zeros((1, 2)))


@pytest.mark.parametrize(("shape", "wanted"), [
    ((3, 2), (3, 2)), ([3, 2], (3, 2)), (5, (5,)), (np.int64(5), (5,)), ((), ()),
])
def test_shapes_as_people_write_them(shape, wanted):
    layer = Double(input_shape=shape)
    assert layer.input_shape == wanted
    assert Double().build(shape) == wanted


@pytest.mark.parametrize("shape", [(0,), (None, 3), (2.5,), "3", (-1,), (True,)])
def test_bad_shapes(shape):
    for use in (lambda: Double(input_shape=shape), lambda: Double().build(shape)):
        with pytest.raises(ValueError, match="input_shape must be .* without the batch axis. Received: "):
            use()


def test_floatx_and_backend_are_those_of_the_build(backend):
    tinynet.set_floatx("float64")
    layer = Double()
    layer.build((2,))
    tinynet.set_floatx("float32")
    with tinynet.use_backend("numpy"):
        y = layer.ops.to_numpy(layer.forward(layer.ops.asarray(np.ones((1, 2)), "float64")))
    assert y.dtype == np.float64
    assert layer.ops.name == backend


def test_other_types_of_numbers_are_taken_in(backend):
    layer = Double()
    layer.build((2,))
    for dtype in (np.uint8, np.int64, np.float16, np.float64, bool):
        y = layer.ops.to_numpy(layer.forward(layer.ops.asarray(np.ones((1, 2)), dtype)))
        assert (y.dtype, y.tolist()) == (np.float32, [[2, 2]])


def test_buffers_are_made_once_for_the_largest_batch(backend):
    layer = Double()
    layer.build((2,))
    small = layer.buffer("y", (3, 2))
    assert layer.buffer("y", (3, 2)) is small
    assert layer.buffer("other", (3, 2)) is not small
    large = layer.buffer("y", (8, 2))
    assert large.shape == (8, 2)
    view = layer.buffer("y", (3, 2))
    view[...] = 7
    assert layer.ops.to_numpy(large)[:3].min() == 7
    assert layer.buffer("y", (8, 2)) is large
    assert layer.buffer("y", (8, 3)).shape == (8, 3)


def test_steps_after_the_first_take_no_new_memory(harness, rng):
    x, dy = rng.normal(size=(6, 4)), rng.normal(size=(6, 3))
    ready = harness(lambda: layers.Dense(3, activation="gelu"), x)
    layer = ready.layer()
    ready.run(layer, x, dy)
    inner = list(with_sublayers(layer))
    held = [dict(one._buffers) for one in inner]
    for n in (6, 2, 6, 1):
        ready.run(layer, x[:n], dy[:n])
    for before, one in zip(held, inner, strict=True):
        assert before.keys() == one._buffers.keys()
        assert all(one._buffers[name] is array for name, array in before.items())


def test_freezing_reaches_parameters_made_before_and_after():
    layer = layers.Dense(2)
    layer.trainable = False
    layer.build((3,))
    assert not layer.trainable
    assert all(parameter.frozen and parameter.trainable for parameter in layer.parameters)
    layer.trainable = True
    assert not any(parameter.frozen for parameter in layer.parameters)


def test_forget_drops_what_forward_saved(backend):
    layer = Double()
    layer.build((2,))
    x = layer.ops.asarray(np.ones((1, 2)), "float32")
    layer.forward(x, training=True)
    layer.forget()
    with pytest.raises(RuntimeError, match="Layer 'double': backward needs .*Received: backward without one$"):
        layer.backward(x)


def test_sublayers_are_found_through_models_and_activations():
    dense = layers.Dense(2, activation="relu", input_shape=(3,))
    inner = tinynet.Sequential([dense])
    model = tinynet.Sequential([inner, layers.Dropout(0.5)])
    found = {id(layer) for layer in with_sublayers(model)}
    assert found == {id(layer) for layer in (model, inner, dense, dense.activation, model.layers[1])}


@pytest.mark.parametrize(("name", "wanted"), [
    ("Dense", "dense"), ("BatchNormalization", "batch_normalization"), ("ReLU", "re_lu"), ("Conv2D", "conv2d"),
    ("Conv2DTranspose", "conv2d_transpose"), ("MaxPooling2D", "max_pooling2d"),
])
def test_names_in_lower_case(name, wanted):
    assert snake_case(name) == wanted


def test_how_a_layer_shows_itself():
    layer = layers.Dense(2, name="head")
    assert repr(layer) == "<Dense 'head', None -> None>"
    layer.build((3,))
    assert repr(layer) == "<Dense 'head', (3,) -> (2,)>"


@pytest.mark.parametrize("make", [
    lambda: layers.Dense(3), lambda: layers.BatchNormalization(),
    lambda: layers.Residual([layers.Dense(4), layers.BatchNormalization()]),
])
def test_weights_go_out_and_in_as_copies(make, backend):
    """As the Celsius lesson's last line, l0.get_weights()."""
    layer, other = make(), make()
    assert layer.get_weights() == []
    for one in (layer, other):
        one.build((4,))
    weights = [weight + 1 for weight in layer.get_weights()]
    other.set_weights(weights)
    for found, given in zip(other.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(found, given)
        found[...] = given[...] = 9
    assert not any((weight == 9).any() for weight in other.get_weights())
    with pytest.raises(ValueError, match=rf"'{layer.name}' takes weights of the shapes \[\(.*Received: \[\(2,\)\]$"):
        other.set_weights([np.zeros(2)])
    with pytest.raises(ValueError, match=r"must be built before set_weights: call build.* Received: .* 1 "):
        make().set_weights([np.zeros(2)])


def test_a_layer_that_is_built_again_begins_anew():
    layer, x = layers.Dense(2), np.ones((1, 3))
    layer.build((3,))
    layer.forward(x)
    tinynet.set_floatx("float64")
    layer.build((3,))
    assert [parameter.name for parameter in layer.parameters] == ["kernel", "bias"]
    assert layer.forward(x).dtype == np.float64
    branches = layers.Residual([layers.Dense(3)])
    for _ in range(2):
        branches.build((3,))
    assert [parameter.name for parameter in branches.parameters] == ["kernel", "bias"]
