"""Models in files: as they were; files that are wrong in any way; processes that are killed."""

import os
import random as python_random
import signal
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

import tinynet
from tinynet import Sequential, callbacks, layers, load_model, losses, metrics, optimizers, schedules
from tinynet.serialization import Reader, write

OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(0.1, momentum=0.5, nesterov=True),
    "adam": lambda: optimizers.Adam(schedules.WarmUp(schedules.CosineDecay(0.1, 10), 3), clipnorm=1.0),
    "adam with a rate in float32": lambda: optimizers.Adam(np.float32(0.1)),
    "adamw": lambda: optimizers.AdamW(0.1),
    "rmsprop": lambda: optimizers.RMSprop(0.1),
    "adagrad": lambda: optimizers.Adagrad(0.1),
}


def make(optimizer=None):
    inner = Sequential([layers.Flatten(), layers.Dropout(0.3), layers.Dense(5, activation="tanh")], name="inner")
    model = Sequential([layers.Conv2D(4, 3, activation="relu", input_shape=(6, 6, 1)), layers.RandomFlip(),
                        layers.Residual([layers.Conv2D(4, 1), layers.BatchNormalization()]), inner,
                        layers.Dense(3, activation="softmax")])
    model.compile(optimizer or optimizers.Adam(0.01), "sparse_categorical_crossentropy",
                  ["accuracy", metrics.SparseTopKCategoricalAccuracy(2, name="two")])
    return model


@pytest.fixture
def data(rng):
    return rng.normal(size=(24, 6, 6, 1)), rng.integers(0, 3, 24)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def same(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights(), strict=True))


def edited(path, edit):
    """Write a file again after `edit(tree, arrays)`."""
    with Reader(path) as file:
        tree, arrays = file.tree, {name: file.read(name) for name in list(file.arrays)}
    edit(tree, arrays)
    write(path, tree, arrays)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_model_goes_on_from_its_file_as_from_itself(name, path, data, backend):
    model = make(OPTIMIZERS[name]())
    model.fit(*data, epochs=2, batch_size=8, verbose=0)
    model.save(path)
    again = load_model(path)
    assert same(model, again)
    assert again.optimizer.iterations == 6 and again.optimizer.current_rate == model.optimizer.current_rate
    np.testing.assert_array_equal(again.predict(data[0]), model.predict(data[0]))
    assert again.evaluate(*data, verbose=0) == model.evaluate(*data, verbose=0)
    for _ in range(3):  # dropout, flips, slots, schedule, statistics
        assert again.train_on_batch(*data) == model.train_on_batch(*data)
    assert same(model, again)


def test_a_rate_that_was_changed_stays_changed(path, data):
    model = make(optimizers.SGD(schedules.ExponentialDecay(0.1, 10, 0.5)))
    model.optimizer.learning_rate = 0.025
    model.save(path)
    assert load_model(path).optimizer.learning_rate == 0.025


def test_loading_leaves_all_randomness_and_floatx_alone(path):
    make().save(path)
    tinynet.set_floatx("float64")
    tinynet.set_seed(5)
    load_model(path)
    assert tinynet.config.floatx() == "float64"
    after = tinynet.random.spawn().random()
    tinynet.set_seed(5)
    assert after == tinynet.random.spawn().random()


def test_floatx_is_the_files(path):
    with tinynet.use_backend("numpy"):
        tinynet.set_floatx("float64")
        make().save(path)
        tinynet.set_floatx("float32")
        again = load_model(path)
    assert again.dtype == np.float64 and again.predict(np.ones((1, 6, 6, 1))).dtype == np.float64


def test_frozen_layers_stay_frozen_and_their_slots_need_no_room(path, data):
    model = make()
    model.layers[0].trainable = False
    model.fit(*data, verbose=0)
    model.save(path)
    names = load_file(path)
    assert "conv2d/kernel" in names and "optimizer/residual/conv2d_1/kernel/mean" in names
    assert "optimizer/conv2d/kernel/mean" not in names
    again = load_model(path)
    assert not again.layers[0].trainable
    for one in (model, again):
        one.layers[0].trainable = True
    assert model.train_on_batch(*data) == again.train_on_batch(*data)
    assert model.train_on_batch(*data) == again.train_on_batch(*data)
    assert same(model, again)


def test_other_programs_find_arrays_under_the_layers_names(path):
    model = make()
    model.save(path)
    arrays = load_file(path)
    assert set(arrays) == {
        "conv2d/kernel", "conv2d/bias", "residual/conv2d_1/kernel", "residual/conv2d_1/bias",
        *(f"residual/batch_normalization/{name}" for name in ("gamma", "beta", "moving_mean", "moving_variance")),
        "inner/dense/kernel", "inner/dense/bias", "dense_1/kernel", "dense_1/bias"}
    np.testing.assert_array_equal(arrays["inner/dense/kernel"], model.get_layer("dense").kernel.value)


def test_without_compiling(path):
    make().save(path)
    with pytest.raises(RuntimeError, match="compiled first"):
        load_model(path, compile=False).optimizer  # noqa: B018
    model = Sequential([layers.Dense(2, input_shape=(3,))])
    model.save(path)
    with pytest.raises(RuntimeError, match="compiled first"):
        load_model(path).optimizer  # noqa: B018


def test_a_loss_and_metrics_of_their_own_arguments(path):
    model = Sequential([layers.Dense(1, input_shape=(3,))])
    model.compile("sgd", losses.Huber(2.0), [metrics.MeanSquaredError("m"), "mae"])
    model.save(path)
    again = load_model(path)
    assert again.trainer.loss.delta == 2.0
    assert len(again.evaluate(np.ones((2, 3)), np.ones((2, 1)), verbose=0)) == 3


def test_a_model_without_weights(path):
    model = Sequential([layers.Flatten(input_shape=(2, 2))])
    model.compile("adam", "mse")
    model.save(path)
    assert load_model(path).predict(np.ones((1, 2, 2))).shape == (1, 4)


# Weights alone.

def test_weights_by_name(path, data):
    model, other = make(), make()
    model.fit(*data, verbose=0)
    for save in (model.save_weights, model.save):
        save(path)
        other.set_weights([np.zeros(w.shape) for w in other.get_weights()])
        other.load_weights(path)
        assert same(model, other)


def test_weights_of_other_programs(path, rng):
    kernel = rng.normal(size=(3, 2)).astype(np.float16)
    save_file({"dense/kernel": kernel, "dense/bias": np.ones(2)}, path)
    model = Sequential([layers.Dense(2, input_shape=(3,))])
    model.load_weights(path)
    np.testing.assert_array_equal(model.layers[0].kernel.value, kernel.astype(np.float32))


def test_weights_that_do_not_fit_are_listed_and_none_is_taken(path):
    Sequential([layers.Dense(2, input_shape=(3,)), layers.Dense(4), layers.Dense(1)]).save_weights(path)
    model = Sequential([layers.Dense(2, input_shape=(3,)), layers.Dense(5), layers.Dense(1, name="last")])
    before = model.get_weights()
    with pytest.raises(ValueError) as error:
        model.load_weights(path)
    for part in ("model.safetensors: its weights are not those of the model 'sequential', which has 6",
                 "2 missing: last/kernel, last/bias", "2 unexpected: dense_2/bias, dense_2/kernel",
                 "2 of another shape or type: dense_1/kernel (2, 4) instead of (2, 5), dense_1/bias (4,)"):
        assert part in str(error.value)
    assert all(map(np.array_equal, before, model.get_weights()))
    save_file({"dense/kernel": np.ones((3, 2), np.int32), "dense/bias": np.ones(2)}, path)
    with pytest.raises(ValueError, match="dense/kernel of int32"):
        Sequential([layers.Dense(2, input_shape=(3,))]).load_weights(path)


# What cannot be saved or loaded.

@pytest.mark.parametrize("method", ["save", "save_weights", "load_weights"])
def test_a_model_that_is_not_built(method, path):
    with pytest.raises(ValueError, match=f"Model 'sequential' must be built before {method}.*Received"):
        getattr(Sequential([layers.Dense(2)]), method)(path)
    assert not path.exists()


def test_names_that_a_file_cannot_tell_apart(path):
    for names in (("a/b", "a"), ("optimizer",), ("training",)):
        inner = Sequential([layers.Dense(3, name="b")], name=names[-1]) if len(names) > 1 else None
        model = Sequential([layers.Dense(3, name=names[0], input_shape=(3,)), *([inner] if inner else [])])
        with pytest.raises(ValueError, match=f"names of their own.*Received: '{names[0]}/kernel'"):
            model.save(path)


def test_a_file_of_weights_only(path):
    make().save_weights(path)
    with pytest.raises(ValueError, match="holds weights, but no architecture.*load_weights"):
        load_model(path)
    save_file({"a": np.ones(3)}, path)
    with pytest.raises(ValueError, match="holds weights, but no architecture"):
        load_model(path)


WRONG = {
    "a newer format": (lambda tree, arrays: tree.update(format=2, tinynet="9.0"),
                       "reads? not|newer tinynet may. Received: format 2, written by tinynet '9.0'"),
    "no format": (lambda tree, arrays: tree.pop("format"), "Received: format None"),
    "an unknown layer": (lambda tree, arrays: tree["architecture"].update({"class": "layers.Quantum"}),
                         "Unknown class. Known are Sequential, .*register_serializable.*Received: 'layers.Quantum'"),
    "no model": (lambda tree, arrays: tree.update(architecture={"class": "losses.Huber", "config": {}}),
                 "architecture is no model"),
    "another number type": (lambda tree, arrays: tree.update(floatx="float16"), "Received: 'float16'"),
    "more weights than there are": (
        lambda tree, arrays: tree["architecture"]["config"]["layers"][-1]["config"].update(units=10**12),
        "need more weights than the file has"),
    "bytes in the place of weights": (
        lambda tree, arrays: (tree["architecture"]["config"]["layers"][-1]["config"].update(units=10**5),
                              arrays.update(bytes=np.zeros(10**6, np.uint8))),
        "need more weights than the file has"),
    "another shape": (lambda tree, arrays: arrays.update({"dense_1/bias": np.ones(4, np.float32)}),
                      "of another shape or type: dense_1/bias"),
    "a missing weight": (lambda tree, arrays: arrays.pop("dense_1/bias"), "1 missing: dense_1/bias"),
    "a slot too many": (lambda tree, arrays: arrays.update({"optimizer/dense_1/bias/speed": np.ones(3)}),
                        "Adam keeps mean, square of each parameter. Received: optimizer/dense_1/bias/speed"),
    "a slot of another shape": (
        lambda tree, arrays: arrays.update({"optimizer/dense_1/bias/mean": np.ones(4, np.float32)}),
        "optimizer/dense_1/bias/mean must be float32"),
    "a rate below 0": (lambda tree, arrays: tree["compiled"].update(learning_rate=-1),
                       "learning_rate must be a number"),
    "iterations that are none": (lambda tree, arrays: tree["compiled"].update(iterations=1.5), "Received: 1.5"),
    "a loss that is none": (lambda tree, arrays: tree["compiled"].update(loss=3), "is damaged.*A loss is a name"),
    "no generators": (lambda tree, arrays: tree.update(generators={}),
                      "generators are random_flip/generator, inner/dropout/generator"),
    "a generator's state that is none": (
        lambda tree, arrays: tree["generators"].update({"inner/dropout/generator": {"dict": {"state": 3}}}),
        "no state of a Philox generator"),
    "a missing part": (lambda tree, arrays: tree.pop("compiled"), "is damaged. Received: KeyError: 'compiled'"),
}


@pytest.mark.parametrize(("edit", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_file_that_says_something_wrong(edit, message, path, data):
    model = make()
    model.fit(*data, verbose=0)
    model.save(path)
    edited(path, edit)
    with pytest.raises(ValueError, match=rf"(?s)model\.safetensors.*{message}"):
        load_model(path)


def test_an_array_can_be_asked_for_once(path, data):
    model = make()
    model.fit(*data, verbose=0, callbacks=callbacks.EarlyStopping("loss", restore_best_weights=True))
    model.save(path)
    load_model(path)
    twice = [{"array": "training/fit/callbacks/0/1/best_weights/0"}] * 2
    edited(path, lambda tree, arrays: tree.update(training=twice))
    with pytest.raises(ValueError, match="not there, or no more"):
        load_model(path)


def load(path):
    model = load_model(path)
    model.load_weights(path)


def test_mutations_are_loaded_or_are_value_errors_within_little_memory(path, tmp_path, data, mutate):
    model = Sequential([layers.Conv2D(2, 3, input_shape=(6, 6, 1)), layers.Dropout(0.5), layers.Flatten(),
                        layers.Dense(3, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy", ["accuracy"])
    model.fit(*data, verbose=0)
    model.save(path)
    bad, content, generator = tmp_path / "bad.safetensors", path.read_bytes(), python_random.Random(2)
    load(path)
    tracemalloc.start()
    try:
        def used(path):
            before = tracemalloc.get_traced_memory()[0]
            tracemalloc.reset_peak()
            try:
                load(path)
                return True
            except ValueError:
                return False
            finally:
                peaks.append(tracemalloc.get_traced_memory()[1] - before)

        peaks = []
        assert used(path) and used(path)
        honest = peaks[1]
        fine = sum(used(bad) for _ in range(600) if bad.write_bytes(mutate(content, generator)))
        assert max(peaks) < 2 * honest
    finally:
        tracemalloc.stop()
    assert 5 < fine < 595


KILLED = """
import sys
import numpy as np
import tinynet
tinynet.set_backend("numpy")
model = tinynet.Sequential([tinynet.layers.Dense(300, input_shape=(300,))])
model.save(sys.argv[1])
print("saved", flush=True)
number = 0
while True:
    number += 1
    model.set_weights([np.full(w.shape, number) for w in model.get_weights()])
    model.save(sys.argv[1])
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX'")
def test_killed_at_any_moment_a_whole_file_is_there(path):
    for milliseconds in (1, 4, 9, 17, 30):
        child = subprocess.Popen([sys.executable, "-c", KILLED, path], stdout=subprocess.PIPE, text=True)
        assert child.stdout.readline() == "saved\n"
        with pytest.raises(subprocess.TimeoutExpired):
            child.wait(milliseconds / 1000)
        child.send_signal(signal.SIGKILL)
        child.communicate()
        kernel, bias = load_model(path).get_weights()
        assert len(set(bias)) == 1 and (bias[0] == 0 or (kernel == bias[0]).all())
