"""Callbacks that steer a training: its learning rate, and when it ends."""

import inspect
import math
import numbers
from collections.abc import Callable

import numpy as np

from tinynet.callbacks.base import Callback
from tinynet.errors import explain_keywords


class LearningRateScheduler(Callback):
    """Set the learning rate before each epoch.

    Parameters
    ----------
    schedule : function
        `schedule(epoch, lr)`, lr being the rate so far, or `schedule(epoch)` where it takes no more; returns the
        epoch's rate.
    verbose : bool or int
        Whether to print the rate.
    """

    @explain_keywords
    def __init__(self, schedule: Callable[..., float], verbose: bool | int = 0):
        if not callable(schedule):
            raise TypeError("LearningRateScheduler: schedule is a function of the epoch, such as "
                            "lambda epoch: 0.01 * 0.9**epoch; a fixed rate is the optimizer's learning_rate. "
                            f"Received: {schedule!r}")
        self.schedule = schedule
        self.verbose = verbose
        self._takes_rate = _takes_rate(schedule)

    def on_epoch_begin(self, epoch, logs=None):
        optimizer = self.model.optimizer
        rate = self.schedule(epoch, optimizer.current_rate) if self._takes_rate else self.schedule(epoch)
        if not isinstance(rate, numbers.Real) or not rate >= 0:
            raise ValueError("LearningRateScheduler: the schedule must return a number of at least 0. "
                             f"Received: {rate!r}")
        optimizer.learning_rate = float(rate)
        if self.verbose:
            print(f"Epoch {epoch + 1}: LearningRateScheduler sets the learning rate to {rate:.6g}.")

    def on_epoch_end(self, epoch, logs=None):
        logs["learning_rate"] = self.model.optimizer.current_rate


def _takes_rate(schedule: Callable[..., float]) -> bool:
    try:
        inspect.signature(schedule).bind(0, 0.0)
    except TypeError:
        return False
    return True


class Watching(Callback):
    """Base of those that watch one number of the logs for its best."""

    def __init__(self, monitor: str, mode: str, min_delta: float, patience: int, verbose: bool | int):
        if mode not in ("auto", "min", "max"):
            raise ValueError(f"{type(self).__name__}: mode is 'auto', 'min' or 'max'. Received: {mode!r}")
        self.monitor = monitor
        self.rising = mode == "max" or (mode == "auto" and "acc" in monitor)
        self.min_delta = abs(min_delta)
        self.patience = patience
        self.verbose = verbose

    def on_train_begin(self, logs=None):
        self.best = -math.inf if self.rising else math.inf
        self.wait = 0

    def improved(self, logs) -> bool:
        """Take in an epoch's numbers; return whether the watched one is the best so far."""
        if self.monitor not in logs:
            raise ValueError(f"{type(self).__name__} watches {self.monitor!r}; this fit has {', '.join(logs)}. "
                             f"Received: monitor={self.monitor!r}")
        value = logs[self.monitor]
        gain = value - self.best if self.rising else self.best - value
        if gain > self.min_delta:
            self.best, self.wait = value, 0
            return True
        self.wait += 1
        return False

    def get_state(self):
        return {"best": self.best, "wait": self.wait}

    def set_state(self, state):
        self.best, self.wait = float(state["best"]), int(state["wait"])


class EarlyStopping(Watching):
    """Stop when a number has not improved for `patience` epochs.

    Parameters
    ----------
    monitor : str
        A name in the logs.
    min_delta : float
        The least change that counts as better.
    patience : int
        Epochs to wait for one.
    verbose : bool or int
        Whether to say so.
    mode : "auto", "min" or "max"
        Whether smaller or larger is better; "auto" knows that accuracies rise.
    restore_best_weights : bool
        Whether to go back to the best epoch's weights at the end.
    """

    @explain_keywords
    def __init__(self, monitor: str = "val_loss", min_delta: float = 0.0, patience: int = 0, verbose: bool | int = 0,
                 mode: str = "auto", restore_best_weights: bool = False):
        super().__init__(monitor, mode, min_delta, patience, verbose)
        self.restore_best_weights = restore_best_weights

    def on_train_begin(self, logs=None):
        super().on_train_begin()
        self.stopped_epoch = 0
        self._best_weights = None

    def on_epoch_end(self, epoch, logs=None):
        if self.improved(logs):
            if self.restore_best_weights:
                self._best_weights = self.model.get_weights()
        elif self.wait >= self.patience:
            self.stopped_epoch = epoch
            self.model.stop_training = True
            if self.verbose:
                print(f"Epoch {epoch + 1}: {self.monitor} has not improved for {self.wait} epochs; training stops.")

    def on_train_end(self, logs=None):
        if self._best_weights is not None:
            self.model.set_weights(self._best_weights)

    def get_state(self):
        return super().get_state() | {"stopped_epoch": self.stopped_epoch, "best_weights": self._best_weights}

    def set_state(self, state):
        super().set_state(state)
        self.stopped_epoch, self._best_weights = int(state["stopped_epoch"]), state["best_weights"]


class ReduceLROnPlateau(Watching):
    """Multiply the learning rate by `factor` when a number has not improved for `patience` epochs.

    The logs' `learning_rate` is that of the epoch that ends, before any change.

    Parameters
    ----------
    monitor, min_delta, mode, verbose
        As for :class:`EarlyStopping`.
    factor : float
        Above 0 and below 1.
    patience : int
        Epochs to wait.
    cooldown : int
        Epochs after a change in which the count of `patience` rests; as in Keras, the last of them counts again.
    min_lr : float
        The least rate.
    """

    @explain_keywords
    def __init__(self, monitor: str = "val_loss", factor: float = 0.1, patience: int = 10, verbose: bool | int = 0,
                 mode: str = "auto", min_delta: float = 1e-4, cooldown: int = 0, min_lr: float = 0.0):
        super().__init__(monitor, mode, min_delta, patience, verbose)
        if not 0 < factor < 1:
            raise ValueError(f"ReduceLROnPlateau: factor must be above 0 and below 1. Received: {factor!r}")
        self.factor = factor
        self.cooldown = cooldown
        self.min_lr = min_lr

    def on_train_begin(self, logs=None):
        super().on_train_begin()
        self._cooling = 0

    def on_epoch_end(self, epoch, logs=None):
        optimizer = self.model.optimizer
        logs["learning_rate"] = optimizer.current_rate
        if self._cooling:
            self._cooling -= 1
            self.wait = 0
        if not self.improved(logs) and not self._cooling and self.wait >= self.patience:
            rate = max(optimizer.current_rate * self.factor, self.min_lr)
            if rate < optimizer.current_rate:
                optimizer.learning_rate = rate
                self._cooling, self.wait = self.cooldown, 0
                if self.verbose:
                    print(f"Epoch {epoch + 1}: ReduceLROnPlateau sets the learning rate to {rate:.6g}.")

    def get_state(self):
        return super().get_state() | {"cooling": self._cooling}

    def set_state(self, state):
        super().set_state(state)
        self._cooling = int(state["cooling"])


class TerminateOnNaN(Callback):
    """Stop as soon as the loss is not finite."""

    def on_train_batch_end(self, batch, logs=None):
        if not np.isfinite(logs["loss"]):
            print(f"Batch {batch}: the loss is {logs['loss']}; training stops.")
            self.model.stop_training = True
