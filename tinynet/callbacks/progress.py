"""How a fit tells of itself: a bar at a terminal or in a notebook, one line an epoch elsewhere."""

import sys
import time
from collections.abc import Mapping

from tinynet.callbacks.base import Callback

_REFRESH = 0.1  # seconds


class EpochLines(Callback):
    """One line an epoch, for logs: `Epoch 2/5 - 1875/1875 - 0.2s - 0.1ms/step - loss: 0.3652 - accuracy: 0.8686`."""

    def on_epoch_begin(self, epoch, logs=None):
        self._title = f"Epoch {epoch + 1}/{self.params['epochs']} - "
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self._print(logs)

    def on_test_begin(self, logs=None):
        self._title = ""
        self._start = time.perf_counter()

    def on_test_end(self, logs=None):
        self._print(logs)

    def _print(self, logs) -> None:
        seconds, steps = time.perf_counter() - self._start, self.params["steps"]
        print(f"{self._title}{steps}/{steps} - {seconds:.1f}s - {describe(seconds / steps, logs)}", flush=True)


class ProgressBar(EpochLines):
    """A bar that grows with the batches, drawn by tqdm: `1875/1875 ━━━━ 1ms/step - loss: 0.3652 - accuracy: 0.8686`.

    Evaluations, which are short, print their one line.
    """

    def on_epoch_begin(self, epoch, logs=None):
        from tqdm.auto import tqdm

        super().on_epoch_begin(epoch)
        print(f"Epoch {epoch + 1}/{self.params['epochs']}", flush=True)
        self._bar = tqdm(total=self.params["steps"], file=sys.stdout, bar_format="{n_fmt}/{total_fmt} {bar:30} {desc}",
                         ascii=None if (sys.stdout.encoding or "").lower().startswith("utf") else True)
        self._shown = self._start

    def on_train_batch_end(self, batch, logs=None):
        now = time.perf_counter()
        if now - self._shown > _REFRESH:
            self._show(batch + 1, now, logs)

    def on_epoch_end(self, epoch, logs=None):
        self._show(self.params["steps"], time.perf_counter(), logs)
        self._bar.close()

    def _show(self, done: int, now: float, logs) -> None:
        self._bar.n = done
        self._bar.set_description_str(describe((now - self._start) / done, logs))
        self._shown = now


def describe(seconds: float, logs: Mapping[str, float] | None) -> str:
    """Return `1ms/step - loss: 0.3652 - ...` for a step's time and an epoch's numbers."""
    took = f"{1e3 * seconds:.2g}ms/step" if seconds < 1 else f"{seconds:.1f}s/step"
    return " - ".join([took, *(f"{name}: {value:.4f}" for name, value in (logs or {}).items())])


def choose(verbose: str | int) -> list[Callback]:
    """Return the callbacks for `verbose`: none (0), a bar (1), a line an epoch (2), or as fits the place ("auto").

    Raises
    ------
    ValueError
        For anything else.
    """
    if verbose == "auto":
        verbose = 1 if sys.stdout.isatty() or "ipykernel" in sys.modules else 2
    if verbose not in (0, 1, 2):
        raise ValueError(f"verbose is 'auto', 0 (silent), 1 (bar) or 2 (a line an epoch). Received: {verbose!r}")
    return [[], [ProgressBar()], [EpochLines()]][int(verbose)]
