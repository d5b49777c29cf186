"""What a callback is, the list that `fit` calls, and the one callback that every fit has: History."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from tinynet.errors import explain_keywords


class Callback:
    """Base of the callbacks: every method does nothing. Extend those you want, with Keras' names and arguments.

    `logs` maps names to numbers: loss and metrics so far in the epoch, and at its end also those of the validation.

    Attributes
    ----------
    model : Sequential
        The model in training. `model.stop_training = True` ends the fit after this batch.
    params : dict
        `epochs`; `steps`, the batches of an epoch; `done`, how many of them the last epoch had; and, after a batch,
        `samples`, how many this epoch has seen.
    """

    model: Any = None
    params: Mapping[str, Any] = {}

    def on_train_begin(self, logs=None) -> None:
        """Called once, before the first epoch."""

    def on_train_end(self, logs=None) -> None:
        """Called once, after the last epoch."""

    def on_epoch_begin(self, epoch: int, logs=None) -> None:
        """Called before each epoch; the first is 0."""

    def on_epoch_end(self, epoch: int, logs=None) -> None:
        """Called after each epoch and its validation."""

    def on_checkpoint(self, epoch: int, logs=None) -> None:
        """Called when all callbacks have done with an epoch's end: the moment to save, as nothing is half done."""

    def on_train_batch_begin(self, batch: int, logs=None) -> None:
        """Called before each update."""

    def on_train_batch_end(self, batch: int, logs=None) -> None:
        """Called after each update."""

    def on_test_begin(self, logs=None) -> None:
        """Called before an evaluation."""

    def on_test_end(self, logs=None) -> None:
        """Called after an evaluation."""

    def get_state(self) -> dict[str, Any]:
        """Return what the next epochs depend on: numbers, texts, lists, dictionaries and arrays, which a file keeps.

        Extend it together with :meth:`set_state`, and training that goes on with `fit(resume_from=...)` finds your
        callback as it was.
        """
        return {}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take what :meth:`get_state` returned in another process; called after `on_train_begin`."""


EVENTS = [name for name in vars(Callback) if name.startswith("on_")]


class CallbackList:
    """Several callbacks called as one. Only those that extend a batch's events are called for every batch.

    Raises
    ------
    TypeError
        If an entry is no Callback.
    """

    def __init__(self, callbacks: Iterable[Callback], model: Any, params: dict[str, Any]):
        self.callbacks = list(callbacks)
        for callback in self.callbacks:
            if not isinstance(callback, Callback):
                raise TypeError("callbacks is a list of objects of tinynet.callbacks.Callback. "
                                f"Received: {callback!r}")
            callback.model = model
            callback.params = params
        self.params = params
        self._called = {event: [getattr(callback, event) for callback in self.callbacks if _extends(callback, event)]
                        for event in EVENTS}
        self.watches_batches = bool(self._called["on_train_batch_begin"] or self._called["on_train_batch_end"])

    def call(self, event: str, *args) -> None:
        """Call one event, such as "on_epoch_end", of every callback in order."""
        for method in self._called[event]:
            method(*args)


def _extends(callback: Callback, event: str) -> bool:
    return getattr(type(callback), event) is not getattr(Callback, event) or event in vars(callback)


class History(Callback):
    """Loss and metrics of every epoch; what `fit` returns.

    Attributes
    ----------
    history : dict of str to list of float
        Such as loss, accuracy, val_loss and val_accuracy, an entry an epoch.
    epoch : list of int
        The epochs, from 0.
    """

    def __init__(self):
        self.history: dict[str, list[float]] = {}
        self.epoch: list[int] = []

    def on_epoch_end(self, epoch, logs=None):
        self.epoch.append(epoch)
        for name, value in logs.items():
            self.history.setdefault(name, []).append(value)

    def get_state(self):
        return {"history": {name: list(values) for name, values in self.history.items()}, "epoch": list(self.epoch)}

    def set_state(self, state):
        self.history = {str(name): list(values) for name, values in state["history"].items()}
        self.epoch = [int(epoch) for epoch in state["epoch"]]


class LambdaCallback(Callback):
    """Functions called at the events they are given for, with the arguments of the method of that name.

    Parameters
    ----------
    on_train_begin, on_train_end, on_epoch_begin, on_epoch_end, on_train_batch_begin, on_train_batch_end : optional
        The functions: `(logs)` for training's begin and end, `(epoch, logs)` and `(batch, logs)` for the others.
    """

    @explain_keywords
    def __init__(self, on_epoch_begin: Callable | None = None, on_epoch_end: Callable | None = None,
                 on_train_begin: Callable | None = None, on_train_end: Callable | None = None,
                 on_train_batch_begin: Callable | None = None, on_train_batch_end: Callable | None = None):
        given = {"on_epoch_begin": on_epoch_begin, "on_epoch_end": on_epoch_end, "on_train_begin": on_train_begin,
                 "on_train_end": on_train_end, "on_train_batch_begin": on_train_batch_begin,
                 "on_train_batch_end": on_train_batch_end}
        vars(self).update({event: function for event, function in given.items() if function is not None})
