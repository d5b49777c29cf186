"""What `Dataset.cache` keeps: the elements of one pass, in memory or in a file.

An element becomes a record, the bytes of its arrays one after the other; so all elements are one array of records, and
any of them is found at once. In a file, a line that describes an element stands before the records, and each record
ends with a sum over its bytes (CRC-32). The file is looked into where an element is asked for, and never loaded whole;
and nothing in it is interpreted, as the line must be the very one that the pipeline would write itself.
"""

import itertools
import json
import os
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from tinynet.data.elements import Element, copy, slicer
from tinynet.data.orders import Kept

MAGIC = b"tinynet cache 1\n"
_SUM = "sum"
_NUMBERS = (np.ndarray, np.generic, bool, int, float, complex)

Tickets = Callable[[], Iterator[tuple[Any, int]]]


def fetch(ticket: tuple[Any, int]) -> Element:
    """Return the element of a ticket (where it is kept, its number there)."""
    kept, number = ticket
    return kept[number]


def in_memory(elements: Iterable[Element], length: int, order: Kept) -> Tickets:
    """Return the tickets of passes of which the first complete one is kept in memory."""
    kept: Memory | None = None

    def tickets() -> Iterator[tuple[Any, int]]:
        nonlocal kept
        if kept is not None:
            yield from zip(itertools.repeat(kept), range(length), strict=False)
            return
        fresh, began = Memory(length), order.now()
        for number, element in enumerate(elements):
            fresh.append(element)
            if number == length - 1:
                kept = fresh
                order.filled(began)
            yield fresh, number

    return tickets


def in_file(elements: Iterable[Element], length: int, order: Kept, path: Path) -> Tickets:
    """Return the tickets of passes of which the first complete one is kept in a file, unless it is there already."""
    kept: File | None = None

    def tickets() -> Iterator[tuple[Any, int]]:
        nonlocal kept
        if kept is None and length and path.exists():
            kept = File(path, length, next(iter(elements)))
        if kept is not None:
            yield from zip(itertools.repeat(kept), range(length), strict=False)
            return
        writer, began = _Writer(path, length), order.now()
        try:
            for number, element in enumerate(elements):
                writer.append(element)
                if number == length - 1:
                    writer.finish()
                    kept = File(path, length, element)
                    order.filled(began)
                yield [element], 0
        finally:  # also when the consumer stops early
            writer.discard()

    return tickets


class Memory:
    """Elements in one array of records; those unlike the first in structure, shape or dtype lie beside it."""

    def __init__(self, length: int):
        self._length = length
        self._count = 0
        self._columns: Element = None  # for each component its numbers in all the records
        self._others: dict[int, Element] = {}

    def append(self, element: Element) -> None:
        """Keep one more element."""
        if not self._count and (dtype := _record_type(element)) is not None:
            self._columns = _columns(element, np.empty(self._length, dtype))
            self._read = slicer(self._columns)
        if self._columns is None or not _put(element, self._columns, self._count):
            self._others[self._count] = copy(element)
        self._count += 1

    def __getitem__(self, number: int) -> Element:
        return copy(self._others[number]) if number in self._others else self._read(number)


class File:
    """Elements in a file; each is checked against its sum when it is read.

    Raises
    ------
    ValueError
        If the file is no cache, damaged, or was made of other elements than `length` ones like `element`.
    """

    def __init__(self, path: Path, length: int, element: Element):
        self._path = path
        self._like = copy(element)  # for its structure
        self._dtype, header = _layout(path, element, length)
        with open(path, "rb") as file:
            found = file.read(len(header))
        if not found.startswith(MAGIC):
            raise ValueError(f"Dataset.cache: {path} is no cache of a dataset; choose another name. "
                             f"Received: a file that begins with {found[:16]!r}")
        if found != header:
            raise ValueError(
                f"Dataset.cache: {path} was made by another pipeline; delete it, and it is made anew. This one has "
                f"{_line(header)}. Received: {_line(found)}"
            )
        self._start = len(header)
        expected, received = self._start + length * self._dtype.itemsize, os.path.getsize(path)
        if received != expected:
            raise ValueError(f"Dataset.cache: {path} is damaged; delete it, and it is made anew. "
                             f"It should have {expected} bytes. Received: {received}")

    def __getitem__(self, number: int) -> Element:
        # Opened anew each time: threads, and processes after a fork, would move one another's place in the file.
        with open(self._path, "rb") as file:
            file.seek(self._start + number * self._dtype.itemsize)
            content = file.read(self._dtype.itemsize)
        record = np.frombuffer(content, self._dtype) if len(content) == self._dtype.itemsize else None
        if record is None or record[_SUM][0] != _sum(record):
            raise ValueError(f"Dataset.cache: {self._path} is damaged; delete it, and it is made anew. "
                             f"Received: element {number} with a wrong sum")
        return slicer(_columns(self._like, record))(0)


class _Writer:
    """Writes a cache's file beside its place, and puts it there when it is complete."""

    def __init__(self, path: Path, length: int):
        self._path = path
        self._length = length
        self._file: IO[bytes] | None = None
        self._record: np.ndarray | None = None

    def append(self, element: Element) -> None:
        if self._file is None:
            dtype, header = _layout(self._path, element, self._length)
            self._path.parent.mkdir(parents=True, exist_ok=True)
            number, self._unfinished = tempfile.mkstemp(".unfinished", f".{self._path.name}-", self._path.parent)
            self._file = os.fdopen(number, "wb")
            self._file.write(header)
            self._record = np.zeros(1, dtype)
            self._columns = _columns(element, self._record)
        if not _put(element, self._columns, 0):
            raise ValueError(
                f"Dataset.cache: all elements in {self._path} need one structure, shape and dtype: resize them in "
                "map(), and call cache() before batch(), whose last batch may be smaller; or cache in memory. "
                "Received: an element unlike the first"
            )
        self._record[_SUM] = _sum(self._record)
        self._file.write(self._record.tobytes())

    def finish(self) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        os.replace(self._unfinished, self._path)

    def discard(self) -> None:
        """Remove what was not finished."""
        if self._file is not None:
            self._file.close()
            Path(self._unfinished).unlink(missing_ok=True)


def _layout(path: Path, element: Element, length: int) -> tuple[np.dtype, bytes]:
    """The type of a record and the file's first lines, for elements like this one."""
    dtype = _record_type(element)
    if dtype is None:
        raise ValueError(
            f"Dataset.cache: elements in {path} must be made of arrays and numbers, keys of dicts being strings; cache "
            f"others in memory. Received: an element of type {type(element).__name__}"
        )
    line = json.dumps({"elements": length, "element": _describe(element)})
    return np.dtype([*dtype.descr, (_SUM, "u4")]), MAGIC + line.encode() + b"\n"


def _line(header: bytes) -> str:
    return header.removeprefix(MAGIC).partition(b"\n")[0].decode(errors="replace")


def _sum(record: np.ndarray) -> int:
    return zlib.crc32(record.tobytes()[: -record.dtype[_SUM].itemsize])


def _record_type(element: Element) -> np.dtype | None:
    """The type of a record that holds such an element; None if none can."""
    leaves = list(_leaves(element))
    if not all(isinstance(leaf, _NUMBERS) for leaf in leaves):
        return None
    arrays = [np.asarray(leaf) for leaf in leaves]
    if any(array.dtype.kind not in "biufc" for array in arrays):
        return None
    try:
        return np.dtype([(str(k), array.dtype, array.shape) for k, array in enumerate(arrays)])
    except ValueError:  # of more than 2 GiB
        return None


def _leaves(element: Element) -> Iterator[Any]:
    if isinstance(element, tuple):
        for part in element:
            yield from _leaves(part)
    elif isinstance(element, dict):
        for key, part in element.items():
            yield from _leaves(part if isinstance(key, str) else None)
    else:
        yield element


def _columns(element: Element, records: np.ndarray, names: Iterator[str] | None = None) -> Element:
    """The structure of `element`, with a view of a component of all records at each leaf."""
    names = iter(records.dtype.names) if names is None else names
    if isinstance(element, tuple):
        return tuple([_columns(part, records, names) for part in element])
    if isinstance(element, dict):
        return {key: _columns(part, records, names) for key, part in element.items()}
    return records[next(names)]


def _put(element: Element, columns: Element, number: int) -> bool:
    """Write an element into its record, if it is of that structure, shape and dtype; return whether it is."""
    if isinstance(columns, tuple | dict):
        if type(element) is not type(columns) or len(element) != len(columns):
            return False
        for key in columns if isinstance(columns, dict) else range(len(columns)):
            if isinstance(columns, dict) and key not in element or not _put(element[key], columns[key], number):
                return False
        return True
    array = np.asarray(element) if isinstance(element, _NUMBERS) else None
    if array is None or array.dtype != columns.dtype or array.shape != columns.shape[1:]:
        return False
    columns[number] = array
    return True


def _describe(element: Element) -> Any:
    """The structure of an element in plain lists and dicts, with dtype and shape at each leaf."""
    if isinstance(element, tuple):
        return [_describe(part) for part in element]
    if isinstance(element, dict):
        return {"dict": {key: _describe(part) for key, part in element.items()}}
    array = np.asarray(element)
    return {"dtype": array.dtype.str, "shape": array.shape}
