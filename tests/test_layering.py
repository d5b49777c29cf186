"""A module imports only from lower floors, or within its own folder toward its base. Read from the sources.

Imports inside functions count, and those through importlib; those for type checkers alone do not.
"""

import ast
import math
import pathlib
import re

import pytest

import tinynet

ROOT = pathlib.Path(tinynet.__file__).parent

# The rooms of one floor do not know each other.
FLOORS = [
    ["version", "errors", "random", "shapes", "config", "hdf5", "serialization"],
    ["backends", "initializers", "plotting", "regularizers", "schedules"],
    ["activations", "data"],
    ["layers", "losses", "datasets"],
    ["keras_weights", "metrics", "optimizers", "summary", "gradient_check",
     "inputs", "out_of_memory"],
    ["architecture", "feed", "onnx_export", "tally"],
    ["callbacks", "checkpoint", "trainer"],
    ["features", "resume"],
    ["training"],
    ["model_base"],
    ["models"],
    ["applications"],
    ["keras", "nn"],
]
# The files of a folder, its base first; each may import those before it, and the folder's own __init__ all of them.
FOLDERS = {
    "applications": ["imagenet", "weights", "mobilenet_v2"],
    "backends": ["numpy", "numba", "cupy"],  # the fast wings look at the readable one
    "backends/cupy": ["device", "recorder", "launch", "blas", "memory", "steps", "workers", "totals", "sums", "windows",
                      "direct", "dense", "conv", "depthwise", "pool", "resize", "warp", "norm", "elementwise",
                      "softmax", "losses", "optim"],
    "backends/numpy": ["workers", "memory", "steps", "dense", "conv", "depthwise", "pool", "resize", "warp", "norm",
                       "elementwise", "softmax", "losses", "optim"],
    "backends/numba": ["jit", "workers", "memory", "steps", "tile", "products", "elementwise", "dense", "conv",
                       "depthwise", "pool", "resize", "warp", "norm", "softmax", "losses", "optim"],
    "callbacks": ["base", "control", "checkpoint", "record", "progress"],
    "data": ["labels", "elements", "files", "images", "orders", "passes", "store", "series", "dataset", "records"],
    "datasets": ["download", "idx", "fonts", "mnist", "fashion_mnist", "archive", "flowers", "catalog"],
    "hdf5": ["errors", "strings", "reader"],
    "layers": ["parameters", "memory", "base", "activation", "dense", "dropout", "reshape", "conv", "depthwise",
               "pooling", "normalization", "padding", "augmentation", "fusion", "chain", "composite"],
    "onnx_export": ["graph", "basics", "images", "recipes", "file"],
    "optimizers": ["base", "rules"],
    "plotting": ["figure", "inputs", "images", "predictions", "curves", "filters", "numbers", "windows"],
}
HEIGHT = {"": {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}}
HEIGHT |= {folder: {file: place for place, file in enumerate(files)} for folder, files in FOLDERS.items()}
SOMETHING = "*"  # of a name that is made while running: as high as the highest


def height(folder, name):
    if name == "__init__":
        return math.inf
    return 1000 if name == SOMETHING else HEIGHT[folder][name]


def modules():
    """Return every module as its path: "models", "layers/dense", "layers/__init__"."""
    return sorted(path.relative_to(ROOT).with_suffix("").as_posix() for path in ROOT.rglob("*.py"))


def as_path(name):
    """Return a name such as "tinynet.layers.dense" as such a path, and one that is not in tinynet as None."""
    first, *rest = name.split(".")
    if first != "tinynet":
        return None
    if rest[-1:] == [""]:
        return "/".join([*rest[:-1], SOMETHING])
    return "/".join([*rest, "__init__"] if ROOT.joinpath(*rest).is_dir() else rest)


def is_module(name):
    path = ROOT.joinpath(*name.split(".")[1:])
    return path.is_dir() or path.with_suffix(".py").exists()


def imports(source):
    """Return the modules of tinynet that a source imports, as paths."""
    tree = ast.parse(source)
    typing_only = [node for node in ast.walk(tree)
                   if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    unseen = {child for node in typing_only for child in ast.walk(node)}
    nodes = [node for node in ast.walk(tree) if node not in unseen]
    names = []
    for node in nodes:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports say the whole name here"
            wholes = [f"{node.module}.{alias.name}" for alias in node.names]
            names += [whole if whole.startswith("tinynet.") and is_module(whole) else node.module for whole in wholes]
    calls = [ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)]
    if any(call.endswith(("import_module", "__import__")) for call in calls):
        texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
        names += [text for text in texts if re.fullmatch(r"tinynet\.[\w.]*", text)] or ["tinynet."]
    return [path for path in map(as_path, names) if path]


def goes_up(module, imported):
    """Whether the import does, seen from the folder in which the two paths part."""
    own, other = module.split("/"), imported.split("/")
    if own == other:
        return True
    parting = next(i for i in range(len(own)) if own[i] != other[i])
    folder = "/".join(own[:parting])
    return height(folder, other[parting]) >= height(folder, own[parting])


def wrong(module, source):
    return [imported for imported in imports(source) if goes_up(module, imported)]


@pytest.mark.parametrize("module", modules())
def test_imports_go_down(module):
    assert wrong(module, (ROOT / module).with_suffix(".py").read_text(encoding="utf-8")) == []


def test_every_file_has_its_place():
    for folder, places in HEIGHT.items():
        inside = [path for path in (ROOT / folder).iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()]
        found = {path.stem for path in inside}
        assert found - set(places) <= {"__init__"}, f"tinynet/{folder}: give them a place above"


@pytest.mark.parametrize(("module", "source"), [
    ("shapes", "from tinynet import layers"),
    ("shapes", "import numpy, tinynet.models"),
    ("shapes", "from tinynet.config import floatx"),
    ("losses", "def f():\n    from tinynet.layers import Dense"),
    ("losses", "import importlib\nimportlib.import_module('tinynet.models')"),
    ("losses", "import importlib\nimportlib.import_module('tinynet.' + name)"),
    ("losses", "from importlib import import_module\nimport_module(f'tinynet.{name}')"),
    ("losses", "import importlib\nimportlib.import_module(name)"),
    ("layers/base", "from tinynet.layers.dense import Dense"),
    ("layers/dense", "from tinynet.layers import Activation"),
    ("layers/dense", "from tinynet import layers"),
    ("backends/numpy/softmax", "from tinynet.backends.numba.softmax import softmax"),
    ("backends/numpy/softmax", "from tinynet.backends import get_backend"),
    ("layers/__init__", "from tinynet.layers import Dense"),
    ("trainer", "from tinynet import Sequential"),
])
def test_an_import_that_goes_up_is_found(module, source):
    assert wrong(module, source)


@pytest.mark.parametrize(("module", "source", "found"), [
    ("models", "from tinynet import feed, training", ["feed", "training"]),
    ("layers/dense", "from tinynet.layers.base import Layer\nimport numpy", ["layers/base"]),
    ("layers/__init__", "from tinynet.layers.dense import Dense", ["layers/dense"]),
    ("feed", "if TYPE_CHECKING:\n    from tinynet.trainer import Trainer", []),
    ("feed", "from tinynet.data import Dataset", ["data/__init__"]),
    ("backends/numba/losses", "from tinynet.backends.numpy.softmax import CLIP", ["backends/numpy/softmax"]),
    ("backends/__init__", "importlib.import_module('tinynet.backends.' + name)", ["backends/*"]),
])
def test_an_import_that_goes_down_is_fine(module, source, found):
    assert imports(source) == found
    assert wrong(module, source) == []
