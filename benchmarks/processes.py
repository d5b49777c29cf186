"""Processes that start from a clean environment, so that no shell setting tilts a comparison."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Thread counts, instruction sets, backends and compiler switches; folders (TINYNET_DATA, NUMBA_CACHE_DIR) stay, and so
# does the choice of a GPU (CUDA_VISIBLE_DEVICES).
CLEANED = (
    "ACCELERATE_",
    "BLIS_",
    "CUBLAS",
    "CUDNN_",
    "CUPY_",
    "GOMP_",
    "GOTO_",
    "JAX_",
    "KERAS_",
    "KMP_",
    "MKL_",
    "NPY_",
    "NUMBA_",
    "OMP_",
    "OPENBLAS_",
    "PYTORCH_",
    "TORCH",
    "VECLIB_",
    "XLA_",
)
KEPT = ("CUPY_CACHE_DIR", "NUMBA_CACHE_DIR")
CLEANED_NAMES = (
    "CUDA_LAUNCH_BLOCKING",
    "NVIDIA_TF32_OVERRIDE",
    "PYTHONDEVMODE",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "PYTHONWARNINGS",
    "TINYNET_BACKEND",
)


class WorkerError(Exception):
    """A worker failed or stopped; the message holds what it said."""


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return a copy without the variables that change how many threads a library takes, or what it computes with."""
    return {
        name: value
        for name, value in environment.items()
        if name in KEPT or not (name.upper().startswith(CLEANED) or name.upper() in CLEANED_NAMES)
    }


def timed(command: Sequence[str], **variables: str) -> tuple[float, str]:
    """Run a command in the clean environment and these variables; return the whole process' seconds and its output.

    Raises
    ------
    WorkerError
        If it ends with an error.
    """
    start = time.perf_counter()
    output = _run(command, variables)
    return time.perf_counter() - start, output


def answer_of(module: str, *arguments: str) -> dict:
    """Run `python -m module arguments` in the clean environment and return the JSON that it prints.

    Raises
    ------
    WorkerError
        If it ends with an error.
    """
    return json.loads(_run([sys.executable, "-m", module, *arguments], {}))


def _run(command: Sequence[str], variables: Mapping[str, str]) -> str:
    environment = clean_environment(os.environ) | variables
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise WorkerError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def peak_memory() -> int | None:
    """Return the most memory that this process has held at once, in bytes; None where the system does not tell."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage: Linux lets a new program inherit the peak of the process that started it.
        (peak,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(peak.split()[1]) * 1024
    if sys.platform == "darwin":
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return None


class Worker:
    """A framework in a process of its own, which waits on its standard input, idle, until it is asked."""

    def __init__(self, framework: str, python: str, threads: int, *precision: str):
        self.framework = framework
        self._process = subprocess.Popen(
            [python, "-m", "benchmarks.workers.loop", framework, str(threads), *precision],
            cwd=ROOT,
            env=clean_environment(os.environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        hello = self._read()
        self.version: str | None = hello.get("version")
        self.missing: str | None = hello.get("missing")

    def time(self, model: str, steps: int) -> float:
        """Return the seconds of one step, as a mean over `steps`."""
        return self._ask({"do": "time", "model": model, "steps": steps})["seconds"]

    def losses(self, model: str, steps: int) -> list[float]:
        """Return the loss of each of the first `steps` steps from the initial weights."""
        return self._ask({"do": "losses", "model": model, "steps": steps})["losses"]

    def outputs(self, model: str) -> list[float]:
        """Return all numbers that a network predicts with its initial weights."""
        return self._ask({"do": "outputs", "model": model, "steps": 1})["outputs"]

    def memory(self, model: str, steps: int) -> int | None:
        """Return the process' peak of resident memory after so many steps, in bytes; None where it is not measured."""
        return self._ask({"do": "memory", "model": model, "steps": steps})["bytes"]

    def device_time(self, model: str, steps: int) -> dict[str, float]:
        """Return the seconds of one step as a mean over `steps`: by the "device" and by the clock on the "wall"."""
        return self._ask({"do": "device time", "model": model, "steps": steps})["seconds"]

    def computed(self, layer: str) -> list[float]:
        """Return some of the numbers that a single layer makes in a step."""
        return self._ask({"do": "computed", "model": layer, "steps": 1})["numbers"]

    def device_memory(self, model: str, steps: int) -> int:
        """Return the most memory of the GPU that the process takes in so many steps, in bytes, without its context."""
        return self._ask({"do": "device memory", "model": model, "steps": steps})["bytes"]

    def forget(self) -> None:
        """Let the process give up what it has built, and the GPU's memory with it."""
        self._ask({"do": "forget"})

    def close(self) -> None:
        """End the process by ending its input."""
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def _ask(self, request: dict) -> dict:
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise WorkerError(f"The {self.framework} worker is gone. Received: {request}") from None
        return self._read()

    def _read(self) -> dict:
        line = self._process.stdout.readline()
        if not line:
            raise WorkerError(f"The {self.framework} worker ended with {self._process.wait()}; see above what it said")
        reply = json.loads(line)
        if "error" in reply:
            raise WorkerError(f"The {self.framework} worker failed:\n{reply['error']}")
        return reply
