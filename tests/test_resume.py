"""Training stopped after any epoch and gone on with in another process: the same numbers to the last bit."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

import tinynet
from tinynet import Sequential, callbacks, layers, load_model, optimizers, schedules
from tinynet.data import Dataset
from tinynet.serialization import Reader, write

EPOCHS = 5
SHAPE = (6, 6, 1)
X = np.random.default_rng(1).normal(size=(37, *SHAPE)).astype(np.float32)
Y = np.random.default_rng(2).integers(0, 3, 37)
# A little harder than that, and each watched number goes up and down.
VALIDATION = (X[:9] + 1, Y[:9])


def make(optimizer):
    model = Sequential([layers.RandomFlip(input_shape=SHAPE), layers.RandomRotation(0.1),
                        layers.Conv2D(4, 3, activation="relu"), layers.BatchNormalization(),
                        Sequential([layers.Flatten(), layers.Dropout(0.3)]), layers.Dense(3, activation="softmax")])
    model.compile(optimizer, "sparse_categorical_crossentropy", ["accuracy"])
    return model


def adam():
    return optimizers.Adam(0.01)


def arrays(**arguments):
    return lambda: {"x": X, "y": Y, "batch_size": 8} | arguments


def samples():
    return Dataset.from_tensor_slices((X, Y))


# What makes an optimizer, what makes the data and arguments of fit, what makes callbacks.
TRAININGS = {
    "arrays": (adam, arrays(), list),
    "arrays in order": (adam, arrays(shuffle=False), list),
    "a stream of arrays": (adam, arrays(steps_per_epoch=3), list),
    "a schedule": (lambda: optimizers.SGD(schedules.CosineDecay(0.1, 20), momentum=0.9), arrays(), list),
    "a schedule that warms up": (lambda: optimizers.RMSprop(schedules.WarmUp(0.01, 7)), arrays(), list),
    "validation": (adam, arrays(validation_data=VALIDATION), list),
    "a rate set each epoch": (adam, arrays(), lambda: [
        callbacks.LearningRateScheduler(lambda epoch, rate: 0.7 * rate)]),
    "a rate on a plateau": (adam, arrays(validation_data=VALIDATION), lambda: [
        callbacks.ReduceLROnPlateau(patience=1, min_delta=10, cooldown=2)]),
    "a float32 rate on a plateau": (lambda: optimizers.Adam(np.float32(0.01)), arrays(validation_data=VALIDATION),
                                    lambda: [callbacks.ReduceLROnPlateau(patience=1, min_delta=10)]),
    "early stopping": (adam, arrays(validation_data=VALIDATION), lambda: [
        callbacks.EarlyStopping("val_accuracy", patience=2, restore_best_weights=True)]),
    "a dataset": (adam, lambda: {"x": samples().shuffle(20).batch(8)}, list),
    "a dataset with a seed": (adam, lambda: {"x": samples().shuffle(20, seed=3).batch(8).prefetch(2)}, list),
    "a dataset of one order": (
        adam, lambda: {"x": samples().shuffle(20, reshuffle_each_iteration=False).batch(8)}, list),
    "a cache before the shuffle": (adam, lambda: {"x": samples().cache().shuffle(20).batch(8)}, list),
    "a cache behind the shuffle": (adam, lambda: {"x": samples().shuffle(20).cache().shuffle(5).batch(8)}, list),
    "a stream": (adam, lambda: {"x": samples().shuffle(20).repeat().batch(8), "steps_per_epoch": 3}, list),
    "a stream that is prefetched": (adam, lambda: {
        "x": samples().cache().shuffle(20).repeat().batch(8).prefetch(2), "steps_per_epoch": 7}, list),
    "a shuffled validation": (adam, lambda: {
        "x": samples().shuffle(20).batch(8), "validation_data": samples().shuffle(20).batch(4),
        "validation_steps": 5}, list),
    "parts of one shuffle": (adam, lambda: (lambda both: {
        "x": both.skip(9).batch(8), "validation_data": both.take(9).batch(9)})(samples().shuffle(37)), list),
}


def train(training, path=None, stop=EPOCHS, seed=4, **more):
    """Train for `stop` epochs, as a process of its own would; return model, History and callbacks."""
    optimizer, data, watching = training
    if seed is not None:
        tinynet.set_seed(seed)
    model = make(optimizer())
    extra = watching() + ([callbacks.ModelCheckpoint(path)] if path else [])
    # With a last epoch given, not by another `epochs`: as if it were killed there.
    killed = callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: None if epoch < stop else halt())
    try:
        history = model.fit(**data(), epochs=EPOCHS, verbose=0, callbacks=[*extra, killed], **more)
    except KilledError:
        history = None
    return model, history, extra


class KilledError(Exception):
    pass


def halt():
    raise KilledError


def assert_same(one, other):
    model, history, _ = one
    again, history_again, _ = other
    assert history_again.history == history.history and history_again.epoch == history.epoch
    for mine, theirs in zip(model.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert again.optimizer.iterations == model.optimizer.iterations
    assert again.optimizer.current_rate == model.optimizer.current_rate
    for mine, theirs in zip(model.optimizer.slot_values(model), again.optimizer.slot_values(again), strict=True):
        assert all(np.array_equal(mine[slot], theirs[slot]) for slot in mine)
    assert tinynet.random.get_state()["children"] > 0


@pytest.mark.parametrize("name", TRAININGS)
def test_stopped_after_any_epoch_it_ends_as_if_it_never_were(name, tmp_path):
    whole = train(TRAININGS[name])
    after = tinynet.random.get_state()
    for stop in range(1, len(whole[1].epoch)):
        path = tmp_path / f"{stop}.safetensors"
        train(TRAININGS[name], path, stop)
        assert_same(whole, train(TRAININGS[name], resume_from=path))
        assert tinynet.random.get_state() == after


def test_stopped_again_and_again(tmp_path):
    path = tmp_path / "a.safetensors"
    for training in (TRAININGS["arrays"], TRAININGS["a stream that is prefetched"]):
        whole = train(training)
        train(training, path, 1)
        for stop in (2, 4):
            train(training, path, stop, resume_from=path)
        assert_same(whole, train(training, resume_from=path))


def test_without_a_seed_too(tmp_path):
    path, training = tmp_path / "a.safetensors", TRAININGS["a dataset"]
    whole, after = train(training, seed=6), tinynet.random.get_state()
    train(training, path, 2, seed=6)
    assert_same(whole, train(training, resume_from=path, seed=99))  # as another process would begin
    assert tinynet.random.get_state() == after


def test_saved_after_fit_and_trained_for_more_epochs(tmp_path):
    path = tmp_path / "a.safetensors"
    whole = train(TRAININGS["arrays"])
    tinynet.set_seed(4)
    model = make(adam())
    model.fit(X, Y, batch_size=8, epochs=2, verbose=0)
    model.save(path)
    assert_same(whole, train(TRAININGS["arrays"], resume_from=path))
    again = load_model(path)  # which knows how far it came
    again.save(path)
    assert_same(whole, train(TRAININGS["arrays"], resume_from=path))


def test_the_same_model_goes_back_and_on(tmp_path):
    path = tmp_path / "a.safetensors"
    model = make(adam())
    model.layers[2].trainable = False
    model.fit(X, Y, batch_size=8, verbose=0, callbacks=callbacks.ModelCheckpoint(path))
    model.layers[2].trainable = True
    model.fit(X, Y, batch_size=8, verbose=0)
    model.layers[2].trainable = False
    model.fit(X, Y, batch_size=8, verbose=0, resume_from=path)
    assert not model.optimizer.slot_values(model)[0]["mean"].any()
    assert model.optimizer.slot_values(model)[2]["mean"].any()


def test_a_loaded_model_goes_on(tmp_path):
    path = tmp_path / "a.safetensors"
    whole = train(TRAININGS["a rate on a plateau"])
    train(TRAININGS["a rate on a plateau"], path, 3)
    model = load_model(path)
    watch = callbacks.ReduceLROnPlateau(patience=1, min_delta=10, cooldown=2)
    history = model.fit(**TRAININGS["a rate on a plateau"][1](), epochs=EPOCHS, verbose=0, callbacks=[watch],
                        resume_from=path)
    assert_same(whole, (model, history, []))


def test_the_rate_and_the_wait_really_change_in_these_trainings():
    history = train(TRAININGS["a rate on a plateau"])[1].history
    assert len(set(history["learning_rate"])) > 1
    model, history, (stopping,) = train(TRAININGS["early stopping"])
    assert 1 < len(history.epoch) <= EPOCHS and stopping.wait


def test_training_that_a_callback_has_ended_is_over(tmp_path):
    path, training = tmp_path / "a.safetensors", TRAININGS["early stopping"]
    patience = (training[0], training[1], lambda: [
        callbacks.EarlyStopping("val_accuracy", patience=1, min_delta=1.0, restore_best_weights=True)])
    whole = train(patience, path)
    assert whole[1].epoch == [0, 1]
    assert_same(whole, train(patience, resume_from=path))


def test_training_that_is_complete_says_so_and_returns_its_history(tmp_path, capsys):
    path = tmp_path / "a.safetensors"
    whole = train(TRAININGS["arrays"], path)
    model = make(adam())
    history = model.fit(X, Y, batch_size=8, epochs=EPOCHS, verbose=2, resume_from=path)
    assert_same(whole, (model, history, []))
    assert capsys.readouterr().out == f"{path}: 5 of 5 epochs are done; nothing is left to do.\n"
    make(adam()).fit(X, Y, batch_size=8, epochs=EPOCHS + 1, verbose=2, resume_from=path)
    assert capsys.readouterr().out.startswith(f"{path}: 5 of 6 epochs are done; training goes on.\nEpoch 6/6")


def test_training_that_a_callback_ended_says_so(tmp_path, capsys):
    path = tmp_path / "a.safetensors"
    stopping = [callbacks.EarlyStopping("loss", min_delta=100.0), callbacks.ModelCheckpoint(path)]
    make(adam()).fit(X, Y, batch_size=8, epochs=EPOCHS, verbose=0, callbacks=stopping)
    done = len(make(adam()).fit(X, Y, batch_size=8, epochs=EPOCHS, verbose=2, resume_from=path).epoch)
    assert done < EPOCHS
    said = capsys.readouterr().out
    assert said.startswith(f"{path}: {done} of 5 epochs are done; a callback, such as EarlyStopping, ended the train")
    assert said.endswith("load_model and fit train on.\n")


# Other conditions: close, and said.

def test_another_batch_size_warns(tmp_path):
    path = tmp_path / "a.safetensors"
    train(TRAININGS["arrays"], path, 2)
    message = "only be close.*batches an epoch: 5 then, 10 now; batch size: 8 then, 4 now"
    with pytest.warns(UserWarning, match=message):
        make(adam()).fit(X, Y, batch_size=4, epochs=3, verbose=0, resume_from=path)


def test_another_batch_size_of_a_stream_warns_when_it_shows(tmp_path):
    path = tmp_path / "a.safetensors"
    train(TRAININGS["a stream"], path, 2)
    with pytest.warns(UserWarning, match="batch size: 8 then, 4 now"):
        make(adam()).fit(samples().shuffle(20).repeat().batch(4), steps_per_epoch=3, epochs=3, verbose=0,
                         resume_from=path)


@pytest.mark.parametrize("name", ["tinynet", "numpy", "backend", "BLAS", "BLAS threads"])
def test_another_environment_warns(name, tmp_path):
    path = tmp_path / "a.safetensors"
    train(TRAININGS["arrays"], path, 2)
    with Reader(path) as file:
        tree, stored = file.tree, {name: file.read(name) for name in list(file.arrays)}
    assert tree["training"]["dict"]["conditions"]["dict"][name]
    tree["training"]["dict"]["conditions"]["dict"][name] = "other"
    write(path, tree, stored)
    with pytest.warns(UserWarning, match=f"close to those of training that never stopped. {name}: other then, .* now"):
        train(TRAININGS["arrays"], resume_from=path)


def test_a_stream_whose_shuffle_others_use_warns(tmp_path):
    def data():
        both = samples().shuffle(37)
        return {"x": both.repeat().batch(8), "steps_per_epoch": 3, "validation_data": both.batch(37)}

    path, training = tmp_path / "a.safetensors", (adam, data, list)
    train(training, path, 3)
    with pytest.warns(UserWarning, match="shares a shuffle with others"):
        train(training, resume_from=path)


# What cannot go on.

@pytest.mark.parametrize(("change", "message"), [
    (lambda: make(optimizers.Adam(0.02)), "compile as it was.*learning_rate is 0.01 there and 0.02 here"),
    (lambda: make(optimizers.SGD(0.01)), "compile as it was.*class is 'optimizers.Adam' there and 'optimizers.SGD'"),
    (lambda: make(optimizers.Adam(lambda step: 0.01)), "optimizers.Adam: learning_rate cannot be saved"),
])
def test_another_optimizer(change, message, tmp_path):
    path = tmp_path / "a.safetensors"
    train(TRAININGS["arrays"], path, 2)
    with pytest.raises(ValueError, match=rf"a\.safetensors: .*{message}"):
        change().fit(X, Y, batch_size=8, epochs=3, verbose=0, resume_from=path)


def test_another_architecture(tmp_path):
    path = tmp_path / "a.safetensors"
    train(TRAININGS["arrays"], path, 2)
    model = make(adam())
    other = Sequential([*model.layers[:-1], layers.Dense(4, activation="softmax")])
    other.compile(adam(), "sparse_categorical_crossentropy", ["accuracy"])
    with pytest.raises(ValueError, match="same model.*config.units is 3 there and 4 here"):
        other.fit(X, Y, batch_size=8, epochs=3, verbose=0, resume_from=path)


@pytest.mark.parametrize(("arguments", "message"), [
    ({"x": X[:30], "y": Y[:30]}, "here arrays of 30 samples, shuffled. Received: 37 samples, shuffled"),
    ({"x": X, "y": Y, "shuffle": False}, "arrays of 37 samples, not shuffled. Received: 37 samples, shuffled"),
    ({"x": samples().batch(8)}, "here a Dataset. Received: arrays"),
    ({"x": X, "y": Y, "steps_per_epoch": 2}, "steps_per_epoch must be what it was. Received: steps_per_epoch=2"),
    ({"x": X, "y": Y, "initial_epoch": 1}, "leave initial_epoch out. Received: initial_epoch=1"),
])
def test_other_data(arguments, message, tmp_path):
    path = tmp_path / "a.safetensors"
    train(TRAININGS["arrays"], path, 2)
    with pytest.raises(ValueError, match=message):
        make(adam()).fit(**arguments, epochs=3, verbose=0, resume_from=path)


def test_another_pipeline(tmp_path):
    path = tmp_path / "a.safetensors"
    train(TRAININGS["a dataset"], path, 2)
    for dataset, message in ((samples().shuffle(20).shuffle(3).batch(8), "has 2 calls of shuffle.*Received: 1"),
                             (samples().cache().batch(8), "A state here has the entries before")):
        with pytest.raises(ValueError, match=message):
            make(adam()).fit(dataset, epochs=3, verbose=0, resume_from=path)


def test_a_model_that_is_not_built_is_as_large_as_the_file_or_not_built_at_all(tmp_path):
    def make():
        model = Sequential([layers.Flatten(), layers.Dense(3, activation="softmax")])
        model.compile(adam(), "sparse_categorical_crossentropy")
        return model

    path, model = tmp_path / "a.safetensors", make()
    model.fit(samples().batch(8), epochs=1, verbose=0)
    model.save(path)
    again = make()
    again.fit(samples().batch(8), epochs=1, verbose=0, resume_from=path)
    assert all(map(np.array_equal, model.get_weights(), again.get_weights()))
    with Reader(path) as file:
        tree, stored = file.tree, {name: file.read(name) for name in list(file.arrays)}
    write(path, tree | {"input_shape": [10**6, 10**6]}, stored)
    again = make()
    with pytest.raises(ValueError, match="need more weights than the file has"):
        again.fit(samples().batch(8), epochs=2, verbose=0, resume_from=path)
    assert not again.built
    write(path, tree | {"training": None}, stored)
    with pytest.raises(ValueError, match="not trained this model yet"):
        again.fit(samples().batch(8), epochs=2, verbose=0, resume_from=path)
    assert not again.built  # nor left with zeros for weights


def test_files_that_fit_cannot_go_on_from(tmp_path):
    path = tmp_path / "a.safetensors"
    with pytest.raises(FileNotFoundError):
        make(adam()).fit(X, Y, epochs=3, verbose=0, resume_from=path)
    make(adam()).save(path)
    with pytest.raises(ValueError, match="not trained this model yet"):
        make(adam()).fit(X, Y, epochs=3, verbose=0, resume_from=path)
    model = Sequential(make(adam()).layers)
    model.save(path)
    with pytest.raises(ValueError, match="holds no compiled model"):
        make(adam()).fit(X, Y, epochs=3, verbose=0, resume_from=path)
    model = make(adam())
    save = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: batch == 3 and model.save(path))
    model.fit(X, Y, batch_size=8, verbose=0, callbacks=save)
    with pytest.raises(ValueError, match="from an epoch's end.*Received: a file of 0 epochs and a part"):
        make(adam()).fit(X, Y, epochs=3, verbose=0, resume_from=path)


def test_a_callback_whose_state_is_wrong(tmp_path):
    path, training = tmp_path / "a.safetensors", TRAININGS["early stopping"]
    train(training, path, 2)
    with Reader(path) as file:
        tree, stored = file.tree, {name: file.read(name) for name in list(file.arrays)}
    tree["training"]["dict"]["callbacks"][0][1]["dict"]["wait"] = "long"
    write(path, tree, stored)
    with pytest.raises(ValueError, match="says of EarlyStopping is none of its states. Received: ValueError"):
        train(training, resume_from=path)


def test_a_callback_of_your_own_keeps_its_state(tmp_path):
    class Count(callbacks.Callback):
        total = 0

        def on_epoch_end(self, epoch, logs=None):
            self.total += 1

        def get_state(self):
            return {"total": self.total, "squares": np.arange(self.total) ** 2}

        def set_state(self, state):
            self.total, self.squares = state["total"], state["squares"]

    path, training = tmp_path / "a.safetensors", (adam, arrays(), lambda: [Count(), Count()])
    train(training, path, 3)
    _, _, counts = train(training, resume_from=path)
    assert [count.total for count in counts] == [EPOCHS, EPOCHS]
    np.testing.assert_array_equal(counts[1].squares, [0, 1, 4])


SCRIPT = """
import os, sys
import numpy as np
import tinynet as tf
path, kill, out = sys.argv[1], int(sys.argv[2]), sys.argv[3]
tf.set_seed(7)
rng = np.random.default_rng(0)
x, y = rng.normal(size=(64, 8)), rng.integers(0, 3, 64)
model = tf.keras.Sequential([tf.keras.layers.Dense(16, activation="relu", input_shape=(8,)),
                             tf.keras.layers.Dropout(0.2), tf.keras.layers.Dense(3, activation="softmax")])
model.compile(tf.keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
def killed(epoch, logs):
    if epoch == kill:
        os.kill(os.getpid(), 9)
history = model.fit(x, y, epochs=4, batch_size=16, verbose=0, resume_from=path if os.path.exists(path) else None,
                    callbacks=[tf.keras.callbacks.ModelCheckpoint(path),
                               tf.keras.callbacks.LambdaCallback(on_epoch_begin=killed)])
np.savez(out, *model.get_weights(), history=history.history["loss"])
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX'")
def test_a_script_that_is_killed_and_started_again_ends_as_if_it_never_were(tmp_path):
    def run(name, kill=-1):
        return subprocess.run([sys.executable, "-W", "error", "-c", SCRIPT, str(tmp_path / f"{name}.safetensors"),
                               str(kill), str(tmp_path / f"{name}.npz")], timeout=120, capture_output=True, text=True)

    assert run("whole").returncode == 0
    assert run("killed", 2).returncode == -signal.SIGKILL
    assert not (tmp_path / "killed.npz").exists()
    done = run("killed")
    assert done.returncode == 0, done.stderr
    whole, killed = np.load(tmp_path / "whole.npz"), np.load(tmp_path / "killed.npz")
    assert len(whole["history"]) == 4
    for name in whole:
        np.testing.assert_array_equal(whole[name], killed[name])
