"""Rates of single convolutions and dense layers on the GPU, against cuDNN's and cuBLAS' through PyTorch."""

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence

from benchmarks import report
from benchmarks.gpu.frameworks import PEERS, TOLERANCES, Stopwatch, best, running, runs
from benchmarks.models import MODELS
from benchmarks.single_layers import BATCH, SingleLayer, layers_of
from benchmarks.train import bursts, check_agreement, spread, time_model

TITLE = "single layers"
HEADER = ["layer", "tinynet µs", "TFLOP/s", "torch µs", "TFLOP/s", "spread", "torch / tinynet", "target", ""]
# There are many layers, and a step of one is a single launch: shorter bursts than a training step's are enough.
SHORTER = 3


def measure(names: Sequence[str], options: argparse.Namespace, facts: list[str]) -> dict[str, str]:
    """Return a table for each precision, by its title."""
    burst = round(options.burst / SHORTER, 4)
    facts.append(f"{TITLE}: batches of {BATCH}, {bursts(options.repeats, burst)}; each a CUDA graph, by CUDA events")
    names = [name for name in names if name == "tinynet" or name in PEERS["torch"]]
    singles = layers_of([MODELS[name] for name in options.models])
    return {
        f"{TITLE}, precision {precision!r}": _table(names, singles, options, precision, burst)
        for precision in options.precisions
    }


def _table(names, singles, options, precision, burst):
    rows = []
    with running(names, options, precision) as workers:
        for single in singles:
            able = {name: worker for name, worker in workers.items() if runs(name, single)}
            computed = {name: worker.computed(single.name) for name, worker in able.items()}
            check_agreement(single.name, computed, "outputs and gradients", "number", TOLERANCES[precision])
            watches = {name: Stopwatch(worker) for name, worker in able.items()}
            rows.append(row(single, time_model(single.name, watches, options.repeats, burst)))
            print(" ".join(rows[-1]), file=sys.stderr)
            for worker in able.values():
                worker.forget()
    return report.table(HEADER, rows)


def row(single: SingleLayer, seconds: Mapping[str, Sequence[float]]) -> list[str]:
    """Return a table's row: medians and rates of tinynet and of PyTorch's better order, ratio, target and verdict."""
    name, peer = single.name, best("torch", seconds)
    cells = [name, *_rate(single, seconds["tinynet"]), *(_rate(single, seconds[peer]) if peer else ["", ""])]
    cells.append(f"{max(map(spread, seconds.values())):.0%}")
    if peer is None:
        return [*cells, "", f"{single.target:g}", ""]
    ratio = statistics.median(seconds[peer]) / statistics.median(seconds["tinynet"])
    return [*cells, f"{ratio:.2f} ({peer})", f"{single.target:g}", report.verdict(ratio >= single.target)]


def _rate(single, seconds):
    median = statistics.median(seconds)
    return [f"{median * 1e6:.1f}", f"{single.operations / median / 1e12:.2f}"]
