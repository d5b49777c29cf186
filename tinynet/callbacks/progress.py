"""How a fit tells of itself: a bar at a terminal or in a notebook, one line an epoch elsewhere."""

import sys
import time
from collections.abc import Mapping

from tinynet.callbacks.base import Callback

_REFRESH = 0.1  # seconds


class EpochLines(Callback):
    """One line an epoch, for logs: `Epoch 2/5 - 1875/1875 - 0.2s - 0.1ms/step - loss: 0.3652 - accuracy: 0.8686`."""

    def on_epoch_begin(self, epoch, logs=None):
        self._start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        title = f"Epoch {epoch + 1}/{self.params['epochs']} - "
        _print_line(title, self.params["done"], self.params["steps"], time.perf_counter() - self._start, logs)


class ProgressBar(Callback):
    """A bar that grows with the batches, drawn by tqdm: `1875/1875 ████ 1ms/step - loss: 0.3652 - accuracy: 0.8686`."""

    def on_epoch_begin(self, epoch, logs=None):
        from tqdm.auto import tqdm

        print(f"Epoch {epoch + 1}/{self.params['epochs']}", flush=True)
        utf = (sys.stdout.encoding or "").lower().startswith("utf")
        self._bar = tqdm(total=self.params["steps"], file=sys.stdout, ascii=not utf, leave=False,
                         bar_format="{n_fmt}/{total_fmt} {bar:30} {desc}")
        self._full = ("█" if utf else "#") * 30
        self._start = self._shown = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        now = time.perf_counter()
        if now - self._shown > _REFRESH:
            self._shown = now
            self._bar.n = batch + 1
            self._bar.set_description_str(describe((now - self._start) / (batch + 1), logs))

    def on_epoch_end(self, epoch, logs=None):
        # The last line is printed, not drawn: a bar is cut off at the terminal's width.
        self._bar.close()
        done = self.params["done"]
        took = (time.perf_counter() - self._start) / done
        print(f"{done}/{self.params['steps']} {self._full} {describe(took, logs)}", flush=True)


class EvaluationLine(Callback):
    """The one line of an evaluation or a prediction: `313/313 - 0.1s - 0.2ms/step - loss: 0.35 - accuracy: 0.87`."""

    def on_test_begin(self, logs=None):
        self._start = time.perf_counter()

    def on_test_end(self, logs=None):
        _print_line("", self.params["steps"], self.params["steps"], time.perf_counter() - self._start, logs)


def _print_line(title: str, done: int, steps: int, seconds: float, logs) -> None:
    print(f"{title}{done}/{steps} - {seconds:.1f}s - {describe(seconds / done, logs)}", flush=True)


def describe(seconds: float, logs: Mapping[str, float] | None) -> str:
    """Return `1ms/step - loss: 0.3652 - ...` for a step's time and an epoch's numbers."""
    took = f"{float(f'{1e3 * seconds:.2g}'):g}ms/step" if seconds < 1 else f"{seconds:.1f}s/step"
    return " - ".join([took, *(f"{name}: {_number(value)}" for name, value in (logs or {}).items())])


def _number(value: float) -> str:
    return f"{value:.4f}" if abs(value) > 1e-3 else f"{value:.4e}"  # as in Keras: four places would make 1e-5 a zero


def choose(verbose: str | int) -> list[Callback]:
    """Return what tells of a fit: nothing (0), a bar (1), a line an epoch (2), or as fits the place ("auto").

    Raises
    ------
    ValueError
        For anything else.
    """
    if verbose == "auto":
        verbose = 1 if sys.stdout.isatty() or "ipykernel" in sys.modules else 2
    return [[], [ProgressBar()], [EpochLines()]][_check(verbose)]


def choose_for_evaluation(verbose: str | int) -> list[Callback]:
    """Return what tells of an evaluation: nothing (0), or one line."""
    return [EvaluationLine()] if verbose == "auto" or _check(verbose) else []


def _check(verbose: str | int) -> int:
    if verbose not in (0, 1, 2):
        raise ValueError(f"verbose is 'auto', 0 (silent), 1 (bar) or 2 (a line an epoch). Received: {verbose!r}")
    return int(verbose)
