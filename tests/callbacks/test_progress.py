import io
import os
import re
import sys
import threading
import types

import numpy as np
import pytest

from tinynet import Sequential, callbacks, layers
from tinynet.callbacks import progress

X, Y = np.zeros((30, 4)), np.zeros(30, int)
SCORES = r"loss: \d\.\d{4} - accuracy: \d\.\d{4}"
TIME = r"[\d.]+(ms|s)/step"


@pytest.fixture
def model():
    model = Sequential([layers.Dense(3, activation="softmax", input_shape=(4,))])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def assert_lines(text, *patterns):
    lines = text.splitlines()
    assert len(lines) == len(patterns), text
    for line, pattern in zip(lines, patterns, strict=True):
        assert re.fullmatch(pattern, line), line


@pytest.mark.parametrize("verbose", ["auto", 2])
def test_one_line_an_epoch_where_there_is_no_terminal(model, verbose, capsys):
    model.fit(X, Y, epochs=2, batch_size=12, verbose=verbose)
    rest = rf"3/3 - \d\.\ds - {TIME} - {SCORES}"
    assert_lines(capsys.readouterr().out, f"Epoch 1/2 - {rest}", f"Epoch 2/2 - {rest}")
    model.fit(X, Y, batch_size=30, verbose=verbose, validation_data=(X, Y))
    validation = SCORES.replace("loss", "val_loss").replace("accuracy", "val_accuracy")
    assert_lines(capsys.readouterr().out, rf"Epoch 1/1 - 1/1 - \d\.\ds - {TIME} - {SCORES} - {validation}")


def test_an_epoch_that_ends_early_counts_the_batches_that_it_had(model, capsys):
    def stop(batch, logs):
        model.stop_training = batch == 1

    watch = callbacks.LambdaCallback(on_train_batch_end=stop)
    for verbose, pattern in ((2, rf"Epoch 1/1 - 2/3 - .* - {SCORES}"), (1, rf"2/3 .*{SCORES}")):
        model.fit(X, Y, batch_size=12, verbose=verbose, callbacks=[watch])
        assert re.search(pattern, capsys.readouterr().out)


def test_an_evaluation_and_a_prediction_are_a_line(model, capsys):
    model.evaluate(X, Y)
    assert_lines(capsys.readouterr().out, rf"1/1 - \d\.\ds - {TIME} - {SCORES}")
    model.predict(X, batch_size=10, verbose=2)
    assert_lines(capsys.readouterr().out, rf"3/3 - \d\.\ds - {TIME}")


@pytest.mark.parametrize("verbose", [0, False])
def test_silence(model, verbose, capsys):
    model.fit(X, Y, verbose=verbose, validation_data=(X, Y))
    model.evaluate(X, Y, verbose=verbose)
    model.predict(X)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("verbose", [3, -1, "loud", None])
def test_unknown_verbosity(model, verbose):
    for call in (lambda: model.fit(X, Y, verbose=verbose), lambda: model.evaluate(X, Y, verbose=verbose),
                 lambda: model.predict(X, verbose=verbose)):
        with pytest.raises(ValueError, match=f"verbose is 'auto', 0 .*Received: {verbose!r}$"):
            call()


@pytest.mark.parametrize(("seconds", "text"), [
    (2e-5, "0.02ms/step"), (1.234e-3, "1.2ms/step"), (0.0456, "46ms/step"), (0.14, "140ms/step"), (0.9, "900ms/step"),
    (0.9999, "1000ms/step"), (1.0, "1.0s/step"), (1.26, "1.3s/step"), (75.0, "75.0s/step"),
])
def test_times_are_read_at_a_glance(seconds, text):
    assert progress.describe(seconds, None) == text
    assert progress.describe(seconds, {"loss": 0.36521, "accuracy": 1}) == f"{text} - loss: 0.3652 - accuracy: 1.0000"


@pytest.mark.parametrize(("value", "text"), [
    (1e-5, "1.0000e-05"), (-2e-4, "-2.0000e-04"), (0.0, "0.0000e+00"), (0.00101, "0.0010"), (-1.5, "-1.5000"),
    (float("nan"), "nan"), (12345.678, "12345.6780"),
])
def test_small_numbers_keep_their_digits_as_in_keras(value, text):
    assert progress.describe(1.0, {"learning_rate": value}) == f"1.0s/step - learning_rate: {text}"


@pytest.mark.parametrize("kind", [callbacks.EpochLines, callbacks.ProgressBar])
def test_a_steps_time_is_an_epochs_time_over_its_steps(kind, monkeypatch, capsys):
    clock = types.SimpleNamespace(perf_counter=lambda: clock.now, now=50.0)
    monkeypatch.setattr(progress, "time", clock)
    lines = kind()
    lines.params = {"epochs": 1, "steps": 4, "done": 3}
    lines.on_epoch_begin(0, {})
    clock.now += 0.6
    lines.on_epoch_end(0, {"loss": 1.0})
    assert "200ms/step - loss: 1.0000" in capsys.readouterr().out


@pytest.fixture
def terminal(monkeypatch):
    """A function that runs another with a terminal of so many columns as its output, and returns what was written."""
    if not hasattr(os, "openpty"):
        pytest.skip("no pseudo-terminals here")
    import fcntl
    import struct
    import termios

    def run(function, columns=200, encoding="utf-8"):
        reader, writer = os.openpty()
        fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        received = io.BytesIO()

        def read():
            try:
                while data := os.read(reader, 4096):
                    received.write(data)
            except OSError:  # how Linux says that the other end is closed
                pass

        thread = threading.Thread(target=read)
        thread.start()
        with monkeypatch.context() as patch, os.fdopen(writer, "w", encoding=encoding) as file:
            patch.setattr(sys, "stdout", file)
            function()
        thread.join()
        os.close(reader)
        return received.getvalue().decode(encoding)

    monkeypatch.delenv("COLUMNS", raising=False)
    return run


def on_the_screen(text):
    """What is left when every line has been written over by what came after a carriage return."""
    return "\n".join(line.split("\r")[-1].rstrip() for line in text.replace("\r\n", "\n").split("\n"))


VALIDATED = f"{SCORES} - val_loss: \\d\\.\\d{{4}} - val_accuracy: \\d\\.\\d{{4}}"


def test_a_bar_at_a_terminal(model, terminal):
    text = terminal(lambda: model.fit(X, Y, epochs=2, batch_size=12, validation_data=(X, Y)))
    bar = rf"3/3 \u2588{{30}} {TIME} - {VALIDATED}"
    assert_lines(on_the_screen(text), "Epoch 1/2", bar, "Epoch 2/2", bar)


@pytest.mark.parametrize("columns", [80, 40, 0])
def test_the_last_line_of_an_epoch_is_whole_however_narrow_the_terminal(model, terminal, columns):
    """A terminal of 0 columns is one that was never told its size."""
    text = terminal(lambda: model.fit(X, Y, batch_size=12, validation_data=(X, Y)), columns=columns)
    assert re.search(VALIDATED, text), text


def test_a_terminal_without_unicode(model, terminal, monkeypatch):
    monkeypatch.setattr(progress, "_REFRESH", 0)
    text = terminal(lambda: model.fit(X, Y, batch_size=12), encoding="ascii")
    assert re.search(rf"3/3 #{{30}} {TIME}", text), text


def test_the_bar_grows_with_the_batches(model, terminal, monkeypatch):
    monkeypatch.setattr(progress, "_REFRESH", 0)
    text = terminal(lambda: model.fit(X, Y, batch_size=10))
    assert [f"{done}/3" in text for done in (0, 1, 2, 3)] == [True] * 4
    assert text.index("1/3") < text.index("2/3") < text.index("3/3")


def test_a_bar_or_lines_can_be_asked_for(model, terminal, capsys):
    text = terminal(lambda: model.fit(X, Y, batch_size=12, verbose=2))
    assert_lines(text.replace("\r\n", "\n"), rf"Epoch 1/1 - 3/3 - \d\.\ds - {TIME} - {SCORES}")
    model.fit(X, Y, verbose=1)
    assert "Epoch 1/1\n" in capsys.readouterr().out
    assert [type(callback) for callback in progress.choose(True)] == [callbacks.ProgressBar]


def test_an_evaluation_at_a_terminal_is_a_line(model, terminal):
    text = terminal(lambda: model.evaluate(X, Y))
    assert_lines(text.replace("\r\n", "\n"), rf"1/1 - \d\.\ds - {TIME} - {SCORES}")
