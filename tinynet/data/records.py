"""Binary files: read whole, gzip or plain, and cut into records of one length."""

import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tinynet.data.dataset import Dataset
from tinynet.data.elements import slicer
from tinynet.data.series import check_count
from tinynet.errors import explain_keywords

GZIP_MAGIC = b"\x1f\x8b"
GZIP_LIMIT = 1 << 30
"""Bytes that a gzip file may hold: a thousandth of that, made with malice, would fill any memory."""

PIECE = 1 << 20
_COMPRESSED_PIECE = 1 << 16  # small, as what follows a stream's end is copied, and a file may be many streams


def is_gzip(path: str | os.PathLike) -> bool:
    """Whether a file is gzip: known by its first two bytes, whatever its name."""
    with open(path, "rb") as file:
        return file.read(len(GZIP_MAGIC)) == GZIP_MAGIC


def pieces(path: str | os.PathLike) -> Iterator[bytes]:
    """Yield what a file holds, uncompressed, in pieces of 1 MiB at most; so its reader decides how much is too much.

    Raises
    ------
    ValueError
        If a gzip file is cut short, damaged, or followed by something else.
    """
    compressed = is_gzip(path)
    with open(path, "rb") as file:
        if not compressed:
            while piece := file.read(PIECE):
                yield piece
            return
        stream = zlib.decompressobj(wbits=31)
        while rest := file.read(_COMPRESSED_PIECE):
            while rest:
                if stream.eof:  # a gzip file may be several, one after the other
                    stream = zlib.decompressobj(wbits=31)
                try:
                    piece = stream.decompress(rest, PIECE)
                except zlib.error as error:
                    raise ValueError(
                        f"{path} is a damaged gzip file, or has something else behind it: fetch it again. "
                        f"Received: {error}"
                    ) from error
                if piece:
                    yield piece
                rest = stream.unconsumed_tail or stream.unused_data
    if not stream.eof:
        raise ValueError(
            f"{path} is a gzip file that is cut short: fetch it again. Received: {os.path.getsize(path)} bytes"
        )


def read_file(path: str | os.PathLike) -> bytearray:
    """Return what a file holds, uncompressed; a gzip file is known by its first two bytes, whatever its name.

    Raises
    ------
    ValueError
        If a gzip file is cut short, damaged, followed by something else, or holds more than 1 GiB.
    """
    content, compressed = bytearray(), is_gzip(path)
    for piece in pieces(path):
        content += piece
        if compressed and len(content) > GZIP_LIMIT:
            raise ValueError(
                f"{path} is a gzip file that holds more than {GZIP_LIMIT} bytes; if that is right, give the "
                f"uncompressed file. Received: {os.path.getsize(path)} bytes (compressed)"
            )
    return content


class FixedLengthRecordDataset(Dataset):
    """A dataset of the records of binary files that consist of a header, records of one length, and a footer.

    The files are read when the dataset is made, and stay in memory. An element is a uint8 array of shape
    (record_bytes,): what `tf.io.decode_raw(record, tf.uint8)` makes of tf.data's byte string.

    Parameters
    ----------
    filenames : path or list of paths
        Plain or gzip files, told apart by their first bytes.
    record_bytes : int
        Length of a record.
    header_bytes, footer_bytes : int
        Bytes to leave out at both ends of each file.

    Raises
    ------
    ValueError
        If a file has no whole number of records, at least one.

    Examples
    --------
    >>> images = FixedLengthRecordDataset("train-images-idx3-ubyte.gz", 28*28, header_bytes=16)
    >>> labels = FixedLengthRecordDataset("train-labels-idx1-ubyte.gz", 1, header_bytes=8)
    """

    @explain_keywords
    def __init__(
        self,
        filenames: str | os.PathLike | Sequence[str | os.PathLike],
        record_bytes: int,
        header_bytes: int = 0,
        footer_bytes: int = 0,
    ):
        record_bytes = check_count("FixedLengthRecordDataset: record_bytes", record_bytes, 1)
        header_bytes = check_count("FixedLengthRecordDataset: header_bytes", header_bytes, 0)
        footer_bytes = check_count("FixedLengthRecordDataset: footer_bytes", footer_bytes, 0)
        paths = [filenames] if isinstance(filenames, str | os.PathLike) else list(filenames)
        if not paths:
            raise ValueError(f"FixedLengthRecordDataset: filenames must name a file. Received: {filenames!r}")
        files = [_records(Path(path), record_bytes, header_bytes, footer_bytes) for path in paths]
        records = files[0] if len(files) == 1 else np.concatenate(files)
        super().__init__(lambda: iter(range(len(records))), slicer(records), len(records))


def _records(path: Path, record_bytes: int, header_bytes: int, footer_bytes: int) -> np.ndarray:
    """The records of one file: uint8, (records, record_bytes)."""
    content = read_file(path)
    body = len(content) - header_bytes - footer_bytes
    if body <= 0 or body % record_bytes:
        raise ValueError(
            f"FixedLengthRecordDataset: {path} must hold {header_bytes} bytes of header, records of {record_bytes} "
            f"bytes each, and {footer_bytes} bytes of footer; it is cut short, or the lengths are wrong. "
            f"Received: {len(content)} bytes (uncompressed)"
        )
    return np.frombuffer(content, np.uint8, body, header_bytes).reshape(-1, record_bytes)
