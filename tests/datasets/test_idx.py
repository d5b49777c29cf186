import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp

from tinynet.datasets import idx


@settings(deadline=None)
@given(array=hnp.arrays(np.uint8, hnp.array_shapes(max_dims=4)))
def test_reads_what_was_written(tmp_path_factory, array):
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    path = tmp_path_factory.mktemp("idx") / "file"
    for content in (header + array.tobytes(), gzip.compress(header + array.tobytes())):
        path.write_bytes(content)
        read = idx.read_idx(path)
        assert read.dtype == np.uint8
        np.testing.assert_array_equal(read, array)
        read[...] = 0  # the caller's own


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c[:-1], r"cut short: its header promises an array of shape \(5, 3\), 27 bytes.*Received: 26 bytes"),
        (lambda c: c[:12], "cut short: its header promises.*Received: 12 bytes"),
        (lambda c: c[:9], "cut short: 2 axes need a header of 12 bytes. Received: 9 bytes"),
        (lambda c: c + b"x", "too long: its header promises.*Received: 28 bytes"),
        (lambda c: b"<!DOCTYPE html>", r"no IDX file of unsigned bytes.*Received: \[60, 33, 68, 79\]"),
        (lambda c: b"\x00\x00\x0d" + c[3:], r"no IDX file of unsigned bytes.*Received: \[0, 0, 13, 2\]"),
        (lambda c: b"\x00\x00\x08\x00" + c[4:], r"Received: \[0, 0, 8, 0\]"),
        (lambda c: b"\x08\x00\x08\x02" + c[4:], r"Received: \[8, 0, 8, 2\]"),
        (lambda c: b"\x00\x08\x08\x02" + c[4:], r"Received: \[0, 8, 8, 2\]"),
        (lambda c: c[:2], r"Received: \[0, 0\]"),
        (lambda c: b"", r"Received: \[\]"),
        (lambda c: c[:4] + b"\xff" * 8 + c[12:], r"cut short: .*\(4294967295, 4294967295\)"),
    ],
)
def test_cut_short_too_long_and_foreign_files(tmp_path, make_idx, compressed, change, message):
    path = tmp_path / "train-labels-idx1-ubyte.gz"
    content = change(make_idx(np.arange(15).reshape(5, 3)))
    path.write_bytes(gzip.compress(content) if compressed else content)
    with pytest.raises(ValueError, match=rf"train-labels-idx1-ubyte.gz is {message}" if "is" in message else message):
        idx.read_idx(path)


def test_load_splits(tmp_path, made_up, cache, no_download):
    published, contents, ((x_train, y_train), (x_test, y_test)) = made_up("Tiny", 0)
    for filename, content in contents.items():
        (tmp_path / filename).write_bytes(content)
    (train, test) = idx.load_splits(published, tmp_path, one_hot=False)
    for received, expected in zip((*train, *test), (x_train, y_train, x_test, y_test), strict=True):
        assert received.dtype == np.uint8
        np.testing.assert_array_equal(received, expected)
    (train, test) = idx.load_splits(published, tmp_path, one_hot=True)
    np.testing.assert_array_equal(train[1], np.eye(10, dtype=np.float32)[y_train])
    np.testing.assert_array_equal(test[1], np.eye(10, dtype=np.float32)[y_test])
    assert test[1].dtype == np.float32
