"""Exported graphs, run by onnxruntime, against predict."""

import os
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet
from tinynet import Sequential, layers, onnx_export
from tinynet.applications import MobileNetV2

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

SIZES = st.tuples(st.integers(1, 4), st.integers(1, 3))
STEPS = st.tuples(st.integers(1, 4), st.integers(1, 3))
IMAGES = st.tuples(st.integers(4, 9), st.integers(4, 8))


@pytest.fixture(autouse=True)
def plain_backend():
    """The graph is the same from every backend; NumPy's has nothing to compile."""
    with tinynet.use_backend("numpy"):
        yield


def model_of(chain, input_shape):
    """Return a model built for that shape, with parameters of :func:`draw`."""
    model = Sequential(chain)
    model.build(input_shape)
    return draw(model)


def draw(model):
    """Draw all parameters: no zeros, no ones, variances above 0, and kernels that keep the size of what they weigh."""
    rng = np.random.default_rng(0)
    for parameter in model.parameters:
        if parameter.name == "moving_variance":
            parameter.value[...] = rng.uniform(0.5, 1.5, parameter.shape)
        elif parameter.name.endswith("kernel"):
            seen = parameter.shape[:2] if parameter.name == "depthwise_kernel" else parameter.shape[:-1]
            parameter.value[...] = rng.normal(0, np.sqrt(2 / np.prod(seen)), parameter.shape)
        else:
            parameter.value[...] = rng.normal(0, 0.5, parameter.shape)
    return model


def check(model, path=None):
    """Compare the graph with predict, for one sample and for three, and return the graph."""
    proto = onnx_export.as_onnx(model) if path is None else onnx.load(path)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    rng = np.random.default_rng(1)
    for batch in (1, 3):
        x = rng.normal(size=(batch, *model.input_shape)).astype(model.dtype)
        y, = session.run(["output"], {"input": x})
        wanted = model.predict(x)
        assert (y.dtype, y.shape) == (wanted.dtype, wanted.shape)
        np.testing.assert_allclose(y, wanted, rtol=0, atol=1e-5 * np.abs(wanted).max())
    return proto


def check_layers(*chain, input_shape):
    return check(model_of(chain, input_shape))


def operators(proto):
    return [node.op_type for node in proto.graph.node]


@pytest.mark.parametrize("activation", ["relu", "relu6", "leaky_relu", "elu", "gelu", "sigmoid", "tanh", "softplus",
                                        "softmax", "linear"])
def test_activations_of_rows_and_of_images(activation):
    check_layers(layers.Activation(activation), input_shape=(30,))
    check_layers(layers.Conv2D(5, 2, activation=activation), input_shape=(5, 4, 3))


@pytest.mark.parametrize("make", [
    lambda: layers.ReLU(),
    lambda: layers.ReLU(max_value=0.7),
    lambda: layers.ReLU(negative_slope=0.3),
    lambda: layers.Softmax(),
    lambda: layers.Dropout(0.5),
    lambda: layers.Dense(4),
    lambda: layers.Dense(4, activation="relu", use_bias=False),
    lambda: layers.Dense(1, activation="sigmoid"),
    lambda: layers.BatchNormalization(),
    lambda: layers.BatchNormalization(epsilon=0.3, center=False),
    lambda: layers.BatchNormalization(scale=False),
    lambda: layers.LayerNormalization(),
    lambda: layers.LayerNormalization(epsilon=0.3, center=False),
    lambda: layers.LayerNormalization(scale=False),
    lambda: layers.Flatten(),
    lambda: layers.Reshape((3, -1, 1)),
])
@pytest.mark.parametrize("input_shape", [(6,), (4, 6), (4, 5, 6), (2, 3, 4, 6)])
def test_layers_for_inputs_of_any_rank(make, input_shape):
    check_layers(make(), input_shape=input_shape)


@pytest.mark.parametrize("make", [
    lambda: layers.GlobalMaxPooling2D(),
    lambda: layers.GlobalMaxPooling2D(keepdims=True),
    lambda: layers.GlobalAveragePooling2D(),
    lambda: layers.GlobalAveragePooling2D(keepdims=True),
    lambda: layers.ZeroPadding2D(((0, 3), (2, 1))),
    lambda: layers.UpSampling2D((3, 7)),
    lambda: layers.UpSampling2D((1, 6)),
    lambda: layers.UpSampling2D((3, 7), interpolation="bilinear"),
    lambda: layers.UpSampling2D((4, 1), interpolation="bilinear"),
    lambda: layers.RandomCrop(1, 2),
    lambda: layers.RandomFlip(),
    lambda: layers.RandomRotation(0.2),
    lambda: layers.Flatten(),
    lambda: layers.Reshape((2, -1)),
    lambda: layers.BatchNormalization(),
    lambda: layers.LayerNormalization(),
    lambda: layers.Softmax(),
    lambda: layers.Dense(3),
])
@pytest.mark.parametrize("image", [(5, 4, 6), (1, 2, 6), (8, 2, 1)])
def test_layers_for_images_alone_and_between_convolutions(make, image):
    check_layers(make(), input_shape=image)
    check_layers(layers.Conv2D(4, 1), make(), input_shape=image)


@pytest.mark.parametrize("pooling", [layers.MaxPooling2D, layers.AveragePooling2D])
@pytest.mark.parametrize("padding", ["valid", "same"])
@given(size=SIZES, steps=STEPS, image=IMAGES)
def test_pooling(pooling, padding, size, steps, image):
    check_layers(pooling(size, steps, padding), input_shape=(*image, 3))


@pytest.mark.parametrize("padding", ["valid", "same"])
@given(size=SIZES, steps=STEPS, image=IMAGES, dilated=st.booleans(), use_bias=st.booleans(), more=st.integers(1, 3))
def test_convolutions(padding, size, steps, image, dilated, use_bias, more):
    steps = {"dilation_rate": steps} if dilated else {"strides": steps}
    image = tuple(a + 9 for a in image) if dilated else image
    how = {"padding": padding, "use_bias": use_bias, **steps}
    for layer in (layers.Conv2D(2 * more, size, groups=2, **how), layers.Conv2DTranspose(3, size, **how),
                  layers.DepthwiseConv2D(size, depth_multiplier=more, **how),
                  layers.SeparableConv2D(3, size, depth_multiplier=more, activation="relu", **how)):
        check_layers(layer, input_shape=(*image, 4))


def test_branches_meet_in_one_order_of_axes():
    check_layers(layers.Residual([layers.Dense(3, activation="tanh"), layers.Dropout(0.1)]), input_shape=(3,))
    check_layers(
        layers.Residual([layers.Conv2D(2, 3, padding="same"), layers.Residual(layers.Dense(2))]),
        layers.Concatenate([layers.Dense(3), [layers.Conv2D(4, 1), layers.BatchNormalization()], []]),
        layers.Add([[], layers.Conv2D(9, 1, activation="relu"), [layers.LayerNormalization(), layers.Dense(9)], []]),
        layers.Add([layers.ReLU()]),
        layers.Concatenate([layers.Flatten(), layers.GlobalMaxPooling2D()]),
        input_shape=(4, 5, 2))


def convnet():
    return [layers.Conv2D(4, 3, padding="same", use_bias=False), layers.BatchNormalization(), layers.ReLU(),
            layers.MaxPooling2D(), layers.Residual([layers.Conv2D(4, 3, padding="same"), layers.BatchNormalization()]),
            Sequential([layers.Conv2D(6, 3, strides=2, activation="relu"), layers.Dropout(0.25)]),
            layers.Flatten(), layers.Dense(10, activation="softmax")]


def test_a_convnet_is_turned_where_it_begins_and_where_it_is_flattened():
    proto = check_layers(*convnet(), input_shape=(12, 10, 3))
    assert operators(proto).count("Transpose") == 2
    assert operators(proto)[:2] == ["Transpose", "Conv"]
    after = operators(proto).index("Transpose", 1)
    assert operators(proto)[after:] == ["Transpose", "Reshape", "MatMul", "Add", "Softmax", "Identity"]


def test_what_several_branches_read_is_turned_once():
    proto = check_layers(layers.Concatenate([layers.Conv2D(3, 1), layers.Conv2D(2, 1), []]), input_shape=(4, 5, 2))
    assert operators(proto) == ["Transpose", "Conv", "Conv", "Concat", "Transpose", "Identity"]


def test_a_dense_network_is_not_turned():
    proto = check_layers(layers.Flatten(), layers.Dense(8, activation="relu"), layers.Dense(3, activation="softmax"),
                         input_shape=(5, 4, 1))
    assert operators(proto) == ["Reshape", "MatMul", "Add", "Relu", "MatMul", "Add", "Softmax", "Identity"]


@pytest.mark.parametrize(("input_shape", "include_top"), [((32, 32, 3), True), ((45, 70, 3), False)])
def test_mobilenet_v2(input_shape, include_top):
    model = MobileNetV2(input_shape, alpha=0.35, include_top=include_top, weights=None, classes=5,
                        classifier_activation=None)
    check(draw(model))


def test_names_are_those_of_the_layers():
    proto = check_layers(layers.Conv2D(2, 3, name="first", activation="relu"), layers.Flatten(), layers.Dense(3),
                         input_shape=(5, 4, 1))
    assert [node.name for node in proto.graph.node] == [
        "input/Transpose", "first/Conv", "first/Relu", "first/Relu/Transpose", "flatten/Reshape", "dense/MatMul",
        "dense/Add", "output"]
    assert [weight.name for weight in proto.graph.initializer] == [
        "first/kernel", "first/bias", "flatten/shape", "dense/kernel", "dense/bias"]


def test_names_that_would_collide_are_numbered():
    proto = check_layers(layers.ReLU(name="input"), layers.ReLU(name="a/Relu"), layers.ReLU(name="output"),
                         Sequential([layers.ReLU(name="a")]),
                         layers.Softmax(name="Relu"), input_shape=(3,))
    assert len({node.name for node in proto.graph.node}) == len(proto.graph.node)


def test_the_file(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"what was there before")
    model = model_of(convnet(), (12, 10, 3))
    model.export_onnx(path)
    proto = check(model, path)
    assert os.listdir(tmp_path) == ["model.onnx"]
    onnx.checker.check_model(proto, full_check=True)
    assert (proto.producer_name, proto.producer_version) == ("tinynet", tinynet.__version__)
    assert (proto.ir_version, proto.opset_import[0].version) == (8, 17)
    dims = [[dim.dim_param or dim.dim_value for dim in end.type.tensor_type.shape.dim]
            for end in (proto.graph.input[0], proto.graph.output[0])]
    assert dims == [["N", 12, 10, 3], ["N", 10]]
    model.export_onnx(str(tmp_path / "again.onnx"))
    assert (tmp_path / "again.onnx").read_bytes() == path.read_bytes()


def test_float64_stays_float64():
    tinynet.set_floatx("float64")
    model = model_of([layers.Dense(5, activation="tanh"), layers.BatchNormalization(), layers.ReLU(0.5),
                      layers.Dense(3, activation="softmax")], (4,))
    x = np.random.default_rng(0).normal(size=(3, 4))
    session = onnxruntime.InferenceSession(onnx_export.as_onnx(model).SerializeToString())
    np.testing.assert_allclose(session.run(None, {"input": x})[0], model.predict(x), rtol=0, atol=1e-9)
    model = model_of([layers.Conv2D(3, 3, activation="elu"), layers.AveragePooling2D(), layers.Flatten()], (6, 5, 2))
    x = np.random.default_rng(0).normal(size=(2, 6, 5, 2))
    from onnx.reference import ReferenceEvaluator

    y, = ReferenceEvaluator(onnx_export.as_onnx(model)).run(None, {"input": x})
    assert y.dtype == np.float64
    np.testing.assert_allclose(y, model.predict(x), rtol=0, atol=1e-12)


class Cube(layers.Layer):
    def forward(self, x, *, training=False):
        return x**3


class NamedDense(layers.Dense):
    pass


def test_a_class_without_a_recipe_can_be_given_one(monkeypatch, tmp_path):
    model = model_of([NamedDense(3), Cube(name="my_cube")], (2,))
    with pytest.raises(TypeError, match=r"no recipe for layers of the class NamedDense, as 'named_dense' is one.*"
                                        r"RECIPES\[NamedDense\] = recipe.*Activation, .*Received: <NamedDense"):
        model.export_onnx(tmp_path / "model.onnx")
    assert os.listdir(tmp_path) == []
    monkeypatch.setitem(onnx_export.RECIPES, NamedDense, onnx_export.RECIPES[layers.Dense])
    with pytest.raises(TypeError, match="the class Cube, as 'my_cube' is one"):
        model.export_onnx(tmp_path / "model.onnx")
    monkeypatch.setitem(onnx_export.RECIPES, Cube, lambda graph, layer, x: graph.node(
        layer, "Pow", x, graph.constant(layer, "power", 3)))
    assert operators(check(model)) == ["MatMul", "Add", "Pow", "Identity"]


def test_every_layer_of_the_library_has_a_recipe():
    public = {getattr(layers, name) for name in layers.__all__}
    kinds = {kind for kind in public if isinstance(kind, type) and issubclass(kind, layers.Layer)}
    assert kinds - {layers.Layer} <= set(onnx_export.RECIPES)


def test_errors(tmp_path, monkeypatch):
    model = Sequential([layers.Dense(3)], name="small")
    with pytest.raises(ValueError, match=r"Model 'small' must be built before export_onnx: call build.*Received: "):
        model.export_onnx(tmp_path / "model.onnx")
    model.build((2,))
    with pytest.raises(ValueError, match=r"must end in '\.onnx'\. Received: 'model\.safetensors'"):
        model.export_onnx("model.safetensors")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"pip install 'tinynet\[onnx\]'.*Received: "):
        model.export_onnx(tmp_path / "model.onnx")
    assert os.listdir(tmp_path) == []
