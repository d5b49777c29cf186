"""IDX: the format of the MNIST files, and the four files that MNIST and Fashion-MNIST consist of.

A file begins with four bytes: 0, 0, type, number of axes. The axes' lengths follow as big-endian 32-bit integers, and
then the numbers, last axis fastest. Source: http://yann.lecun.com/exdb/mnist/
"""

import math
import os

import numpy as np

from tinynet.data import one_hot as to_one_hot
from tinynet.data.records import read_file
from tinynet.datasets import download

UNSIGNED_BYTE = 8

Split = tuple[np.ndarray, np.ndarray]


def read_idx(path: str | os.PathLike) -> np.ndarray:
    """Read an IDX file of unsigned bytes, gzip or plain.

    Returns
    -------
    array of uint8
        In the shape that the file's header gives.

    Raises
    ------
    ValueError
        If the file is something else, cut short, or longer than its header says.
    """
    content = read_file(path)
    if len(content) < 4 or content[0] or content[1] or content[2] != UNSIGNED_BYTE or not content[3]:
        raise ValueError(
            f"{path} is no IDX file of unsigned bytes; those begin with 0, 0, {UNSIGNED_BYTE} and the number of axes. "
            f"Received: {list(content[:4])}"
        )
    header = 4 + 4 * content[3]
    if len(content) < header:
        raise ValueError(
            f"{path} is cut short: {content[3]} axes need a header of {header} bytes. Received: {len(content)} bytes"
        )
    shape = tuple(np.frombuffer(content, ">u4", content[3], 4).tolist())
    expected = header + math.prod(shape)
    if len(content) != expected:
        what = "cut short" if len(content) < expected else "too long"
        raise ValueError(
            f"{path} is {what}: its header promises an array of shape {shape}, {expected} bytes with the header. "
            f"Received: {len(content)} bytes (uncompressed)"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


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
