"""The orders in which shuffled datasets deliver: each pass has one, which follows from a seed and the pass's number.

So an order is nothing that has to be kept: training that stopped goes on in another process with the next one.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from tinynet import random


class Order(Protocol):
    """Something in a dataset that decides its order, and can say where it is and be put there."""

    def get_state(self) -> dict[str, Any]: ...

    def set_state(self, state: dict[str, Any]) -> None: ...


class Shuffle:
    """The orders of one `shuffle`.

    Parameters
    ----------
    seeds : SeedSequence
        The seed; pass k has that of its k-th child, or all passes have it itself.
    anew : bool
        Whether each pass has an order of its own.

    Attributes
    ----------
    passes : int
        Passes begun.
    """

    def __init__(self, seeds: np.random.SeedSequence, anew: bool):
        self._seeds = seeds
        self._anew = anew
        self.passes = 0

    def generator(self) -> np.random.Generator:
        """Return the generator of the pass that begins now."""
        key = self._seeds.spawn_key
        if self._anew:
            key = (*key, self.passes)
        self.passes += 1
        return np.random.default_rng(np.random.SeedSequence(self._seeds.entropy, spawn_key=key))

    def get_state(self) -> dict[str, Any]:
        """Return the seed, and how many passes have begun."""
        return {"seeds": random.seeds_state(self._seeds), "passes": self.passes}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`get_state` returned."""
        random.check_state(state, {"seeds": dict, "passes": int})
        self._seeds = random.seeds_from(state["seeds"])
        self.passes = state["passes"]


class Kept:
    """The order of a `cache`: that of the pass which filled it, in which it is filled again in another process."""

    def __init__(self, orders: Sequence[Order]):
        self._orders = orders
        self._filled_at: list[dict[str, Any]] | None = None

    def now(self) -> list[dict[str, Any]]:
        """Return where the orders before the cache are, as a pass begins."""
        return get_states(self._orders)

    def filled(self, began: list[dict[str, Any]]) -> None:
        """Remember that the pass which began there has filled the cache."""
        self._filled_at = began

    def get_state(self) -> dict[str, Any]:
        """Return from where the orders before the cache fill it as it is."""
        return {"before": self._filled_at or self.now()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Go on from what :meth:`get_state` returned; what is kept already must be in that order."""
        random.check_state(state, {"before": list})
        if self._filled_at not in (None, state["before"]):
            raise ValueError("A cache of this dataset holds its elements in another order than then: go on before "
                             "anything else reads the dataset. Received: a cache that is filled")
        set_states(self._orders, state["before"])


def get_states(orders: Sequence[Order]) -> list[dict[str, Any]]:
    """Return where each order is."""
    return [order.get_state() for order in orders]


def set_states(orders: Sequence[Order], states: Sequence[dict[str, Any]]) -> None:
    """Put each order where it was.

    Raises
    ------
    ValueError
        If the states are of other orders.
    """
    if len(states) != len(orders):
        raise ValueError(f"This dataset has {len(orders)} calls of shuffle and cache in its pipeline, that of the "
                         f"file another number; build it as then. Received: {len(states)}")
    for order, state in zip(orders, states, strict=True):
        order.set_state(state)
