import numpy as np
import pytest

import tinynet
from tinynet import Sequential, callbacks, layers, load_model, optimizers
from tinynet.callbacks import ModelCheckpoint

X, Y = np.linspace(-1, 1, 30).reshape(10, 3), np.arange(10) % 2


@pytest.fixture
def model():
    model = Sequential([layers.Dense(2, activation="softmax", input_shape=(3,))])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


class Scores(callbacks.Callback):
    """Puts made-up numbers into the logs, one an epoch."""

    def __init__(self, *values):
        self.values = values

    def on_epoch_end(self, epoch, logs=None):
        logs["score"] = self.values[epoch]


def fit(model, *watching, epochs=4):
    return model.fit(X, Y, batch_size=5, epochs=epochs, verbose=0, callbacks=list(watching))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_file_of_each_epoch_is_the_model_after_it(model, tmp_path):
    weights = []
    watch = callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: weights.append(model.get_weights()))
    # First in the list, and still it sees what all others do at the epoch's end.
    history = fit(model, ModelCheckpoint(tmp_path / "deep" / "m{epoch:02d}_{score:.1f}.safetensors"), watch,
                  Scores(1.5, 2, 3, 4)).history
    assert names(tmp_path / "deep") == [
        "m01_1.5.safetensors", "m02_2.0.safetensors", "m03_3.0.safetensors", "m04_4.0.safetensors"]
    for epoch, name in enumerate(names(tmp_path / "deep")):
        again = load_model(tmp_path / "deep" / name)
        assert all(map(np.array_equal, again.get_weights(), weights[epoch]))
        state = again.trainer.position()
        assert state["epoch"] == epoch + 1
        (said,) = [said for kind, said in state["callbacks"] if kind == "History"]
        assert said["history"] == {name: values[: epoch + 1] for name, values in history.items()}


def test_one_file_is_always_the_last(model, tmp_path):
    fit(model, ModelCheckpoint(tmp_path / "m.safetensors"))
    assert names(tmp_path) == ["m.safetensors"]
    assert load_model(tmp_path / "m.safetensors").optimizer.iterations == 8


@pytest.mark.parametrize(("mode", "scores", "best"), [
    ("auto", (3, 2, 4, 1), [1, 2, 4]), ("min", (3, 2, 4, 1), [1, 2, 4]), ("max", (3, 2, 4, 1), [1, 3])])
def test_best_only(model, tmp_path, mode, scores, best):
    fit(model, Scores(*scores), ModelCheckpoint(tmp_path / "{epoch}.safetensors", "score", save_best_only=True,
                                                mode=mode))
    assert names(tmp_path) == [f"{epoch}.safetensors" for epoch in best]


def test_the_best_is_known_to_training_that_goes_on(model, tmp_path):
    def watching():
        return [Scores(1, 2, 3, 0.5), ModelCheckpoint(tmp_path / "last.safetensors"),
                ModelCheckpoint(tmp_path / "best{epoch}.safetensors", "score", save_best_only=True)]

    fit(model, *watching(), epochs=1)
    (tmp_path / "best1.safetensors").unlink()
    again = Sequential([layers.Dense(2, activation="softmax", input_shape=(3,))])
    again.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    again.fit(X, Y, batch_size=5, epochs=4, verbose=0, callbacks=watching(), resume_from=tmp_path / "last.safetensors")
    assert names(tmp_path) == ["best4.safetensors", "last.safetensors"]


def test_weights_only(model, tmp_path):
    fit(model, ModelCheckpoint(tmp_path / "w.safetensors", save_weights_only=True))
    with pytest.raises(ValueError, match="no architecture"):
        load_model(tmp_path / "w.safetensors")
    other = Sequential([layers.Dense(2, input_shape=(3,))])
    other.load_weights(tmp_path / "w.safetensors")
    assert all(map(np.array_equal, model.get_weights(), other.get_weights()))


def test_every_so_many_batches(model, tmp_path):
    fit(model, ModelCheckpoint(tmp_path / "{epoch}_{batch}_{loss:.0f}.safetensors", save_freq=3))
    # Of 4 epochs of 2 batches: after the 3rd batch of all, and the 6th, which ends an epoch.
    assert names(tmp_path) == ["2_1_1.safetensors", "3_2_1.safetensors"]
    states = [load_model(path).trainer.position() for path in sorted(tmp_path.iterdir())]
    assert [(state["epoch"], state["inside"]) for state in states] == [(1, True), (3, False)]


def test_batches_are_told_of_only_where_they_are_counted(model, tmp_path):
    assert not callbacks.CallbackList([ModelCheckpoint("a.safetensors")], model, {}).watches_batches
    assert callbacks.CallbackList([ModelCheckpoint("a.safetensors", save_freq=2)], model, {}).watches_batches


def test_it_says_so(model, tmp_path, capsys):
    fit(model, ModelCheckpoint(tmp_path / "m.safetensors", verbose=1), epochs=1)
    assert capsys.readouterr().out == f"Epoch 1: ModelCheckpoint saves {tmp_path / 'm.safetensors'}.\n"


@pytest.mark.parametrize(("arguments", "message"), [
    ({"filepath": "model.keras"}, "ends in '.safetensors'.*Received: 'model.keras'"),
    ({"filepath": "a.safetensors", "save_freq": "batch"}, "save_freq is 'epoch' or a number.*Received: 'batch'"),
    ({"filepath": "a.safetensors", "save_freq": 0}, "Received: 0"),
    ({"filepath": "a.safetensors", "mode": "best"}, "mode is 'auto', 'min' or 'max'"),
])
def test_arguments_that_are_wrong(arguments, message):
    with pytest.raises(ValueError, match=message):
        ModelCheckpoint(**arguments)


@pytest.mark.parametrize("field", ["{val_los:.2f}", "{loss:q}", "{}"])
def test_a_field_that_the_logs_do_not_have(model, tmp_path, field):
    with pytest.raises(ValueError, match="fields of filepath are epoch, batch, loss, accuracy. Received"):
        fit(model, ModelCheckpoint(tmp_path / f"{field}.safetensors"))
    assert names(tmp_path) == []


def test_what_cannot_be_saved_is_said_before_the_first_epoch(tmp_path):
    model = Sequential([layers.Dense(2, activation="softmax", input_shape=(3,))])
    model.compile(optimizers.SGD(lambda step: 0.1), "sparse_categorical_crossentropy")
    with pytest.raises(ValueError, match="learning_rate cannot be saved"):
        fit(model, ModelCheckpoint(tmp_path / "m.safetensors"))
    assert model.optimizer.iterations == 0
    fit(model, ModelCheckpoint(tmp_path / "m.safetensors", save_weights_only=True))


def test_a_table_and_curves_go_on_where_they_were(model, tmp_path):
    def watching(name):
        return [callbacks.CSVLogger(tmp_path / f"{name}.csv"), callbacks.PlotTraining(1, path=None)]

    def run(name, epochs, **more):
        tinynet.set_seed(1)
        again = Sequential([layers.Dense(2, activation="softmax", input_shape=(3,))])
        again.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
        table, curves = watching(name)
        again.fit(X, Y, batch_size=5, epochs=epochs, verbose=0, callbacks=[table, curves, *more.pop("also", [])],
                  validation_data=(X, Y), **more)
        return (tmp_path / f"{name}.csv").read_text(), curves.get_state()

    whole = run("whole", 4)
    path = tmp_path / "m.safetensors"
    run("part", 2, also=[ModelCheckpoint(path)])
    with open(tmp_path / "part.csv", "a") as file:
        file.write("2,a row of an epoch that was not saved\n")
    assert run("part", 4, resume_from=path) == whole
    (tmp_path / "part.csv").unlink()  # elsewhere: the table has the epochs from here on
    assert [row[:1] for row in run("part", 4, resume_from=path)[0].splitlines()] == ["e", "2", "3"]
