"""What every worker does: it reads requests and answers them, one line of JSON each.

`python -m benchmarks.workers.loop FRAMEWORK THREADS` first says `{"version": ...}`, or `{"missing": ...}` where the
framework is not installed. Each request is `{"do": what, "model": name, "steps": n}`, which does n steps from the
initial weights (a `Model` is trained, a `Network` predicts) and answers, for
- "losses", with the loss of each step, dropout left out: no two frameworks draw the same random numbers;
- "outputs", with all numbers that the network predicts in a row, the channels varying fastest;
- "time", with the seconds of one step;
- "memory", with the most memory that the process has held so far, in bytes.
"""

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

KNOWN = MODELS | TRANSFER
# Training starts again from the initial weights after so many steps: however long a burst is, every framework does the
# same work, and none drifts to where gradients vanish and denormal numbers slow the arithmetic.
STRETCH = 500
WARM_UP = 30


class Runner(Protocol):
    """A model built in one framework: the file of each worker has a `Runner(model)` for those that are trained.

    A worker that is asked for networks that only predict has a `ForwardRunner(network)` too.
    """

    def restart(self) -> None:
        """Put the initial weights back and forget the optimizer's state."""

    def run(self, steps: int) -> float | np.ndarray:
        """Do so many steps, wait until they are done and return the last one's loss, or outputs (N, H, W, C)."""


def time_steps(runner: Runner, steps: int, clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the seconds of one step, as a mean over `steps` of them; each stretch begins with one that is not counted.

    That one makes the optimizer's state, which would weigh much in a burst of few long steps.
    """
    runner.restart()
    runner.run(min(steps, WARM_UP))
    seconds = 0.0
    left = steps
    while left:
        stretch = min(left, STRETCH)
        runner.restart()
        runner.run(1)
        start = clock()
        runner.run(stretch)
        seconds += clock() - start
        left -= stretch
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
}


def answer(request: dict, runners: dict[Network, Runner], worker: ModuleType) -> dict:
    """Do what one request asks; models are built when they are first asked for."""
    model = KNOWN[request["model"]]
    if request["do"] == "losses":
        model = without_dropout(model)
    if model not in runners:
        runners[model] = worker.Runner(model) if isinstance(model, Model) else worker.ForwardRunner(model)
    key, work = ANSWERS[request["do"]]
    return {key: work(runners[model], request["steps"])}


def serve(framework: str, threads: int, requests: TextIO, replies: TextIO) -> None:
    """Load the framework and answer until the requests end."""
    try:
        worker = importlib.import_module("benchmarks.workers." + framework)
    except ImportError as error:
        _send(replies, {"missing": str(error)})
        return
    _send(replies, {"version": worker.prepare(threads)})
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
    serve(sys.argv[1], int(sys.argv[2]), sys.stdin, pipe)
