import numpy as np
import pytest

from tinynet import Sequential, callbacks, layers
from tinynet.callbacks.base import EVENTS
from tinynet.data import Dataset


@pytest.fixture
def model():
    model = Sequential([layers.Dense(2, activation="softmax", input_shape=(3,))])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


X, Y = np.linspace(-1, 1, 30).reshape(10, 3), np.arange(10) % 2


class Recorder(callbacks.Callback):
    """Notes every event; a subclass for each test, as methods are set on it."""

    def __init__(self):
        self.events = []


for event in EVENTS:
    def note(self, *arguments, event=event):
        *number, logs = arguments
        self.events.append((event.removeprefix("on_"), *number, *logs))

    setattr(Recorder, event, note)


def test_the_order_of_events_and_what_they_are_told(model):
    recorder = Recorder()
    model.fit(X, Y, epochs=2, batch_size=5, verbose=0, callbacks=[recorder])

    def epoch(number):
        return [("epoch_begin", number), ("train_batch_begin", 0), ("train_batch_end", 0, "loss", "accuracy"),
                ("train_batch_begin", 1), ("train_batch_end", 1, "loss", "accuracy"),
                ("epoch_end", number, "loss", "accuracy"), ("checkpoint", number, "loss", "accuracy")]

    assert recorder.events == [("train_begin",), *epoch(0), *epoch(1), ("train_end", "loss", "accuracy")]
    assert recorder.model is model
    assert recorder.params == {"epochs": 2, "steps": 2, "done": 2, "samples": 10}


def test_a_validation_is_an_evaluation(model):
    recorder = Recorder()
    model.fit(X, Y, batch_size=10, verbose=0, callbacks=[recorder], validation_data=(X, Y))
    scores = ("loss", "accuracy")
    every = (*scores, "val_loss", "val_accuracy")
    assert recorder.events[-6:] == [("train_batch_end", 0, *scores), ("test_begin",), ("test_end", *scores),
                                    ("epoch_end", 0, *every), ("checkpoint", 0, *every), ("train_end", *every)]


def test_the_end_of_training_has_the_last_epochs_numbers(model):
    seen = []
    watch = callbacks.LambdaCallback(on_train_end=seen.append)
    dataset = Dataset.from_tensor_slices((X, Y)).batch(5).repeat(2)
    with pytest.warns(UserWarning, match="ran out after 0 of 2 batches"):  # the third epoch has none
        history = model.fit(dataset, steps_per_epoch=2, epochs=3, verbose=0, callbacks=[watch])
    assert seen == [{name: values[-1] for name, values in history.history.items()}]


def test_numbers_of_a_batch_are_those_of_the_epoch_so_far(model):
    seen = []
    watch = callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs["loss"]))
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.optimizer.learning_rate = 0.0
    history = model.fit(X, Y, batch_size=4, shuffle=False, verbose=0, callbacks=[watch])
    assert seen == pytest.approx([model.evaluate(X[:n], Y[:n], verbose=0) for n in (4, 8, 10)])
    assert history.history["loss"] == seen[-1:]


def test_a_callback_may_evaluate_and_predict_between_batches(model):
    """As for a test accuracy every so many batches; the epoch's own numbers and updates stay what they were."""
    plain = Sequential([layers.Dense(2, activation="softmax", input_shape=(3,))])
    plain.set_weights(model.get_weights())
    plain.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])

    def look(batch, logs):
        model.evaluate(X, Y * 0, verbose=0, batch_size=3)
        model.predict(X[:3])

    watch = callbacks.LambdaCallback(on_train_batch_begin=look, on_train_batch_end=look)
    found = model.fit(X, Y, epochs=2, batch_size=4, shuffle=False, verbose=0, callbacks=[watch])
    expected = plain.fit(X, Y, epochs=2, batch_size=4, shuffle=False, verbose=0)
    for one, two in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert found.history == expected.history


def test_lambda_callback(model):
    seen = []

    def note(name):
        return lambda *arguments: seen.append((name, *arguments[:-1]))

    names = ["on_train_begin", "on_epoch_begin", "on_train_batch_begin", "on_train_batch_end", "on_epoch_end",
             "on_train_end"]
    model.fit(X, Y, verbose=0, callbacks=[callbacks.LambdaCallback(**{name: note(name) for name in names})])
    assert seen == [(names[0],), *[(name, 0) for name in names[1:5]], (names[5],)]
    seen.clear()
    model.fit(X, Y, verbose=0, callbacks=[callbacks.LambdaCallback(on_epoch_end=note("end"))])
    assert seen == [("end", 0)]
    with pytest.raises(TypeError, match="no argument 'on_batch_end'.*did you mean 'on_.*Received: on_batch_end="):
        callbacks.LambdaCallback(on_batch_end=print)


def test_nobody_watches_batches_that_nobody_asked_for():
    class Quiet(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            pass

    quiet = callbacks.CallbackList([Quiet(), callbacks.History(), callbacks.LambdaCallback()], None, {})
    assert not quiet.watches_batches
    assert callbacks.CallbackList([callbacks.TerminateOnNaN()], None, {}).watches_batches
    assert callbacks.CallbackList([callbacks.LambdaCallback(on_train_batch_begin=print)], None, {}).watches_batches


def test_what_callbacks_add_to_an_epochs_numbers_goes_into_history(model):
    class Adds(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["mine"] = 10.0 * epoch

    assert model.fit(X, Y, epochs=2, verbose=0, callbacks=[Adds()]).history["mine"] == [0, 10]


def test_a_history_of_ones_own(model):
    mine = callbacks.History()
    found = model.fit(X, Y, epochs=2, verbose=0, callbacks=[mine])
    assert (mine.history, mine.epoch) == (found.history, found.epoch)


@pytest.mark.parametrize("given", [[callbacks.TerminateOnNaN], [print], ["History"]])
def test_what_is_no_callback(model, given):
    with pytest.raises(TypeError, match="list of objects of tinynet.callbacks.Callback. Received: "):
        model.fit(X, Y, verbose=0, callbacks=given)


def test_one_callback_without_a_list(model):
    """Keras takes it; otherwise it has to be a clear error."""
    recorder = Recorder()
    try:
        model.fit(X, Y, verbose=0, callbacks=recorder)
    except TypeError as error:
        assert "list" in str(error)
        assert "Received: " in str(error)
    else:
        assert recorder.events
