"""The loss and the metrics of an epoch, summed up where the kernels run, and read when somebody looks."""

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from types import ModuleType

from tinynet.metrics import Metric


class Tally:
    """Sums over batches: each batch's loss times its samples, and what the metrics measured.

    It can be asked for nothing but :meth:`reset` until :meth:`prepare` has been called.
    """

    def __init__(self):
        self._totals = None

    def prepare(self, ops: ModuleType, metrics: Sequence[Metric]) -> None:
        """Begin to sum up, on the backend `ops`, the loss and what these metrics measure."""
        self._ops = ops
        self._metrics = metrics
        self._totals = ops.zeros((1 + len(metrics),), "float64")
        self.reset()

    def reset(self) -> None:
        """Begin anew."""
        if self._totals is not None:
            self._totals[...] = 0
            self._counts = [0] * (1 + len(self._metrics))

    @property
    def samples(self) -> int:
        """How many samples were counted."""
        return self._counts[0]

    def add(self, loss, measured: list, samples: int) -> None:
        """Add a batch's loss and what the metrics measured, where the kernels are; it may be recorded and replayed."""
        self._ops.tally(self._totals, [loss, *measured], [samples, *[1] * len(measured)])

    def count(self, shape: tuple[int, ...]) -> None:
        """Count the samples of a batch whose predictions are of that shape."""
        self._counts[0] += shape[0]
        for i, metric in enumerate(self._metrics, 1):
            self._counts[i] += metric.counted(shape)

    def logs(self) -> "Logs":
        """Return the means so far by name; later batches do not change them."""
        return Logs(self._ops, self._metrics, self._totals.copy(), list(self._counts))


def _means(ops, metrics, totals, counts):
    loss, *sums = ops.to_numpy(totals).tolist()
    scores = [metric.score(total, count) for metric, total, count in zip(metrics, sums, counts[1:], strict=True)]
    return [loss / counts[0] if counts[0] else float("nan"), *scores]


class Logs(MutableMapping):
    """The mean loss and metrics by name, as they were then; a GPU is asked for them when they are looked at."""

    def __init__(self, ops: ModuleType, metrics: Sequence[Metric], totals, counts: list[int]):
        self._ask = lambda: _means(ops, metrics, totals, counts)
        self._names = ["loss", *[metric.name for metric in metrics]]
        self._means: dict[str, float] | None = None

    def _read(self) -> dict[str, float]:
        if self._means is None:
            self._means = dict(zip(self._names, self._ask(), strict=True))
        return self._means

    def __getitem__(self, name: str) -> float:
        return self._read()[name]

    def __setitem__(self, name: str, value: float) -> None:
        self._read()[name] = value

    def __delitem__(self, name: str) -> None:
        del self._read()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names if self._means is None else self._means)

    def __len__(self) -> int:
        return len(self._names if self._means is None else self._means)

    def __or__(self, other: Mapping) -> dict[str, float]:
        return self._read() | dict(other)

    def __ror__(self, other: Mapping) -> dict[str, float]:
        return dict(other) | self._read()

    def __reduce__(self):
        return dict, (self._read(),)

    def copy(self) -> dict[str, float]:
        """Return them as a dictionary."""
        return dict(self._read())

    def __repr__(self) -> str:
        return repr(self._read())
