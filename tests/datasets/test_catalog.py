import subprocess
import sys

import numpy as np
import pytest

from tinynet import datasets
from tinynet.datasets import download, fashion_mnist


@pytest.fixture
def small(tmp_path, made_up, cache, no_download, monkeypatch):
    published, contents, arrays = made_up("Fashion-MNIST", 0)
    monkeypatch.setattr(download, "FASHION_MNIST", published)
    monkeypatch.setenv("TINYNET_DATA", str(tmp_path))
    (tmp_path / "fashion-mnist").mkdir()
    for filename, content in contents.items():
        (tmp_path / "fashion-mnist" / filename).write_bytes(content)
    return arrays


def test_load_as_the_tutorial_does(small):
    dataset, metadata = datasets.load("fashion_mnist", as_supervised=True, with_info=True)
    assert metadata.splits["train"].num_examples == len(dataset["train"]) == 6
    assert metadata.splits["test"].num_examples == len(dataset["test"]) == 3
    assert metadata.class_names == metadata.features["label"].names == list(fashion_mnist.class_names)
    assert metadata.features["label"].num_classes == 10
    assert metadata.features["image"].shape == (28, 28, 1)
    for part, (images, labels) in zip(("train", "test"), small, strict=True):
        for (image, label), expected_image, expected_label in zip(dataset[part], images, labels, strict=True):
            assert (image.shape, image.dtype) == ((28, 28, 1), np.uint8)
            assert isinstance(label, np.integer)
            np.testing.assert_array_equal(image[..., 0], expected_image)
            assert label == expected_label


def test_load_as_dicts_without_metadata(small):
    dataset = datasets.load("fashion_mnist", as_supervised=False, with_info=False)
    element = next(iter(dataset["test"]))
    assert element.keys() == {"image", "label"}
    np.testing.assert_array_equal(element["image"][..., 0], small[1][0][0])
    assert element["label"] == small[1][1][0]


def test_load_single_splits(small, tmp_path):
    (test, train), metadata = datasets.load("fashion_mnist", split=["test", "train"], data_dir=tmp_path)
    assert (len(test), len(train)) == (3, 6)
    assert metadata.splits["train"].num_examples == 6
    assert len(datasets.load("fashion_mnist", split="test", with_info=False)) == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "cifar10"}, "data set.*fashion_mnist, flowers, mnist. Received: 'cifar10'"),
        ({"name": "mnist", "split": "validation"}, "split of mnist.*test, train. Received: 'validation'"),
        ({"name": "mnist", "split": ["train[:80%]"]}, r"split of mnist.*Received: 'train\[:80%\]'"),
    ],
)
def test_unknown_names(arguments, message):
    with pytest.raises(ValueError, match=message):
        datasets.load(**arguments)


def test_the_package_has_its_names_and_no_others():
    assert {"mnist", "fashion_mnist", "flowers", "font_digits", "load"} <= set(dir(datasets))
    assert datasets.mnist.load_data
    assert callable(datasets.font_digits)
    with pytest.raises(AttributeError, match="has no attribute 'cifar10'; it has .*mnist"):
        _ = datasets.cifar10


def test_importing_is_light():
    code = (
        "import sys, tinynet.datasets as d\n"
        "print([m for m in sys.modules if m.startswith('tinynet.datasets.')])\n"
        "d.mnist, d.fashion_mnist, d.flowers, d.load\n"
        "print([m for m in ('PIL', 'gzip', 'pooch', 'numba', 'matplotlib', 'tqdm', 'requests') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout == "[]\n[]\n"
