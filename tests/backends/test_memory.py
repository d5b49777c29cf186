import numpy as np
import pytest

from tinynet.backends import get_backend
from tinynet.backends import numpy as readable
from tinynet.backends.numpy import memory as readable_memory


@pytest.fixture
def wing(backend):
    return get_backend()


@pytest.mark.parametrize("dtype", ["float32", "float64", "int32"])
def test_new_arrays(wing, dtype):
    assert wing.empty((2, 3), dtype).shape == (2, 3)
    assert wing.empty((2, 3), dtype).dtype == dtype
    zeros = wing.zeros((4,), dtype)
    assert (zeros.dtype, wing.to_numpy(zeros).tolist()) == (np.dtype(dtype), [0, 0, 0, 0])


def test_an_array_that_fits_is_not_copied(wing):
    x = wing.zeros((3, 2), "float32")
    assert wing.asarray(x, "float32") is x


@pytest.mark.parametrize("x", [[[1, 2], [3, 4]], np.asfortranarray([[1.0, 2], [3, 4]]), np.uint8([[1, 2], [3, 4]]),
                               np.float64([[1, 0, 2], [3, 0, 4]])[:, ::2]])
def test_anything_else_becomes_contiguous_and_of_the_type(wing, x):
    y = wing.asarray(x, "float32")
    assert y.flags.c_contiguous
    assert (y.dtype, wing.to_numpy(y).tolist()) == (np.float32, [[1, 2], [3, 4]])


def test_what_leaves_is_a_copy(wing):
    x = wing.zeros((3,), "float64")
    y = wing.to_numpy(x)
    y[...] = 5
    assert type(y) is np.ndarray
    assert wing.to_numpy(x).tolist() == [0, 0, 0]


@pytest.mark.parametrize("row", [(), (4,), (2, 3)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_batch_is_gathered(wing, rng, row, dtype):
    x = rng.normal(size=(10, *row)).astype(dtype)
    rows = np.array([3, 3, 0, 9])
    out = wing.empty((4, *row), dtype)
    wing.take(wing.asarray(x, dtype), wing.asarray(rows, rows.dtype), out)
    np.testing.assert_array_equal(wing.to_numpy(out), x[[3, 3, 0, 9]])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_uniform_numbers(wing, dtype):
    def draw(seed, shape=(500, 40)):
        out = wing.empty(shape, dtype)
        wing.draw_uniform(wing.make_generator(np.random.SeedSequence(seed)), out)
        return wing.to_numpy(out)

    x = draw(1)
    assert x.dtype == dtype
    assert x.min() >= 0
    assert x.max() < 1
    np.testing.assert_allclose(np.histogram(x, 10, (0, 1))[0], 2000, rtol=0.1)
    np.testing.assert_array_equal(x, draw(1))
    assert (x != draw(2)).mean() > 0.99


def test_a_generator_goes_on_where_it_was(wing):
    generator = wing.make_generator(np.random.SeedSequence(0))
    first, second = wing.empty((8,), "float32"), wing.empty((8,), "float32")
    wing.draw_uniform(generator, first)
    wing.draw_uniform(generator, second)
    assert (wing.to_numpy(first) != wing.to_numpy(second)).all()


@pytest.mark.parametrize("shape", [(3,), (5, 7), (1000, 33)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_new_arrays_begin_with_a_line_of_the_cache(shape, dtype):
    for made in (readable.empty(shape, dtype), readable.zeros(shape, dtype)):
        assert made.ctypes.data % readable_memory.ALIGNED == 0
        assert made.flags.c_contiguous and made.flags.writeable


def test_arrays_that_share_memory(wing):
    x = wing.zeros((4, 3), "float32")
    assert wing.may_share_memory(x, x[1:].reshape(-1))
    assert not wing.may_share_memory(x, wing.zeros((4, 3), "float32"))
