"""How the work on many samples is shared out: here one lane does it all, a slice after the other."""

from collections.abc import Callable


def lanes(n: int, numbers: int) -> list[list[slice]]:
    """Return, for each lane, the slices of n samples that it computes one after the other.

    `numbers` are those of a sample's largest array on its way: a wing may take so few samples at a time that they stay
    in the processor's cache, and lanes that run beside each other.
    """
    return [[slice(0, n)]]


def share(work: Callable, tasks: list) -> None:
    """Call `work(i, tasks[i])` for every i."""
    for i, task in enumerate(tasks):
        work(i, task)
