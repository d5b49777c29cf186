"""The package as a new process sees it: what it loads, what it names."""

import importlib
import pathlib
import subprocess
import sys

import pytest

import tinynet

HEAVY = ["numba", "matplotlib", "cupy", "tqdm", "pooch", "threadpoolctl", "PIL", "safetensors", "onnx", "h5py",
         "IPython"]


def run(code):
    """Run code in a fresh process, warnings being errors; return what it prints."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def loaded_by(code):
    return run(f"import sys\n{code}\nprint(*sorted(m for m in {HEAVY} if m in sys.modules))")


def test_importing_loads_nothing_heavy():
    assert loaded_by("import tinynet") == []


def test_nor_does_looking_at_every_name():
    assert loaded_by("import tinynet\nfor name in dir(tinynet): getattr(tinynet, name)") == []


def test_nor_is_cupy_touched_where_it_is_installed(tmp_path):
    """Only a backend that is chosen by name is loaded."""
    (tmp_path / "cupy").mkdir()
    (tmp_path / "cupy" / "__init__.py").write_text("print('imported')", "utf-8")
    looked = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import tinynet\n" \
             "for name in dir(tinynet): getattr(tinynet, name)\n" \
             "for name in 'numpy', 'numba':\n" \
             "    with tinynet.use_backend(name): tinynet.layers.Dense(1).build((1,))\n"
    assert run(looked) == []
    assert run(looked + "import cupy") == ["imported"]


def test_nor_does_training_on_the_numpy_backend_without_a_bar():
    assert loaded_by("""
import numpy as np
import tinynet as tf
tf.set_backend("numpy")
model = tf.keras.Sequential([tf.keras.layers.Dense(2, activation="softmax", input_shape=(3,))])
model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(np.ones((4, 3)), np.array([0, 1, 0, 1]), verbose=0, validation_split=0.5)
model.predict(tf.data.Dataset.from_tensor_slices(np.ones((4, 3))).batch(2))
""") == []


def test_numba_is_the_default_and_the_environment_can_say_otherwise():
    build = "import os, tinynet; os.environ.pop('TINYNET_BACKEND', 0)\n{}\n" \
            "layer = tinynet.layers.Dense(1); layer.build((1,)); print(layer.ops.name)"
    assert run(build.format("")) == ["numba"]
    assert run(build.format("os.environ['TINYNET_BACKEND'] = 'numpy'")) == ["numpy"]


def test_without_numba_it_says_once_that_it_is_slow():
    assert run("""
import os, sys, warnings
os.environ.pop("TINYNET_BACKEND", None)
sys.modules["numba"] = None  # as if it were not installed
import tinynet
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    for _ in range(2):
        layer = tinynet.layers.Dense(1)
        layer.build((1,))
print(layer.ops.name, len(caught), "slow" in str(caught[0].message))
try:
    tinynet.set_backend("numba")
except ImportError as error:
    print(str(error).endswith("Received: 'numba'"), "set_backend('numpy')" in str(error))
""") == ["numpy", "1", "True", "True", "True"]


NAMES = ["Sequential", "layers", "losses", "optimizers", "schedules", "metrics", "callbacks", "initializers",
         "applications", "load_keras_weights", "precompute_features",
         "activations", "data", "datasets", "plotting", "regularizers", "gradcheck", "set_seed", "set_backend",
         "use_backend", "set_floatx", "keras", "nn", "__version__"]


@pytest.mark.parametrize("name", NAMES)
def test_the_top_of_the_package(name):
    assert getattr(tinynet, name) is getattr(tinynet, name)
    assert name in dir(tinynet)


def test_every_public_name_exists_and_is_documented():
    undocumented = []
    for name in ("", ".layers", ".losses", ".optimizers", ".schedules", ".metrics", ".callbacks", ".initializers",
                 ".applications", ".activations", ".data", ".datasets", ".plotting", ".regularizers", ".keras", ".nn"):
        module = importlib.import_module("tinynet" + name)
        assert module.__doc__, module
        for public in getattr(module, "__all__", None) or [n for n in vars(module) if not n.startswith("_")]:
            value = getattr(module, public)
            if callable(value) and value.__module__.startswith("tinynet") and not value.__doc__:
                undocumented.append(f"{module.__name__}.{public}")
    assert undocumented == []


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(AttributeError, match="'tinynet' has no attribute 'Sequentail'; it has Sequential, .*layers"):
        _ = tinynet.Sequentail
    assert not hasattr(tinynet, "applicationz")


def test_the_annotations_travel_with_the_package():
    assert (pathlib.Path(tinynet.__file__).parent / "py.typed").exists()
    assert tinynet.__version__.count(".") == 2
