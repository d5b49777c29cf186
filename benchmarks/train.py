"""Time one training step (forward, loss, backward, optimizer) of each model against the peers, in one run."""

import argparse
import statistics
import sys
import time
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np

from benchmarks import report
from benchmarks.models import MODELS, Model, Network
from benchmarks.processes import Worker, WorkerError

TITLE = "one training step"
# Each peer's workers: PyTorch is timed in both of its orders of images in memory, and the better one counts.
PEERS = {"torch": ("torch", "torch_channels_last"), "jax": ("jax",), "keras": ("keras",)}
FOR_IMAGES = ("torch_channels_last",)
# Few: rounding grows from step to step, and Adam makes a sign of the smallest gradients.
AGREEMENT_STEPS = 5
TOLERANCE = 1e-3
# OpenBLAS' and OpenMP's threads spin for a while after their last task; the next framework starts when they sleep.
PAUSE = 0.05


def names(known: Collection[str]):
    """Return the argparse type of a comma-separated list of known names."""

    def parse(text: str) -> list[str]:
        chosen = [name.strip() for name in text.split(",") if name.strip()]
        unknown = [name for name in chosen if name not in known]
        if unknown or len(set(chosen)) < len(chosen):
            raise argparse.ArgumentTypeError(f"expected different names out of {', '.join(known)}. Received: {text!r}")
        return chosen

    return parse


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--peers", type=names(PEERS), default=list(PEERS), help="comma-separated; default torch,jax,keras")
    add("--peer-python", default=sys.executable, metavar="PATH", help="the peers' Python; default: this one")
    add("--models", type=names(list(MODELS)), default=list(MODELS), help="comma-separated; default: all")
    add("--repeats", type=int, default=9, help="bursts of each framework on each model; default 9")
    add("--burst", type=float, default=0.3, help="seconds of one burst; default 0.3")


def run(options: argparse.Namespace, facts: list[str]) -> str:
    """Measure, add to the facts about the run, and return the table."""
    workers, missing = start_workers(options.peers, options.peer_python, options.threads)
    try:
        rows = time_models([MODELS[name] for name in options.models], workers, options.repeats, options.burst)
    finally:
        for worker in workers.values():
            worker.close()
    facts.append(versions(workers, missing))
    facts.append(bursts(options.repeats, options.burst))
    return report.table(header(list(workers)), rows)


def time_models(
    models: Iterable[Network], workers: Mapping[str, Worker], repeats: int, burst: float
) -> list[list[str]]:
    """Return a table's row for each model, whose frameworks are found to agree before they are timed.

    Raises
    ------
    WorkerError
        If they don't agree.
    """
    rows = []
    for model in models:
        able = {who: worker for who, worker in workers.items() if runs(who, model)}
        if isinstance(model, Model):
            losses = {who: worker.losses(model.name, AGREEMENT_STEPS) for who, worker in able.items()}
            check_agreement(model.name, losses)
        else:
            outputs = {who: worker.outputs(model.name) for who, worker in able.items()}
            check_agreement(model.name, outputs, "outputs", "number")
        rows.append(row(model, list(workers), time_model(model.name, able, repeats, burst)))
        print(" ".join(rows[-1]), file=sys.stderr)
    return rows


def bursts(repeats: int, burst: float) -> str:
    """Return the line that says how long was measured."""
    return f"medians over {repeats} bursts of about {burst} s, the frameworks taking turns"


def runs(worker: str, model: Network) -> bool:
    """Whether the model is timed with that worker: an order of images says nothing about models without images."""
    return model.has_images or worker not in FOR_IMAGES


def workers_of(peers: Sequence[str]) -> list[str]:
    """Return the workers of tinynet and of these peers."""
    return ["tinynet", *[worker for peer in peers for worker in PEERS[peer]]]


def start_workers(peers: Sequence[str], peer_python: str, threads: int) -> tuple[dict[str, Worker], dict[str, str]]:
    """Start the workers of tinynet and of the peers; return those that run and why the others don't.

    Raises
    ------
    WorkerError
        If tinynet itself cannot be imported.
    """
    workers, missing = {}, {}
    for framework in workers_of(peers):
        worker = Worker(framework, sys.executable if framework == "tinynet" else peer_python, threads)
        if worker.missing is None:
            workers[framework] = worker
        else:
            missing[framework] = worker.missing
            worker.close()
    if "tinynet" in missing:
        for worker in workers.values():
            worker.close()
        raise WorkerError(f"tinynet cannot be imported: {missing['tinynet']}")
    return workers, missing


def versions(workers: Mapping[str, Worker], missing: Mapping[str, str]) -> str:
    """Return a line with every worker's version, or why it is left out."""
    said = [f"{who} {worker.version}" for who, worker in workers.items()]
    return ", ".join(said + [f"{who} is not installed ({why})" for who, why in missing.items()])


def check_agreement(
    model: str,
    found: Mapping[str, Sequence[float]],
    what: str = "losses",
    place: str = "step",
    tolerance: float = TOLERANCE,
) -> None:
    """Check that all frameworks compute the same: a faster step that does something else counts for nothing.

    Raises
    ------
    WorkerError
        If the losses (or outputs) of two frameworks differ by more than the tolerance anywhere, or one is not a number.
    """
    values = np.array(list(found.values()))
    # NaN is not below any number, and differs so from everything.
    apart = ~(np.ptp(values, axis=0) <= tolerance)
    if apart.any():
        first = int(apart.argmax())
        said = ", ".join(f"{who} {value:.6f}" for who, value in zip(found, values[:, first], strict=True))
        raise WorkerError(
            f"{model}: the frameworks don't do the same work; expected {what} within {tolerance} of each other "
            f"at {place} {first}. Received: {said}"
        )


def time_model(model: str, workers: Mapping[str, Worker], repeats: int, burst: float) -> dict[str, list[float]]:
    """Return the seconds of one step, of every burst of every framework; each repeat starts with another framework."""
    steps = {}
    for who, worker in workers.items():
        rough = worker.time(model, 10)
        better = worker.time(model, steps_in(burst / 3, rough))
        steps[who] = steps_in(burst, better)
    seconds: dict[str, list[float]] = {who: [] for who in workers}
    for repeat in range(repeats):
        for who in rotated(list(workers), repeat):
            time.sleep(PAUSE)
            seconds[who].append(workers[who].time(model, steps[who]))
    return seconds


def steps_in(burst: float, step: float) -> int:
    """Return how many steps of `step` seconds a burst holds, at least one."""
    return max(1, round(burst / step))


def rotated(order: list[str], turn: int) -> list[str]:
    """Return the list begun `turn` places later, and what was passed over at its end."""
    start = turn % len(order)
    return order[start:] + order[:start]


def header(workers: Sequence[str]) -> list[str]:
    return ["model", *[f"{who} ms" for who in workers], "spread", "fastest peer / tinynet", "target", ""]


def row(model: Network, workers: Sequence[str], seconds: Mapping[str, Sequence[float]]) -> list[str]:
    """Return a table's row: each framework's median, the largest spread, the ratio, the target and the verdict.

    Workers that did not run this model have an empty cell.
    """
    medians = {who: statistics.median(values) for who, values in seconds.items()}
    cells = [model.name, *[f"{medians[who] * 1e3:.4f}" if who in medians else "" for who in workers]]
    cells.append(f"{max(map(spread, seconds.values())):.0%}")
    own = medians.pop("tinynet")
    if not medians:
        return [*cells, "", f"{model.target:g}", ""]
    fastest = min(medians, key=medians.get)
    ratio = medians[fastest] / own
    return [*cells, f"{ratio:.2f} ({fastest})", f"{model.target:g}", report.verdict(ratio >= model.target)]


def spread(values: Sequence[float]) -> float:
    """Return how wide the middle half of the values is, as a part of their median."""
    if len(values) < 2:
        return 0.0
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return (high - low) / middle
