"""Time each kernel of the models' training steps on every backend, and compare what they compute."""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping
from types import ModuleType

import numpy as np

from benchmarks import report
from benchmarks.kernel_cases import BUFFER, Case, cases
from benchmarks.models import MODELS
from benchmarks.processes import answer_of
from benchmarks.train import names, steps_in

TITLE = "kernels"
WINGS = ("numpy", "numba", "cupy")
# The seven loops of plain Python take seconds for more.
NAIVE_PRODUCTS = 3_000_000
BURST = 0.02


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    images = [name for name, model in MODELS.items() if model.has_images]
    add("--models", type=names(list(MODELS)), default=images, help="whose shapes; default: the models of images")
    add("--kernels", type=names(sorted({case.kernel for case in cases(list(MODELS.values()))})), default=[],
        help="comma-separated, such as conv2d,max_pool; default: all")  # fmt: skip
    add("--repeats", type=int, default=5, help="bursts of each kernel; default 5")


def run(options: argparse.Namespace, facts: list[str]) -> str:
    """Measure, add to the facts about the run, and return the table."""
    facts.append(
        f"medians of {options.repeats} bursts of {BURST} s; naive: one call of the seven loops, where it multiplies at "
        f"most {NAIVE_PRODUCTS / 1e6:g} million numbers; differences by the largest number that the numpy wing computes"
    )
    chosen = [*options.models, "--kernels", *options.kernels, "--repeats", str(options.repeats)]
    measured = answer_of("benchmarks.kernels", *chosen, "--threads", str(options.threads))
    facts += [f"{wing} cannot be loaded here ({why})" for wing, why in measured["missing"].items()]
    wings = ["naive", *[wing for wing in WINGS if wing not in measured["missing"]]]
    header = ["kernel", "shape", *[f"{wing} ms" for wing in wings], "largest difference"]
    return report.table(header, [row(wings, **found) for found in measured["cases"]])


def row(wings: list[str], kernel: str, shape: str, seconds: Mapping[str, float], difference: float) -> list[str]:
    """Return a table's row; wings that did not run the case have an empty cell."""
    times = [f"{seconds[wing] * 1e3:.3f}" if wing in seconds else "" for wing in wings]
    return [kernel, shape, *times, f"{difference:.1e}"]


def measure(case: Case, wings: Mapping[str, ModuleType], repeats: int) -> dict:
    """Run a case on every wing; return the seconds of a call on each and the largest difference from `numpy`."""
    seconds, computed = {}, {}
    if case.kernel == "conv2d" and case.products <= NAIVE_PRODUCTS:
        seconds["naive"], computed["naive"] = _once(case)
    for name, wing in wings.items():
        seconds[name], computed[name] = _on(wing, case, repeats)
    difference = max(largest_difference(arrays, computed["numpy"]) for arrays in computed.values())
    return {"kernel": case.kernel, "shape": case.shape, "seconds": seconds, "difference": difference}


def hand_over(wing: ModuleType, arguments: list) -> list:
    """Return the arguments as the wing's own: its arrays, and for BUFFER a function that makes each array once."""
    scratch: dict = {}

    def buffer(name, shape):
        if (name, shape) not in scratch:
            scratch[name, shape] = wing.empty(shape, "float32")
        return scratch[name, shape]

    def own(argument):
        if isinstance(argument, np.ndarray):
            return wing.asarray(argument, argument.dtype)
        return buffer if isinstance(argument, str) and argument == BUFFER else argument

    return [own(argument) for argument in arguments]


def largest_difference(found: list[np.ndarray], wanted: list[np.ndarray]) -> float:
    """Return the largest difference of two lists of arrays, each array's by the largest number wanted in it."""
    worst = 0.0
    for a, b in zip(found, wanted, strict=True):
        scale = float(np.abs(b).max())
        worst = max(worst, float(np.abs(a - b).max()) / (scale or 1.0))
    return worst


def _on(wing: ModuleType, case: Case, repeats: int) -> tuple[float, list[np.ndarray]]:
    """Return the seconds of one call on a wing, and all arrays as the first call left them."""
    kernel = getattr(wing, case.kernel)
    given = case.arguments()
    held = hand_over(wing, given)
    kernel(*held)
    arrays = [array for array, original in zip(held, given, strict=True) if isinstance(original, np.ndarray)]
    computed = [wing.to_numpy(array) for array in arrays]
    smallest = min(arrays, key=lambda array: array.size)
    return _time(lambda: kernel(*held), lambda: wing.to_numpy(smallest), repeats), computed


def _once(case: Case) -> tuple[float, list[np.ndarray]]:
    """Run the seven loops; return the seconds, and all arrays as they left them."""
    from tinynet.backends.numpy.conv import naive_conv2d

    *arguments, _ = case.arguments()
    start = time.perf_counter()
    naive_conv2d(*arguments)
    return time.perf_counter() - start, [a for a in arguments if isinstance(a, np.ndarray)]


def _time(call: Callable[[], None], wait: Callable[[], object], repeats: int) -> float:
    """Return the seconds of one call, the median over bursts; `wait` returns when a GPU has done all calls so far."""

    def burst(calls: int) -> float:
        start = time.perf_counter()
        for _ in range(calls):
            call()
        wait()
        return (time.perf_counter() - start) / calls

    calls = steps_in(BURST, burst(1))
    return statistics.median([burst(calls) for _ in range(repeats)])


def _wings() -> tuple[dict[str, ModuleType], dict[str, str]]:
    """Load every wing; return those that run here and why the others don't."""
    from tinynet.backends import use_backend

    wings, missing = {}, {}
    for name in WINGS:
        try:
            with use_backend(name) as wing:
                wings[name] = wing
        except ImportError as error:
            missing[name] = str(error.__cause__)
    return wings, missing


def _measure_here() -> None:
    from benchmarks.workers import tinynet as worker

    parser = argparse.ArgumentParser()
    parser.add_argument("models", nargs="+", choices=MODELS)
    parser.add_argument("--kernels", nargs="*", default=[])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    worker.prepare(options.threads)
    wings, missing = _wings()
    measured = []
    for case in cases([MODELS[name] for name in options.models]):
        if not options.kernels or case.kernel in options.kernels:
            measured.append(measure(case, wings, options.repeats))
    print(json.dumps({"cases": measured, "missing": missing}))


if __name__ == "__main__":
    _measure_here()
