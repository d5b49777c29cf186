import json

import numpy as np
import pytest

from tinynet import random
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


def old_state(seed):
    """Return the state of a generator as dropout had it before, PCG64, as a file holds it."""
    return json.loads(json.dumps(random.generator_state(np.random.default_rng(seed))))


def drawn(wing, generator, size=(7,), dtype="float32"):
    out = wing.empty(size, dtype)
    wing.draw_uniform(generator, out)
    return wing.to_numpy(out)


def test_an_old_files_generator_begins_anew(wing):
    """As Philox, from the numbers of that state: two of one state draw the same, on all backends."""
    one, two, other = (wing.make_generator(np.random.SeedSequence(seed)) for seed in range(3))
    drawn(wing, one)
    for generator, seed in ((one, 5), (two, 5), (other, 6)):
        random.set_generator_state(generator, old_state(seed))
    twin = readable.make_generator(np.random.SeedSequence(3))
    random.set_generator_state(twin, old_state(5))
    found = drawn(wing, one)
    np.testing.assert_array_equal(found, drawn(wing, two))
    np.testing.assert_array_equal(found, drawn(readable, twin))
    assert (found != drawn(wing, other)).all()
    assert random.generator_state(one)["bit_generator"] == "Philox"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", [(), (1,), (8,), (3, 5, 1), (9, 2, 700)])
def test_a_generators_state_goes_to_any_backend_and_back(wing, sizes, dtype):
    generator, twin = (ops.make_generator(np.random.SeedSequence(4)) for ops in (wing, readable))
    for size in sizes:
        np.testing.assert_array_equal(drawn(wing, generator, (size,), dtype), drawn(readable, twin, (size,), dtype))
    state = random.generator_state(generator)
    again, there = (ops.make_generator(np.random.SeedSequence(9)) for ops in (wing, readable))
    for other in (again, there):
        random.set_generator_state(other, json.loads(json.dumps(state)))
    wanted = drawn(readable, twin, (11,), dtype)
    for ops, other in ((wing, generator), (wing, again), (readable, there)):
        np.testing.assert_array_equal(drawn(ops, other, (11,), dtype), wanted)


@pytest.mark.parametrize("state", [{}, {"bit_generator": "MT19937"}, {"bit_generator": "PCG64"},
                                   {"bit_generator": "PCG64", "state": {"state": "a", "inc": 1}}])
def test_a_generators_state_that_is_none(wing, state):
    generator = wing.make_generator(np.random.SeedSequence(0))
    with pytest.raises(ValueError, match="This is no state of a Philox generator. Received"):
        random.set_generator_state(generator, state)
