"""The loops around the training step: fit, evaluate, predict, and one batch at a time."""

import itertools
import os
from collections.abc import Iterator

import numpy as np

from tinynet.callbacks import Callback, CallbackList, History, progress
from tinynet.data import Dataset
from tinynet.errors import NoRoomError, as_array
from tinynet.feed import Batch, check_batch_size, count_steps, in_steps, make_feed
from tinynet.inputs import as_floats, as_samples, check_finite, check_inputs
from tinynet.layers import Layer
from tinynet.out_of_memory import Room
from tinynet.resume import Position
from tinynet.shapes import as_count
from tinynet.trainer import Trainer

TESTED_AT_ONCE = 1000
"""Samples that evaluation computes at once, however large its batches are."""


def fit(trainer: Trainer, x, y, *, batch_size, epochs, verbose, callbacks, validation_split, validation_data, shuffle,
        class_weight, sample_weight, initial_epoch, steps_per_epoch, validation_steps, resume_from) -> History:
    """Train; the arguments are those of :meth:`tinynet.Sequential.fit`."""
    epochs = as_count(epochs, "epochs")
    if (isinstance(initial_epoch, bool) or not isinstance(initial_epoch, int | np.integer)
            or not 0 <= initial_epoch < epochs):
        raise ValueError(f"initial_epoch must be an integer of at least 0 and below epochs={epochs}. "
                         f"Received: {initial_epoch!r}")
    if validation_split and validation_data is None:
        x, y, sample_weight, validation_data = _split(x, y, sample_weight, validation_split)
    feed = make_feed(trainer, x, y, sample_weight, class_weight, batch_size, shuffle)
    steps = count_steps(feed, steps_per_epoch, "steps_per_epoch")
    validation = None
    if validation_data is not None:
        validation = _validation_feed(trainer, validation_data, batch_size)
        validation_steps = count_steps(validation, validation_steps, "validation_steps")
    history = History()
    model = trainer.model
    callbacks = [callbacks] if isinstance(callbacks, Callback) else callbacks or ()
    events = CallbackList([*callbacks, history, *progress.choose(verbose)], model,
                          {"epochs": epochs, "steps": steps})
    model.stop_training = False
    position = Position(trainer, feed, validation, events, steps, bool(steps_per_epoch))
    if resume_from is not None:
        if initial_epoch:
            raise ValueError("With resume_from the file says how many epochs are done; leave initial_epoch out. "
                             f"Received: initial_epoch={initial_epoch}")
        resume_callbacks = position.resume(resume_from)
        initial_epoch = position.epoch
        if verbose:
            left = "nothing is left to do" if position.epoch >= epochs else "training goes on"
            if model.stop_training:
                left = "a callback, such as EarlyStopping, ended the training there: load_model and fit train on"
            print(f"{os.fspath(resume_from)}: {position.epoch} of {epochs} epochs are done; {left}.", flush=True)
    batches = position.batches()
    logs: dict[str, float] = {}
    events.call("on_train_begin", {})
    if resume_from is not None:
        resume_callbacks()
    with position.known_to(trainer), trainer.repeating(), Room(model, lambda: feed.batch_size, NoRoomError):
        for epoch in range(initial_epoch, epochs):
            if model.stop_training:
                break
            events.call("on_epoch_begin", epoch, {})
            position.begin_epoch()
            trainer.notice_settings()
            scores = _run_epoch(trainer, batches(), steps, events)
            if scores is None:
                position.inside = False
                break
            logs = scores
            position.end_batches()
            if validation is not None:
                scores = _run_test(trainer, validation, validation_steps, events)
                logs |= {f"val_{name}": score for name, score in scores.items()}
            events.call("on_epoch_end", epoch, logs)
            position.end_epoch(epoch)
            events.call("on_checkpoint", epoch, logs)
        events.call("on_train_end", logs)
    return history


def _run_epoch(trainer: Trainer, batches: Iterator[Batch], steps: int, events: CallbackList) -> dict | None:
    """Train on `steps` batches; return the epoch's mean loss and metrics, None if there was no batch left."""
    tally, done = trainer.trained, 0
    tally.reset()
    for batch in in_steps(batches, steps):
        if events.watches_batches:
            events.call("on_train_batch_begin", done, {})
        trainer.step(batch)
        if events.watches_batches:
            events.params["samples"] = tally.samples
            events.call("on_train_batch_end", done, tally.logs())
        done += 1
        if trainer.model.stop_training:
            break
    events.params["done"] = done
    if done < steps:
        trainer.model.stop_training = True
    return dict(tally.logs()) if done else None


def _run_test(trainer: Trainer, feed, steps: int, events: CallbackList) -> dict[str, float]:
    """Return the mean loss and metrics over `steps` batches."""
    events.call("on_test_begin", {})
    trainer.tested.reset()
    for batch in in_steps(feed, steps):
        for part in _parts(batch, trainer.loss.reduction):
            trainer.test(part)
    logs = dict(trainer.tested.logs())
    events.call("on_test_end", logs)
    return logs


def _parts(batch: Batch, reduction: str) -> list[Batch]:
    """Cut a batch so that its means stay what they are, and layers need no memory for all of a test set at once."""
    if reduction == "sum":
        return [batch]
    slices = [slice(start, start + TESTED_AT_ONCE) for start in range(0, len(batch.x), TESTED_AT_ONCE)]
    return [Batch(batch.x[part], batch.y[part], None if batch.weight is None else batch.weight[part])
            for part in slices]


def _validation_feed(trainer: Trainer, validation, batch_size):
    if isinstance(validation, Dataset):
        return make_feed(trainer, validation, None, None, None, None, False)
    if not isinstance(validation, tuple | list) or len(validation) not in (2, 3):
        raise ValueError("validation_data is (x, y), (x, y, sample weights) or a Dataset. "
                         f"Received: {type(validation).__name__}")
    x, y, *weight = validation
    return make_feed(trainer, x, y, weight[0] if weight else None, None, batch_size, False)


def _split(x, y, sample_weight, share: float):
    """Hold out the last `share` of the samples; return what is left, and the validation data."""
    if isinstance(x, Dataset):
        raise ValueError("validation_split needs arrays; give a Dataset's validation part as validation_data. "
                         "Received: a Dataset")
    if y is None:
        raise ValueError("Arrays need both x and y. Received: y=None")
    x, y = as_samples(x, y)
    at = int(len(x) * (1 - share))
    if not 0 < at < len(x):
        raise ValueError("validation_split is a share between 0 and 1 that leaves a sample on either side. "
                         f"Received: {share!r} of {len(x)} samples")
    if sample_weight is None:
        return x[:at], y[:at], None, (x[at:], y[at:])
    weight = as_array("sample_weight", sample_weight)
    if weight.shape != x.shape[:1]:
        raise ValueError(f"sample_weight must have one entry a sample, ({len(x)},). Received: {weight.shape}")
    return x[:at], y[:at], weight[:at], (x[at:], y[at:], weight[at:])


def evaluate(trainer: Trainer, x, y, *, batch_size, verbose, sample_weight,
             steps) -> float | list[float]:
    """Return the loss, or [loss, metric, ...]; the arguments are those of :meth:`tinynet.Sequential.evaluate`."""
    feed = make_feed(trainer, x, y, sample_weight, None, batch_size, False)
    steps = count_steps(feed, steps, "steps")
    events = CallbackList(progress.choose_for_evaluation(verbose), trainer.model, {"epochs": 1, "steps": steps})
    with Room(trainer.model, lambda: feed.batch_size, NoRoomError):
        scores = list(_run_test(trainer, feed, steps, events).values())
    return scores if trainer.metrics else scores[0]


def train_on_batch(trainer: Trainer, x, y, sample_weight, class_weight) -> float | list[float]:
    """Make one update from one batch and return its loss, or [loss, metric, ...]."""
    return _on_batch(trainer, trainer.step_alone, x, y, sample_weight, class_weight)


def test_on_batch(trainer: Trainer, x, y, sample_weight) -> float | list[float]:
    """Return the loss of one batch, or [loss, metric, ...], without training."""
    return _on_batch(trainer, trainer.test_alone, x, y, sample_weight, None)


def _on_batch(trainer: Trainer, run, x, y, sample_weight, class_weight):
    x, y = check_inputs(trainer.model, x), as_array("y", y)
    if not len(x):
        raise ValueError(f"A batch needs at least one sample. Received: x of shape {x.shape}")
    labels = trainer.check_labels(y, len(x))
    weights = trainer.sample_weights(y, sample_weight, class_weight)
    scores = run(Batch(as_floats(trainer.model, x), labels, weights))
    return scores if trainer.metrics else scores[0]


def predict(model: Layer, x, *, batch_size: int | None, verbose, steps: int | None) -> np.ndarray:
    """Return predictions; the arguments are those of :meth:`tinynet.Sequential.predict`."""
    if isinstance(x, Dataset):
        steps = _dataset_steps(x, steps, batch_size)
        inputs = (element[0] if isinstance(element, tuple) else element for element in in_steps(x, steps))
        batches = (as_floats(model, check_inputs(model, batch)) for batch in inputs)
    else:
        x = as_floats(model, check_inputs(model, x))
        check_finite("x", x)
        size = check_batch_size(batch_size)
        steps = -(-len(x) // size) if steps is None else as_count(steps, "steps")
        batches = (x[i : i + size] for i in range(0, min(len(x), steps * size), size))
    events = CallbackList(progress.choose_for_evaluation(verbose), model, {"epochs": 1, "steps": steps})
    events.call("on_test_begin", {})
    sizes = [0]
    with Room(model, lambda: max(sizes), NoRoomError, holds_batch=False):
        found = list(_predicted(model, batches, sizes))
    if not found:
        raise ValueError("predict needs at least one input. Received: none")
    events.call("on_test_end", {})
    return np.concatenate(found)


def _predicted(model: Layer, batches: Iterator[np.ndarray], sizes: list[int]) -> Iterator[np.ndarray]:
    def counted(batches):
        for batch in batches:
            sizes.append(len(batch))
            yield (batch,)

    for first in itertools.islice(batches, 1):  # the first one builds the model, if it is not: so it has a backend
        for (x,) in model.ops.deliver(counted(itertools.chain([first], batches))):
            with Room(model, lambda: max(sizes)):
                y = model.ops.to_numpy(model.propagate(x))
            yield y


def _dataset_steps(dataset: Dataset, steps: int | None, batch_size) -> int:
    if batch_size is not None:
        raise ValueError(f"A Dataset brings its own batch_size. Received: batch_size={batch_size!r} beside a Dataset")
    if steps is None:
        if dataset.is_endless:
            raise ValueError("An endless dataset needs steps, such as steps=1. Received: steps=None")
        return len(dataset)
    return as_count(steps, "steps")
