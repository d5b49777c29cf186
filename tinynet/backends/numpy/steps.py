"""How a training step is run, over and over, and how its batches come: here, one after the other.

A wing whose launches take longer than its arithmetic may record a step and replay it; one whose memory is not the
host's may copy a batch while the one before it is computed with.
"""

from collections.abc import Callable, Iterable, Iterator


def repeat(work: Callable, version: Callable[[], tuple], obstacle: str | None) -> Callable:
    """Return a function that does what `work(*arrays)` does, and may do it by heart.

    `work` must be the same each time, but for the numbers in its arrays, as long as `version()` is the same. `obstacle`
    says why it may not; None where it may.
    """
    return work


def deliver(batches: Iterable[tuple]) -> Iterator[tuple]:
    """Yield tuples of host arrays, or None, as arrays of this wing; each lasts until the next is asked for."""
    yield from batches
