"""How kernels are launched: what is refused, because kernels cannot count it."""

import importlib

import numpy as np
import pytest

import tinynet
from tinynet.shapes import slide


@pytest.fixture
def wing(on_gpu):
    with tinynet.use_backend("cupy") as wing:
        yield wing


@pytest.fixture
def launch(wing):
    return importlib.import_module("tinynet.backends.cupy.launch")


def test_an_array_of_more_numbers_than_kernels_count(wing, launch, monkeypatch):
    x, y = wing.zeros((3, 4), "float32"), wing.zeros((12,), "float32")
    monkeypatch.setattr(launch, "MOST", 11)
    with pytest.raises(ValueError, match=r"count to 11; take smaller batches\. Received: an array of shape \(3, 4\)$"):
        wing.relu(x, y)
    wing.relu(x[:2], x[:2])


def test_a_count_beyond_those_of_kernels(launch):
    with pytest.raises(ValueError, match=r"count to 2146435072; take smaller batches\. Received: 2146435073$"):
        launch.Source("elementwise").launch("relu", 1, 32, None, None, launch.MOST + 1)


def test_kernels_may_count_a_little_beyond_the_last_number(launch):
    """A thread that goes on by as many numbers as there are threads does so once too often."""
    assert launch.MOST + launch.BLOCKS * launch.THREADS < 2**31


def test_a_data_set_may_be_larger_than_that(wing, launch, monkeypatch, rng):
    x, rows = rng.normal(size=(9, 4)).astype(np.float32), np.array([8, 0, 3])
    there, out = wing.asarray(x, "float32"), wing.empty((3, 4), "float32")
    monkeypatch.setattr(launch, "MOST", 12)
    wing.take(there, wing.asarray(rows, rows.dtype), out)
    np.testing.assert_array_equal(wing.to_numpy(out), x[rows])


@pytest.mark.parametrize("width", [256, 300])
def test_a_row_of_more_blocks_than_a_launch_takes(wing, launch, monkeypatch, width):
    monkeypatch.setattr(launch, "_MOST_BESIDE", 2)
    x, y = (wing.zeros((2, 1, width, 2), "float32") for _ in range(2))
    arguments = x, y, slide((1, width), (1, 2), (1, 1), "same")
    if width * 2 <= 2 * launch.THREADS:
        wing.max_pool(*arguments)
        return
    with pytest.raises(ValueError, match=r"kernel max_pool shares a row of tasks among 2 blocks at most; take smaller "
                                         r"images or fewer filters\. Received: a row that needs 3$"):
        wing.max_pool(*arguments)
