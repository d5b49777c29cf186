"""What every worker does: it reads requests and answers them, one line of JSON each.

`python -m benchmarks.workers.loop FRAMEWORK THREADS [PRECISION]` first says `{"version": ...}`, or `{"missing": ...}`
where the framework, or the GPU that it is for, is not there. Each request is `{"do": what, "model": name, "steps": n}`,
which does n steps from the initial weights (a `Model` is trained, a `SingleLayer` runs by itself, any other `Network`
predicts) and answers, for
- "losses", with the loss of each step, dropout left out: no two frameworks draw the same random numbers;
- "outputs", with all numbers that the network predicts in a row, the channels varying fastest;
- "time", with the seconds of one step;
- "memory", with the most memory that the process has held so far, in bytes;
- "device time", "computed" and "device memory": see `workers/device.py`.
`{"do": "forget"}` gives up all that was built so far.
"""

import gc
import importlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from types import ModuleType
from typing import Protocol, TextIO

import numpy as np

from benchmarks.mobilenet import TRANSFER
from benchmarks.models import MODELS, Model, Network, without_dropout
from benchmarks.processes import peak_memory
from benchmarks.single_layers import SINGLE_LAYERS, SingleLayer
from benchmarks.workers import device
from benchmarks.workers.stretches import stretches

KNOWN = MODELS | TRANSFER | SINGLE_LAYERS


class Runner(Protocol):
    """A model built in one framework: the file of each worker has a `Runner(model)` for those that are trained.

    A worker that is asked for networks that only predict has a `ForwardRunner(network)` too, and one that is asked for
    layers by themselves a `LayerRunner(layer)`.
    """

    def restart(self) -> None:
        """Put the initial weights back and forget the optimizer's state."""

    def run(self, steps: int) -> float | np.ndarray:
        """Do so many steps, wait until they are done and return the last one's loss, or outputs (N, H, W, C)."""


def time_steps(runner: Runner, steps: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the seconds of one step, as a mean over `steps` of them."""
    seconds = 0.0
    for stretch in stretches(runner, steps):
        start = clock()
        runner.run(stretch)
        seconds += clock() - start
    return seconds / steps


def losses(runner: Runner, steps: int) -> list[float]:
    """Return the loss of each of the first `steps` steps."""
    runner.restart()
    return [runner.run(1) for _ in range(steps)]


def outputs(runner: Runner, steps: int) -> list[float]:
    """Return what the network predicts, after as many steps as are wanted."""
    runner.restart()
    return runner.run(steps).ravel().tolist()


def memory(runner: Runner, steps: int) -> int | None:
    """Return the process' peak of resident memory after so many steps, in bytes; None where it is not measured."""
    runner.restart()
    runner.run(steps)
    return peak_memory()


ANSWERS = {
    "losses": ("losses", losses),
    "outputs": ("outputs", outputs),
    "time": ("seconds", time_steps),
    "memory": ("bytes", memory),
    "device time": ("seconds", device.time_steps),
    "computed": ("numbers", device.computed),
    "device memory": ("bytes", device.memory),
}


def answer(request: dict, runners: dict[Network, Runner], worker: ModuleType) -> dict:
    """Do what one request asks; models are built when they are first asked for."""
    if request["do"] == "forget":
        runners.clear()
        gc.collect()
        worker.forget()
        return {}
    model = KNOWN[request["model"]]
    if request["do"] == "losses":
        model = without_dropout(model)
    if model not in runners:
        runners[model] = _runner_for(model, worker)
    key, work = ANSWERS[request["do"]]
    return {key: work(runners[model], request["steps"])}


def _runner_for(model: Network, worker: ModuleType) -> Runner:
    if isinstance(model, SingleLayer):
        return worker.LayerRunner(model)
    return worker.Runner(model) if isinstance(model, Model) else worker.ForwardRunner(model)


def serve(framework: str, threads: int, requests: TextIO, replies: TextIO, *precision: str) -> None:
    """Load the framework and answer until the requests end; workers on a GPU take a precision of matrix products."""
    try:
        worker = importlib.import_module("benchmarks.workers." + framework)
        version = worker.prepare(threads, *precision)
    except ImportError as error:
        _send(replies, {"missing": str(error)})
        return
    _send(replies, {"version": version})
    runners: dict[Network, Runner] = {}
    for line in requests:
        try:
            reply = answer(json.loads(line), runners, worker)
        except Exception:
            reply = {"error": traceback.format_exc()}
        _send(replies, reply)


def _send(replies: TextIO, reply: dict) -> None:
    replies.write(json.dumps(reply) + "\n")
    replies.flush()


if __name__ == "__main__":
    # Replies keep the pipe to the parent; whatever a framework prints goes to the standard error.
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    serve(sys.argv[1], int(sys.argv[2]), sys.stdin, pipe, *sys.argv[3:])
