"""One number from many: each block writes the sum of its part, and one more block adds these sums up.

The order of the additions depends on the sizes alone, so the same numbers always make the same total, to the last bit.
"""

from tinynet.backends.cupy.launch import BLOCKS, THREADS, Source
from tinynet.backends.cupy.memory import empty

ROUNDS = 4
"""Rounds that one block does by itself. More are shared, at the price of a second launch."""

_source = Source("totals")


def blocks_for(count: int, at_once: int = THREADS) -> int:
    """Return how many blocks share `count` terms if each takes `at_once` of them in a round."""
    rounds = -(-count // at_once)
    return 1 if rounds <= ROUNDS else min(rounds, BLOCKS)


def add_up(source: Source, kernel: str, blocks: int, *arguments):
    """Launch a kernel whose blocks write one sum each, into its last argument; return the sum of them, a number."""
    sums = empty((blocks,), "float64")
    source.launch(kernel, blocks, THREADS, *arguments, sums)
    if blocks == 1:
        return sums
    total = empty((1,), "float64")
    _source.launch("add_up", 1, THREADS, sums, blocks, total)
    return total
