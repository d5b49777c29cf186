"""What a dataset is: elements one after the other, any number of times. Its verbs are in `dataset.py`.

A dataset keeps two functions: `tickets` starts a pass and yields tickets, and `fetch` turns a ticket into its element.
For data in memory a ticket is a position, for a list of files its number.
"""

import itertools
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tinynet.data import orders, passes
from tinynet.data.elements import Element

INFINITE_CARDINALITY = -1


class Series:
    """Elements that can be iterated over any number of times; the base of :class:`tinynet.data.Dataset`."""

    def __init__(
        self,
        tickets: Callable[[], Iterator[Any]],
        fetch: Callable[[Any], Element],
        length: int | float,
        threads: int = 1,
        shuffles: Sequence[orders.Order] = (),
    ):
        self._tickets = tickets
        self._fetch = fetch
        self._length = length  # math.inf: endless
        self._threads = threads  # how many share the work of `fetch`
        self._shuffles = shuffles  # what decides the order, from the source on

    @property
    def is_endless(self) -> bool:
        """Whether `repeat()` without a count made this dataset endless."""
        return self._length == math.inf

    def cardinality(self) -> int:
        """Return the number of elements, or INFINITE_CARDINALITY (-1) if the dataset is endless."""
        return INFINITE_CARDINALITY if self.is_endless else int(self._length)

    def as_numpy_iterator(self) -> Iterator[Element]:
        """Iterate once; elements are NumPy arrays anyway."""
        return iter(self)

    def __iter__(self) -> Iterator[Element]:
        return self.iterate()

    def __len__(self) -> int:
        if self.is_endless:
            raise TypeError(
                "len() needs an end: give a number of steps, or take(n). Received: an endless dataset, from repeat()"
            )
        return int(self._length)

    def __bool__(self) -> bool:
        return True  # or `if dataset:` would ask an endless one for its length

    def __repr__(self) -> str:
        return f"<{type(self).__name__}, {'endless' if self.is_endless else f'{len(self)} elements'}>"

    # For training that goes on in another process.

    def get_state(self) -> list[dict[str, Any]]:
        """Return where the shuffles of this dataset are: seeds, and how many passes have begun."""
        return orders.get_states(self._shuffles)

    def set_state(self, state: list[dict[str, Any]]) -> None:
        """Let the next pass be the one that would have followed :meth:`get_state`; a `cache` must still be empty.

        Raises
        ------
        ValueError
            If the state is of another dataset.
        """
        orders.set_states(self._shuffles, state)

    def iterate(self, start: int = 0) -> Iterator[Element]:
        """Iterate once, from element `start` on; those before it are passed over without being fetched."""
        tickets = itertools.islice(self._tickets(), start, None)
        yield from passes.fetch_each(self._fetch, tickets, self._threads)


def check_count(name: str, value: Any, minimum: int) -> int:
    """Return `value` as an int if it is one, of at least `minimum`, else raise a ValueError."""
    try:
        count = operator.index(value)
    except TypeError:
        count = None
    if count is None or count < minimum or isinstance(value, bool):
        raise ValueError(f"{name} must be an integer of at least {minimum}. Received: {value!r}")
    return count
