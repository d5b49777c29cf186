"""Plain dictionaries and arrays in one `.safetensors` file, written whole or not at all, and read with suspicion.

The file (https://huggingface.co/docs/safetensors) begins with the length of its header in 8 bytes, and the header, in
JSON, says of each array its type, its shape and where its bytes lie; they follow, end to end. Texts may stand under
``__metadata__``; one of them, "tinynet", is our dictionary, as JSON again. Nothing in a file is ever executed, and what
the header says is checked against the file's own size before anything is made as large as it says.
"""

import contextlib
import json
import math
import os
import re
import secrets
import stat
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

SUFFIX = ".safetensors"
TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "|i1",
         "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "|u1", "BOOL": "|b1"}
LONGEST_HEADER = 16_000_000  # bytes: read, it may need ten times as many
DEEPEST = 100  # lists and dictionaries inside each other
_MOST_CONTAINERS = 1_000_000  # lists and dictionaries in one header
_LONGEST_INTEGER = 1000  # digits
_KEY = "tinynet"
_KERAS = {b"\x89HDF": "an HDF5 file", b"PK\x03\x04": "a zip archive, as files that end in .keras are"}
_MARKS = re.compile(r'\\.|["\[{\]}]', re.DOTALL)


def check_suffix(path: str | os.PathLike) -> None:
    """Raise a ValueError unless a path ends in ".safetensors"."""
    if not os.fspath(path).endswith(SUFFIX):
        raise ValueError(f"A model's file ends in {SUFFIX!r}: model{SUFFIX} would do. Received: {os.fspath(path)!r}")


def write(path: str | os.PathLike, tree: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write a dictionary, of what JSON knows, and arrays by name, in place of the file that may be there.

    Raises
    ------
    ValueError
        If `path` does not end in ".safetensors", or the dictionary could not be read back.
    OSError
        If the file cannot be written; an older one is there still.
    """
    from safetensors.numpy import save

    check_suffix(path)
    text = json.dumps(tree, allow_nan=False)
    parse(text)  # what could not be read again must not replace what can
    whole = {name: np.ascontiguousarray(array).reshape(array.shape) for name, array in arrays.items()}
    content = save(whole, {_KEY: text})
    length = int.from_bytes(content[:8], "little")
    if length > LONGEST_HEADER:
        raise ValueError(f"What a file says beside its arrays may have {LONGEST_HEADER} bytes. Received: {length}")
    with replacing(path) as temporary:
        temporary.write_bytes(content)


@contextlib.contextmanager
def replacing(path: str | os.PathLike) -> Iterator[Path]:
    """Hand out a new file beside `path`, which takes its place at the end: a reader finds the old one or the new one.

    After an error the old one stays, and nothing else; a process that is killed may leave the new one behind, hidden
    and ending in ".tmp".
    """
    path = Path(os.path.realpath(path))  # a link stays a link
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    # Not by tempfile: its files are their owner's alone, others have the permissions that the user's mask gives.
    os.close(os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())  # first the content, then the name: after a power cut too
        if path.exists():
            os.chmod(temporary, stat.S_IMODE(path.stat().st_mode))
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if os.name == "posix":
        with contextlib.suppress(OSError):  # the file is there; not every folder may be opened, or knows fsync
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)


class Reader:
    """A file that is open for reading, its header checked: a context manager.

    Attributes
    ----------
    tree : dict or None
        The dictionary; None in a file that another program wrote.
    arrays : dict of str to (dtype, shape)
        What arrays there are that were not read yet.

    Raises
    ------
    ValueError
        If the file is no such file, or damaged.
    OSError
        If there is no such file, or it may not be read.
    """

    def __init__(self, path: str | os.PathLike):
        self._path = os.fspath(path)
        self._file = open(path, "rb")  # noqa: SIM115 (closed by __exit__)
        try:
            self._read_header()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_) -> None:
        self._file.close()

    def read(self, name: str) -> np.ndarray:
        """Return an array, the caller's own; each can be read once, so all together are no larger than the file.

        Raises
        ------
        ValueError
            If the file has none of that name, or became shorter.
        """
        if name not in self.arrays:
            raise self._damaged("it needs an array that is not there, or no more", repr(name))
        dtype, shape = self.arrays.pop(name)
        self._file.seek(self._starts[name])
        array = np.fromfile(self._file, dtype, math.prod(shape))
        if array.size != math.prod(shape):
            raise self._damaged("it became shorter while it was read", f"{array.size} numbers of {name!r}")
        return array.astype(dtype.newbyteorder("="), copy=False).reshape(shape)

    def _read_header(self) -> None:
        size = os.fstat(self._file.fileno()).st_size
        first = self._file.read(8)
        if first.startswith(tuple(_KERAS)):
            raise ValueError(f"{self._path} is of another kind: what Keras has saved with save_weights('x.weights.h5') "
                             "is read by tinynet.load_keras_weights(model, path). "
                             f"Received: {_KERAS[first[:4]]}")
        length = int.from_bytes(first, "little")
        if size < 8 or length > min(size - 8, LONGEST_HEADER):
            raise self._damaged("its header would be longer than itself", f"{size} bytes, {length} of header")
        try:
            header = parse(self._file.read(length).decode())
            if not isinstance(header, dict):
                raise ValueError(f"a header is a dictionary. Received: {type(header).__name__}")
            texts = header.pop("__metadata__", {})
            if not isinstance(texts, dict) or not all(isinstance(text, str) for text in texts.values()):
                raise ValueError(f"__metadata__ holds texts by name. Received: {type(texts).__name__}")
            self._take_entries(header, 8 + length, size)
            self.tree = parse(texts[_KEY]) if _KEY in texts else None
            if _KEY in texts and not isinstance(self.tree, dict):
                raise ValueError(f"the text {_KEY!r} is a dictionary. Received: {type(self.tree).__name__}")
        except ValueError as error:
            raise ValueError(f"{self._path} is no {SUFFIX} file, or damaged: {error}") from error

    def _take_entries(self, header: dict[str, Any], start: int, size: int) -> None:
        entries = {name: _entry(name, entry) for name, entry in header.items()}
        end = start
        for name, (_, _, begins, ends) in sorted(entries.items(), key=lambda item: item[1][2:]):
            if start + begins != end:
                raise ValueError(f"arrays must lie end to end. Received: {name!r} at {begins}, not {end - start}")
            end = start + ends
        if end != size:
            raise ValueError(f"its arrays must end where the file does, at byte {size}. Received: {end}")
        self.arrays = {name: (dtype, shape) for name, (dtype, shape, _, _) in entries.items()}
        self._starts = {name: start + begins for name, (_, _, begins, _) in entries.items()}

    def _damaged(self, why: str, received: str) -> ValueError:
        return ValueError(f"{self._path} is no {SUFFIX} file, or damaged: {why}. Received: {received}")


def _entry(name: str, entry: Any) -> tuple[np.dtype, tuple[int, ...], int, int]:
    """Return what a header says of one array: type, shape, and its first and last byte among all arrays'."""
    if not isinstance(entry, dict) or entry.keys() != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"array {name!r} must have dtype, shape and data_offsets. Received: {entry!r:.200}")
    if not isinstance(entry["dtype"], str) or entry["dtype"] not in TYPES:
        raise ValueError(f"array {name!r} must be of a type among {', '.join(TYPES)}. "
                         f"Received: {entry['dtype']!r:.200}")
    dtype, shape, place = np.dtype(TYPES[entry["dtype"]]), entry["shape"], entry["data_offsets"]
    if not _are_counts(shape) or len(shape) > 32 or not _are_counts(place) or len(place) != 2 or place[0] > place[1]:
        raise ValueError(f"array {name!r} must have a shape and two offsets, of integers of at least 0. "
                         f"Received: {entry!r:.200}")
    if math.prod(shape) * dtype.itemsize != place[1] - place[0]:
        raise ValueError(f"array {name!r} of {entry['dtype']} and shape {shape} must have "
                         f"{math.prod(shape) * dtype.itemsize} bytes. Received: {place[1] - place[0]}")
    return dtype, tuple(shape), *place


def _are_counts(values: Any) -> bool:
    return isinstance(values, list) and all(type(value) is int and value >= 0 for value in values)


def parse(text: str) -> Any:
    """Return what a JSON text says.

    Raises
    ------
    ValueError
        If it is none, goes deeper than `DEEPEST`, says a name twice, or holds a number that is none (NaN, Infinity).
    """
    depth = containers = 0
    quoted = False
    for found in _MARKS.finditer(text):
        mark = found[0]
        if mark == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif mark in "[{":
            depth, containers = depth + 1, containers + 1
        elif mark in "]}":
            depth -= 1
        if depth > DEEPEST or containers > _MOST_CONTAINERS:
            raise ValueError(f"its JSON must not go deeper than {DEEPEST} lists and dictionaries, and hold "
                             f"{_MOST_CONTAINERS} of them at most. Received: more")
    return json.loads(text, object_pairs_hook=_once, parse_int=_integer, parse_constant=_no_number)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"each name of a dictionary may stand there once. Received: {twice!r} twice")
    return found


def _integer(digits: str) -> int:
    if len(digits) > _LONGEST_INTEGER:
        raise ValueError(f"integers have {_LONGEST_INTEGER} digits at most. Received: {len(digits)}")
    return int(digits)


def _no_number(name: str) -> None:
    raise ValueError(f"numbers must be numbers. Received: {name}")
