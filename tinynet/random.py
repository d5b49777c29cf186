"""The one source of randomness.

Every random thing of the library (initial weights, dropout masks, shuffling) draws from a NumPy generator that
:func:`spawn` hands out. Weights are always drawn with NumPy, whatever the backend, so all backends start equal.
"""

import numpy as np

_root = np.random.SeedSequence()


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
    return np.random.default_rng(_root.spawn(1)[0])
