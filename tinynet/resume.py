"""Training that goes on in another process, as if it had never stopped.

What `fit` does from an epoch's end on follows from the weights, the optimizer, the generators, the order of the data
and the callbacks. All of that is in the model's file; put back, it gives the same numbers to the last bit, as long as
they are computed in the same way: by the same BLAS, on as many threads, in batches of the same size.
"""

import contextlib
import os
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinynet import checkpoint, random
from tinynet.callbacks import CallbackList
from tinynet.feed import ArrayFeed, Batch, DatasetFeed
from tinynet.layers.chain import all_or_none
from tinynet.layers.parameters import blank
from tinynet.trainer import Trainer
from tinynet.version import __version__

Feed = ArrayFeed | DatasetFeed


class Position:
    """How far a fit has come, between any two of its epochs.

    Parameters
    ----------
    trainer : Trainer
        What trains.
    feed, validation : feed
        The data; no validation is None.
    events : CallbackList
        The callbacks.
    steps : int
        Batches in an epoch.
    streams : bool
        Whether one iterator runs through the whole fit, its epochs ending anywhere in a pass.

    Attributes
    ----------
    epoch : int
        Epochs done.
    inside : bool
        Whether the next one is under way.
    """

    def __init__(self, trainer: Trainer, feed: Feed, validation: Feed | None, events: CallbackList, steps: int,
                 streams: bool):
        self._trainer = trainer
        self._feed = feed
        self._validation = validation
        self._events = events
        self._steps = steps
        self.epoch = 0
        self.inside = False
        # A stream is found again from where the feed stood as it began, and how many batches have gone by since.
        self._began = feed.get_state() if streams else None
        self._streamed = 0
        self._left: dict[str, Any] | None = None  # where the feed stood as the last epoch ended
        self._shared = False  # whether somebody else moved the feed since
        self._expected: dict[str, Any] = {}

    def batches(self) -> Callable[[], Iterator[Batch]]:
        """Return what gives each epoch its batches."""
        if self._began is None:
            return lambda: iter(self._feed)
        stream = self._feed.stream(self._streamed)
        return lambda: stream

    @contextlib.contextmanager
    def known_to(self, trainer: Trainer) -> Iterator[None]:
        """Let what is saved inside, and afterwards, say where the fit is, or ended; the data need not stay for that."""
        trainer.position = lambda: with_conditions(trainer.model, self.get_state())
        try:
            yield
        finally:
            state = self.get_state()
            trainer.position = lambda: with_conditions(trainer.model, state)

    def begin_epoch(self) -> None:
        """Note that an epoch is under way."""
        self.inside = True
        self._shared |= self._began is not None and self._left not in (None, self._feed.get_state())

    def end_batches(self) -> None:
        """Note where the data are after the epoch's batches."""
        self._streamed += self._events.params["done"]
        self._left = self._feed.get_state()
        self._compare()
        self._expected = {}

    def end_epoch(self, epoch: int) -> None:
        """Note that the epoch is done, its validation and the callbacks too."""
        self.inside, self.epoch = False, epoch + 1

    def get_state(self) -> dict[str, Any]:
        """Return all that the weights, the optimizer and the layers do not know."""
        return {
            "epoch": self.epoch,
            "inside": self.inside,
            "stopped": bool(self._trainer.model.stop_training),
            "random": random.get_state(),
            "feed": self._feed.get_state() if self._began is None else self._began,
            "streamed": None if self._began is None else self._streamed,
            "shared": self._shared,
            "validation": None if self._validation is None else self._validation.get_state(),
            "callbacks": [[type(callback).__name__, state] for callback in self._events.callbacks
                          if (state := callback.get_state())],
            "sizes": self._sizes(),
        }

    def _sizes(self) -> dict[str, Any]:
        return {"batches an epoch": self._steps, "batch size": self._feed.batch_size}

    def resume(self, path: str | os.PathLike) -> Callable[[], None]:
        """Put everything where it was when a file was written; return what does so with the callbacks, once they began.

        Raises
        ------
        ValueError
            If the file is not of this training, or damaged.
        OSError
            If it cannot be read.
        """
        model = self._trainer.model
        with checkpoint.reading(path) as file, all_or_none([model]):
            checkpoint.check_whole(file)
            if not model.built:
                with blank(checkpoint.count_floats(file)):
                    model.build(file.tree["input_shape"])
            checkpoint.check_same(model, file)
            state = checkpoint.lower(file.tree["training"], file)
            self._check(state)
            checkpoint.fill(model, file)
            checkpoint.set_optimizer(model, file)
            checkpoint.set_generators(model, file)
            self._set_state(state)
        if self._shared:
            warnings.warn("The Dataset of this training shares a shuffle with others, as its validation data, that "
                          "moved it in between: the results will only be close to those of training that never "
                          "stopped.", stacklevel=5)
        self._compare()
        return lambda: self._set_callbacks(state, path)

    def _check(self, state: dict[str, Any] | None) -> None:
        if state is None:
            raise ValueError("fit has not trained this model yet; load_model reads it. Received: a file of no epochs")
        if state["inside"]:
            raise ValueError("training goes on from an epoch's end, when all callbacks are done with it, and this file "
                             "was written before that. ModelCheckpoint with save_freq='epoch' writes then, and a "
                             "callback of your own may, in on_checkpoint; load_model reads this file. "
                             f"Received: a file of {state['epoch']} epochs and a part of the next")
        if (state["streamed"] is None) != (self._began is None):
            raise ValueError("steps_per_epoch must be what it was. Received: "
                             f"steps_per_epoch={'none' if self._began is None else self._steps}")

    def _set_state(self, state: dict[str, Any]) -> None:
        self.epoch = int(state["epoch"])
        self._trainer.model.stop_training = bool(state["stopped"])
        self._feed.set_state(state["feed"])
        if self._began is not None:
            self._began, self._streamed = self._feed.get_state(), int(state["streamed"])
        if self._validation is not None and state["validation"] is not None:
            self._validation.set_state(state["validation"])
        random.set_state(state["random"])
        self._expected = state["conditions"] | state["sizes"]
        self._shared = bool(state["shared"])

    def _set_callbacks(self, state: dict[str, Any], path: str | os.PathLike) -> None:
        """Give each callback the state of the next one of its class in the file; a new one begins anew."""
        with checkpoint.explained(path):
            left = [(str(name), said) for name, said in state["callbacks"]]
            for callback in self._events.callbacks:
                kind = type(callback).__name__
                found = next((i for i, (name, _) in enumerate(left) if name == kind), None)
                if found is None:
                    continue
                try:
                    callback.set_state(left.pop(found)[1])
                except Exception as error:
                    raise ValueError(f"what it says of {kind} is none of its states. "
                                     f"Received: {type(error).__name__}: {error}") from error

    def _compare(self) -> None:
        """Warn, once, of what makes other roundings than those of the training that goes on."""
        if not self._expected:
            return
        here = conditions(self._trainer.model) | self._sizes()
        known = [name for name in here if self._expected.get(name) is not None and here[name] is not None]
        there = {name: self._expected.pop(name) for name in known}
        differ = [f"{name}: {there[name]} then, {here[name]} now" for name in known if there[name] != here[name]]
        if differ:
            warnings.warn("Training goes on under other conditions, which round differently: the results will only be "
                          f"close to those of training that never stopped. {'; '.join(differ)}.", stacklevel=5)


def with_conditions(model, state: dict[str, Any]) -> dict[str, Any]:
    """Return a fit's state, together with what decides here how numbers are rounded."""
    return state | {"conditions": conditions(model)}


def conditions(model) -> dict[str, Any]:
    """Return what decides, beside the sizes of batches, how numbers are rounded."""
    import threadpoolctl

    libraries = [info for info in threadpoolctl.threadpool_info() if info["user_api"] == "blas"]
    # Others may have brought libraries of their own.
    libraries = [info for info in libraries if "numpy" in info["filepath"].lower()] or libraries
    builds = {" ".join(str(info[key]) for key in ("internal_api", "version", "architecture") if info.get(key))
              for info in libraries}
    return {"tinynet": __version__, "numpy": np.__version__, "backend": model.ops.name,
            "BLAS": ", ".join(sorted(builds)) or None,
            "BLAS threads": min((info["num_threads"] for info in libraries), default=None)}
