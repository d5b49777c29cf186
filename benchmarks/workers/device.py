"""What a GPU worker is asked for beyond the others: the device's own clock, its memory, and what single layers compute.

A launch returns before its work is done, so the host's clock tells the device's time only where somebody waits. An
event is noted by the device itself, in its turn among its other work: two of them tell for how long it was at the steps
between. That counts the gaps in which it waited for the host, too.
"""

import time
from collections.abc import Callable
from typing import Any, Protocol

from benchmarks.workers.stretches import Runs, stretches


class Timer(Protocol):
    """Marks places in the work of a device."""

    def mark(self) -> Any:
        """Put a mark behind all work so far."""

    def seconds(self, start: Any, end: Any) -> float:
        """Return the time between two marks, of work that is done."""


class HostTimer:
    """A timer for work that is done when its call returns."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter):
        self.mark = clock

    def seconds(self, start: float, end: float) -> float:
        return end - start


class DeviceRunner(Runs, Protocol):
    """A runner on a GPU."""

    timer: Timer

    def taken(self) -> int:
        """Return how many bytes of the device's memory are in use beyond those before anything was built."""


class LayerRunner(DeviceRunner, Protocol):
    """A runner of one layer, that has nothing to start again."""

    def computed(self) -> list[float]:
        """Return some of the numbers that the last step made, as :func:`benchmarks.single_layers.sample` picks them."""


def time_steps(runner: DeviceRunner, steps: int, clock: Callable[[], float] = time.perf_counter) -> dict[str, float]:
    """Return the seconds of one step as a mean over `steps`: by the device's events, and by the clock on the wall."""
    device = wall = 0.0
    for stretch in stretches(runner, steps):
        start, begun = clock(), runner.timer.mark()
        runner.run(stretch)
        ended = runner.timer.mark()
        device += runner.timer.seconds(begun, ended)  # which waits for the device
        wall += clock() - start
    return {"device": device / steps, "wall": wall / steps}


def computed(runner: LayerRunner, steps: int) -> list[float]:
    """Return some of the numbers that so many steps of a layer make."""
    runner.restart()
    runner.run(steps)
    return runner.computed()


def memory(runner: DeviceRunner, steps: int) -> int:
    """Return the most memory of the device that was in use after any of so many steps, in bytes.

    The pools of CuPy and of PyTorch give nothing back by themselves, so that is what the steps need at their height.
    """
    runner.restart()
    peak = 0
    for _ in range(steps):
        runner.run(1)
        peak = max(peak, runner.taken())
    return peak
