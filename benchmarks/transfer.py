"""Time MobileNetV2's frozen forward and a step of its fine-tuning against PyTorch, and measure their peak memory."""

import argparse
import sys

from benchmarks import memory, report, train
from benchmarks.mobilenet import TRANSFER

TITLE = "MobileNetV2 at 192 × 192: the frozen forward, and a step of fine-tuning"
PEERS = ["torch"]


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--peers", type=train.names(PEERS), default=PEERS, help="torch, which is the default, or an empty string")
    add("--peer-python", default=sys.executable, metavar="PATH", help="the peer's Python; default: this one")
    add("--models", type=train.names(list(TRANSFER)), default=list(TRANSFER), help="comma-separated; default: all")
    add("--repeats", type=int, default=9, help="bursts of each framework on each model; default 9")
    add("--burst", type=float, default=1.0, help="seconds of one burst; default 1")
    add("--steps", type=int, default=10, help="steps of each process whose memory is measured; default 10")
    add("--processes", type=int, default=3, help="such processes of each framework and model; default 3")


def run(options: argparse.Namespace, facts: list[str]) -> str:
    """Measure, add to the facts about the run, and return the table of times and that of memory."""
    chosen = [TRANSFER[name] for name in options.models]
    workers, missing = train.start_workers(options.peers, options.peer_python, options.threads)
    try:
        times = train.time_models(chosen, workers, options.repeats, options.burst)
    finally:
        for worker in workers.values():
            worker.close()
    facts.append(train.versions(workers, missing))
    facts.append("times: " + train.bursts(options.repeats, options.burst))
    facts.append("memory: " + memory.processes(options.processes, options.steps))
    who = list(workers)
    peaks = []
    for model in chosen:
        if model.batch > 1:  # a single photo says little beside Python and the framework
            peaks.append(memory.row(model, who, memory.measure(model, who, options.processes, options)))
            print(" ".join(peaks[-1]), file=sys.stderr)
    return report.table(train.header(who), times) + "\n\n" + report.table(memory.header(who), peaks)
