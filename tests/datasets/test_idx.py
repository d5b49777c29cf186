import gzip
import tracemalloc

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
        (lambda c: c + b"x", r"too long \(more than 27 bytes\): its header promises.*Received: 28 bytes or more"),
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


# ---------------------------------------------------------------- files from strangers


def mutated(generator, make_idx):
    """An IDX file, plain or gzip, with some damage: in its header, its content, its compression, or its length."""
    shape = tuple(generator.integers(1, 9, generator.integers(1, 4)))
    content = bytearray(make_idx(generator.integers(0, 256, shape)))
    kind = generator.integers(5)
    if kind == 0:  # a header that lies
        content[4 * generator.integers(1 + len(shape)) :][:4] = generator.bytes(4)
    elif kind == 1:
        content[3] = generator.integers(256)
    elif kind == 2:  # more than it says
        content += bytes(generator.integers(1, 3_000_000) if generator.integers(8) == 0 else 3)
    compressed = bool(generator.integers(2))
    if compressed:
        content = bytearray(gzip.compress(content, 1))
    if kind > 2:
        for place in generator.integers(len(content), size=generator.integers(1, 4)):
            content[place] = generator.integers(256)
    if generator.integers(4) == 0:
        del content[generator.integers(len(content)) :]
    return bytes(content)


def check_mutations(n, seed, path, make_idx):
    """Read n of them: each gives an array or a ValueError. Return how many gave an array, and the most memory."""
    generator = np.random.default_rng(seed)
    sound, most = 0, 0
    tracemalloc.start()
    for _ in range(n):
        path.write_bytes(mutated(generator, make_idx))
        tracemalloc.reset_peak()
        try:
            assert idx.read_idx(path).dtype == np.uint8
            sound += 1
        except ValueError as error:
            assert str(path) in str(error)
            assert "Received: " in str(error)
        most = max(most, tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()
    return sound, most


def test_mutated_files_give_an_array_or_a_value_error(tmp_path, make_idx):
    sound, most = check_mutations(3000, 0, tmp_path / "file", make_idx)
    assert 100 < sound < 1500
    assert most < 6 << 20  # a piece of a file, and what becomes of it


@pytest.mark.parametrize("promised", [10, 3_000_000, 1 << 33])
def test_a_gzip_bomb_is_read_no_further_than_its_header_promises(tmp_path, promised, monkeypatch):
    monkeypatch.setattr(idx, "LIMIT", 1 << 22)
    path = tmp_path / "bomb.gz"
    shape = np.array([promised >> 20, 1 << 20] if promised > 1 << 32 else [1, promised], ">u4").tobytes()
    with gzip.open(path, "wb", 9) as file:
        file.write(bytes([0, 0, 8, 2]) + shape)
        for _ in range(64):
            file.write(bytes(1 << 20))
    assert path.stat().st_size < 1 << 17
    tracemalloc.start()
    most = min(promised + 12, 1 << 22)
    with pytest.raises(ValueError, match=rf"too long \(more than {most} bytes\).* or more \(uncompressed"):
        idx.read_idx(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * min(promised, 1 << 22) + (4 << 20)


def test_memory_stays_under_twice_the_arrays(tmp_path, make_idx):
    path = tmp_path / "file"
    size = 20 << 20
    for content in (make_idx(np.zeros(size, np.uint8)), gzip.compress(make_idx(np.zeros(size, np.uint8)), 1)):
        path.write_bytes(content)
        del content
        tracemalloc.start()
        assert idx.read_idx(path).shape == (size,)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 2 * size


@pytest.mark.parametrize("shape", [(0, 3), (0, 2**32 - 1, 2**32 - 1, 2**32 - 1), (1,) * 33, (0,) * 200])
def test_odd_shapes(tmp_path, shape):
    path = tmp_path / "file"
    path.write_bytes(bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes() + bytes(1 if shape[0] else 0))
    if shape == (0, 3):
        assert idx.read_idx(path).shape == shape
    else:
        with pytest.raises(ValueError, match="is (no IDX file|too long).*Received: "):
            idx.read_idx(path)
