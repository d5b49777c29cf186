"""Measure tinynet on an NVIDIA GPU against PyTorch: training steps, single layers, memory, and whole trainings."""

import argparse
import os
import sys

from benchmarks.gpu import layers, memory, scripts, steps
from benchmarks.gpu.frameworks import PEERS, PRECISIONS, find
from benchmarks.models import MODELS
from benchmarks.train import names

TITLE = "on a GPU"
PARTS = {"steps": steps, "layers": layers, "memory": memory, "scripts": scripts}


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--parts", type=names(PARTS), default=list(PARTS), help=f"comma-separated; default {','.join(PARTS)}")
    add("--peers", type=names(PEERS), default=list(PEERS), help=f"comma-separated; default {','.join(PEERS)}")
    add("--peer-python", default=sys.executable, metavar="PATH", help="PyTorch's Python; default: this one")
    add("--models", type=names(list(MODELS)), default=list(MODELS), help="comma-separated; default: all")
    add("--precisions", type=names(PRECISIONS), default=list(PRECISIONS),
        help=f"comma-separated; default {','.join(PRECISIONS)}")
    add("--data-dir", default=os.environ.get("TINYNET_DATA"),
        help="the folder that holds fashion-mnist/ and mnist/; default: what TINYNET_DATA says")  # fmt: skip
    add("--repeats", type=int, default=9, help="bursts of each framework on each model, and trainings; default 9")
    add("--burst", type=float, default=0.3, help="seconds of one burst; default 0.3")
    add("--steps", type=int, default=30, help="steps of each process whose memory is measured; default 30")
    add("--processes", type=int, default=3, help="such processes of each framework and model; default 3")
    add("--seeds", type=int, default=10, help="runs of examples/mnist_fast.py; default 10")


def run(options: argparse.Namespace, facts: list[str]) -> str:
    """Measure, add to the facts about the run, and return the tables, each below its title.

    Raises
    ------
    WorkerError
        If there is no GPU that tinynet can use.
    """
    there, said = find(options)
    facts += said
    tables = {}
    for part in options.parts:
        tables |= PARTS[part].measure(there, options, facts)
    return "\n\n".join(f"### {title}\n\n{table}" for title, table in tables.items())
