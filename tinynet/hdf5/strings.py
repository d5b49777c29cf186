"""Attributes that are strings of any length, read from the bytes of the file.

The HDF5 library follows their addresses without looking: where these are wrong it crashes, or never comes back. So they
are followed here, by the file format's specification (https://support.hdfgroup.org/documentation/hdf5/latest/_s_p_e_c.html):

- the header of an object is a row of messages, in one block or several (IV.A.1);
- a message that is an attribute ends in its data; for such a string, its length and where it lies (IV.A.2.m);
- it lies in a heap: objects one behind another, each a number, a size and bytes (III.E).
"""

import io
import struct
from collections.abc import Iterator

from tinynet.hdf5.errors import HDF5Error

_ATTRIBUTE, _CONTINUATION = 0x0C, 0x10
_LARGEST_HEADER = 1 << 20
_SHARED_TYPE = 1
_STRINGS = (9, 1)  # class and kind of the data type: of any length, and text


class Strings:
    """Reads the attributes of strings of one file, which must be open until then."""

    def __init__(self, file: io.BufferedIOBase, name: str):
        self.file, self.name = file, name
        self._heaps: dict[int, dict[int, tuple[int, int]]] = {}

    def read(self, header: int, attribute: str, count: int, longest: int) -> list[str]:
        """Return the `count` strings of an attribute of the object whose header is at that address.

        Raises
        ------
        HDF5Error
            If they are not there, or one is of more than `longest` bytes.
        """
        for kind, message in self._messages(header):
            if kind == _ATTRIBUTE and (data := self._data(message, attribute.encode())) is not None:
                places = struct.iter_unpack("<IQI", self._part(data, 0, 16 * count))
                return [self._string(*place, longest) for place in places]
        raise self._damaged(f"no attribute {attribute!r} in the header at byte {header}")

    def _messages(self, header: int) -> Iterator[tuple[int, bytes]]:
        """Yield (type, body) of the messages of an object's header, of either version."""
        start = self._at(header, 16)
        second = start[:5] == b"OHDR\x02"
        if second:
            flags = start[5]
            at = header + 6 + (16 if flags & 0x20 else 0) + (4 if flags & 0x10 else 0)
            width = 1 << (flags & 3)
            blocks = [(at + width, int.from_bytes(self._at(at, width), "little"))]
            lead = struct.Struct("<BHB2x" if flags & 0x04 else "<BHB")
        else:
            if start[0] != 1:
                raise self._damaged(f"no header at byte {header}")
            blocks = [(header + 16, int.from_bytes(start[8:12], "little"))]
            lead = struct.Struct("<HHB3x")
        left = _LARGEST_HEADER
        while blocks:
            at, length = blocks.pop(0)
            left -= length + lead.size
            if left < 0:
                raise self._damaged(f"a header of more than {_LARGEST_HEADER} bytes at byte {header}")
            block, place = self._at(at, length), 0
            while place + lead.size <= length:
                kind, size, _ = lead.unpack_from(block, place)
                body = self._part(block, place + lead.size, size)
                place += lead.size + size
                if kind == _CONTINUATION:
                    at, more = struct.unpack("<QQ", self._part(body, 0, 16))
                    # The second version puts a signature before a block and a checksum behind it.
                    blocks.append((at + 4, max(more - 8, 0)) if second else (at, more))
                else:
                    yield kind, body

    def _data(self, message: bytes, name: bytes) -> bytes | None:
        """Return the data of the attribute in a message, None if it has another name."""
        version, flags, *sizes = struct.unpack("<BBHHH", self._part(message, 0, 8))
        multiple = 8 if version == 1 else 1
        at, parts = 9 if version == 3 else 8, []
        for size in sizes:
            parts.append(self._part(message, at, size))
            at += -(-size // multiple) * multiple
        found, datatype, _ = parts
        if found.rstrip(b"\0") != name:
            return None
        kind = self._part(datatype, 0, 2)
        if flags & _SHARED_TYPE or (kind[0] & 15, kind[1] & 15) != _STRINGS:
            raise self._damaged(f"an attribute {name!r} that is no text")
        return message[at:]

    def _string(self, length: int, heap: int, number: int, longest: int) -> str:
        if not length:
            return ""
        if heap not in self._heaps:
            self._heaps[heap] = dict(self._objects(heap))
        at, size = self._heaps[heap].get(number, (0, 0))
        if length > min(size, longest):
            raise self._damaged(f"a string of {length} bytes where there are {size}")
        return self._at(at, length).rstrip(b"\0").decode()

    def _objects(self, heap: int) -> Iterator[tuple[int, tuple[int, int]]]:
        """Yield (number, (address, size)) of the objects in a heap; number 0 is the rest, which is free."""
        start = self._at(heap, 16)
        end = heap + int.from_bytes(start[8:], "little")
        if start[:5] != b"GCOL\x01":
            raise self._damaged(f"no heap at byte {heap}")
        at = heap + 16
        while at + 16 <= end:
            number, size = struct.unpack("<H6xQ", self._at(at, 16))
            if not number:
                return
            if at + 16 + size > end:
                raise self._damaged(f"an object of {size} bytes in the heap at byte {heap}, which has fewer")
            yield number, (at + 16, size)
            at += 16 + -(-size // 8) * 8

    def _at(self, address: int, size: int) -> bytes:
        """Return so many bytes of the file."""
        try:
            self.file.seek(address)
        except (OverflowError, OSError, ValueError) as error:  # an address beyond what files can have
            raise self._damaged(f"an address {address}") from error
        found = self.file.read(min(size, _LARGEST_HEADER))
        if len(found) != size:
            raise self._damaged(f"{size} bytes at byte {address}, where there are {len(found)}")
        return found

    def _part(self, data: bytes, start: int, size: int) -> bytes:
        """Return so many of some bytes."""
        if start + size > len(data):
            raise self._damaged(f"{size} bytes in {max(len(data) - start, 0)}")
        return data[start : start + size]

    def _damaged(self, what: str) -> HDF5Error:
        return HDF5Error(f"{self.name} is damaged. Received: {what}")
