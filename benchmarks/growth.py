"""Measure how a convnet's step grows with the batch, the image and the number of layers: it should be linearly.

Beside the markdown file that --output names, the measured seconds are put into a .csv and drawn into a .png.
"""

import argparse
import csv
import json
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks import report
from benchmarks.models import Conv, Dense, Flatten, MaxPool, Model, Optimizer
from benchmarks.processes import answer_of
from benchmarks.train import steps_in

TITLE = "growth of a step"
# A step that grows as size^1 has some fixed cost besides, which makes the power smaller, and leaves the caches at some
# size, which makes it larger. Twice the work for twice the size is 1, four times the work is 2.
TARGET = 1.15


def _convnet(batch: int, side: int) -> Model:
    layers = (Conv(16, 3, activation="relu"), MaxPool(), Conv(32, 3, activation="relu"), MaxPool(), Flatten())
    return _model(batch, side, (*layers, Dense(10, "softmax")))


def _deep(count: int) -> Model:
    convolutions = (Conv(16, 3, activation="relu"),) * count
    return _model(32, 14, (*convolutions, Flatten(), Dense(10, "softmax")))


def _model(batch: int, side: int, layers: tuple) -> Model:
    return Model("growing", batch, (side, side, 1), layers, Optimizer("adam", 0.001), target=1.0)


# What grows: its unit, the values it takes, how many units a value counts for, and the model for it.
GROWING: dict[str, tuple[str, tuple[int, ...], Callable[[int], int], Callable[[int], Model]]] = {
    "batch": ("image", (8, 16, 32, 64, 128, 256), lambda n: n, lambda n: _convnet(n, 28)),
    "image side": ("pixel", (14, 28, 56, 112), lambda side: side * side, lambda side: _convnet(16, side)),
    "convolutions": ("layer", (2, 4, 8, 16, 32), lambda n: n, _deep),
}


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repeats", type=int, default=5, help="bursts of each size; default 5")
    parser.add_argument("--burst", type=float, default=0.2, help="seconds of one burst; default 0.2")


def run(options: argparse.Namespace, facts: list[str]) -> str:
    """Measure, add to the facts about the run, draw, and return the table."""
    facts.append(f"medians of {options.repeats} bursts of about {options.burst} s, the sizes taking turns")
    facts.append("power p: the slope of log(time) over log(size), so time ~ size^p; at most 1 is linear")
    arguments = ["--repeats", str(options.repeats), "--burst", str(options.burst), "--threads", str(options.threads)]
    measured = {what: answer_of("benchmarks.growth", what, *arguments)["seconds"] for what in GROWING}
    if options.output:
        write_csv(options.output.with_suffix(".csv"), measured)
        draw(options.output.with_suffix(".png"), measured)
        facts.append(f"drawn in {options.output.with_suffix('.png').name}")
    rows = [cells for what, seconds in measured.items() for cells in rows_of(what, seconds)]
    return report.table(["growing", "size", "ms a step", "µs", "power", "target", ""], rows)


def sizes_of(what: str) -> list[int]:
    """Return how many units each value counts for: images, pixels or layers."""
    _, values, units, _ = GROWING[what]
    return [units(value) for value in values]


def rows_of(what: str, seconds: Sequence[float]) -> list[list[str]]:
    """Return the rows of one quantity; the last one has the power and the verdict."""
    unit, values, _, _ = GROWING[what]
    rows = []
    for value, size, second in zip(values, sizes_of(what), seconds, strict=True):
        each = f"{second / size * 1e6:.1f} per {unit}"
        rows.append([what, str(value), f"{second * 1e3:.3f}", each, "", "", ""])
    p = power(sizes_of(what), seconds)
    rows[-1][-3:] = [f"{p:.2f}", f"{TARGET:g}", report.verdict(p <= TARGET)]
    return rows


def power(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """Return p of seconds ~ sizes^p, by least squares of the logarithms."""
    fit = statistics.linear_regression([math.log(size) for size in sizes], [math.log(value) for value in seconds])
    return fit.slope


def write_csv(path: Path, measured: Mapping[str, Sequence[float]]) -> None:
    """Write a line for every measured size; the file holds the last run only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["growing", "value", "units", "seconds"])
        for what, seconds in measured.items():
            writer.writerows(zip([what] * len(seconds), GROWING[what][1], sizes_of(what), seconds, strict=True))


def draw(path: Path, measured: Mapping[str, Sequence[float]]) -> None:
    """Draw the seconds over the units, and the straight line that fits them best."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (what, seconds) in zip(figure.subplots(1, len(measured)), measured.items(), strict=True):
        sizes = sizes_of(what)
        line = statistics.linear_regression(sizes, seconds)
        ends = [0, max(sizes)]
        axes.plot(ends, [(line.intercept + line.slope * end) * 1e3 for end in ends], color="0.7", label="straight line")
        axes.plot(sizes, [value * 1e3 for value in seconds], "o", label="measured")
        axes.set(xlabel=f"{what}, in {GROWING[what][0]}s", ylabel="ms a step", xlim=(0, None), ylim=(0, None))
        axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100)


def measure(what: str, repeats: int, burst: float) -> list[float]:
    """Return the median seconds of a step for each value of what grows."""
    from benchmarks.workers import tinynet as worker
    from benchmarks.workers.loop import time_steps

    _, values, _, model_of = GROWING[what]
    runners = [worker.Runner(model_of(value)) for value in values]
    counts = [steps_in(burst, time_steps(runner, 3)) for runner in runners]
    turns = list(zip(runners, counts, strict=True)) * repeats
    seconds = [time_steps(runner, count) for runner, count in turns]
    return [statistics.median(seconds[i :: len(values)]) for i in range(len(values))]


def _measure_here() -> None:
    from benchmarks.workers import tinynet as worker

    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=GROWING)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--burst", type=float, default=0.2)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    worker.prepare(options.threads)
    print(json.dumps({"seconds": measure(options.what, options.repeats, options.burst)}))


if __name__ == "__main__":
    _measure_here()
