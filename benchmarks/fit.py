"""Measure what `fit` adds to each batch, beside the bare step of `train_on_batch`: target at most 30 µs."""

import argparse
import json
import statistics
import time
from collections.abc import Callable

from benchmarks import report
from benchmarks.models import MODELS, Model, batch, examples
from benchmarks.processes import answer_of

TITLE = "what fit adds"
TARGET = 30e-6
EXAMPLES = 60_000
EPOCHS = 5
# Models of images are left out: their steps are so long that what fit adds is lost in them.
CASES = [(name, ()) for name, model in MODELS.items() if not model.has_images] + [("fashion_dense_b32", ("accuracy",))]


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repeats", type=int, default=5, help="fits of each model; default 5")


def run(options: argparse.Namespace, facts: list[str]) -> str:
    """Measure, add to the facts about the run, and return the table."""
    facts.append(
        f"medians of {options.repeats} fits of {EPOCHS} epochs over {EXAMPLES} shuffled examples, each beside as many "
        "steps on one batch; gathering is np.take of the same shuffled rows, on its own"
    )
    rows = []
    for name, metrics in CASES:
        measured = answer_of(
            "benchmarks.fit", name, str(options.repeats), "--metrics", *metrics, "--threads", str(options.threads)
        )
        rows.append(row(" + ".join([name, *metrics]), **measured))
    header = ["model", "fit µs a batch", "bare step µs", "fit adds µs", "gathering µs", "target µs", ""]
    return report.table(header, rows)


def row(name: str, fit: list[float], bare: list[float], gather: list[float]) -> list[str]:
    """Return a table's row from the seconds of one batch: in each fit, in the bare steps beside it, gathering it."""
    added = statistics.median(a - b for a, b in zip(fit, bare, strict=True))
    columns = [statistics.median(fit), statistics.median(bare), added, statistics.median(gather)]
    microseconds = [f"{seconds * 1e6:.1f}" for seconds in columns]
    return [name, *microseconds, f"{TARGET * 1e6:.0f}", report.verdict(added <= TARGET)]


def measure(model: Model, metrics: list[str], repeats: int) -> dict[str, list[float]]:
    """Return the seconds of one batch, of every repeat: in `fit`, as the bare step, and of gathering its rows alone."""
    import numpy as np

    from benchmarks.workers import tinynet as worker

    network = worker.build(model)
    worker.compile_network(model, network, metrics)
    x, y = examples(model, EXAMPLES)
    one_x, one_y = batch(model)
    steps = -(-EXAMPLES // model.batch)
    order = np.random.default_rng(0).permutation(EXAMPLES)
    rows = np.empty_like(one_x)

    def fit() -> None:
        network.fit(x, y, batch_size=model.batch, epochs=EPOCHS, verbose=0)

    def bare() -> None:
        for _ in range(EPOCHS * steps):
            network.train_on_batch(one_x, one_y)

    def gather() -> None:
        for start in range(0, EXAMPLES - model.batch + 1, model.batch):
            np.take(x, order[start : start + model.batch], axis=0, out=rows, mode="clip")

    network.fit(x[: 10 * model.batch], y[: 10 * model.batch], batch_size=model.batch, verbose=0)
    seconds: dict[str, list[float]] = {"fit": [], "bare": [], "gather": []}
    for _ in range(repeats):
        seconds["fit"].append(_seconds(fit) / (EPOCHS * steps))
        seconds["bare"].append(_seconds(bare) / (EPOCHS * steps))
        seconds["gather"].append(_seconds(gather) / (EXAMPLES // model.batch))
    return seconds


def _seconds(work: Callable[[], None]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _measure_here() -> None:
    from benchmarks.workers import tinynet as worker

    parser = argparse.ArgumentParser()
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("repeats", type=int)
    parser.add_argument("--metrics", nargs="*", default=[])
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    worker.prepare(options.threads)
    print(json.dumps(measure(MODELS[options.model], options.metrics, options.repeats)))


if __name__ == "__main__":
    _measure_here()
