import numba
import numpy as np
import pytest

import tinynet
from tinynet.applications import MobileNetV2, mobilenet_v2, weights
from tinynet.applications.mobilenet_v2 import decode_predictions, make_divisible, preprocess_input
from tinynet.layers.chain import members

h5py = pytest.importorskip("h5py")


@pytest.fixture(autouse=True)
def readable_kernels():
    """Nothing here is about kernels, and these need no compiling."""
    with tinynet.use_backend("numpy"):
        yield


def save(model, path, rename=lambda name: name):
    """Write a model's weights as Keras' save_weights("x.h5") does."""
    layers = [layer for layer in members(model.layers) if layer.parameters and not hasattr(layer, "layers")]
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [rename(layer.name).encode() for layer in layers]
        for layer in layers:
            name = rename(layer.name)
            group = file.create_group(name)
            group.attrs["weight_names"] = [f"{name}/{parameter.name}:0".encode() for parameter in layer.parameters]
            for parameter in layer.parameters:
                group[f"{name}/{parameter.name}:0"] = parameter.value
    return path


def values(model):
    return {(layer.name, parameter.name): np.array(parameter.value) for layer in members(model.layers)
            for parameter in layer.parameters}


def small(alpha=0.35, **keywords):
    return MobileNetV2((32, 32, 3), alpha, weights=None, **keywords)


# ---------------------------------------------------------------- the network


@pytest.mark.parametrize(("alpha", "include_top", "parameters"), [
    (1.0, True, 3_538_984), (1.0, False, 2_257_984), (0.35, False, 410_208), (0.5, False, 706_224),
    (1.4, False, 4_363_712), (0.75, True, 2_663_064),
])
def test_as_many_parameters_as_in_keras(alpha, include_top, parameters):
    model = MobileNetV2((32, 32, 3), alpha, include_top, None)
    assert sum(parameter.size for parameter in model.parameters) == parameters


def test_keras_names_in_order():
    names = [layer.name for layer in members(MobileNetV2(weights=None).layers) if "add" not in layer.name]
    assert names[:16] == [
        "Conv1", "bn_Conv1", "Conv1_relu", "expanded_conv_depthwise", "expanded_conv_depthwise_BN",
        "expanded_conv_depthwise_relu", "expanded_conv_project", "expanded_conv_project_BN", "block_1_expand",
        "block_1_expand_BN", "block_1_expand_relu", "block_1_pad", "block_1_depthwise", "block_1_depthwise_BN",
        "block_1_depthwise_relu", "block_1_project"]
    assert names[-6:] == ["block_16_project_BN", "Conv_1", "Conv_1_bn", "out_relu", "global_average_pooling2d",
                          "predictions"]
    assert [name for name in names if name.endswith("_pad")] == [f"block_{k}_pad" for k in (1, 3, 6, 13)]


def test_where_x_is_added_again():
    added = [layer.name for layer in small().layers if isinstance(layer, tinynet.layers.Residual)]
    assert added == [f"block_{k}_add" for k in (2, 4, 5, 7, 8, 9, 11, 12, 14, 15)]


@pytest.mark.parametrize(("shape", "alpha", "expected"), [
    ((224, 224, 3), 1.0, (7, 7, 1280)), ((192, 192, 3), 1.0, (6, 6, 1280)), ((32, 33, 3), 0.35, (1, 2, 1280)),
    ((100, 65, 1), 0.5, (4, 3, 1280)), ((64, 64, 3), 1.4, (2, 2, 1792)), ((64, 64, 3), 1.3, (2, 2, 1664)),
])
def test_output_shapes(shape, alpha, expected):
    assert MobileNetV2(shape, alpha, False, None).output_shape == expected
    assert MobileNetV2(shape, alpha, False, None, "max").output_shape == expected[2:]
    assert MobileNetV2(shape, alpha, True, None, classes=7).output_shape == (7,)


def test_what_keras_computes():
    """Keras 3.15 with the same weights, on images whose sides are odd or even at each stride."""
    model = MobileNetV2((45, 38, 3), 0.35, weights=None, classes=4)
    rng = np.random.default_rng(0)
    for parameter in model.parameters:
        shape = parameter.shape
        inputs = 9 if shape[-1] == 1 else np.prod(shape[:-1])
        value = rng.uniform(0.5, 1.5, shape) if len(shape) == 1 else rng.normal(size=shape) / np.sqrt(inputs)
        parameter.value[...] = value
    p = model.predict(rng.uniform(-1, 1, (2, 45, 38, 3)))
    np.testing.assert_allclose(p, [[0.191694, 0.430421, 0.217727, 0.160158], [0.191885, 0.430365, 0.217868, 0.159883]],
                               atol=2e-6)


def test_numbers_of_channels():
    assert [make_divisible(c * 0.35) for c in (16, 24, 32, 64, 96, 160, 320)] == [8, 8, 16, 24, 32, 56, 112]
    assert [make_divisible(c) for c in (1, 11.2, 12, 41.6, 44.8, 22.4)] == [8, 16, 16, 40, 48, 24]


def test_a_layer_of_another_model(rng):
    base = small(include_top=False)
    base.trainable = False
    model = tinynet.Sequential([base, tinynet.layers.Flatten(), tinynet.layers.Dense(5, activation="softmax")])
    before = values(base)
    model.compile("adam", "sparse_categorical_crossentropy")
    x, y = rng.normal(size=(8, 32, 32, 3)), np.arange(8) % 5
    model.fit(x, y, epochs=2, verbose=0)
    assert all(np.array_equal(value, before[key]) for key, value in values(base).items())
    assert model.predict(x).shape == (8, 5)


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="too large to be interpreted")
def test_gradients():
    """In channels where ReLU6 is passed, shut or full, and none is near a kink."""
    tinynet.set_backend("numba")
    tinynet.set_floatx("float64")
    model = MobileNetV2((48, 48, 3), 0.35, weights=None, classes=3)
    rng = np.random.default_rng(0)
    for layer in members(model.layers):
        if isinstance(layer, tinynet.layers.BatchNormalization):
            layer.gamma.value[...] = 0.5
            passed_shut_full = np.resize([3, 3, -3, 3, 3, 9, 3], layer.beta.shape)
            layer.beta.value[...] = 0 if "project" in layer.name else passed_shut_full
        elif isinstance(layer, tinynet.layers.DepthwiseConv2D):
            shape = layer.depthwise_kernel.shape
            layer.depthwise_kernel.value[...] = rng.uniform(0.5, 1.5, shape) * rng.choice([-1, 1], shape)
    x = rng.normal(size=(6, 48, 48, 3))
    report = tinynet.gradcheck(model, x, np.arange(6) % 3, "sparse_categorical_crossentropy", most=1, step=1e-3)
    assert report, report
    assert len(report.comparisons) == 1 + len([p for p in model.parameters if p.trainable])


# ---------------------------------------------------------------- weights


def test_weights_of_a_path(tmp_path):
    model = small(classes=4)
    loaded = MobileNetV2((64, 40, 3), 0.35, weights=save(model, tmp_path / "w.h5"), classes=4)
    assert all(np.array_equal(value, values(loaded)[key]) for key, value in values(model).items())


def test_weights_under_the_names_of_the_published_files(tmp_path):
    """They keep their layers in order, but call them as an older Keras did."""
    model = small()
    path = save(model, tmp_path / "w.h5", lambda name: name.replace("block_", "mobl").replace("predictions", "Logits"))
    for include_top in (True, False):
        loaded = MobileNetV2((32, 32, 3), 0.35, include_top, path)
        assert all(np.array_equal(value, values(model)[key]) for key, value in values(loaded).items())


def test_imagenet_is_looked_for(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "cache_folder", lambda published: tmp_path / "cache")
    monkeypatch.setenv("TINYNET_DATA", str(tmp_path / "data"))
    model = small()
    for folder in ("own", "data/mobilenet_v2", "cache"):
        (tmp_path / folder).mkdir(parents=True)
    cached = save(model, tmp_path / "cache" / "mobilenet_v2_0.35_224.h5")
    other = save(model, tmp_path / "data" / "mobilenet_v2" / "mobilenet_v2_x_0.35_224_y_no_top.h5")
    save(model, tmp_path / "own" / "mobilenet_v2_0.35_192.h5")
    mine = save(model, tmp_path / "own" / "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_0.35_224.h5")
    assert weights.find_weights(0.35, True) == cached
    assert weights.find_weights(0.35, False) == other
    assert weights.find_weights(0.35, True, tmp_path / "own") == mine
    assert weights.find_weights(0.35, False, tmp_path / "own") == mine
    loaded = MobileNetV2((32, 32, 3), 0.35, data_dir=tmp_path / "own")
    assert all(np.array_equal(value, values(loaded)[key]) for key, value in values(model).items())
    with pytest.raises(FileNotFoundError, match=r"(?s)kernels_0.5_224_no_top.h5 into .*Received: alpha=0.5"):
        MobileNetV2(alpha=0.5, include_top=False)
    monkeypatch.setattr(weights, "find_file", lambda published, name: (published.title, name))
    assert weights.find_weights(1.0, False) == (
        "MobileNetV2", "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5")


@pytest.mark.parametrize("names", [lambda name: name, lambda name: "old_" + name])
def test_weights_of_another_alpha(tmp_path, names):
    path = save(small(0.5), tmp_path / "w.h5", names)
    with pytest.raises(ValueError, match=r"they look like alpha=0.5. Received: alpha=0.35$"):
        MobileNetV2((32, 32, 3), 0.35, weights=path)
    with pytest.raises(ValueError, match=r"predictions/kernel is \(1280, 1000\) there and \(1280, 5\) here"):
        MobileNetV2((32, 32, 3), 0.5, weights=save(small(0.5), path), classes=5)


@pytest.mark.parametrize(("arguments", "message"), [
    ({"input_shape": (31, 224, 3)}, r"at least \(32, 32, 3\).*Received: \(31, 224, 3\)$"),
    ({"input_shape": (224, 224)}, r"images of shape \(H, W, C\).*Received"),
    ({"input_shape": (None, None, 3)}, r"Received: \(None, None, 3\)$"),
    ({"input_shape": (224, 224, 1)}, r"images of 3 channels. Received"),
    ({"classes": 5}, r"include_top=False and put a Dense layer behind. Received: classes=5$"),
    ({"classes": 0, "weights": None}, r"classes of MobileNetV2 must be an integer of at least 1. Received: 0$"),
    ({"alpha": 0.6}, r"0.35, 0.5, 0.75, 1.0, 1.3, 1.4; .* weights=None. Received: alpha=0.6$"),
    ({"alpha": 0}, r"alpha of MobileNetV2 must be a number above 0. Received: 0$"),
    ({"alpha": "1"}, r"Received: '1'$"),
    ({"weights": "imagnet"}, r"'imagenet', None .* or the path of a file that exists. Received: 'imagnet'$"),
    ({"weights": 3}, r"Received: 3$"),
    ({"pooling": "average"}, r"Unknown pooling of MobileNetV2 .*avg, max. Received: 'average'$"),
    ({"classifier_activation": "relu"}, r"'softmax' or None. Received: 'relu'$"),
])
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        MobileNetV2(**arguments)


def test_unknown_keyword():
    with pytest.raises(TypeError, match=r"no argument 'input_tensor'"):
        MobileNetV2(input_tensor=None)


# ---------------------------------------------------------------- what goes in and comes out


@pytest.mark.parametrize("dtype", ["uint8", "float32", "float64", "int64"])
def test_preprocessing(dtype):
    x = np.array([[[0, 51, 255]]], dtype)
    before = x.copy()
    y = preprocess_input(x)
    np.testing.assert_allclose(y, [[[-1, -0.6, 1]]], rtol=1e-6)
    assert y.dtype == (dtype if "float" in dtype else "float32")
    assert np.array_equal(x, before)
    assert preprocess_input([0, 255]).tolist() == [-1, 1]
    with pytest.raises(ValueError, match="must be an array of numbers"):
        preprocess_input(["a"])


def test_decoding():
    preds = np.zeros((2, 1000))
    preds[0, [985, 208, 0]] = 0.5, 0.3, 0.2
    preds[1, 999] = 1
    assert decode_predictions(preds, top=3) == [
        [("n11939491", "daisy", 0.5), ("n02099712", "Labrador_retriever", 0.3), ("n01440764", "tench", 0.2)],
        [("n15075141", "toilet_tissue", 1.0), ("n01440764", "tench", 0.0), ("n01443537", "goldfish", 0.0)]]
    assert [len(best) for best in decode_predictions(preds)] == [5, 5]
    assert len(decode_predictions(preds, top=2000)[0]) == 1000


@pytest.mark.parametrize(("preds", "top", "message"), [
    (np.zeros(1000), 5, r"np.array\(\[p\]\). Received: \(1000,\)"),
    (np.zeros((2, 5)), 5, r"Received: \(2, 5\)"),
    (np.zeros((2, 1000)), 0, r"Received: 0"),
])
def test_bad_predictions(preds, top, message):
    with pytest.raises(ValueError, match=message):
        decode_predictions(preds, top)


def test_class_names():
    names = mobilenet_v2.decode_predictions(np.ones((1, 1000)), top=1000)[0]
    assert len({wnid for wnid, _, _ in names}) == 1000
    assert [wnid for wnid, _, _ in names] == sorted(wnid for wnid, _, _ in names)


def test_where_they_are_found():
    assert tinynet.applications.MobileNetV2 is tinynet.keras.applications.MobileNetV2 is mobilenet_v2.MobileNetV2
    assert tinynet.keras.applications.mobilenet_v2.preprocess_input is preprocess_input
    assert dir(tinynet.applications) == ["MobileNetV2", "mobilenet_v2"]
    with pytest.raises(AttributeError, match="it has MobileNetV2, mobilenet_v2"):
        tinynet.applications.ResNet50  # noqa: B018
