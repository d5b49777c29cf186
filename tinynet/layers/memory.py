"""Which arrays the layers of a row write into while the row runs, and on whose behalf: lanes, and relays.

Large inputs are computed in several *lanes* at a time, each a thread that takes some samples through all layers; what a
layer keeps for itself, it keeps for each lane apart.
"""

import contextlib
import math
import threading
from collections.abc import Iterator
from types import ModuleType

_here = threading.local()


def lane() -> int:
    """Return the lane in which this thread computes: 0 unless :func:`in_lane` says otherwise."""
    return getattr(_here, "lane", 0)


@contextlib.contextmanager
def in_lane(number: int) -> Iterator[None]:
    """Let this thread compute in that lane."""
    before = lane()
    _here.lane = number
    try:
        yield
    finally:
        _here.lane = before


class Relay:
    """Two arrays in turns, for what only the next layer reads: outputs at inference, and gradients on their way back.

    Each layer writes into the one that it does not read. So a row of layers needs the memory of its two largest arrays,
    and they stay in the processor's cache. Layers use their row's relay while the row runs, and their own buffers when
    somebody calls them one by one, or when a layer runs with them that is not the library's, and may hold on to arrays.
    Inside of ``with relay:`` the row runs, in this lane.
    """

    def __init__(self):
        self._arrays: dict = {}  # two for each lane
        self._running: dict[int, int] = {}  # how many times the row is running in each lane
        self._inner: dict[int, Relay] = {}

    def inside(self, branch: int) -> "Relay":
        """Return the relay of that branch of layers in the row: x must outlive it, to be added to what it gives."""
        return self._inner.setdefault(branch, Relay())

    def release(self) -> None:
        """Give back the memory of the arrays, which are made anew when they are needed."""
        self._arrays = {}
        for relay in self._inner.values():
            relay.release()

    def __enter__(self) -> None:
        mine = lane()
        self._running[mine] = self._running.get(mine, 0) + 1

    def __exit__(self, *_) -> None:
        self._running[lane()] -= 1

    @property
    def is_running(self) -> bool:
        """Whether the row runs in this lane."""
        return self._running.get(lane(), 0) > 0

    def take(self, shape: tuple[int, ...], reads, dtype, ops: ModuleType):
        """Return an array of that shape in which nothing of the array `reads` lies."""
        for turn in range(2):
            held = self._arrays.get((lane(), turn))
            if held is None or not ops.may_share_memory(held, reads):
                break
        size = math.prod(shape)
        if held is None or held.size < size or held.dtype != dtype:
            held = self._arrays[lane(), turn] = ops.empty((size,), dtype)
        return held[:size].reshape(shape)
