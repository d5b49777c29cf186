"""The processes that compute on the GPU: what each runs, which of them there are, and that they do the same work."""

import argparse
import contextlib
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence

from benchmarks.models import Network
from benchmarks.processes import Worker, WorkerError

# Each framework's module among the workers, by the name that tables call it by.
MODULES = {
    "tinynet": "tinynet_gpu",
    "torch": "torch_gpu",
    "torch_channels_last": "torch_gpu_channels_last",
    "compiled": "torch_gpu_compiled",
    "compiled_channels_last": "torch_gpu_compiled_channels_last",
    "compiled_fused": "torch_gpu_compiled_fused",
}
# A peer may run in several ways; its fastest counts.
PEERS = {
    "torch": ("torch", "torch_channels_last"),
    "compiled": ("compiled", "compiled_channels_last", "compiled_fused"),
}
PRECISIONS = ("highest", "high")
# How far losses and outputs may lie apart. TF32 keeps 11 bits of the numbers that are multiplied, and no two libraries
# use it for the same products.
TOLERANCES = {"highest": 1e-3, "high": 5e-2}
SMI = "name,driver_version,memory.total,memory.used,utilization.gpu"


def find(options: argparse.Namespace) -> tuple[list[str], list[str]]:
    """Return which frameworks of those asked for there are, tinynet first, and the lines that say what they are.

    Raises
    ------
    WorkerError
        If tinynet finds no GPU.
    """
    there, said = [], described(_nvidia_smi())
    for first, names in {"tinynet": ("tinynet",), **{peer: PEERS[peer] for peer in options.peers}}.items():
        worker = start(first, options, PRECISIONS[0])
        worker.close()
        if worker.missing is None:
            there += names
            said.append(f"{first} {worker.version}")
        elif first == "tinynet":
            raise WorkerError(
                "There is nothing to measure: these benchmarks need an NVIDIA GPU, its driver, and CuPy (pip install "
                f"'.[cuda12]' or '.[cuda13]'). tinynet says: {worker.missing}"
            )
        else:
            said.append(f"{first} cannot run here ({worker.missing})")
    return there, said


def _nvidia_smi() -> str | None:
    """Return what NVIDIA's tool says about the GPUs, a line each; None where it is not there."""
    command = ["nvidia-smi", f"--query-gpu={SMI}", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if done.returncode else done.stdout


def described(text: str | None) -> list[str]:
    """Return a line for each GPU from what NVIDIA's tool says."""
    if text is None:
        return ["nvidia-smi cannot be run here, so that the driver's own version is not known"]
    lines = [[cell.strip() for cell in line.split(",")] for line in text.splitlines() if line.strip()]
    return [
        f"GPU {i}: {name}, driver {driver}, {total}; before the run {used} of it in use, {busy} busy"
        for i, (name, driver, total, used, busy) in enumerate(lines)
    ]


def start(name: str, options: argparse.Namespace, precision: str) -> Worker:
    """Start one framework in a process of its own."""
    python = sys.executable if name == "tinynet" else options.peer_python
    return Worker(MODULES[name], python, options.threads, precision)


@contextlib.contextmanager
def running(names: Sequence[str], options: argparse.Namespace, precision: str) -> Iterator[dict[str, Worker]]:
    """Start these frameworks, and end them after the `with` block."""
    with contextlib.ExitStack() as stack:
        workers = {}
        for name in names:
            workers[name] = start(name, options, precision)
            stack.callback(workers[name].close)
            if workers[name].missing is not None:
                raise WorkerError(f"{name} cannot run any more: {workers[name].missing}")
        yield workers


def runs(name: str, model: Network) -> bool:
    """Whether the framework runs the model: an order of images says nothing about models without images."""
    return model.has_images or not name.endswith("channels_last")


class Stopwatch:
    """A worker whose steps are timed by the device; the times on the wall are noted beside."""

    def __init__(self, worker: Worker):
        self.worker = worker
        self.walls: list[float] = []

    def time(self, model: str, steps: int) -> float:
        """Return the device's seconds of one step, as a mean over `steps`."""
        found = self.worker.device_time(model, steps)
        self.walls.append(found["wall"])
        return found["device"]


def best(peer: str, seconds: Mapping[str, Sequence[float]]) -> str | None:
    """Return the peer's fastest way, None where it has not run."""
    return min((name for name in PEERS[peer] if name in seconds),
               key=lambda name: statistics.median(seconds[name]), default=None)  # fmt: skip
