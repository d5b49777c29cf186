import csv

import numpy as np
import pytest

from tinynet import Sequential, callbacks, layers, plotting

X, Y = np.linspace(-1, 1, 40).reshape(20, 2), np.arange(20) % 2


@pytest.fixture
def model():
    model = Sequential([layers.Dense(2, activation="softmax", input_shape=(2,))])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def read(path, separator=","):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.reader(file, delimiter=separator))


def test_a_row_an_epoch(model, tmp_path):
    path = tmp_path / "log.csv"
    history = model.fit(X, Y, epochs=3, verbose=0, validation_data=(X, Y), callbacks=[callbacks.CSVLogger(path)])
    head, *rows = read(path)
    assert head == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy"]
    assert [row[0] for row in rows] == ["0", "1", "2"]
    for column, name in enumerate(head[1:], start=1):
        assert [float(row[column]) for row in rows] == history.history[name]


def test_written_anew_or_appended(model, tmp_path):
    path = str(tmp_path / "log.csv")
    for append, epochs in ((True, 2), (True, 1), (False, 1)):
        model.fit(X, Y, epochs=epochs, verbose=0, callbacks=[callbacks.CSVLogger(path, separator=";", append=append)])
        rows = read(path, ";")
        assert rows[0] == ["epoch", "loss", "accuracy"]
        assert [row[0] for row in rows[1:]] == {(True, 2): ["0", "1"], (True, 1): ["0", "1", "0"]}.get(
            (append, epochs), ["0"])


def test_an_appended_file_keeps_its_columns(model, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("epoch,accuracy,other\n", encoding="utf-8")
    history = model.fit(X, Y, verbose=0, callbacks=[callbacks.CSVLogger(path, append=True)])
    assert read(path)[1] == ["0", str(history.history["accuracy"][0]), ""]


def test_a_fit_that_breaks_off_leaves_its_epochs(model, tmp_path):
    path = tmp_path / "log.csv"

    def stop(epoch, logs):
        if epoch == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y, epochs=9, verbose=0,
                  callbacks=[callbacks.CSVLogger(path), callbacks.LambdaCallback(on_epoch_begin=stop)])
    assert [row[0] for row in read(path)] == ["epoch", "0", "1"]


@pytest.fixture
def drawn(monkeypatch):
    """What PlotTraining hands to the drawing: steps, loss, accuracy, and the same of the validation."""
    calls, draw = [], plotting.live_curves

    def watch(*curves, **arguments):
        calls.append(([list(curve) for curve in curves], arguments))
        return draw(*curves, **arguments)

    monkeypatch.setattr(plotting, "live_curves", watch)
    return calls


def test_curves_have_a_point_every_so_many_batches_and_one_an_epoch(model, tmp_path, drawn):
    path = tmp_path / "curves.png"
    history = model.fit(X, Y, epochs=3, batch_size=4, verbose=0, validation_data=(X, Y),
                        callbacks=[callbacks.PlotTraining(sample_rate=2, zoom=3, path=path)])
    (steps, loss, accuracy, val_steps, val_loss, val_accuracy), arguments = drawn[-1]
    assert steps == list(range(0, 15, 2))
    assert len(loss) == len(accuracy) == 8
    assert val_steps == [5, 10, 15]
    assert val_loss == history.history["val_loss"]
    assert val_accuracy == history.history["val_accuracy"]
    assert arguments == {"zoom": 3}
    assert path.read_bytes().startswith(b"\x89PNG")


def test_a_point_is_of_its_batch_alone(model, tmp_path, drawn):
    model.compile("sgd", "sparse_categorical_crossentropy", ["accuracy"])
    model.optimizer.learning_rate = 0.0
    model.fit(X, Y, epochs=2, batch_size=5, shuffle=False, verbose=0,
              callbacks=[callbacks.PlotTraining(sample_rate=1, path=tmp_path / "a")])
    batches = [model.evaluate(X[i : i + 5], Y[i : i + 5], verbose=0) for i in range(0, len(X) // 5 * 5, 5)]
    _, loss, accuracy, *_ = drawn[-1][0]
    assert loss == pytest.approx([value for value, _ in 2 * batches])
    assert accuracy == pytest.approx([share for _, share in 2 * batches])


def test_a_last_batch_that_is_smaller_counts_by_its_samples(model, tmp_path, drawn):
    model.optimizer.learning_rate = 0.0
    model.fit(X, Y, epochs=2, batch_size=8, shuffle=False, verbose=0,
              callbacks=[callbacks.PlotTraining(sample_rate=1, path=tmp_path / "a")])
    batches = [model.evaluate(X[i : i + 8], Y[i : i + 8], verbose=0) for i in (0, 8, 16)]
    _, loss, accuracy, *_ = drawn[-1][0]
    assert loss == pytest.approx([value for value, _ in 2 * batches])
    assert accuracy == pytest.approx([share for _, share in 2 * batches])


def test_an_epoch_of_nan_does_not_reach_into_the_next(model, tmp_path, drawn):
    right = model.get_weights()

    def poison(epoch, logs):
        model.set_weights([weight * np.nan for weight in right] if epoch == 0 else right)

    model.fit(X, Y, epochs=2, batch_size=10, verbose=0, callbacks=[
        callbacks.LambdaCallback(on_epoch_begin=poison), callbacks.PlotTraining(sample_rate=1, path=tmp_path / "a")])
    assert np.isnan(drawn[-1][0][1]).tolist() == [True, True, False, False]


def test_curves_without_validation_or_accuracy(model, tmp_path, drawn):
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(X, Y, epochs=2, batch_size=4, verbose=0, callbacks=[callbacks.PlotTraining(path=tmp_path / "a")])
    assert [len(curve) for curve in drawn[-1][0]] == [1, 1, 0, 0, 0, 0]
    assert (tmp_path / "a.png").exists()


def test_in_a_notebook_one_picture_is_redrawn_and_no_file_written(model, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(plotting, "in_notebook", lambda: True)
    monkeypatch.setattr(plotting, "show_live", lambda figure, handle: shown.append(handle) or len(shown))
    path = tmp_path / "curves.png"
    model.fit(X, Y, epochs=3, verbose=0, callbacks=[callbacks.PlotTraining(path=path)])
    assert shown == [None, 1, 2]
    assert not path.exists()


def test_no_file_is_written_where_none_is_wanted(model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model.fit(X, Y, verbose=0, callbacks=[callbacks.PlotTraining(path=None)])
    assert list(tmp_path.iterdir()) == []
    model.fit(X, Y, verbose=0, callbacks=[callbacks.PlotTraining()])
    assert [path.name for path in tmp_path.iterdir()] == ["training.png"]


def test_bad_arguments():
    assert callbacks.PlotTraining(sample_rate=1).sample_rate == 1
    with pytest.raises(ValueError, match="sample_rate must be at least 1. Received: 0$"):
        callbacks.PlotTraining(sample_rate=0)
    with pytest.raises(TypeError, match="no argument 'rate'.*Received: rate=3$"):
        callbacks.PlotTraining(rate=3)
    with pytest.raises(TypeError, match="CSVLogger has no argument 'path'.*Received: path='log.csv'$"):
        callbacks.CSVLogger(path="log.csv")
