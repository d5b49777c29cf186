"""Training beside other threads. What could end a process or hang in it runs in one of its own."""

import importlib.util
import multiprocessing
import subprocess
import sys
import threading

import pytest

import tinynet
from tinynet.backends import get_backend

TRAIN = """
import numpy as np
import tinynet as tn

rng = np.random.default_rng(0)
x = rng.normal(size=(256, 20)).astype(np.float32)
y = rng.integers(0, 4, 256)

def build(seed):
    tn.set_seed(seed)
    model = tn.Sequential([tn.layers.Dense(32, activation="relu", input_shape=(20,)), tn.layers.Dropout(0.2),
                           tn.layers.Dense(4, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model

def train(model):
    loss = model.fit(x, y, epochs=6, shuffle=False, verbose=0).history["loss"]
    assert loss[-1] < loss[0], loss
    return model.get_weights()

def check(found, wanted):
    for a, b in zip(found, wanted):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
"""


def run(script):
    """Run a script in a fresh process; a hang or a crash there is a failure here."""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
def test_beside_torch_that_was_imported_first():
    run("import torch\ntorch.ones(300, 300) @ torch.ones(300, 300)\n" + TRAIN + """
wanted = train(build(1))
torch.ones(300, 300) @ torch.ones(300, 300)
check(train(build(1)), wanted)
""")


def test_two_threads_train_models_of_their_own():
    run(TRAIN + """
import threading

seeds = (1, 2)
wanted = [train(build(seed)) for seed in seeds]
models = [build(seed) for seed in seeds]
found, together = {}, threading.Barrier(2)

def work(i):
    together.wait()
    found[i] = train(models[i])

threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
for i in range(2):
    check(found[i], wanted[i])
""")


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork on this system")
def test_a_forked_child_trains_after_its_parent_did():
    run(TRAIN + """
import multiprocessing, warnings

warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of any fork beside threads
wanted = train(build(1))
context = multiprocessing.get_context("fork")
inbox = context.Queue()
child = context.Process(target=lambda: inbox.put(train(build(1))))
child.start()
check(inbox.get(timeout=60), wanted)
child.join(60)
assert child.exitcode == 0, child.exitcode
check(train(build(1)), wanted)
""")


def test_a_backend_chosen_in_one_thread_is_that_thread_s_own():
    here = get_backend().name
    inside, leave, found = threading.Event(), threading.Event(), []

    def work():
        found.append(get_backend().name)
        with tinynet.use_backend("numpy"):
            inside.set()
            leave.wait(60)
            found.append(get_backend().name)
        found.append(get_backend().name)

    thread = threading.Thread(target=work)
    thread.start()
    assert inside.wait(60)
    assert get_backend().name == here
    with tinynet.use_backend("numba"):
        leave.set()
        thread.join()
    assert found == [here, "numpy", here]
