"""The one source of randomness.

Every random thing of the library (initial weights, dropout masks, shuffling) draws from a NumPy generator that
:func:`spawn` hands out. Weights are always drawn with NumPy, whatever the backend, so all backends start equal.

Where randomness stands can be read and set again, as plain numbers: a model's file holds it.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

_root = np.random.SeedSequence()
_MOST_CHILDREN = 2**32 - 1


def set_seed(seed: int) -> None:
    """Start all randomness of the library anew, so that a script repeats itself.

    Parameters
    ----------
    seed : int
        Any integer of at least 0. Same seed, backend, batch size and threads: the same weights after training.

    Raises
    ------
    ValueError
        If `seed` is not an integer of at least 0.
    """
    global _root
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise ValueError(f"set_seed needs an integer of at least 0. Received: seed={seed!r}")
    _root = np.random.SeedSequence(int(seed))


def spawn() -> np.random.Generator:
    """Hand out the next independent generator; the n-th call after :func:`set_seed` always gets the same stream."""
    return np.random.default_rng(spawn_seeds())


def spawn_seeds() -> np.random.SeedSequence:
    """Hand out where the next independent generator begins, for those who make one of another kind."""
    return _root.spawn(1)[0]


def get_state() -> dict[str, Any]:
    """Return where the library's randomness stands: its seed, and how many generators were handed out."""
    return seeds_state(_root)


def set_state(state: dict[str, Any]) -> None:
    """Put the library's randomness where it stood; generators handed out before stay as they are.

    Raises
    ------
    ValueError
        If `state` is none that :func:`get_state` returns.
    """
    global _root
    _root = seeds_from(state)


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Draw what you like inside; afterwards the library's randomness stands where it stood before."""
    state = get_state()
    try:
        yield
    finally:
        set_state(state)


def seeds_state(seeds: np.random.SeedSequence) -> dict[str, Any]:
    """Return a seed sequence as plain numbers."""
    return {"entropy": seeds.entropy, "spawn_key": list(seeds.spawn_key), "children": seeds.n_children_spawned}


def seeds_from(state: dict[str, Any]) -> np.random.SeedSequence:
    """Return the seed sequence of :func:`seeds_state`, or raise a ValueError."""
    check_state(state, {"entropy": int, "spawn_key": list, "children": int})
    key, children = state["spawn_key"], state["children"]
    if not all(isinstance(entry, int) and 0 <= entry <= _MOST_CHILDREN for entry in key) or children > _MOST_CHILDREN:
        raise ValueError(f"A seed's spawn_key and children are integers from 0 to {_MOST_CHILDREN}. "
                         f"Received: {state!r}")
    return np.random.SeedSequence(state["entropy"], spawn_key=tuple(key), n_children_spawned=children)


def generator_state(generator: np.random.Generator) -> dict[str, Any]:
    """Return where a generator stands, as plain numbers."""
    return _plain(generator.bit_generator.state)


def _plain(state: Any) -> Any:
    if isinstance(state, dict):
        return {name: _plain(value) for name, value in state.items()}
    return state.tolist() if isinstance(state, np.ndarray) else state


def set_generator_state(generator: np.random.Generator, state: dict[str, Any]) -> None:
    """Put a generator where another of its kind stood.

    Dropout drew from PCG64 once: a Philox generator begins anew from the numbers of such a state.

    Raises
    ------
    ValueError
        If `state` is none of this kind of generator.
    """
    try:
        if state["bit_generator"] == "PCG64" != generator.bit_generator.state["bit_generator"]:
            state = np.random.Philox(np.random.SeedSequence(int(state["state"]["state"]))).state
        generator.bit_generator.state = state
    except (ValueError, TypeError, KeyError, OverflowError, AttributeError) as error:
        kind = generator.bit_generator.state["bit_generator"]
        raise ValueError(f"This is no state of a {kind} generator. Received: {state!r}") from error


def check_state(state: Any, entries: dict[str, type]) -> None:
    """Raise a ValueError unless `state` is a dictionary of those entries and types; integers are of at least 0."""
    if not isinstance(state, dict) or state.keys() != entries.keys():
        raise ValueError(f"A state here has the entries {', '.join(entries)}. Received: {state!r}")
    for name, kind in entries.items():
        value = state[name]
        if type(value) is not kind or (kind is int and value < 0):
            wanted = "integer of at least 0" if kind is int else kind.__name__
            raise ValueError(f"{name!r} of a state must be of the type {wanted}. Received: {value!r}")
