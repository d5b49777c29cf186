import hashlib
import zlib

import numpy as np
import pytest

from tinynet.datasets import download, mnist


@pytest.fixture
def small(tmp_path, made_up, cache, no_download, monkeypatch):
    published, contents, arrays = made_up("MNIST", 0)
    monkeypatch.setattr(download, "MNIST", published)
    (tmp_path / "mnist").mkdir()
    for filename, content in contents.items():
        (tmp_path / "mnist" / filename).write_bytes(content)
    return arrays


@pytest.mark.parametrize("inside", [False, True])
def test_load_data(tmp_path, small, inside):
    (x_train, y_train), (x_test, y_test) = mnist.load_data(tmp_path / "mnist" if inside else tmp_path)
    np.testing.assert_array_equal(x_train, small[0][0])
    np.testing.assert_array_equal(y_train, small[0][1])
    np.testing.assert_array_equal(x_test, small[1][0])
    np.testing.assert_array_equal(y_test, small[1][1])


def test_one_hot(tmp_path, small, monkeypatch):
    monkeypatch.setenv("TINYNET_DATA", str(tmp_path))
    (_, y_train), (_, y_test) = mnist.load_data(one_hot=True)
    np.testing.assert_array_equal(y_train, np.eye(10)[small[0][1]])
    np.testing.assert_array_equal(y_test, np.eye(10)[small[1][1]])


def test_class_names():
    assert mnist.class_names == tuple("0123456789")


def test_a_misspelt_keyword():
    with pytest.raises(TypeError, match="load_data has no argument 'path'.*data_dir, one_hot"):
        mnist.load_data(path="mnist.npz")


def test_the_real_files(real_data, no_download):
    real_data("mnist")
    (x_train, y_train), (x_test, y_test) = mnist.load_data()
    assert (x_train.shape, y_train.shape) == ((60000, 28, 28), (60000,))
    assert (x_test.shape, y_test.shape) == ((10000, 28, 28), (10000,))
    assert {a.dtype for a in (x_train, y_train, x_test, y_test)} == {np.dtype(np.uint8)}
    assert y_train[:10].tolist() == [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]
    assert np.bincount(y_train).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(y_test).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert (x_train.max(), x_train.min()) == (255, 0)
    assert round(float(x_train.mean()) / 255, 4) == 0.1307


def test_the_real_files_have_the_published_sums(real_data):
    folder = real_data("mnist") / "mnist"
    sums = {
        download.TRAIN_IMAGES: "f68b3c2dcbeaaa9fbdd348bbdeb94873",
        download.TRAIN_LABELS: "d53e105ee54ea40749a09fcbcd1e9432",
        download.TEST_IMAGES: "9fb629c4189551a2d022fa330f9573f3",
        download.TEST_LABELS: "ec29112dd5afa0611ce80d1b7f02629c",
    }
    for filename, expected in sums.items():
        content = (folder / filename).read_bytes()
        assert hashlib.md5(content, usedforsecurity=False).hexdigest() == expected
        plain = zlib.decompress(content, wbits=31)
        received = hashlib.sha256(content).hexdigest(), hashlib.sha256(plain).hexdigest()
        assert received == download.MNIST.files[filename]
