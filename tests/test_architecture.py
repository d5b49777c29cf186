"""Objects as data: each known class there and back, with all of its arguments; what is not known is said."""

import inspect
import json

import numpy as np
import pytest

import tinynet
from tinynet import Sequential, initializers, layers, optimizers, regularizers, schedules
from tinynet.architecture import KNOWN, difference, from_config, register_serializable, to_config

HE, TWO = initializers.HeNormal(), initializers.Constant(2.0)
L1, L2 = regularizers.L1(0.1), regularizers.L2(0.2)
WINDOW = {"strides": (2, 1), "padding": "same", "data_format": "channels_last"}
CONVOLUTION = WINDOW | {"kernel_size": (3, 2), "dilation_rate": (1, 1), "activation": "elu", "bias_initializer": TWO,
                        "bias_regularizer": L2, "use_bias": True}
KERNEL = {"kernel_initializer": HE, "kernel_regularizer": L1}
DEPTHWISE = {"depth_multiplier": 3, "depthwise_initializer": HE, "depthwise_regularizer": L1}
FORMAT = {"data_format": "channels_last"}
SCALE = {"mean": 0.5, "stddev": 0.25}
NORM = {"axis": 3, "epsilon": 0.01, "center": False, "scale": True, "beta_initializer": TWO, "gamma_initializer": HE}
CLIP = {"clipnorm": 1.5, "global_clipnorm": 2.5, "loss_scale_factor": 8.0}
IMAGE = (6, 4, 2)
# Every argument of every known class but a layer's name and input_shape, none at its default where it has another.
ARGUMENTS = {
    "initializers.Constant": {"value": 3.0}, "initializers.Zeros": {}, "initializers.Ones": {},
    "initializers.RandomNormal": SCALE, "initializers.TruncatedNormal": SCALE,
    "initializers.RandomUniform": {"minval": 0.25, "maxval": 0.5},
    "initializers.GlorotUniform": {}, "initializers.GlorotNormal": {}, "initializers.HeUniform": {},
    "initializers.HeNormal": {}, "initializers.LecunNormal": {},
    "regularizers.L1": {"l1": 0.5}, "regularizers.L2": {"l2": 0.5}, "regularizers.L1L2": {"l1": 0.5, "l2": 0.25},
    "schedules.ExponentialDecay": {"initial_learning_rate": 0.1, "decay_steps": 10, "decay_rate": 0.5,
                                   "staircase": True},
    "schedules.CosineDecay": {"initial_learning_rate": 0.1, "decay_steps": 10, "alpha": 0.1, "warmup_target": 0.2,
                              "warmup_steps": 3},
    "schedules.PiecewiseConstantDecay": {"boundaries": [3, 5], "values": [0.3, 0.2, 0.1]},
    "schedules.WarmUp": {"schedule": schedules.ExponentialDecay(0.1, 10, 0.5), "warmup_steps": 4},
    "optimizers.SGD": CLIP | {"learning_rate": 0.3, "momentum": 0.5, "nesterov": True},
    "optimizers.Adam": CLIP | {"learning_rate": schedules.WarmUp(0.2, 3), "beta_1": 0.5, "beta_2": 0.6,
                               "epsilon": 1e-3},
    "optimizers.AdamW": CLIP | {"learning_rate": 0.3, "weight_decay": 0.1, "beta_1": 0.5, "beta_2": 0.6,
                                "epsilon": 1e-3},
    "optimizers.RMSprop": CLIP | {"learning_rate": 0.3, "rho": 0.5, "epsilon": 1e-3},
    "optimizers.Adagrad": CLIP | {"learning_rate": 0.3, "initial_accumulator_value": 0.2, "epsilon": 1e-3},
    "losses.CategoricalCrossentropy": {"from_logits": True, "label_smoothing": 0.1, "reduction": "sum"},
    "losses.SparseCategoricalCrossentropy": {"from_logits": True, "reduction": "sum"},
    "losses.BinaryCrossentropy": {"from_logits": True, "label_smoothing": 0.1, "reduction": "sum"},
    "losses.MeanSquaredError": {"reduction": "sum"}, "losses.MeanAbsoluteError": {"reduction": "sum"},
    "losses.Huber": {"delta": 2.0, "reduction": "sum"},
    "metrics.SparseTopKCategoricalAccuracy": {"k": 2, "name": "m"},
    "metrics.TopKCategoricalAccuracy": {"k": 2, "name": "m"},
    "metrics.SparseCategoricalAccuracy": {"name": "m"}, "metrics.CategoricalAccuracy": {"name": "m"},
    "metrics.BinaryAccuracy": {"threshold": 0.25, "name": "m"},
    "metrics.MeanSquaredError": {"name": "m"}, "metrics.MeanAbsoluteError": {"name": "m"},
    "layers.Input": {"shape": (3, 2)},
    "layers.Dense": KERNEL | {"units": 3, "activation": "gelu", "use_bias": True, "bias_initializer": TWO,
                              "bias_regularizer": L2},
    "layers.Activation": {"activation": "leaky_relu"},
    "layers.ReLU": {"max_value": 1.5, "negative_slope": 0.0}, "layers.Softmax": {},
    "layers.Dropout": {"rate": 0.25}, "layers.Flatten": {}, "layers.Reshape": {"target_shape": (4, -1, 2)},
    "layers.Conv2D": CONVOLUTION | KERNEL | {"filters": 4, "groups": 2},
    "layers.Conv2DTranspose": CONVOLUTION | KERNEL | {"filters": 4},
    "layers.DepthwiseConv2D": CONVOLUTION | DEPTHWISE,
    "layers.SeparableConv2D": CONVOLUTION | DEPTHWISE | {"filters": 4, "pointwise_initializer": TWO,
                                                         "pointwise_regularizer": L2},
    "layers.BatchNormalization": NORM | {"momentum": 0.5, "moving_mean_initializer": TWO,
                                         "moving_variance_initializer": TWO},
    "layers.LayerNormalization": NORM,
    "layers.MaxPooling2D": WINDOW | {"pool_size": (2, 3)}, "layers.AveragePooling2D": WINDOW | {"pool_size": (2, 3)},
    "layers.GlobalMaxPooling2D": FORMAT | {"keepdims": True},
    "layers.GlobalAveragePooling2D": FORMAT | {"keepdims": True},
    "layers.ZeroPadding2D": FORMAT | {"padding": ((1, 2), (0, 3))},
    "layers.UpSampling2D": FORMAT | {"size": (2, 3), "interpolation": "bilinear"},
    "layers.RandomFlip": FORMAT | {"mode": "vertical", "seed": 3},
    "layers.RandomCrop": FORMAT | {"height": 3, "width": 2, "seed": 3},
    "layers.RandomRotation": FORMAT | {"factor": (-0.25, 0.5), "fill_mode": "constant", "interpolation": "nearest",
                                       "seed": 3, "fill_value": 2.0},
    "layers.Add": {"branches": [[layers.Conv2D(2, 1), layers.ReLU(6.0)], []]},
    "layers.Residual": {"layers": [layers.DepthwiseConv2D(3, padding="same"), layers.Dropout(0.5)]},
    "layers.Concatenate": {"branches": [[layers.Conv2D(3, 1)], [layers.Residual([layers.Dropout(0.5)])]], "axis": -1},
    "Sequential": {"layers": [layers.Input(IMAGE), layers.Flatten(), Sequential([layers.Dense(3)])]},
}
OTHERS = {"name", "input_shape"}


@pytest.fixture
def known():
    """Forget afterwards what a test has registered."""
    before = dict(KNOWN)
    yield KNOWN
    KNOWN.clear()
    KNOWN.update(before)


def there_and_back(thing):
    return from_config(json.loads(json.dumps(to_config(thing), allow_nan=False)))


@pytest.mark.parametrize("name", KNOWN)
def test_every_known_class_keeps_all_of_its_arguments(name):
    cls, arguments = KNOWN[name], ARGUMENTS[name]
    named = set(inspect.signature(cls).parameters)
    assert named - (OTHERS if issubclass(cls, layers.Layer) else set()) == set(arguments)
    thing = cls(**arguments)
    config = to_config(thing)
    assert config["class"] == name
    assert {key: config["config"][key] for key in arguments} == to_config(arguments)["dict"]
    again = there_and_back(thing)
    assert type(again) is cls and to_config(again) == config


@pytest.mark.parametrize("name", [name for name, cls in KNOWN.items() if issubclass(cls, layers.Layer)])
def test_every_layer_computes_the_same_in_a_model_from_a_file(name, tmp_path, rng):
    layer = there_and_back(KNOWN[name](**ARGUMENTS[name]))  # arguments hold layers, which can be used once
    model = Sequential([layers.Input(IMAGE), layer])
    model.save(tmp_path / "a.safetensors")
    again = tinynet.load_model(tmp_path / "a.safetensors")
    assert type(again.layers[0]) is KNOWN[name] and to_config(again) == to_config(model)
    x = rng.normal(size=(5, *IMAGE))
    for training in (True, True, False):  # with what generators draw, and what moves moving statistics
        y = model.forward(x, training=training)
        assert y.any()
        np.testing.assert_array_equal(again.forward(x, training=training), y)


def test_names_that_nobody_chose_stay_free():
    model = there_and_back(Sequential([layers.Dense(2, input_shape=(3,)), layers.Dense(2, name="mine"),
                                       layers.Dense(2)]))
    assert [(layer.name, layer.named) for layer in model.layers] == [
        ("dense", False), ("mine", True), ("dense_1", False)]
    outer = Sequential([layers.Dense(3, input_shape=(3,)), model])
    assert [layer.name for layer in model.layers] == ["dense_1", "mine", "dense_2"]
    assert outer.layers[1] is model
    assert [layer.name for layer in there_and_back(model).layers] == ["dense_1", "mine", "dense_2"]
    with pytest.raises(ValueError, match="share a name"):
        there_and_back(Sequential([layers.Dense(2, name="a")])).add(layers.Dense(2, name="a"))


def test_frozen_layers_stay_frozen():
    model = Sequential([layers.Input((4, 4, 2)), layers.Residual([layers.Conv2D(2, 1), layers.BatchNormalization()]),
                        layers.Flatten(), layers.Dense(2)])
    model.layers[0].layers[1].trainable = False
    again = there_and_back(model)
    assert [layer.trainable for layer in again.layers[0].layers] == [True, False]
    assert [parameter.frozen for parameter in again.parameters] == [p.frozen for p in model.parameters]
    assert any(parameter.frozen for parameter in again.parameters)


def test_numbers_of_numpy_and_numbers_that_are_none():
    optimizer = optimizers.SGD(np.float32(0.5), momentum=np.float64(0.25), clipnorm=np.int64(2))
    assert to_config(optimizer)["config"] == {"learning_rate": 0.5, "momentum": 0.25, "nesterov": False,
                                              "clipnorm": 2, "global_clipnorm": None,
                                              "loss_scale_factor": None}
    assert there_and_back([np.inf, -np.inf, {"a": [1.5, True, None]}]) == [np.inf, -np.inf, {"a": [1.5, True, None]}]
    assert np.isnan(there_and_back(np.nan))


# Of your own.

def test_a_class_of_your_own(known):
    @register_serializable
    class Scale(layers.Layer):
        def __init__(self, factor, **others):
            super().__init__(**others)
            self.factor = factor

    scale = there_and_back(Scale([1, 2.5], name="mine", input_shape=(3,)))
    assert (type(scale), scale.factor, scale.name, scale.input_shape) == (Scale, [1, 2.5], "mine", (3,))

    @register_serializable
    class Scale(Scale):  # the cell of a notebook, run again
        pass

    assert type(from_config(to_config(Scale(2)))) is Scale


def test_a_model_of_your_own(known, tmp_path):
    @register_serializable
    class Classifier(Sequential):
        def __init__(self, classes, name=None):
            super().__init__([layers.Flatten(), layers.Dense(classes)], name)
            self.classes = classes

    model = Classifier(3)
    model.build((2, 2))
    model.save(tmp_path / "a.safetensors")
    again = tinynet.load_model(tmp_path / "a.safetensors")
    assert type(again) is Classifier
    np.testing.assert_array_equal(again.predict(np.ones((1, 2, 2))), model.predict(np.ones((1, 2, 2))))


def test_a_get_config_says_what_attributes_do_not(known):
    @register_serializable
    class Half(optimizers.SGD):
        def __init__(self, rate):
            super().__init__(rate / 2)

        def get_config(self):
            return {"rate": self.learning_rate * 2}

    assert there_and_back(Half(0.5)).learning_rate == 0.25


def test_functions_of_your_own(known):
    @register_serializable
    def tenth(shape, generator):
        return np.full(shape, 0.1)

    dense = layers.Dense(2, kernel_initializer=tenth)
    assert there_and_back(dense).kernel_initializer is tenth


@pytest.mark.parametrize("thing", ["Dense", 3, layers.Dense(1)])
def test_what_is_no_class_cannot_be_registered(thing):
    with pytest.raises(TypeError, match="takes a class or a function. Received"):
        register_serializable(thing)


def test_what_has_no_name_of_its_own_cannot_be_registered():
    with pytest.raises(ValueError, match="Received: '<lambda>'"):
        register_serializable(lambda step: 0.1)
    with pytest.raises(ValueError, match="Received: 'Sequential'"):
        register_serializable(type("Sequential", (), {}))


class Unknown(layers.Layer):
    pass


class Forgetful(layers.Layer):
    def __init__(self, factor):
        super().__init__()


@pytest.mark.parametrize(("thing", "message"), [
    (lambda: optimizers.SGD(lambda step: 0.1), "optimizers.SGD: learning_rate cannot be saved.*Received: lambda"),
    (lambda: layers.Dense(2, name="d", kernel_initializer=lambda shape, g: np.ones(shape)),
     "Layer 'd': kernel_initializer cannot be saved.*register_serializable.*Received: lambda"),
    (lambda: Sequential([Unknown()]), "Model 'sequential': layers cannot be saved.*Received: Unknown"),
    (lambda: layers.Dense(2, kernel_initializer=np.zeros), "kernel_initializer cannot be saved"),
    (lambda: initializers.Constant(np.ones(3)), "initializers.Constant: value cannot be saved.*Received: ndarray"),
    (lambda: {1: 2}, "dict cannot be saved"),
])
def test_what_is_not_known_cannot_be_saved(thing, message):
    with pytest.raises(ValueError, match=message):
        to_config(thing())


def test_an_argument_that_is_not_kept_is_said(known):
    register_serializable(Forgetful)
    with pytest.raises(ValueError, match="Forgetful must keep its argument under that name, self.factor = factor"):
        to_config(Forgetful(3))


DENSE = {"class": "layers.Dense", "config": {"units": 2}}


@pytest.mark.parametrize(("config", "message"), [
    ({"class": "layers.Dens", "config": {}},
     "Unknown class. Known are Sequential, .*layers.Dense,.*register_serializable.*Received: 'layers.Dens'"),
    ({"class": "builtins.eval", "config": {}}, "Unknown class"),
    ({"class": ["layers.Dense"], "config": {}}, "Unknown class"),
    ({"function": "layers.Dense"}, "Unknown function. Known are none"),
    (DENSE | {"config": {"unit": 2}}, "has no argument 'unit' \\(did you mean 'units'"),
    (DENSE | {"config": {"units": "two"}}, "units of Dense must be an integer.*Received: 'two'"),
    (DENSE | {"config": {"units": {"class": "layers.Dense", "config": {}}}}, "layers.Dense cannot be made"),
    (DENSE | {"config": [2]}, "is a dictionary of its arguments. Received: \\[2\\]"),
    (DENSE | {"config": {"units": 2, "name": 3}}, "name of a layers.Dense is a text. Received: 3"),
    (DENSE | {"name": [3]}, "name of a layers.Dense is a text"),
    (DENSE | {"more": 1}, "dictionary of class and config"),
    ({"class": "layers.Dense"}, "dictionary of class and config"),
    ({"class": "Sequential", "config": {"layers": "abc"}}, "made of layers. Received: 'a'"),
    ({"class": "layers.Residual", "config": {"layers": [1.5]}}, "layers.Residual cannot be made"),
])
def test_what_cannot_be_made_is_said(config, message):
    with pytest.raises(ValueError, match=message):
        from_config(config)


def test_where_two_configs_differ():
    one, other = (to_config(Sequential([layers.Dense(units, name="a")])) for units in (2, 3))
    assert difference(one, one) is None
    assert difference(one, other) == "config.layers.0.config.units is 2 there and 3 here"
    assert difference([1], [1, 2], "layers") == "layers has 1 entries there and 2 here"
    assert difference({"a": DENSE}, {"a": None}) == "a is layers.Dense there and None here"
