import numpy as np
import pytest

import tinynet
from tinynet import random


def test_the_nth_generator_after_a_seed_is_always_the_same():
    tinynet.set_seed(7)
    first = [random.spawn().random(3) for _ in range(3)]
    tinynet.set_seed(np.int64(7))
    again = [random.spawn().random(3) for _ in range(3)]
    np.testing.assert_array_equal(first, again)


def test_generators_and_seeds_differ():
    tinynet.set_seed(7)
    one, two = random.spawn().random(3), random.spawn().random(3)
    tinynet.set_seed(8)
    three = random.spawn().random(3)
    assert not np.array_equal(one, two)
    assert not np.array_equal(one, three)


def test_a_stream_does_not_depend_on_how_much_another_was_used():
    tinynet.set_seed(7)
    random.spawn()
    expected = random.spawn().random(3)
    tinynet.set_seed(7)
    random.spawn().random(1000)
    np.testing.assert_array_equal(random.spawn().random(3), expected)


def test_numpys_own_generator_is_left_alone():
    np.random.seed(1)
    expected = np.random.random(3)
    np.random.seed(1)
    tinynet.set_seed(5)
    random.spawn().random(10)
    np.testing.assert_array_equal(np.random.random(3), expected)


@pytest.mark.parametrize("seed", [-1, 1.0, "1", None, True])
def test_a_seed_is_an_integer_of_at_least_0(seed):
    with pytest.raises(ValueError, match=rf"integer of at least 0.*Received: seed={seed!r}$"):
        tinynet.set_seed(seed)
