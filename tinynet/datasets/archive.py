"""Tar archives from strangers: only regular files come out of them, and nothing lands outside of the target folder.

A tar archive is a series of blocks of 512 bytes. Each file has a header block (name, size, type, a sum over the header)
and then its content, filled up to whole blocks; blocks of zeros end the archive. A name that is too long for its field
stands in a block series of its own before the header: POSIX' type `x`, or GNU's `L`. This reader knows nothing else, on
purpose: links, devices and sparse files are refused. Source: POSIX.1-2001, pax interchange format.
"""

import os
import re
import shutil
import tempfile
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tinynet.data.records import is_gzip, pieces

_BLOCK = 512
_LONGEST_NAME = 512  # bytes of a path
_LONGEST_PART = 255  # bytes of a part of it, which is what most systems allow
_DEEPEST = 16  # parts of a path
_LONGEST_EXTENSION = 1 << 16  # bytes of an extended header
_FILE, _OLD_FILE, _FOLDER, _EXTENDED, _EXTENDED_FOR_ALL, _LONG_NAME = b"0", b"\0", b"5", b"x", b"g", b"L"
_KINDS = {
    b"1": "a hard link", b"2": "a symbolic link", b"3": "a device", b"4": "a device", b"6": "a pipe",
    b"K": "a link with a long name", b"S": "a sparse file",
}  # fmt: skip
# What some system or other would not take for the name of a plain file.
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\:*?\"<>|]|[. ]$|^(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.IGNORECASE)


@dataclass(frozen=True)
class Limits:
    """How much an archive may hold, uncompressed: bytes of one file, bytes of all, and the number of entries."""

    file: int = 1 << 26
    total: int = 1 << 30
    entries: int = 20_000


LIMITS = Limits()


@dataclass(frozen=True)
class _Entry:
    """A regular file: its name, where its content starts in the uncompressed archive, and its bytes."""

    name: str
    start: int
    size: int


class Archive:
    """The regular files of a tar archive, plain or gzip; every header is checked when it is opened.

    The files of a plain archive stay on disk, and are read there. A gzip one can only be read from its start, so its
    files are kept in memory.

    Parameters
    ----------
    path : path
        Gzip or plain, told apart by the first bytes.
    limits : Limits
        How much it may hold.

    Raises
    ------
    ValueError
        If it is no tar archive, damaged or cut short; if it holds anything but regular files and folders, a name
        twice, a name that leads out of the archive's folder or that is no file name on some system; or if it holds
        more than `limits`. The message names the entry that is to blame.
    """

    def __init__(self, path: str | os.PathLike, limits: Limits = LIMITS):
        self.path = Path(path)
        reader = _Reader(self.path, limits)
        self._kept: dict[str, bytes] | None = {} if is_gzip(path) else None
        self._entries: dict[str, _Entry] = {}
        for entry in reader.entries():
            self._entries[entry.name] = entry
            if self._kept is not None:
                self._kept[entry.name] = b"".join(reader.content(entry))

    @property
    def names(self) -> list[str]:
        """The files' names, with forward slashes, in the archive's order."""
        return list(self._entries)

    def read(self, name: str) -> bytes:
        """Return a file's content; threads may do so at the same time."""
        if self._kept is not None:
            return self._kept[name]
        entry = self._entries[name]
        with open(self.path, "rb") as file:
            file.seek(entry.start)
            content = file.read(entry.size)
        if len(content) < entry.size:
            raise ValueError(f"{self.path} has changed since it was opened. Received: {len(content)} bytes of {name}")
        return content


def extract(path: str | os.PathLike, folder: str | os.PathLike, limits: Limits = LIMITS) -> Path:
    """Write the files of a tar archive, plain or gzip, into a new folder.

    They are written into a temporary folder beside it, which gets its name at the very end: what was interrupted never
    looks complete. Permissions, owners and times of the archive are not taken over, and empty folders are left out.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ValueError
        As :class:`Archive` does; nothing is left behind.
    FileExistsError
        If there is something of the folder's name already.
    """
    folder = Path(folder)
    if os.path.lexists(folder):
        raise FileExistsError(f"An archive is extracted into a new folder. Received: {folder}, which exists")
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", suffix=".unfinished", dir=folder.parent))
    inside = unfinished / "content"  # as a temporary folder itself is readable for its owner alone
    try:
        inside.mkdir()
        reader = _Reader(Path(path), limits)
        for entry in reader.entries():
            target = inside.joinpath(*entry.name.split("/"))
            target.parent.mkdir(parents=True, exist_ok=True)
            with open(target, "xb") as file:
                for piece in reader.content(entry):
                    file.write(piece)
        inside.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


class _Reader:
    """One pass over an archive, from its start: `entries` yields each file, and then `content` may be asked for it."""

    def __init__(self, path: Path, limits: Limits):
        self.path = path
        self.limits = limits
        self._pieces = pieces(path)
        self._piece = memoryview(b"")
        self._place = 0  # bytes read so far
        self._seen: dict[str, bool] = {}  # whether it is a folder, by its path

    def entries(self) -> Iterator[_Entry]:
        count, total, extended = 0, 0, {}
        while (header := self._header()) is not None:
            name, size, kind = header
            count += 1
            if count > self.limits.entries:
                raise self._error(name, f"it holds more than {self.limits.entries} entries")
            if kind in (_EXTENDED, _EXTENDED_FOR_ALL, _LONG_NAME):
                extended |= self._extension(name, size, kind)
                continue
            name, size, extended = extended.get("path", name), extended.get("size", size), {}
            if kind == _FOLDER or (kind == _OLD_FILE and name.endswith("/")):
                self._check_name(name.rstrip("/"), is_folder=True)
                continue
            if kind not in (_FILE, _OLD_FILE):
                what = _KINDS.get(kind, f"an entry of type {kind!r}")
                raise self._error(name, f"it holds {what}, and only regular files are taken")
            total += size
            if size > self.limits.file or total > self.limits.total:
                raise self._error(name, f"a file may have {self.limits.file} bytes, all together {self.limits.total}; "
                                        f"with this one of {size} they have {total}")
            entry = _Entry(self._check_name(name, is_folder=False), self._place, size)
            yield entry
            while self._place < entry.start + _whole_blocks(size):
                self._some(entry.start + _whole_blocks(size) - self._place, name)
        if is_gzip(self.path):
            self._check_the_rest()

    def content(self, entry: _Entry) -> Iterator[memoryview]:
        """Yield what the file holds, in pieces."""
        while (left := entry.start + entry.size - self._place) > 0:
            yield self._some(left, entry.name)

    def _header(self) -> tuple[str, int, bytes] | None:
        """Name, size and type from the next header; None at the archive's end, which a block of zeros marks."""
        at = f"the header at byte {self._place}"
        is_first = not self._place
        if is_first and os.path.getsize(self.path) < _BLOCK and not is_gzip(self.path):
            raise self._no_archive()
        block = self._take(_BLOCK, at)
        if not any(block):
            return None
        # The sum counts its own eight bytes as spaces.
        if sum(block) - sum(block[148:156]) + 8 * ord(" ") != _number(block[148:156]):
            raise self._no_archive() if is_first else self._error(at, "it is damaged; fetch it again")
        name = _text(block[:100])
        if block[257:263] == b"ustar\0" and (prefix := _text(block[345:500])):
            name = f"{prefix}/{name}"
        size = _number(block[124:136])
        if size is None:
            raise self._error(name, "a size is no number")
        return name, size, block[156:157]

    def _extension(self, name: str, size: int, kind: bytes) -> dict[str, str | int]:
        """What an extended header says about the file behind it: its path, its size."""
        if size > _LONGEST_EXTENSION:
            raise self._error(name, f"an extended header may have {_LONGEST_EXTENSION} bytes, and this one has {size}")
        content = self._take(_whole_blocks(size), name)[:size]
        if kind == _LONG_NAME:
            return {"path": _text(content)}
        found: dict[str, str | int] = {}
        start = 0
        while start < size:
            # Each record is "length key=value\n", and its length counts itself.
            digits = content[start : start + 8].partition(b" ")[0]
            end = start + (int(digits) if digits.isdigit() else 0)
            key, equals, value = content[start + len(digits) + 1 : end - 1].partition(b"=")
            if not equals or content[end - 1 : end] != b"\n":
                raise self._error(name, "an extended header is damaged; fetch it again")
            start = end
            if key.startswith(b"GNU.sparse"):
                raise self._error(name, "it holds a sparse file, and only regular files are taken")
            if key in (b"path", b"size") and kind == _EXTENDED_FOR_ALL:
                raise self._error(name, "it gives all of its files one path or size")
            if key == b"path":
                found["path"] = value.decode(errors="surrogateescape")
            elif key == b"size":
                if not value.isdigit() or len(value) > 20:
                    raise self._error(name, "a size is no number")
                found["size"] = int(value)
        return found

    def _check_name(self, name: str, is_folder: bool) -> str:
        """Return the name without `.` and empty parts, if no system would take it for anything else or refuse it."""
        try:
            length = len(name.encode())
        except UnicodeEncodeError:
            raise self._error(name, "a name is not UTF-8") from None
        parts = [part for part in name.split("/") if part not in ("", ".")]
        if name.startswith("/") or ".." in parts:
            raise self._error(name, "a name leads out of the archive's folder")
        if any(_UNSAFE.search(part) for part in parts) or not (is_folder or (parts and not name.endswith("/"))):
            raise self._error(name, "a name is no file name on every system")
        if length > _LONGEST_NAME or len(parts) > _DEEPEST or any(len(part.encode()) > _LONGEST_PART for part in parts):
            raise self._error(name, f"a name may have {_LONGEST_NAME} bytes, {_DEEPEST} parts, and {_LONGEST_PART} "
                                    "bytes in a part")
        paths = ["/".join(parts[:depth]) for depth in range(1, len(parts) + 1)]
        keys = [unicodedata.normalize("NFC", path).casefold() for path in paths]  # as systems without case see them
        for depth, key in enumerate(keys, start=1):
            to_be_folder = is_folder or depth < len(keys)
            if key in self._seen and not (self._seen[key] and to_be_folder):  # only a folder may be there again
                raise self._error(name, "a name is there twice, be it in capitals and in small letters")
            self._seen[key] = to_be_folder
        return "/".join(parts)

    def _take(self, size: int, name: str) -> bytes:
        parts = []
        while size:
            parts.append(self._some(size, name))
            size -= len(parts[-1])
        return b"".join(parts)

    def _some(self, most: int, name: str) -> memoryview:
        """The next bytes, 1 to `most` of them; `name` says to whom they belong."""
        if not self._piece:
            self._piece = memoryview(next(self._pieces, b""))
        if not self._piece:
            raise self._error(name, "it is cut short; fetch it again")
        part, self._piece = self._piece[:most], self._piece[most:]
        self._place += len(part)
        return part

    def _check_the_rest(self) -> None:
        """Read on to where a gzip file has the sum of its content; what tar puts behind its end is not looked at."""
        behind = 0
        for piece in self._pieces:
            behind += len(piece)
            if behind > self.limits.total:
                raise self._error("its end", f"more than {self.limits.total} bytes follow")

    def _error(self, name: str, why: str) -> ValueError:
        return ValueError(f"{self.path} is no archive of plain files that is whole: {why}. Received: {name!r}")

    def _no_archive(self) -> ValueError:
        return ValueError(f"{self.path} is no tar archive, plain or gzip. "
                          f"Received: {os.path.getsize(self.path)} bytes of something else")


def _whole_blocks(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _text(field: bytes) -> str:
    """A field of text, which a zero ends where it is shorter."""
    return field.partition(b"\0")[0].decode(errors="surrogateescape")


def _number(field: bytes) -> int | None:
    """A number in octal digits, or in binary where the first bit is set (GNU's, for large ones); None if neither."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if not digits:
        return 0
    return int(digits, 8) if re.fullmatch(rb"[0-7]+", digits) else None
