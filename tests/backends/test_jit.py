"""The numba wing's cache of compiled kernels, in processes of their own that share one cache folder."""

import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys

import numba
import numpy as np
import platformdirs
import pytest

import tinynet
from tinynet.backends import numba as wing
from tinynet.backends.numba import jit

HELPER = """
from tinynet.backends.numba.jit import jit

@jit
def grow(x):
    return {factor} * x
"""
ROOM = """
from tinynet.backends.numba.helper import grow
from tinynet.backends.numba.jit import jit

@jit
def total(x):
    found = {start}
    for i in range(x.size):
        found += grow(x[i])
    return found
"""
RUN_ROOM = """
import numpy as np
from tinynet.backends.numba.room import total
print(total(np.ones(4)))
"""
RUN_TWO_KERNELS = """
import numpy as np
from tinynet.backends.numba.optim import scale, squared_norm
x = np.arange(3.0)
scale(x, 2.0)
print(squared_norm(x))
"""
RUN_SIX_KERNELS = """
import numpy as np
from tinynet.backends.numba import relu, relu_backward, sgd, tanh_backward
from tinynet.backends.numba.optim import scale, squared_norm
x, y, dx = np.array([1.0, -2.0, 3.0]), np.empty(3), np.empty(3)
relu(x, y)
relu_backward(x, x, y, dx)
scale(dx, 2.0)
tanh_backward(dx, x, y, dx)
sgd(x, dx, 0.5)
print(squared_norm(x), x)
"""
# What may befall a file: emptied, cut in half, replaced by something else.
DAMAGES = (lambda content: b"", lambda content: content[: len(content) // 2], lambda content: b"not a pickle")
COMPILING = "tinynet: compiling its kernels for this machine"


class Copy:
    """A copy of the package whose sources a test may edit, with a cache folder of its own."""

    def __init__(self, folder: pathlib.Path):
        self.package = folder / "tinynet"
        self.cache = folder / "cache"
        shutil.copytree(pathlib.Path(tinynet.__file__).parent, self.package,
                        ignore=shutil.ignore_patterns("__pycache__"))

    def write(self, name: str, source: str) -> None:
        (self.package / "backends" / name).write_text(source, "utf-8")

    def run(self, script: str, **environment) -> subprocess.CompletedProcess:
        """Run a script on the copy, in a process without anything of this one's settings."""
        variables = {key: value for key, value in os.environ.items() if not key.startswith(("NUMBA_", "TINYNET_"))}
        variables |= {"PYTHONPATH": os.fspath(self.package.parent), "NUMBA_CACHE_DIR": os.fspath(self.cache)}
        check = f"import tinynet; assert tinynet.__file__.startswith({os.fspath(self.package)!r})\n"
        # -B: Python's own compiled files tell an edit by the second and the file's length, and serve this one stale.
        return subprocess.run([sys.executable, "-B", "-W", "error", "-c", check + script], env=variables | environment,
                              cwd=self.package.parent, check=True, capture_output=True, text=True, timeout=300)

    def files(self, suffix: str) -> list[pathlib.Path]:
        return sorted(self.cache.rglob(f"*{suffix}"))


@pytest.fixture
def copy(tmp_path):
    return Copy(tmp_path)


def test_an_edited_kernel_or_helper_is_never_served_stale(copy):
    def result(factor, start):
        copy.write("numba/helper.py", HELPER.format(factor=factor))
        copy.write("numba/room.py", ROOM.format(start=start))
        return float(copy.run(RUN_ROOM).stdout)

    assert result(factor=2, start=0.0) == 8
    assert result(factor=3, start=0.0) == 12, "a helper in another file was edited"
    assert result(factor=3, start=1.0) == 13, "the kernel was edited"
    compiled = copy.files(".nbc")
    assert result(factor=2, start=0.0) == 8, "both are as they were at first"
    assert copy.files(".nbc") == compiled, "and so is what was compiled"


def test_a_constant_of_the_readable_wing_is_never_served_stale(copy):
    """Kernels share constants with the numpy wing, and a compiled kernel holds them for good."""
    script = """
import numpy as np
from tinynet.backends.numba import sparse_categorical_crossentropy
p = np.array([[1.0, 0.0]])
print(sparse_categorical_crossentropy(np.int32([1]), p, np.ones(1), np.empty((1, 2))))
"""
    before = float(copy.run(script).stdout)
    room = copy.package / "backends" / "numpy" / "softmax.py"
    source = room.read_text("utf-8")
    assert "CLIP = 1e-7" in source
    room.write_text(source.replace("CLIP = 1e-7", "CLIP = 1e-3"), "utf-8")
    assert before == pytest.approx(-np.log(1e-7))
    assert float(copy.run(script).stdout) == pytest.approx(-np.log(1e-3))


def test_what_it_waits_for_is_said_once_and_only_when_there_is_something(copy):
    with concurrent.futures.ThreadPoolExecutor() as pool:  # two at once fill one empty folder
        cold = list(pool.map(copy.run, 2 * [RUN_TWO_KERNELS]))
    assert [float(each.stdout) for each in cold] == [20, 20]
    for each in cold:
        assert each.stderr.count(COMPILING) == len(each.stderr.splitlines()) <= 1
    assert cold[0].stderr or cold[1].stderr
    assert len(copy.files(".nbi")) == 2
    warm = copy.run(RUN_TWO_KERNELS)
    assert (float(warm.stdout), warm.stderr) == (20, "")


def test_damaged_files_are_compiled_anew_and_replaced(copy):
    cold = copy.run(RUN_SIX_KERNELS)
    assert cold.stderr.count(COMPILING) == len(cold.stderr.splitlines()) == 1
    indices, code = copy.files(".nbi"), copy.files(".nbc")
    assert len(indices) == len(code) == 6
    for damage, index, data in zip(DAMAGES, indices[:3], code[3:], strict=True):
        index.write_bytes(damage(index.read_bytes()))
        data.write_bytes(damage(data.read_bytes()))
    mended = copy.run(RUN_SIX_KERNELS)
    assert mended.stdout == cold.stdout
    assert mended.stderr.count(COMPILING) == len(mended.stderr.splitlines()) == 1
    warm = copy.run(RUN_SIX_KERNELS)
    assert (warm.stdout, warm.stderr) == (cold.stdout, "")


def test_by_default_kernels_lie_in_the_user_s_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setattr(platformdirs, "user_cache_dir", lambda *_: str(tmp_path / "user"))
    folder = jit.cache_folder.__wrapped__()  # as if it were called for the first time
    assert folder.parent == tmp_path / "user" / "tinynet" / "kernels"
    assert folder.is_dir()


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="nothing is compiled")
def test_kernels_let_other_threads_run_and_keep_nan():
    """Without the GIL; and "fast" mathematics would let the compiler assume that there is no NaN."""
    kernels = [kernel for kernel in map(wing.__dict__.get, wing.__all__) if hasattr(kernel, "targetoptions")]
    assert len(kernels) > 20
    for kernel in kernels:
        assert kernel.targetoptions["nogil"]
        assert not {"fast", "nnan", "ninf"} & set(kernel.targetoptions["fastmath"])


def test_no_folder_to_write_in_is_no_error(copy):
    copy.cache.write_text("a file where a folder should be")
    found = copy.run(RUN_TWO_KERNELS, NUMBA_CACHE_DIR=os.fspath(copy.cache / "below"))
    assert float(found.stdout) == 20
    assert found.stderr.count(COMPILING) == 1
    assert "no cache folder can be written" in found.stderr


WITHOUT_JIT = """
import numpy as np
import tinynet as tn
from tinynet import layers

def train(backend):
    tn.set_seed(0)
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(24, 5)).astype(np.float32), rng.integers(0, 3, 24)
    found = []
    with tn.use_backend(backend):
        for activation, optimizer in (("relu", "sgd"), ("gelu", "adam"), ("elu", "rmsprop"), ("tanh", "adagrad"),
                                      ("softplus", tn.optimizers.SGD(0.1, momentum=0.9)), ("sigmoid", "adamw"),
                                      ("leaky_relu", tn.optimizers.SGD(0.1, global_clipnorm=0.5)), ("relu6", "sgd")):
            model = tn.Sequential([layers.Dense(4, activation=activation, input_shape=(5,)), layers.Dropout(0.25),
                                   layers.Dense(3, activation="softmax")])
            model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
            history = model.fit(x, labels, batch_size=8, epochs=2, verbose=0)
            found += [*model.get_weights(), history.history["loss"], history.history["accuracy"], model.predict(x)]
        for loss in ("mse", "mae", "huber", "binary_crossentropy", "categorical_crossentropy"):
            model = tn.Sequential([layers.Dense(3, activation="sigmoid", input_shape=(5,)), layers.Softmax()])
            model.compile("adam", loss)
            model.fit(x, np.eye(3)[labels], batch_size=8, epochs=2, verbose=0)
            found += model.get_weights()
    return found

import numba
assert numba.config.DISABLE_JIT
for slow, readable in zip(train("numba"), train("numpy")):
    np.testing.assert_allclose(slow, readable, rtol=1e-4, atol=1e-6)
"""


def test_without_compiling_the_wing_computes_the_same(copy):
    found = copy.run(WITHOUT_JIT, NUMBA_DISABLE_JIT="1")
    assert found.stderr == ""
    assert not copy.files("")
