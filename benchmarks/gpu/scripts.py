"""Whole trainings on the GPU, as users run them: `fit` on Fashion-MNIST, and `examples/mnist_fast.py`."""

import argparse
import json
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks import report
from benchmarks.models import MODELS, Model, examples
from benchmarks.processes import WorkerError, answer_of, timed

TITLE = "whole trainings"
FIT = "fashion_dense_b32"
EXAMPLES = 60_000
EPOCHS = 5
FIT_TARGET = 1.0
FAST_TARGET = 0.5
FAST_ACCURACY_TARGET = 0.99
HEADER = ["what", "median", "worst", "target", ""]
FAST_SCRIPT = "examples/mnist_fast.py"


def measure(names: Sequence[str], options: argparse.Namespace, facts: list[str]) -> dict[str, str]:
    """Return the table by its title; `names` does not matter, as there are no peers."""
    folder = str(Path(options.data_dir).resolve()) if options.data_dir else ""
    measured = answer_of(
        "benchmarks.gpu.scripts", "--data-dir", folder, "--repeats", str(options.repeats), "--threads",
        str(options.threads),
    )  # fmt: skip
    facts.append(fit_fact(**measured))
    what = f"{FIT}, {EPOCHS} epochs of fit: seconds"
    rows = [below(what, measured["seconds"], FIT_TARGET, measured["is_real"])]
    if folder:
        rows += fast_rows(*run_fast(folder, options.seeds))
        facts.append(f"{FAST_SCRIPT}: seeds 0 to {options.seeds - 1}, its own figures")
    else:
        facts.append(f"{FAST_SCRIPT} needs MNIST (--data-dir, or TINYNET_DATA), and was left out")
    for row in rows:
        print(" ".join(row), file=sys.stderr)
    return {TITLE: report.table(HEADER, rows)}


def fit_fact(seconds: Sequence[float], accuracy: float, is_real: bool) -> str:
    """Return the line about `fit`."""
    data = "of Fashion-MNIST" if is_real else "made up, as Fashion-MNIST is not there (--data-dir, or TINYNET_DATA)"
    return (
        f"{FIT}: medians of {len(seconds)} trainings by fit with accuracy, {EXAMPLES} images {data}, after one of "
        f"a few steps; training accuracy {accuracy:.4f}"
    )


def below(what: str, values: Sequence[float], target: float, judged: bool = True) -> list[str]:
    """Return a table's row for seconds that have to stay below a target."""
    median = statistics.median(values)
    verdict = report.verdict(median < target) if judged else ""
    return [what, f"{median:.3f}", f"{max(values):.3f}", f"{target:g}", verdict]


def fast_rows(seconds: Sequence[float], accuracies: Sequence[float]) -> list[list[str]]:
    """Return the rows of the fast script: its seconds, and the mean of its accuracies."""
    mean = statistics.mean(accuracies)
    reached = report.verdict(mean >= FAST_ACCURACY_TARGET)
    accuracy = [f"{mean:.4f} (mean)", f"{min(accuracies):.4f}", f"{FAST_ACCURACY_TARGET:g}", reached]
    return [
        below(f"{FAST_SCRIPT}: seconds of training", seconds, FAST_TARGET),
        [f"{FAST_SCRIPT}: test accuracy", *accuracy],
    ]


def run_fast(folder: str, seeds: int) -> tuple[list[float], list[float]]:
    """Run the fast script with each seed; return the seconds and the accuracies that it prints."""
    found = []
    with tempfile.TemporaryDirectory() as pictures:
        for seed in range(seeds):
            command = [sys.executable, FAST_SCRIPT, "--backend", "cupy", "--seed", str(seed), "--data-dir", folder]
            found.append(printed(timed([*command, "--output-dir", pictures])[1]))
    return [seconds for seconds, _ in found], [accuracy for _, accuracy in found]


def printed(output: str) -> tuple[float, float]:
    """Return the seconds and the test accuracy that the fast script has printed.

    Raises
    ------
    WorkerError
        If it has printed none.
    """
    seconds = re.search(r" images in ([\d.]+) seconds", output)
    accuracy = re.search(r"^test accuracy ([\d.]+)", output, re.MULTILINE)
    if not seconds or not accuracy:
        raise WorkerError(f"{FAST_SCRIPT} printed neither seconds nor accuracy. Received:\n{output}")
    return float(seconds[1]), float(accuracy[1])


def time_fits(
    model: Model, x: np.ndarray, y: np.ndarray, epochs: int, repeats: int
) -> tuple[list[float], float]:
    """Return the seconds of each training from new weights on the GPU, and the last one's accuracy.

    Before that another network is trained for a few steps, so that all kernels are compiled.
    """
    _fit(model, x[: 3 * model.batch], y[: 3 * model.batch], 1)
    found = [_fit(model, x, y, epochs) for _ in range(repeats)]
    return [seconds for seconds, _ in found], found[-1][1]


def _fit(model, x, y, epochs):
    from benchmarks.workers import tinynet as worker
    from tinynet.backends import use_backend

    with use_backend("cupy"):
        network = worker.build(model)
        worker.compile_network(model, network, ("accuracy",))
        start = time.perf_counter()
        history = network.fit(x, y, batch_size=model.batch, epochs=epochs, verbose=0)
        accuracy = float(history.history["accuracy"][-1])  # which waits for the last step
        return time.perf_counter() - start, accuracy


def _load(folder: str) -> tuple[np.ndarray, np.ndarray]:
    from tinynet.datasets import fashion_mnist

    (images, labels), _ = fashion_mnist.load_data(folder)
    return images.reshape(len(images), -1) / np.float32(255), labels


def _measure_here() -> None:
    from benchmarks.workers import tinynet as worker

    parser = argparse.ArgumentParser()
    parser.add_argument("--data-dir", default="")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    worker.prepare(options.threads)
    model = MODELS[FIT]
    x, y = _load(options.data_dir) if options.data_dir else examples(model, EXAMPLES)
    seconds, accuracy = time_fits(model, x, y, EPOCHS, options.repeats)
    print(json.dumps({"seconds": seconds, "accuracy": accuracy, "is_real": bool(options.data_dir)}))


if __name__ == "__main__":
    _measure_here()
