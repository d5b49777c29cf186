import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from tinynet.datasets import download


def idx_bytes(array):
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture
def make_idx():
    return idx_bytes


@pytest.fixture
def made_up():
    """A function that makes up a small data set: what is published, its files' contents, and its arrays."""

    def make(title, seed, n=(6, 3)):
        generator = np.random.default_rng(seed)
        arrays, contents, hashes = [], {}, {}
        for prefix, size in zip(("train", "t10k"), n, strict=True):
            images = generator.integers(0, 256, (size, 28, 28), dtype=np.uint8)
            labels = generator.integers(0, 10, size, dtype=np.uint8)
            arrays.append((images, labels))
            for name, array in (("images-idx3", images), ("labels-idx1", labels)):
                filename, plain = f"{prefix}-{name}-ubyte.gz", idx_bytes(array)
                contents[filename] = gzip.compress(plain, mtime=0)
                hashes[filename] = tuple(hashlib.sha256(c).hexdigest() for c in (contents[filename], plain))
        mirrors = ("http://mirror.invalid/one/", "http://mirror.invalid/two/", "http://mirror.invalid/three/")
        published = download.Published(title, title.lower(), mirrors, hashes)
        return published, contents, tuple(arrays)

    return make


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of the user's; and no TINYNET_DATA."""
    import pooch

    folder = tmp_path / "the cache"
    monkeypatch.setattr(pooch, "os_cache", lambda project: folder / project)
    monkeypatch.delenv("TINYNET_DATA", raising=False)
    return folder / "tinynet"


@pytest.fixture
def no_download(monkeypatch):
    """Any download fails the test."""
    import pooch

    def retrieve(*arguments, **keywords):
        pytest.fail(f"downloads {arguments}")

    monkeypatch.setattr(pooch, "retrieve", retrieve)


@pytest.fixture
def real_data():
    """The folder that TINYNET_DATA names; a test that asks for a data set skips where it is not there."""

    def folder(name):
        place = os.environ.get("TINYNET_DATA")
        if not place or not (Path(place) / name).is_dir():
            pytest.skip(f"TINYNET_DATA names no folder that holds {name}")
        return Path(place)

    return folder
