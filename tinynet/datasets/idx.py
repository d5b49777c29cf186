"""IDX: the format of the MNIST files, and the four files that MNIST and Fashion-MNIST consist of.

A file begins with four bytes: 0, 0, type, number of axes. The axes' lengths follow as big-endian 32-bit integers, and
then the numbers, last axis fastest. Source: http://yann.lecun.com/exdb/mnist/
"""

import math
import os
from collections.abc import Iterator

import numpy as np

from tinynet.data import one_hot as to_one_hot
from tinynet.data.records import pieces
from tinynet.datasets import download

UNSIGNED_BYTE = 8
LIMIT = 1 << 30
"""Bytes that a file may hold, uncompressed: a gzip file of a thousandth of that, made with malice, may hold them."""

_MOST_AXES = 32  # that an array may have, for the oldest NumPy

Split = tuple[np.ndarray, np.ndarray]


def read_idx(path: str | os.PathLike) -> np.ndarray:
    """Read an IDX file of unsigned bytes, gzip or plain.

    Hardly more is read than the header promises, whatever else a gzip file holds.

    Returns
    -------
    array of uint8
        In the shape that the file's header gives.

    Raises
    ------
    ValueError
        If the file is something else, damaged, cut short, longer than its header says, or longer than 1 GiB.
    """
    source, content = pieces(path), bytearray()
    _read_on(source, content, 4)
    if content[:3] != bytes([0, 0, UNSIGNED_BYTE]) or len(content) < 4 or not 1 <= content[3] <= _MOST_AXES:
        raise ValueError(
            f"{path} is no IDX file of unsigned bytes; those begin with 0, 0, {UNSIGNED_BYTE} and the number of axes. "
            f"Received: {list(content[:4])}"
        )
    header = 4 + 4 * content[3]
    _read_on(source, content, header)
    if len(content) < header:
        raise ValueError(
            f"{path} is cut short: {content[3]} axes need a header of {header} bytes. Received: {len(content)} bytes"
        )
    shape = tuple(np.frombuffer(content[4:header], ">u4").tolist())
    expected = header + math.prod(shape)
    _read_on(source, content, min(expected, LIMIT) + 1)
    if len(content) != expected or len(content) > LIMIT or math.prod(n or 1 for n in shape) > LIMIT:
        too_much = f"too long (more than {expected if expected < LIMIT else LIMIT} bytes)"
        what = "cut short" if len(content) < min(expected, LIMIT) else too_much
        raise ValueError(
            f"{path} is {what}: its header promises an array of shape {shape}, {expected} bytes with the header. "
            f"Received: {len(content)} bytes{' or more' if what is too_much else ''} (uncompressed)"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _read_on(source: Iterator[bytes], content: bytearray, size: int) -> None:
    """Add to `content` until it has `size` bytes, or the file is at its end."""
    while len(content) < size and (piece := next(source, b"")):
        content += piece


def load_splits(
    published: download.Published, data_dir: str | os.PathLike | None, one_hot: bool
) -> tuple[Split, Split]:
    """Load ((x_train, y_train), (x_test, y_test)) of MNIST or of a data set published in the same four files."""

    def read(filename: str) -> np.ndarray:
        return read_idx(download.find_file(published, filename, data_dir))

    train = read(download.TRAIN_IMAGES), read(download.TRAIN_LABELS)
    test = read(download.TEST_IMAGES), read(download.TEST_LABELS)
    if one_hot:
        return (train[0], to_one_hot(train[1], 10)), (test[0], to_one_hot(test[1], 10))
    return train, test
