"""Callbacks that write a training down: as a table, or as curves."""

import csv
import os

from tinynet import plotting
from tinynet.callbacks.base import Callback
from tinynet.errors import explain_keywords


class CSVLogger(Callback):
    """Write a row an epoch: the epoch, and every number of its logs.

    Parameters
    ----------
    filename : path
        The file.
    separator : str
        Between columns.
    append : bool
        Whether to go on with a file that is there; else it is written anew.
    """

    @explain_keywords
    def __init__(self, filename: str | os.PathLike, separator: str = ",", append: bool = False):
        self.filename = filename
        self.separator = separator
        self.append = append

    def on_train_begin(self, logs=None):
        self._columns = None
        if self.append and os.path.exists(self.filename) and os.path.getsize(self.filename):
            with open(self.filename, newline="") as file:
                self._columns = next(csv.reader(file, delimiter=self.separator))
        self._mode = "a" if self._columns else "w"

    def on_epoch_end(self, epoch, logs=None):
        row = {"epoch": epoch} | logs
        # Closed after each row, so that a killed training leaves all of its epochs.
        with open(self.filename, self._mode, newline="") as file:
            if self._columns is None:
                self._columns = list(row)
                csv.writer(file, delimiter=self.separator).writerow(self._columns)
            csv.writer(file, delimiter=self.separator).writerow([row.get(column, "") for column in self._columns])
        self._mode = "a"

    def get_state(self):
        size = os.path.getsize(self.filename) if self._mode == "a" and os.path.exists(self.filename) else 0
        return {"columns": self._columns, "size": size}

    def set_state(self, state):
        size = int(state["size"])
        if not os.path.exists(self.filename) or os.path.getsize(self.filename) < size:
            return  # the file of this training is not here: another begins
        os.truncate(self.filename, size)  # rows of epochs that will be done again
        self._columns, self._mode = state["columns"], "a" if size else "w"


class PlotTraining(Callback):
    """Draw loss and accuracy as training goes on: live in a notebook, elsewhere into a file at the end.

    Source: the display of the codelab "TensorFlow, Keras and deep learning, without a PhD".

    Parameters
    ----------
    sample_rate : int
        The training curves have a point every so many batches, of that batch alone; validation has one an epoch.
    zoom : float
        How closely the good end of the axes is looked at.
    path : path, optional
        The file; None writes none.
    """

    @explain_keywords
    def __init__(self, sample_rate: int = 10, zoom: float = 1, path: str | os.PathLike | None = "training.png"):
        if sample_rate < 1:
            raise ValueError(f"PlotTraining: sample_rate must be at least 1. Received: {sample_rate!r}")
        self.sample_rate = sample_rate
        self.zoom = zoom
        self.path = path

    def on_train_begin(self, logs=None):
        self._step = 0
        self._training: dict[str, list[float]] = {"step": [], "loss": [], "accuracy": []}
        self._validation: dict[str, list[float]] = {"step": [], "loss": [], "accuracy": []}
        self._handle = None

    def on_epoch_begin(self, epoch, logs=None):
        self._sums: dict[str, float] = {}
        self._samples = 0

    def on_train_batch_end(self, batch, logs=None):
        # The logs are means over the epoch so far, which hide how a training jumps: take out this batch's own part.
        samples = self.params["samples"]
        sums = {name: mean * samples for name, mean in logs.items()}
        if self._step % self.sample_rate == 0:
            own = {name: (total - self._sums.get(name, 0.0)) / (samples - self._samples)
                   for name, total in sums.items()}
            self._note(self._training, own, "")
        self._sums, self._samples = sums, samples
        self._step += 1

    def on_epoch_end(self, epoch, logs=None):
        if "val_loss" in logs:
            self._note(self._validation, logs, "val_")
        if plotting.in_notebook():
            self._handle = plotting.show_live(self._draw(), self._handle)

    def on_train_end(self, logs=None):
        if self.path is not None and not plotting.in_notebook():
            plotting.save(self._draw(), self.path)

    def get_state(self):
        return {"step": self._step, "training": self._training, "validation": self._validation}

    def set_state(self, state):
        self._step = int(state["step"])
        self._training, self._validation = dict(state["training"]), dict(state["validation"])

    def _note(self, curves, logs, prefix) -> None:
        curves["step"].append(self._step)
        for name in ("loss", "accuracy"):
            if prefix + name in logs:
                curves[name].append(logs[prefix + name])

    def _draw(self):
        training, validation = self._training, self._validation
        return plotting.live_curves(training["step"], training["loss"], training["accuracy"], validation["step"],
                                    validation["loss"], validation["accuracy"], zoom=self.zoom)
