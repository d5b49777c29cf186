"""Pictures of training: curves of loss and accuracy, afterwards or live, and the learning rate."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.plotting.figure import DPI, add_axes, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLE, LEGEND = 36, 260  # height of the line with the title, width of the legend in it: pixels, as all sizes here


def plot_history(history: Any, *, title: str = "") -> "Figure":
    """Draw the curves of a training: the loss and each metric, on training and on validation data, epoch by epoch.

    Several trainings stand side by side, each metric on the same scale, so that they can be compared.

    Parameters
    ----------
    history : History or dict
        What ``fit`` returned, or its ``history``: lists of one value an epoch, named ``loss``, ``accuracy``,
        ``val_loss``, ``val_accuracy``. Or a dict of several of these, under the names of the runs.
    title : str
        Written above them.

    Returns
    -------
    matplotlib.figure.Figure
        The picture.
    """
    runs = _as_runs(history)
    metrics = list(dict.fromkeys(key.removeprefix("val_") for run in runs.values() for key in run))
    # One run reads best as a row, several as a column each.
    single = len(runs) == 1
    rows, columns = (1, len(metrics)) if single else (len(metrics), len(runs))
    width, height = (480, 330) if single else (350, 260)
    figure = new_figure(max(columns * width, 9 * len(title) + LEGEND), rows * height + TITLE)
    for m, metric in enumerate(metrics):
        panels = []
        for r, (name, run) in enumerate(runs.items()):
            row, column = (0, m) if single else (m, r)
            axes = add_axes(figure, column * width + 65, (rows - 1 - row) * height + 48, width - 80, height - 80)
            training, validation = run.get(metric, []), run.get("val_" + metric, [])
            _curves(axes, training, validation, range(1, len(training) + 1), range(1, len(validation) + 1))
            axes.set_xlabel("epoch")
            axes.set_title(", ".join(text for text in (name, metric) if text), fontsize=11)
            panels.append(axes)
        limits = np.array([axes.get_ylim() for axes in panels])
        for axes in panels:
            axes.set_ylim(limits[:, 0].min(), limits[:, 1].max())
    _head(figure, title)
    return figure


def plot_learning_rate(lr_decay: Callable[[int], float], epochs: int) -> "Figure":
    """Draw the learning rate of each epoch, as the ``LearningRateScheduler`` would set it.

    Parameters
    ----------
    lr_decay : callable
        The learning rate of an epoch; called with 0 for the first.
    epochs : int
        How many epochs, at least 1.

    Returns
    -------
    matplotlib.figure.Figure
        The picture.
    """
    if not isinstance(epochs, int | np.integer) or epochs < 1:
        raise ValueError(f"epochs has to be a whole number, at least 1. Received: epochs={epochs!r}")
    rates = [float(lr_decay(epoch)) for epoch in range(epochs)]
    figure = new_figure(560, 360)
    axes = add_axes(figure, 80, 50, 455, 275)
    axes.plot(range(1, epochs + 1), rates, "o-")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("epoch")
    axes.set_title(f"learning rate: {rates[0]:.3g} in the first epoch, {rates[-1]:.3g} in the last", fontsize=11)
    axes.locator_params(axis="x", integer=True)
    return figure


def live_curves(
    steps: Sequence[float],
    loss: Sequence[float],
    accuracy: Sequence[float],
    val_steps: Sequence[float],
    val_loss: Sequence[float],
    val_accuracy: Sequence[float],
    *,
    zoom: float = 1,
) -> "Figure":
    """Draw how far a running training has come: what ``PlotTraining`` shows, as the MNIST codelab's display does.

    Parameters
    ----------
    steps : sequence of float
        The batches at which the training was sampled, counted from the start of the training.
    loss, accuracy : sequence of float
        What was found there. An empty `accuracy` is left out of the picture.
    val_steps, val_loss, val_accuracy : sequence of float
        The same on validation data, usually once an epoch.
    zoom : float
        How closely the good end is looked at: the loss is drawn from 0 to 1.2 / zoom, the accuracy from 1 - 0.5 / zoom
        to 1. Where a curve has not come that far yet, the range is widened to show its end; and up to a zoom of 1, to
        show all of it.

    Returns
    -------
    matplotlib.figure.Figure
        The picture. :func:`tinynet.plotting.show_live` shows it.
    """
    if not zoom > 0:
        raise ValueError(f"zoom has to be a number above 0. Received: zoom={zoom!r}")
    panels = [("loss", loss, val_loss), ("accuracy", accuracy, val_accuracy)]
    panels = [panel for panel in panels if len(panel[1]) or len(panel[2]) or panel[0] == "loss"]
    figure = new_figure(480 * len(panels), 330 + TITLE)
    for number, (metric, training, validation) in enumerate(panels):
        _same_length(steps=steps, **{metric: training})
        _same_length(val_steps=val_steps, **{"val_" + metric: validation})
        axes = add_axes(figure, 480 * number + 65, 48, 400, 250)
        _curves(axes, training, validation, steps, val_steps)
        axes.set_xlabel("batch")
        axes.locator_params(axis="x", nbins=6)  # five digits each after a long training
        axes.set_title(metric, fontsize=11)
        if zoom > 1:
            # The samples of single batches scatter: the end of their curve is the mean of the last few.
            last = list(training[-10:])
            seen = [np.mean(last) if last else math.nan, *validation[-1:]]
        else:
            seen = [*training, *validation]
        seen = [number for number in seen if math.isfinite(number)]
        if metric == "loss":
            axes.set_ylim(0, max([1.2 / zoom, *(1.2 * number for number in seen)]))
        else:
            axes.set_ylim(min([1 - 0.5 / zoom, *(number - 0.05 for number in seen)]), 1 + 0.025 / zoom)
    _head(figure, "")
    return figure


def _curves(axes: "Axes", training, validation, steps, val_steps) -> None:
    """Draw the training and the validation curve of one metric."""
    # A single point makes no line.
    if len(training):
        marker = "." if len(training) == 1 else ""
        axes.plot(steps, training, "-", marker=marker, linewidth=1.2, color="tab:blue", label="training")
    if len(validation):
        axes.plot(val_steps, validation, ".-", color="tab:orange", label="validation")
    axes.grid(alpha=0.3)
    axes.locator_params(axis="x", integer=True)


def _head(figure: "Figure", title: str) -> None:
    """Write the title and one legend for all panels above them, where they cover no curve."""
    width, height = figure.get_size_inches() * DPI
    figure.text(15 / width, 1 - TITLE / 2 / height, title, va="center", fontsize=12)
    lines = {line.get_label(): line for axes in figure.axes for line in axes.lines}
    figure.legend(lines.values(), lines.keys(), loc="upper right", ncols=2, frameon=False)


def _as_runs(history: Any) -> dict[str, dict[str, list[float]]]:
    """Return the runs by name, each with its curves; a single run has no name."""
    history = getattr(history, "history", history)
    if isinstance(history, Mapping) and history:
        several = all(isinstance(getattr(run, "history", run), Mapping) for run in history.values())
        runs = {str(name): getattr(run, "history", run) for name, run in history.items()} if several else {"": history}
        runs = {name: {key: run[key] for key in run if key != "learning_rate"} for name, run in runs.items()}
        if all(runs.values()) and all(np.ndim(curve) == 1 for run in runs.values() for curve in run.values()):
            return runs
    raise ValueError(
        'history has to be what fit returned, a dict of lists such as {"loss": [0.5, 0.4]}, or a dict of several of '
        f"these under the names of the runs. Received: {history!r}"
    )


def _same_length(**sequences: Sequence[float]) -> None:
    (name, first), (other, second) = sequences.items()
    if len(first) != len(second):
        raise ValueError(
            f"{name} and {other} have to be of the same length. Received: {len(first)} and {len(second)} values"
        )
