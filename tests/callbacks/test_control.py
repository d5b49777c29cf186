import math

import numpy as np
import pytest

from tinynet import Sequential, callbacks, layers, optimizers, schedules

X = np.linspace(-1, 1, 12).reshape(6, 2)


def regression(rate=0.1):
    model = Sequential([layers.Dense(1, input_shape=(2,))])
    model.compile(optimizers.SGD(rate), "mse")
    return model


class Play(callbacks.Callback):
    """Puts made-up numbers in place of an epoch's loss, one after the other."""

    def __init__(self, values, name="loss"):
        self.values, self.name = values, name

    def on_epoch_end(self, epoch, logs=None):
        logs[self.name] = self.values[epoch]


def play(callback, values, name="loss", model=None):
    """Run a fit in which `values` are what the callback sees; return the fit's History."""
    model = model or regression()
    return model.fit(X, X[:, :1], epochs=len(values), verbose=0, callbacks=[Play(values, name), callback])


class Weights(callbacks.Callback):
    """Keeps the weights of every epoch."""

    def on_train_begin(self, logs=None):
        self.weights = []

    def on_epoch_end(self, epoch, logs=None):
        self.weights.append(self.model.get_weights())


@pytest.mark.parametrize(("values", "arguments", "epochs"), [
    ([1.0, 0.9, 0.8, 0.7], {}, 4),
    ([1.0, 0.9, 0.9, 0.1], {}, 3),
    ([1.0, 0.9, 0.95, 0.8, 0.85, 0.86, 0.1], {"patience": 2}, 6),
    ([1.0, 0.95, 0.9, 0.85, 0.1], {"min_delta": 0.12, "patience": 2}, 3),
    ([0.1, 0.2, 0.3, 0.3], {"mode": "max"}, 4),
    ([0.1, 0.2, 0.1, 0.3], {"mode": "max"}, 3),
    ([math.nan] * 4, {"patience": 2}, 2),
])
def test_early_stopping(values, arguments, epochs):
    stopping = callbacks.EarlyStopping("loss", **arguments)
    assert play(stopping, values).epoch == list(range(epochs))
    assert stopping.stopped_epoch == (0 if epochs == len(values) and values[-1] != values[-2] else epochs - 1)


def test_an_accuracy_is_known_to_rise():
    assert len(play(callbacks.EarlyStopping("val_accuracy"), [0.1, 0.2, 0.3, 0.2, 0.9], "val_accuracy").epoch) == 4
    assert len(play(callbacks.EarlyStopping("val_accuracy", mode="min"), [0.1, 0.2, 0.3], "val_accuracy").epoch) == 2


@pytest.mark.parametrize("stops", [True, False])
def test_the_best_epochs_weights_come_back(backend, stops):
    model, weights = regression(), Weights()
    values = [1.0, 0.5, 0.7, 0.8] if stops else [1.0, 0.5, 0.7]
    stopping = callbacks.EarlyStopping("loss", patience=2, restore_best_weights=True)
    history = model.fit(X, X[:, :1], epochs=len(values), verbose=0, callbacks=[weights, Play(values), stopping])
    assert len(history.epoch) == len(values)
    assert not np.array_equal(weights.weights[1][0], weights.weights[-1][0])
    for found, best in zip(model.get_weights(), weights.weights[1], strict=True):
        np.testing.assert_array_equal(found, best)


def test_a_callback_begins_anew_with_each_fit():
    stopping, model = callbacks.EarlyStopping("loss", patience=2), regression()
    assert len(play(stopping, [0.1, 0.2, 0.3, 0.4], model=model).epoch) == 3
    assert len(play(stopping, [1.0, 0.9, 0.8, 0.7], model=model).epoch) == 4


def test_it_says_so(capsys):
    play(callbacks.EarlyStopping("loss", verbose=1), [1.0, 2.0, 3.0])
    assert capsys.readouterr().out == "Epoch 2: loss has not improved for 1 epochs; training stops.\n"
    play(callbacks.ReduceLROnPlateau("loss", patience=1, factor=0.5, verbose=1), [1.0, 2.0, 0.5])
    assert capsys.readouterr().out == "Epoch 2: ReduceLROnPlateau sets the learning rate to 0.05.\n"


@pytest.mark.parametrize(("values", "arguments", "rates"), [
    ([1.0] * 4, {"patience": 1}, [8, 8, 4, 2]),
    ([1.0] * 4, {"patience": 0}, [8, 8, 4, 2]),
    ([1.0] * 6, {"patience": 2}, [8, 8, 8, 4, 4, 2]),
    ([1.0, 0.9, 0.95, 0.5, 0.6, 0.6], {"patience": 1}, [8, 8, 8, 4, 4, 2]),
    ([1.0] * 5, {"patience": 1, "cooldown": 1}, [8, 8, 4, 2, 1]),
    ([1.0] * 9, {"patience": 2, "cooldown": 2}, [8, 8, 8, 4, 4, 4, 2, 2, 2]),
    ([1.0] * 7, {"patience": 0, "cooldown": 2}, [8, 8, 4, 4, 2, 2, 1]),
    ([1.0, 1.0, 0.5, 0.6, 0.6, 0.6], {"patience": 1, "cooldown": 1}, [8, 8, 4, 4, 2, 1]),
    ([1.0] * 5, {"patience": 1, "min_lr": 3.0}, [8, 8, 4, 3, 3]),
    ([1.0, 0.95, 0.9, 0.85], {"patience": 1, "min_delta": 0.2}, [8, 8, 4, 2]),
    ([0.1, 0.2, 0.3, 0.3, 0.3], {"patience": 1, "mode": "max"}, [8, 8, 8, 8, 4]),
])
def test_reduce_on_plateau(values, arguments, rates):
    """Each epoch's rate as Keras 3 notes it in its History."""
    history = play(callbacks.ReduceLROnPlateau("loss", factor=0.5, **arguments), values, model=regression(rate=8.0))
    assert history.history["learning_rate"] == rates


def test_the_rate_before_each_epoch(capsys):
    model, seen = regression(rate=0.25), []

    def decay(epoch):
        seen.append(model.optimizer.current_rate)
        return 0.1 * 0.5**epoch

    history = model.fit(X, X[:, :1], epochs=3, verbose=0,
                        callbacks=[callbacks.LearningRateScheduler(decay, verbose=True)])
    assert seen == [0.25, 0.1, 0.05]
    assert history.history["learning_rate"] == [0.1, 0.05, 0.025]
    assert model.optimizer.current_rate == 0.025
    assert capsys.readouterr().out.splitlines() == [
        f"Epoch {epoch}: LearningRateScheduler sets the learning rate to {rate}."
        for epoch, rate in ((1, 0.1), (2, 0.05), (3, 0.025))]


def test_a_scheduler_may_ask_for_the_rate_so_far(capsys):
    history = regression(rate=0.8).fit(X, X[:, :1], epochs=3, verbose=0, callbacks=[
        callbacks.LearningRateScheduler(lambda epoch, lr: lr if epoch < 1 else lr / 2)])
    assert history.history["learning_rate"] == [0.8, 0.4, 0.2]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("schedule", "rates"), [
    (schedules.ExponentialDecay(0.1, 1, 0.5), [0.1, 0.05]),
    (lambda epoch, *, start=0.1: start * 0.5**epoch, [0.1, 0.05]),
    (lambda epoch, lr=0.1: lr * 0.5**epoch, [0.8, 0.4]),
    (lambda *epoch_and_rate: epoch_and_rate[1] / 2, [0.4, 0.2]),
])
def test_a_schedule_gets_the_rate_wherever_it_takes_two_arguments(schedule, rates):
    history = regression(rate=0.8).fit(X, X[:, :1], epochs=2, verbose=0,
                                       callbacks=[callbacks.LearningRateScheduler(schedule)])
    assert history.history["learning_rate"] == rates


@pytest.mark.parametrize("rate", [-1, math.nan, None, "fast"])
def test_a_schedule_returns_a_number(rate):
    with pytest.raises(ValueError, match=f"schedule must return a number of at least 0. Received: {rate!r}$"):
        regression().fit(X, X[:, :1], verbose=0, callbacks=[callbacks.LearningRateScheduler(lambda epoch: rate)])


def test_terminate_on_nan(capsys):
    model = regression()

    def poison(batch, logs):
        if batch == 1:
            model.set_weights([np.full((2, 1), np.nan), np.zeros(1)])

    watch = callbacks.LambdaCallback(on_train_batch_begin=poison)
    history = model.fit(X, X[:, :1], epochs=5, batch_size=2, verbose=0, callbacks=[watch, callbacks.TerminateOnNaN()])
    assert history.epoch == [0]
    assert math.isnan(history.history["loss"][0])
    assert capsys.readouterr().out == "Batch 1: the loss is nan; training stops.\n"
    assert len(regression().fit(X, X[:, :1], epochs=3, verbose=0, callbacks=[callbacks.TerminateOnNaN()]).epoch) == 3


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda: callbacks.EarlyStopping(mode="up"), ValueError, "EarlyStopping: mode is 'auto'.*Received: 'up'$"),
    (lambda: callbacks.LearningRateScheduler(0.1), TypeError,
     "LearningRateScheduler: schedule is a function of the epoch.*Received: 0.1$"),
    (lambda: callbacks.ReduceLROnPlateau(mode="up"), ValueError, "ReduceLROnPlateau: mode is .*Received: 'up'$"),
    (lambda: callbacks.ReduceLROnPlateau(factor=1.0), ValueError, "factor must be above 0 and below 1. Received: 1.0$"),
    (lambda: callbacks.EarlyStopping(moniter="loss"), TypeError, "did you mean 'monitor'.*Received: moniter='loss'$"),
    (lambda: play(callbacks.EarlyStopping("val_loss"), [1.0]), ValueError,
     "EarlyStopping watches 'val_loss'; this fit has loss. Received: monitor='val_loss'$"),
])
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()
