"""Weights out of files as Keras writes them, and out of files that somebody made to do harm."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

import tinynet
from tinynet.layers import BatchNormalization, Conv2D, Dense, DepthwiseConv2D, Flatten, Residual, SeparableConv2D

h5py = pytest.importorskip("h5py")

LAYERS = {
    "conv": ("conv2d", {"kernel": (3, 3, 3, 4), "bias": (4,)}),
    "bn": ("batch_normalization", {"gamma": (4,), "beta": (4,), "moving_mean": (4,), "moving_variance": (4,)}),
    "flatten": ("flatten", {}),
    "dense": ("dense", {"kernel": (400, 50), "bias": (50,)}),
    "out": ("dense_1", {"kernel": (50, 2), "bias": (2,)}),
}


def arrays(seed=0):
    rng = np.random.default_rng(seed)
    return {layer: {name: rng.normal(size=shape).astype("f4") for name, shape in shapes.items()}
            for layer, (_, shapes) in LAYERS.items()}


def build():
    model = tinynet.Sequential([Conv2D(4, 3, name="conv"), BatchNormalization(name="bn"), Flatten(name="flatten"),
                                Dense(50, name="dense"), Dense(2, name="out")])
    model.build((12, 12, 3))
    return model


def legacy(path, layers, group=None, rename=lambda name: name, names=lambda names: names, cut=False, **options):
    """Write layers {name: {parameter: array}} as `save_weights("x.h5")` does, or with a group as `save("x.h5")`."""
    with h5py.File(path, "w") as file:
        root = file.create_group(group) if group else file
        titles = names([rename(layer).encode() for layer in layers])
        if cut:
            root.attrs["layer_names0"], root.attrs["layer_names1"] = titles[:2], titles[2:]
        else:
            root.attrs["layer_names"] = titles
        for layer, parameters in layers.items():
            inner = root.create_group(rename(layer))
            inner.attrs["weight_names"] = names([f"{rename(layer)}/{name}:0".encode() for name in parameters])
            for name, array in parameters.items():
                inner.create_dataset(f"{rename(layer)}/{name}:0", data=array, **options)
    return path


def keras3(path, layers, named=True, container="layers", libver="earliest"):
    """Write layers {name: {parameter: array}} as Keras 3's `save_weights("x.weights.h5")` does."""
    with h5py.File(path, "w", libver=libver) as file:
        for layer, parameters in layers.items():
            group = file.create_group(f"{container}/{LAYERS[layer][0]}/vars")
            if named:
                group.attrs["name"] = layer
            for number, array in enumerate(parameters.values()):
                group[str(number)] = array
    return path


def as_text(names):
    """Strings of any length, as h5py 3 stores a list of str."""
    return np.array([name.decode() for name in names], object) if names else []


def assert_loaded(model, layers):
    for layer in model.layers:
        for parameter in layer.parameters:
            np.testing.assert_array_equal(parameter.value, layers[layer.name][parameter.name])


# ---------------------------------------------------------------- what Keras writes


@pytest.mark.parametrize("write", [
    legacy,
    lambda path, layers: legacy(path, layers, "model_weights"),
    lambda path, layers: legacy(path, layers, names=as_text),
    lambda path, layers: legacy(path, layers, cut=True),
    lambda path, layers: legacy(path, layers, compression="gzip", shuffle=True),
    lambda path, layers: legacy(path, layers, compression=9),
    lambda path, layers: legacy(path, layers, shuffle=True),
    lambda path, layers: legacy(path, layers, chunks=True),
    keras3,
    lambda path, layers: keras3(path, layers, libver="latest"),
    lambda path, layers: keras3(path, layers, container="_layer_checkpoint_dependencies"),
])
def test_by_name(tmp_path, write):
    model, layers = build(), arrays()
    report = tinynet.load_keras_weights(model, write(tmp_path / "x.h5", layers))
    assert_loaded(model, layers)
    assert report.complete
    assert (report.matched_by, report.unexpected, len(report.loaded)) == ("name", [], 10)
    assert str(report).endswith("Received: 10 parameters that fit, by name")


@pytest.mark.parametrize("write", [
    lambda path, layers: legacy(path, layers, rename=lambda name: name + "_7"),
    lambda path, layers: keras3(path, layers, named=False),
])
def test_by_position(tmp_path, write):
    model, layers = build(), arrays()
    report = tinynet.load_keras_weights(model, write(tmp_path / "x.h5", layers))
    assert_loaded(model, layers)
    assert report.matched_by == "position"


def test_by_position_the_file_may_go_on(tmp_path):
    model, layers = build(), arrays()
    path = legacy(tmp_path / "x.h5", layers | {"more": {"kernel": np.ones(3)}}, rename=lambda name: "old_" + name)
    assert tinynet.load_keras_weights(model, path).unexpected == ["old_more/kernel"]
    assert_loaded(model, layers)


@pytest.mark.parametrize("dtype", ["<f8", ">f4", "<f2", "<i8", ">u2"])
@pytest.mark.parametrize("options", [{}, {"compression": "gzip", "shuffle": True}])
def test_number_types(tmp_path, dtype, options):
    model = build()
    layers = {layer: {name: (9 * abs(array)).astype(dtype) for name, array in held.items()}
              for layer, held in arrays().items()}
    tinynet.load_keras_weights(model, legacy(tmp_path / "x.h5", layers, **options))
    assert_loaded(model, layers)
    assert model.parameters[0].value.dtype == "float32"


def nested():
    model = tinynet.Sequential([
        tinynet.Sequential([Residual([Conv2D(3, 1, name="bb"), BatchNormalization(), Conv2D(3, 1, name="aa")])],
                           name="front"),
        DepthwiseConv2D(3, name="dw"), SeparableConv2D(4, 3), Flatten(),
        tinynet.Sequential([Dense(3)], name="head"), Dense(2)])
    model.build((8, 8, 3))
    return model


def leaves(model):
    return [layer for layer in tinynet.layers.chain.members(model.layers)
            if layer.parameters and not hasattr(layer, "layers")]


def test_models_in_models_of_older_files(tmp_path, rng):
    """A model's group lists the arrays of all its layers; moving statistics come last if it is frozen."""
    held = {"front": ["bb/kernel", "bb/bias", "batch_normalization/gamma", "batch_normalization/beta", "aa/kernel",
                      "aa/bias", "batch_normalization/moving_mean", "batch_normalization/moving_variance"],
            "dw": ["outer/dw/kernel", "outer/dw/bias"],  # Keras 3 calls a depthwise kernel so
            "separable_conv2d": ["separable_conv2d/depthwise_kernel:0", "separable_conv2d/pointwise_kernel:0",
                                 "separable_conv2d/bias:0"],
            "head": ["outer/head/dense/kernel", "outer/head/dense/bias"],
            "dense_1": ["dense_1/kernel", "dense_1/bias"]}
    model = nested()
    wanted = {f"{layer.name}/{parameter.name}": rng.normal(size=parameter.shape).astype("f4")
              for layer in leaves(model) for parameter in layer.parameters}
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file.attrs["layer_names"] = list(held)
        for group, paths in held.items():
            file.create_group(group).attrs["weight_names"] = paths
            for path in paths:
                name = "/".join(path.removesuffix(":0").split("/")[-2:])
                file[f"{group}/{path}"] = wanted["dw/depthwise_kernel" if name == "dw/kernel" else name]
    assert tinynet.load_keras_weights(model, tmp_path / "x.h5").matched_by == "name"
    for layer in leaves(model):
        for parameter in layer.parameters:
            np.testing.assert_array_equal(parameter.value, wanted[f"{layer.name}/{parameter.name}"])


@pytest.mark.parametrize("front", ["functional", "sequential"])
def test_models_in_models_of_keras_3_without_names(tmp_path, rng, front):
    head = "sequential_1" if front == "sequential" else "sequential"
    places = [f"{front}/layers/conv2d", f"{front}/layers/batch_normalization", f"{front}/layers/conv2d_1",
              "depthwise_conv2d", "separable_conv2d", f"{head}/layers/dense", "dense"]
    model = nested()
    wanted = []
    with h5py.File(tmp_path / "x.h5", "w") as file:
        for place, layer in zip(places, leaves(model), strict=True):
            for number, parameter in enumerate(layer.parameters):
                wanted.append((parameter, rng.normal(size=parameter.shape).astype("f4")))
                file[f"layers/{place}/vars/{number}"] = wanted[-1][1]
    assert tinynet.load_keras_weights(model, tmp_path / "x.h5").matched_by == "position"
    for parameter, value in wanted:
        np.testing.assert_array_equal(parameter.value, value)


# ---------------------------------------------------------------- what does not fit


def test_what_is_missing_unexpected_or_of_another_shape(tmp_path):
    model, layers = build(), arrays()
    before = model.get_weights()
    del layers["bn"]["beta"]
    layers["dense"]["kernel"] = np.ones((400, 7))
    layers["extra"] = {"kernel": np.ones(3)}
    path = legacy(tmp_path / "x.h5", layers)
    with pytest.raises(ValueError, match=r"(?s)missing in the file: bn/beta\n.*another shape: dense/kernel is "
                                         r"\(400, 7\) there and \(400, 50\) here\n.*not in the model: extra/kernel\n"
                                         r"Received: 8 parameters that fit, by name; skip_mismatch=True"):
        tinynet.load_keras_weights(model, path)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    report = tinynet.load_keras_weights(model, path, skip_mismatch=True)
    assert (report.missing, report.unexpected) == (["bn/beta"], ["extra/kernel"])
    assert report.mismatched == {"dense/kernel": ((400, 7), (400, 50))}
    assert not report.complete
    np.testing.assert_array_equal(model.layers[0].kernel.value, layers["conv"]["kernel"])
    np.testing.assert_array_equal(model.layers[3].kernel.value, before[6])


def test_long_lists_are_cut(tmp_path):
    with pytest.raises(ValueError, match=r"bn/gamma, .* and 2 more\n"):
        tinynet.load_keras_weights(build(), legacy(tmp_path / "x.h5", {"other": {"kernel": np.ones(1)}}))


def test_not_a_model_nor_a_file(tmp_path):
    with pytest.raises(TypeError, match="takes the model first, then the path. Received: str"):
        tinynet.load_keras_weights("x.h5", build())
    with pytest.raises(ValueError, match=r"must be built .* Received: a model that is not built"):
        tinynet.load_keras_weights(tinynet.Sequential([Dense(2)]), "x.h5")
    with pytest.raises(FileNotFoundError, match=r"Received: .*x\.h5"):
        tinynet.load_keras_weights(build(), tmp_path / "x.h5")
    (tmp_path / "x.h5").write_bytes(b"PK\3\4 no HDF5")
    with pytest.raises(ValueError, match="no HDF5 file. Received"):
        tinynet.load_keras_weights(build(), tmp_path / "x.h5")
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["pixels"] = np.ones(3)
    with pytest.raises(ValueError, match="must hold weights as Keras saves them: .* Received: an HDF5 file of pixels"):
        tinynet.load_keras_weights(build(), tmp_path / "x.h5")


def test_without_h5py(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(ImportError, match=r"pip install 'tinynet\[keras-weights\]'"):
        tinynet.load_keras_weights(build(), tmp_path / "x.h5")


# ---------------------------------------------------------------- files from strangers

FUZZ = textwrap.dedent("""
    import resource, sys
    import numpy as np
    import tinynet
    from tinynet.layers import *

    tinynet.set_backend("numpy")
    folder, first, end = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    model = tinynet.Sequential([Conv2D(4, 3, name="conv"), BatchNormalization(name="bn"), Flatten(name="flatten"),
                                Dense(50, name="dense"), Dense(2, name="out")])
    model.build((12, 12, 3))
    files = [open(f"{folder}/{name}.h5", "rb").read() for name in ("legacy", "gzip", "keras3", "latest")]
    extremes = [(1 << bits) - 1 for bits in (1, 31, 32, 63, 64)] + [0, 1 << 40]

    def mutate(data, rng):
        if rng.random() < 0.05:
            return data[: rng.integers(len(data))]
        data = bytearray(data)
        for _ in range(rng.integers(1, 5)):
            at = int(rng.integers(len(data) if rng.random() < 0.2 else min(len(data), 6000)))
            kind = rng.integers(4)
            if kind == 0:
                data[at] = rng.integers(256)
            elif kind == 1:
                data[at] ^= 1 << int(rng.integers(8))
            elif kind == 2:
                data[at : at + 8] = extremes[rng.integers(len(extremes))].to_bytes(8, "little")
            else:
                data[at:at] = bytes(int(rng.integers(1, 9)))
        return bytes(data)

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KiB, or bytes on macOS

    for name in ("legacy", "gzip", "keras3", "latest"):
        tinynet.load_keras_weights(model, f"{folder}/{name}.h5")
    before = peak()
    size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + (64 << 20),) * 2)
    refused = 0
    for k in range(first, end):
        rng = np.random.default_rng(k)
        with open(f"{folder}/mutated.h5", "wb") as file:
            file.write(mutate(files[k % 4], rng))
        print(k, flush=True)
        try:
            tinynet.load_keras_weights(model, f"{folder}/mutated.h5")
        except ValueError as error:
            assert "Received: " in str(error), error
            refused += 1
    print("refused", refused, "memory", peak() / before)
""")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the memory limit is Linux'")
def test_mutated_files(tmp_path):
    """In a process of its own: the HDF5 library is C, and what it does with a damaged file no `except` may catch."""
    layers = arrays()
    legacy(tmp_path / "legacy.h5", layers)
    legacy(tmp_path / "gzip.h5", layers, "model_weights", compression="gzip", shuffle=True)
    keras3(tmp_path / "keras3.h5", layers)
    keras3(tmp_path / "latest.h5", layers, libver="latest")
    done = subprocess.run([sys.executable, "-W", "error", "-c", FUZZ, str(tmp_path), "0", "1000"], capture_output=True,
                          text=True, timeout=120)
    *_, last, result = ["", *done.stdout.splitlines()]
    assert done.returncode == 0, f"mutation {result or last}: {done.returncode}\n{done.stderr}"
    _, refused, _, memory = result.split()
    assert 300 < int(refused) < 1000
    assert float(memory) < 1.5
