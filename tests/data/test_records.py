import gzip
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from tinynet.data import Dataset, FixedLengthRecordDataset, records
from tinynet.data.records import read_file


@pytest.fixture
def body():
    return np.random.default_rng(0).integers(0, 256, 16 + 7 * 6, dtype=np.uint8).tobytes()


@pytest.mark.parametrize("compressed", [False, True])
def test_records_of_a_file(tmp_path, body, compressed):
    path = tmp_path / "data.bin"  # the name says nothing
    path.write_bytes(gzip.compress(body) if compressed else body)
    expected = np.frombuffer(body, np.uint8, offset=16).reshape(7, 6)
    for filename in (path, str(path), [path]):
        dataset = FixedLengthRecordDataset(filename, 6, header_bytes=16)
        assert isinstance(dataset, Dataset)
        for _ in range(2):
            np.testing.assert_array_equal(list(dataset), expected)
        assert len(dataset) == 7
    first = next(iter(dataset))
    assert first.dtype == np.uint8
    first[:] = 0
    np.testing.assert_array_equal(next(iter(dataset)), expected[0])


def test_footer_and_several_files(tmp_path, body):
    a, b = tmp_path / "a", tmp_path / "b"
    a.write_bytes(body)
    b.write_bytes(gzip.compress(body))
    dataset = FixedLengthRecordDataset([a, b], record_bytes=6, header_bytes=10, footer_bytes=6)
    expected = np.frombuffer(body, np.uint8)[10:-6].reshape(7, 6)
    np.testing.assert_array_equal(list(dataset), np.concatenate([expected, expected]))


def test_images_and_labels_side_by_side_as_in_the_codelab(tmp_path):
    images, labels = np.arange(5 * 4, dtype=np.uint8).reshape(5, 4), np.arange(5, dtype=np.uint8)
    (tmp_path / "images").write_bytes(bytes(16) + images.tobytes())
    (tmp_path / "labels").write_bytes(bytes(8) + labels.tobytes())
    x = FixedLengthRecordDataset(tmp_path / "images", 2 * 2, header_bytes=16).map(lambda r: r.astype("float32") / 256)
    y = FixedLengthRecordDataset(tmp_path / "labels", 1, header_bytes=8).map(lambda r: r[0])
    batch_x, batch_y = next(iter(Dataset.zip((x, y)).batch(5)))
    np.testing.assert_array_equal(batch_x, images.astype(np.float32) / 256)
    np.testing.assert_array_equal(batch_y, labels)


def test_a_file_that_holds_no_whole_number_of_records(tmp_path, body):
    path = tmp_path / "data"
    for content in (body[:-1], body[:16], body[:3], b""):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=rf"data must hold 16 bytes of header.*Received: {len(content)} bytes"):
            FixedLengthRecordDataset(path, 6, header_bytes=16)


def test_bad_arguments(tmp_path, body):
    path = tmp_path / "data"
    path.write_bytes(body)
    for arguments, message in (
        ({"record_bytes": 0}, "record_bytes.*Received: 0"),
        ({"record_bytes": 6, "header_bytes": -1}, "header_bytes.*Received: -1"),
        ({"record_bytes": 6, "footer_bytes": 1.5}, "footer_bytes.*Received: 1.5"),
    ):
        with pytest.raises(ValueError, match=f"FixedLengthRecordDataset: {message}"):
            FixedLengthRecordDataset(path, **arguments)
    with pytest.raises(ValueError, match=r"filenames.*Received: \[\]"):
        FixedLengthRecordDataset([], 6)
    with pytest.raises(TypeError, match="has no argument 'compression_type'"):
        FixedLengthRecordDataset(path, 6, compression_type="GZIP")
    with pytest.raises(FileNotFoundError):
        FixedLengthRecordDataset(tmp_path / "nowhere", 6)


def test_gzip_files_one_after_the_other_and_larger_than_a_piece(tmp_path):
    content = np.random.default_rng(0).integers(0, 256, 3_000_000, dtype=np.uint8).tobytes()
    path = tmp_path / "data"
    path.write_bytes(gzip.compress(content, 1) + gzip.compress(b"and more"))
    assert read_file(path) == content + b"and more"


def test_damaged_gzip_files(tmp_path, body):
    path = tmp_path / "data.gz"
    sound = gzip.compress(body)
    for length in (3, 12, len(sound) - 20, len(sound) - 1):
        path.write_bytes(sound[:length])
        with pytest.raises(ValueError, match=rf"data.gz is a gzip file that is cut short.*Received: {length} bytes"):
            read_file(path)
    for content in (sound + b"something else", sound[:-6] + bytes(6)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="data.gz is a damaged gzip file"):
            read_file(path)


def test_gzip_files_that_hold_too_much(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "GZIP_LIMIT", 1 << 22)
    path = tmp_path / "bomb.gz"
    sound = bytes(1 << 22)
    path.write_bytes(gzip.compress(sound))
    assert read_file(path) == sound
    path.write_bytes(gzip.compress(bytes(1 << 25)))
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"bomb.gz is a gzip file that holds more than 4194304 bytes.*\(compressed\)"):
        FixedLengthRecordDataset(path, 1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 3 << 22
    path.write_bytes(bytes(1 << 23))  # not compressed: as large as it is
    assert len(read_file(path)) == 1 << 23


@pytest.mark.parametrize("n", [0, 1, (1 << 16) - 1, 1 << 16, (1 << 20) - 1, 1 << 20, (1 << 20) + 1, 3_333_333])
def test_pieces_put_together_are_the_file(tmp_path, n):
    path = tmp_path / "data"
    for content in (bytes(n), np.random.default_rng(n).bytes(n)):
        for compressed in (True, False):
            path.write_bytes(gzip.compress(content, 1) if compressed else content)
            parts = list(records.pieces(path))
            assert b"".join(parts) == content
            assert all(0 < len(part) <= records.PIECE for part in parts)


def test_many_small_gzip_files_one_after_the_other(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(gzip.compress(b"x") * 20_000)
    assert read_file(path) == b"x" * 20_000


def test_importing_the_package_is_light():
    code = (
        "import sys, tinynet.data\n"
        "heavy = ('PIL', 'gzip', 'pooch', 'concurrent.futures', 'numba', 'matplotlib', 'tqdm')\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout == "[]\n"
