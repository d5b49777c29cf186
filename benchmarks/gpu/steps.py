"""Training steps on the GPU: tinynet's recorded step against PyTorch's eager one and torch.compile's."""

import argparse
import statistics
import sys
from collections.abc import Mapping, Sequence

from benchmarks import report
from benchmarks.gpu.frameworks import PEERS, TOLERANCES, Stopwatch, best, running, runs
from benchmarks.models import MODELS
from benchmarks.train import AGREEMENT_STEPS, bursts, check_agreement, spread, time_model

# How many times as fast as the peer tinynet has to be.
TARGETS = {"torch": 3.0, "compiled": 1.0}
TITLE = "training steps"


def measure(names: Sequence[str], options: argparse.Namespace, facts: list[str]) -> dict[str, str]:
    """Return a table for each precision, by its title."""
    facts.append(f"{TITLE}: {bursts(options.repeats, options.burst)}; by CUDA events, and by the clock on the wall")
    return {f"{TITLE}, precision {precision!r}": _table(names, options, precision) for precision in options.precisions}


def _table(names, options, precision):
    rows, ratios = [], {peer: [] for peer in PEERS}
    with running(names, options, precision) as workers:
        for model in map(MODELS.get, options.models):
            able = {name: worker for name, worker in workers.items() if runs(name, model)}
            losses = {name: worker.losses(model.name, AGREEMENT_STEPS) for name, worker in able.items()}
            check_agreement(model.name, losses, tolerance=TOLERANCES[precision])
            watches = {name: Stopwatch(worker) for name, worker in able.items()}
            seconds = time_model(model.name, watches, options.repeats, options.burst)
            walls = {name: watch.walls[-options.repeats :] for name, watch in watches.items()}
            rows.append(row(model.name, seconds, walls))
            for peer, ratio in ratios_of(seconds).items():
                ratios[peer].append(ratio)
            print(" ".join(rows[-1]), file=sys.stderr)
            for worker in able.values():
                worker.forget()
    return report.table(header(), [*rows, mean_row(ratios)])


def header() -> list[str]:
    columns = ["model", "tinynet µs", "wall µs"]
    for peer in PEERS:
        columns += [f"{peer} µs", "wall µs"]
    columns.append("spread")
    for peer in PEERS:
        columns += [f"{peer} / tinynet", "target", ""]
    return columns


def ratios_of(seconds: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Return how many times as fast as each peer's best way tinynet is, by the medians."""
    fastest = {peer: best(peer, seconds) for peer in PEERS}
    own = statistics.median(seconds["tinynet"])
    return {peer: statistics.median(seconds[name]) / own for peer, name in fastest.items() if name}


def row(model: str, seconds: Mapping[str, Sequence[float]], walls: Mapping[str, Sequence[float]]) -> list[str]:
    """Return a table's row: the device's medians and those on the wall, the largest spread, ratios and verdicts."""
    cells, ratios = [model], ratios_of(seconds)
    for name in ["tinynet", *[best(peer, seconds) for peer in PEERS]]:
        cells += ["", ""] if name is None else [_microseconds(seconds[name]), _microseconds(walls[name])]
    cells.append(f"{max(map(spread, seconds.values())):.0%}")
    for peer in PEERS:
        cells += _ratio(peer, ratios[peer], f" ({best(peer, seconds)})") if peer in ratios else _no_ratio(peer)
    return cells


def mean_row(ratios: Mapping[str, Sequence[float]]) -> list[str]:
    """Return the last row: the geometric means of the models' ratios."""
    cells = ["geometric mean"] + [""] * (3 + 2 * len(PEERS))
    for peer, values in ratios.items():
        cells += _ratio(peer, statistics.geometric_mean(values), "") if values else _no_ratio(peer)
    return cells


def _ratio(peer, ratio, which):
    return [f"{ratio:.2f}{which}", f"{TARGETS[peer]:g}", report.verdict(ratio >= TARGETS[peer])]


def _no_ratio(peer):
    return ["", f"{TARGETS[peer]:g}", ""]


def _microseconds(seconds):
    return f"{statistics.median(seconds) * 1e6:.1f}"
