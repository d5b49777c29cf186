"""The callback that saves the model as training goes on."""

import os

from tinynet.architecture import to_config
from tinynet.callbacks.control import Watching
from tinynet.errors import explain_keywords
from tinynet.serialization import check_suffix
from tinynet.shapes import as_count


class ModelCheckpoint(Watching):
    """Save the model after every epoch, or after those that are the best so far.

    The file is `model.save`'s, and training can go on from it: killed, and started again as ::

        model.fit(..., epochs=10, callbacks=[ModelCheckpoint(path)], resume_from=path if os.path.exists(path) else None)

    it does the epochs that are left, and ends with the very weights of training that was never stopped. Of several in
    one fit, let the one that training goes on from come last: then what the others save of an epoch is there before it.

    Parameters
    ----------
    filepath : str or path
        The file, which ends in ".safetensors"; its folder is made if need be. It may hold fields, filled in at each
        save: ``model_{epoch:02d}_{val_loss:.2f}.safetensors``, the first epoch being 1 there. Without any, each save
        takes the place of the one before it.
    monitor : str
        A name in the logs, for `save_best_only`.
    verbose : bool or int
        Whether to say so.
    save_best_only : bool
        Whether to save only where `monitor` is better than ever before.
    save_weights_only : bool
        Whether to save the weights alone, for `load_weights`; training cannot go on from those.
    mode : "auto", "min" or "max"
        Whether smaller or larger is better; "auto" knows that accuracies rise.
    save_freq : "epoch" or int
        After each epoch, or after so many batches, counted through all epochs. Training can go on only from an epoch's
        end; a save that is due after an epoch's last batch is made there.

    Raises
    ------
    ValueError
        If `filepath` does not end in ".safetensors" or has a field that the logs do not, or `save_freq` is neither.
    """

    @explain_keywords
    def __init__(self, filepath: str | os.PathLike, monitor: str = "val_loss", verbose: bool | int = 0,
                 save_best_only: bool = False, save_weights_only: bool = False, mode: str = "auto",
                 save_freq: str | int = "epoch"):
        super().__init__(monitor, mode, 0.0, 0, verbose)
        check_suffix(filepath)
        self.filepath = os.fspath(filepath)
        self.save_best_only = save_best_only
        self.save_weights_only = save_weights_only
        self.save_freq = save_freq if save_freq == "epoch" else as_count(
            save_freq, "ModelCheckpoint: save_freq is 'epoch' or a number of batches, which")
        if self.save_freq != "epoch":
            self.on_train_batch_end = self._count_batch  # else fit need not tell of every batch

    def on_train_begin(self, logs=None):
        super().on_train_begin()
        trainer = self.model.trainer
        if not self.save_weights_only:  # what cannot be saved is an error before the first epoch, not after it
            to_config([self.model, trainer.optimizer, trainer.loss, trainer.metric_names])
        self._batches = 0
        self._due = False

    def on_epoch_begin(self, epoch, logs=None):
        self._epoch = epoch

    def _count_batch(self, batch, logs):
        self._batches += 1
        if self._batches % self.save_freq == 0:
            if batch + 1 == self.params["steps"]:
                self._due = True
            elif not self.save_best_only or self.improved(logs):
                self._save(self._epoch, {"batch": batch + 1} | logs)

    def on_epoch_end(self, epoch, logs=None):
        due = self.save_freq == "epoch" or self._due
        # What the best was is decided here, so that it is known to whatever is saved of this epoch.
        self._due = due and (not self.save_best_only or self.improved(logs))

    def on_checkpoint(self, epoch, logs=None):
        if self._due:
            self._due = False
            self._save(epoch, {"batch": self.params["done"]} | logs)

    def _save(self, epoch: int, logs) -> None:
        try:
            path = self.filepath.format(epoch=epoch + 1, **logs)
        except (KeyError, ValueError, IndexError) as error:
            raise ValueError(f"ModelCheckpoint: the fields of filepath are epoch, {', '.join(logs)}. "
                             f"Received: {self.filepath!r}, and {type(error).__name__}: {error}") from error
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        if self.save_weights_only:
            self.model.save_weights(path)
        else:
            self.model.save(path)
        if self.verbose:
            print(f"Epoch {epoch + 1}: ModelCheckpoint saves {path}.")

    def get_state(self):
        return super().get_state() | {"batches": self._batches}

    def set_state(self, state):
        super().set_state(state)
        self._batches = int(state["batches"])
