"""Measure the peak memory of a training process against the peers', and what tinynet's later steps allocate."""

import argparse
import dataclasses
import json
import statistics
import sys
from collections.abc import Mapping, Sequence

from benchmarks import report
from benchmarks.models import MODELS, Model, Network, batch
from benchmarks.processes import Worker, answer_of
from benchmarks.train import PEERS, names, runs, start_workers, versions

TITLE = "memory of a training process"
TARGET = 1.0
# A step's peak shows only its largest scratch array, and with a batch so many times as large that one depends on it.
LARGER = 8
GROWTH_TARGET = 0.05
LATER = ["batch KB", "later step KB", f"with {LARGER} batches KB", ""]


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--peers", type=names(PEERS), default=["torch"], help="comma-separated, of torch,jax,keras; default torch")
    add("--peer-python", default=sys.executable, metavar="PATH", help="the peers' Python; default: this one")
    add("--models", type=names(list(MODELS)), default=list(MODELS), help="comma-separated; default: all")
    add("--steps", type=int, default=30, help="training steps of each process; default 30")
    add("--repeats", type=int, default=3, help="processes of each framework and model; default 3")


def run(options: argparse.Namespace, facts: list[str]) -> str:
    """Measure, add to the facts about the run, and return the table."""
    workers, missing = start_workers(options.peers, options.peer_python, options.threads)
    for worker in workers.values():
        worker.close()
    facts.append(versions(workers, missing))
    facts.append(processes(options.repeats, options.steps))
    facts.append(
        f"later step: how far traced allocations rise in a step after the second; with {LARGER} times the batch they "
        f"may rise higher by {GROWTH_TARGET:.0%} of what the batch is larger"
    )
    rows = []
    for name in options.models:
        peaks = measure(MODELS[name], list(workers), options.repeats, options)
        grown = answer_of("benchmarks.memory", name, "--threads", str(options.threads))["grown"]
        rows.append(row(MODELS[name], list(workers), peaks) + later(MODELS[name], grown))
        print(" ".join(rows[-1]), file=sys.stderr)
    return report.table([*header(list(workers)), *LATER], rows)


def processes(repeats: int, steps: int) -> str:
    """Return the line that says what was measured."""
    return (
        f"medians of {repeats} processes each: the highest resident memory of {steps} steps, with Python and the "
        "framework"
    )


def measure(
    model: Network, workers: Sequence[str], repeats: int, options: argparse.Namespace
) -> dict[str, list[int | None]]:
    """Return the peaks of so many processes of each worker that runs the model; see `peak`."""
    peaks = {}
    for who in [who for who in workers if runs(who, model)]:
        python = sys.executable if who == "tinynet" else options.peer_python
        peaks[who] = [peak(who, python, options.threads, model.name, options.steps) for _ in range(repeats)]
    return peaks


def peak(framework: str, python: str, threads: int, model: str, steps: int) -> int | None:
    """Return the peak of a new process that does so many steps, in bytes; None where the system does not tell."""
    worker = Worker(framework, python, threads)
    try:
        return worker.memory(model, steps)
    finally:
        worker.close()


def header(workers: Sequence[str]) -> list[str]:
    return ["model", *[f"{who} MB" for who in workers], "tinynet / leanest peer", "target", ""]


def row(model: Network, workers: Sequence[str], peaks: Mapping[str, Sequence[int | None]]) -> list[str]:
    """Return a table's row: each process' peak, tinynet's by the leanest peer's, the target and the verdict."""
    if None in [value for values in peaks.values() for value in values]:
        return [model.name, *["not measured" if who in peaks else "" for who in workers], "", f"{TARGET:g}", ""]
    medians = {who: statistics.median(values) for who, values in peaks.items()}
    cells = [model.name, *[f"{medians[who] / 1e6:.1f}" if who in medians else "" for who in workers]]
    own = medians.pop("tinynet")
    if not medians:
        return [*cells, "", f"{TARGET:g}", ""]
    leanest = min(medians, key=medians.get)
    ratio = own / medians[leanest]
    return [*cells, f"{ratio:.2f} ({leanest})", f"{TARGET:g}", report.verdict(ratio <= TARGET)]


def later(model: Model, grown: Sequence[int]) -> list[str]:
    """Return the cells of what a later step allocates: with the model's batch, and with one LARGER times its size.

    Scratch memory of a kernel's size may come and go, but nothing that is as large as the batch is made anew in every
    step.
    """
    size = batch(model)[0].nbytes
    reached = grown[1] - grown[0] <= GROWTH_TARGET * (LARGER - 1) * size
    return [*[f"{value / 1e3:.1f}" for value in (size, *grown)], report.verdict(reached)]


def growth(model: Model) -> int:
    """Return by how many bytes traced memory rises in a step after the first two, the median of five."""
    import gc
    import tracemalloc

    from benchmarks.workers import tinynet as worker

    runner = worker.Runner(model)
    runner.restart()
    tracemalloc.start()
    runner.run(2)
    rises = []
    for _ in range(5):
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        runner.run(1)
        rises.append(tracemalloc.get_traced_memory()[1] - before)
    tracemalloc.stop()
    return statistics.median(rises)


def _measure_here() -> None:
    from benchmarks.workers import tinynet as worker

    parser = argparse.ArgumentParser()
    parser.add_argument("model", choices=MODELS)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    worker.prepare(options.threads)
    model = MODELS[options.model]
    print(json.dumps({"grown": [growth(model), growth(dataclasses.replace(model, batch=LARGER * model.batch))]}))


if __name__ == "__main__":
    _measure_here()
