"""Dataset: elements one after the other, and tf.data's verbs to arrange them.

How it works. `shuffle`, `repeat`, `take`, `skip` and `batch` only deal with the tickets of `series.py`, and `map` only
adds to `fetch`; so shuffling 60,000 pictures moves 60,000 integers, and the functions given to `map` run once for each
element that is really delivered. Source of the verbs: https://www.tensorflow.org/guide/data
"""

import itertools
import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinynet import random
from tinynet.data import files, orders, passes, store
from tinynet.data.elements import Element, as_arrays, common_length, slicer, stack
from tinynet.data.series import Series, check_count
from tinynet.errors import explain_keywords

AUTOTUNE = -1
_PREFETCH_DEPTH = 2


class Dataset(Series):
    """A series of elements that can be iterated over any number of times.

    :meth:`from_tensor_slices` makes one of arrays, :meth:`list_files` of the paths of files.

    An element is an array, or a tuple or a dict of elements; a pair is (inputs, targets) to `fit`. Every verb returns
    a new dataset and leaves its own as it is. The arrays handed out are the caller's own, to be written into at will.
    """

    @staticmethod
    @explain_keywords
    def from_tensor_slices(tensors: Any) -> "Dataset":
        """Cut arrays along their first axis into elements.

        Parameters
        ----------
        tensors : array, list, or tuple or dict of these
            Components of one length n. The arrays are not copied: changing them later changes the dataset.

        Raises
        ------
        ValueError
            If the components are empty, of different lengths, or no arrays.

        Examples
        --------
        >>> Dataset.from_tensor_slices((images, labels))  # elements (image, label)
        """
        arrays = as_arrays(tensors)
        n = common_length(arrays)
        return Dataset(lambda: iter(range(n)), slicer(arrays), n)

    @staticmethod
    @explain_keywords
    def list_files(
        file_pattern: str | os.PathLike | Sequence[str | os.PathLike],
        shuffle: bool | None = None,
        seed: int | None = None,
    ) -> "Dataset":
        """List the files whose paths match a pattern; an element is a path, a str.

        Parameters
        ----------
        file_pattern : path or list of paths
            With `*`, `?` and `[...]` in any part of the path. The files are looked for once, here.
        shuffle : bool, optional
            Whether each pass has a new order, as without saying; False sorts by path.
        seed : int, optional
            For an order of its own, as in :meth:`shuffle`.

        Raises
        ------
        FileNotFoundError
            If no file matches.

        Examples
        --------
        >>> Dataset.list_files("flower_photos/*/*.jpg", shuffle=False)
        """
        paths = files.matching(file_pattern)
        listed = Dataset(lambda: iter(range(len(paths))), paths.__getitem__, len(paths))
        return listed if shuffle is not None and not shuffle else listed.shuffle(len(paths), seed)

    @staticmethod
    @explain_keywords
    def zip(datasets: "tuple[Dataset, ...]") -> "Dataset":
        """Put the elements of several datasets side by side: tuples, as many as the shortest dataset has.

        Examples
        --------
        >>> Dataset.zip((images, labels))
        """
        if not isinstance(datasets, tuple) or not datasets or not all(isinstance(d, Dataset) for d in datasets):
            raise TypeError(f"Dataset.zip takes one tuple of datasets: Dataset.zip((a, b)). Received: {datasets!r}")
        fetches = [dataset._fetch for dataset in datasets]
        return Dataset(
            lambda: zip(*[dataset._tickets() for dataset in datasets], strict=False),
            lambda tickets: tuple([fetch(ticket) for fetch, ticket in zip(fetches, tickets, strict=True)]),
            min(dataset._length for dataset in datasets),
            max(dataset._threads for dataset in datasets),
            [order for dataset in datasets for order in dataset._shuffles],
        )

    @explain_keywords
    def map(self, map_func: Callable[..., Element], num_parallel_calls: int | None = None) -> "Dataset":
        """Apply a function to every element: f(x), or f(x, y, ...) where elements are tuples.

        Parameters
        ----------
        map_func : callable
            Returns the new element: an array, a number, or a tuple or dict of these.
        num_parallel_calls : int or AUTOTUNE, optional
            How many threads may share the calls, those for one batch where a `batch` follows (AUTOTUNE: one a
            processor core). The order of the elements stays. Threads pay where the function reads files or decodes
            pictures; calls of less than 0.1 ms stay in one thread, which is faster. Random numbers that threads draw
            come in any order.
        """
        if not callable(map_func):
            raise TypeError(f"Dataset.map: map_func must be a function. Received: {map_func!r}")
        fetch = self._fetch

        def mapped(ticket: Any) -> Element:
            element = fetch(ticket)
            return map_func(*element) if isinstance(element, tuple) else map_func(element)

        if num_parallel_calls is None:
            threads = 1
        elif num_parallel_calls == AUTOTUNE:
            threads = os.cpu_count() or 1
        else:
            threads = check_count("Dataset.map: num_parallel_calls (or AUTOTUNE)", num_parallel_calls, 1)
        return Dataset(self._tickets, mapped, self._length, max(threads, self._threads), self._shuffles)

    @explain_keywords
    def ignore_errors(self, log_warning: bool = True) -> "Dataset":
        """Leave out the elements that cannot be made, such as photos that are damaged.

        One pass is made over the dataset here, to find them: so its length is known, and what is wrong is said at once
        and not in the middle of a training. Only errors of data and files count (ValueError, OSError). Call it where
        such errors arise, after the `map` that reads, and before `shuffle`, whose order of this pass it would keep.

        Parameters
        ----------
        log_warning : bool
            Whether to warn of what is left out.

        Raises
        ------
        ValueError
            If the dataset is endless, or not a single element can be made.
        """
        self._needs_end("ignore_errors")
        sound = passes.sound(self._fetch, self._tickets(), self._threads, log_warning)
        return self._arranged(lambda: iter(sound), len(sound))

    @explain_keywords
    def cache(self, filename: str | os.PathLike | None = None) -> "Dataset":
        """Keep the elements of the first complete pass, and serve later passes from there.

        Parameters
        ----------
        filename : path, optional
            A file to keep them in, else they stay in memory. The file appears when a pass is complete, and serves
            later runs of a script too. Delete it when the pipeline before it changes: only another number, shape or
            dtype of the elements is noticed.

        Raises
        ------
        ValueError
            If the dataset is endless. When iterating, if the file is damaged or another pipeline's, or if elements
            that go into a file differ in shape or are no numbers.
        """
        self._needs_end("cache")
        length, order = int(self._length), orders.Kept(self._shuffles)
        if filename:
            tickets = store.in_file(self, length, order, Path(filename).expanduser().absolute())
        else:
            tickets = store.in_memory(self, length, order)
        return Dataset(tickets, store.fetch, length, shuffles=[order])

    @explain_keywords
    def shuffle(
        self, buffer_size: int, seed: int | None = None, reshuffle_each_iteration: bool = True
    ) -> "Dataset":
        """Draw each next element at random from a buffer, which is filled up again from the dataset.

        A buffer as large as the dataset gives every order the same chance; a smaller one only mixes neighbours.

        Parameters
        ----------
        buffer_size : int
            Number of elements in the buffer.
        seed : int, optional
            For an order of its own; without it :func:`tinynet.set_seed` decides.
        reshuffle_each_iteration : bool
            Whether each pass has a new order.
        """
        buffer_size = check_count("Dataset.shuffle: buffer_size", buffer_size, 1)
        if not isinstance(reshuffle_each_iteration, bool | np.bool_):
            raise ValueError(
                "Dataset.shuffle: reshuffle_each_iteration must be True or False. "
                f"Received: {reshuffle_each_iteration!r}"
            )
        if seed is None:
            seeds = random.spawn().bit_generator.seed_seq
        else:
            seeds = np.random.SeedSequence(check_count("Dataset.shuffle: seed", seed, 0))

        order = orders.Shuffle(seeds, bool(reshuffle_each_iteration))
        return Dataset(
            lambda: passes.shuffled(self._tickets(), buffer_size, order.generator()),
            self._fetch,
            self._length,
            self._threads,
            [*self._shuffles, order],
        )

    @explain_keywords
    def repeat(self, count: int | None = None) -> "Dataset":
        """Pass over the dataset `count` times; endlessly without a count (None or -1)."""
        endless = count is None or count == -1
        if not endless:
            count = check_count("Dataset.repeat: count (or None: endlessly)", count, 1)
        if self._length == 0:  # else an endless search for a first element
            return self

        def repeated() -> Iterator[Any]:
            for _ in itertools.count() if endless else range(count):
                yield from self._tickets()

        return self._arranged(repeated, math.inf if endless else self._length * count)

    @explain_keywords
    def take(self, count: int) -> "Dataset":
        """Only the first `count` elements of each pass (-1: all)."""
        if count == -1:
            return self
        count = check_count("Dataset.take: count (or -1: all)", count, 0)
        return self._arranged(lambda: itertools.islice(self._tickets(), count), min(count, self._length))

    @explain_keywords
    def skip(self, count: int) -> "Dataset":
        """Everything but the first `count` elements of each pass."""
        count = check_count("Dataset.skip: count", count, 0)
        return self._arranged(lambda: itertools.islice(self._tickets(), count, None), max(self._length - count, 0))

    @explain_keywords
    def batch(self, batch_size: int, drop_remainder: bool = False) -> "Dataset":
        """Stack `batch_size` elements at a time, along a new first axis.

        Parameters
        ----------
        batch_size : int
            Number of elements in a batch.
        drop_remainder : bool
            Whether to leave out a last batch that is not full.

        Raises
        ------
        ValueError
            When iterating, if elements differ in structure or shape.
        """
        batch_size = check_count("Dataset.batch: batch_size", batch_size, 1)

        def groups() -> Iterator[list[Any]]:
            tickets = self._tickets()
            while group := list(itertools.islice(tickets, batch_size)):
                if len(group) == batch_size or not drop_remainder:
                    yield group

        length = self._length
        if not self.is_endless:
            length = length // batch_size if drop_remainder else -(-length // batch_size)
        return Dataset(
            groups,
            lambda group: stack(passes.fetch_all(self._fetch, group, self._threads)),
            length,
            shuffles=self._shuffles,
        )

    @explain_keywords
    def prefetch(self, buffer_size: int) -> "Dataset":
        """Prepare the next `buffer_size` elements in a thread while the consumer works on this one (AUTOTUNE: 2).

        What is prepared is what `map` and `batch` do (after a `cache`, if there is one). It pays where that waits for
        files or decodes pictures; small arrays are quicker without. An error in the thread is raised at the element
        that it belongs to.
        """
        if buffer_size == AUTOTUNE:
            buffer_size = _PREFETCH_DEPTH
        depth = check_count("Dataset.prefetch: buffer_size (or AUTOTUNE)", buffer_size, 1)
        return _Prefetched(self, depth)

    def _needs_end(self, verb: str) -> None:
        if self.is_endless:
            raise ValueError(
                f"Dataset.{verb} needs an end: call {verb}() before repeat(). Received: an endless dataset"
            )

    def _arranged(self, tickets: Callable[[], Iterator[Any]], length: int | float) -> "Dataset":
        """The same elements by another series of tickets."""
        return Dataset(tickets, self._fetch, length, self._threads, self._shuffles)


class _Prefetched(Dataset):
    """A dataset whose elements are prepared ahead, `depth` of them, in a thread."""

    def __init__(self, source: Dataset, depth: int):
        super().__init__(self.iterate, passes.itself, source._length, shuffles=source._shuffles)
        self._source = source
        self._depth = depth

    def iterate(self, start: int = 0) -> Iterator[Element]:
        tickets = itertools.islice(self._source._tickets(), start, None)
        return passes.run_ahead(self._source._fetch, tickets, self._depth, self._source._threads)
