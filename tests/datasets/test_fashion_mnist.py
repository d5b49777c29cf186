import hashlib
import zlib

import numpy as np
import pytest

from tinynet.datasets import download, fashion_mnist, mnist


@pytest.fixture
def small(tmp_path, made_up, cache, no_download, monkeypatch):
    """Both data sets, each in its folder."""
    arrays = {}
    for seed, name in enumerate(("MNIST", "FASHION_MNIST")):
        published, contents, arrays[name] = made_up(name.replace("_", "-"), seed)
        monkeypatch.setattr(download, name, published)
        (tmp_path / published.folder).mkdir()
        for filename, content in contents.items():
            (tmp_path / published.folder / filename).write_bytes(content)
    return arrays


def test_load_data(tmp_path, small, monkeypatch):
    monkeypatch.setenv("TINYNET_DATA", str(tmp_path))
    for data_dir in (tmp_path, tmp_path / "fashion-mnist", None):
        (x_train, y_train), (x_test, y_test) = fashion_mnist.load_data(data_dir)
        np.testing.assert_array_equal(x_train, small["FASHION_MNIST"][0][0])
        np.testing.assert_array_equal(y_train, small["FASHION_MNIST"][0][1])
        np.testing.assert_array_equal(x_test, small["FASHION_MNIST"][1][0])
        np.testing.assert_array_equal(y_test, small["FASHION_MNIST"][1][1])


def test_neither_is_taken_for_the_other(tmp_path, small):
    with pytest.raises(ValueError, match="is not FASHION-MNIST's .*: it is MNIST's file of that name"):
        fashion_mnist.load_data(tmp_path / "mnist")
    with pytest.raises(ValueError, match="is not MNIST's .*: it is FASHION-MNIST's file of that name"):
        mnist.load_data(tmp_path / "fashion-mnist")


def test_class_names():
    assert len(fashion_mnist.class_names) == 10
    assert fashion_mnist.class_names[0] == "T-shirt/top"
    assert fashion_mnist.class_names[9] == "Ankle boot"


def test_the_real_files(real_data, no_download):
    real_data("fashion-mnist")
    (x_train, y_train), (x_test, y_test) = fashion_mnist.load_data(one_hot=True)
    assert (x_train.shape, y_train.shape) == ((60000, 28, 28), (60000, 10))
    assert (x_test.shape, y_test.shape) == ((10000, 28, 28), (10000, 10))
    assert y_train.dtype == np.float32
    assert y_train.sum(axis=0).tolist() == [6000] * 10
    assert y_test.sum(axis=0).tolist() == [1000] * 10
    assert y_test[:5].argmax(axis=1).tolist() == [9, 2, 1, 1, 6]
    assert round(float(x_train.mean()) / 255, 4) == 0.286


def test_the_real_files_have_the_published_sums(real_data):
    folder = real_data("fashion-mnist") / "fashion-mnist"
    sums = {
        download.TRAIN_IMAGES: "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        download.TRAIN_LABELS: "25c81989df183df01b3e8a0aad5dffbe",
        download.TEST_IMAGES: "bef4ecab320f06d8554ea6380940ec79",
        download.TEST_LABELS: "bb300cfdad3c16e7a12a480ee83cd310",
    }
    for filename, expected in sums.items():
        content = (folder / filename).read_bytes()
        assert hashlib.md5(content, usedforsecurity=False).hexdigest() == expected
        plain = zlib.decompress(content, wbits=31)
        received = hashlib.sha256(content).hexdigest(), hashlib.sha256(plain).hexdigest()
        assert received == download.FASHION_MNIST.files[filename]
