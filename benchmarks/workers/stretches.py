"""How many steps are timed at a time, and what goes before them, the same for every framework."""

from collections.abc import Iterator
from typing import Protocol

# Training starts again from the initial weights after so many steps: however long a burst is, every framework does the
# same work, and none drifts to where gradients vanish and denormal numbers slow the arithmetic.
STRETCH = 500
WARM_UP = 30


class Runs(Protocol):
    """What can be started again and run for some steps."""

    def restart(self) -> None: ...

    def run(self, steps: int): ...


def stretches(runner: Runs, steps: int) -> Iterator[int]:
    """Warm up, then yield lengths that sum to `steps`; each time after a restart and a step that is not counted.

    That one makes the optimizer's state, which would weigh much in a burst of few long steps.
    """
    runner.restart()
    runner.run(min(steps, WARM_UP))
    for done in range(0, steps, STRETCH):
        runner.restart()
        runner.run(1)
        yield min(steps - done, STRETCH)
