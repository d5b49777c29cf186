import json

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


def test_where_randomness_stands_can_be_read_and_set():
    tinynet.set_seed(3)
    random.spawn()
    state = json.loads(json.dumps(random.get_state()))
    later = [random.spawn().random() for _ in range(2)]
    tinynet.set_seed(4)
    random.set_state(state)
    assert [random.spawn().random() for _ in range(2)] == later
    with random.kept():
        random.spawn()
    assert random.get_state()["children"] == 3


def test_a_generator_goes_on_from_its_state():
    generator, other = random.spawn(), random.spawn()
    generator.random(3)
    random.set_generator_state(other, json.loads(json.dumps(random.generator_state(generator))))
    assert other.random() == generator.random()


@pytest.mark.parametrize("state", [None, {}, {"state": 1}, {"bit_generator": "PCG64"},
                                   {"bit_generator": "PCG64", "state": {"state": "a", "inc": 1}, "has_uint32": 0,
                                    "uinteger": 0},
                                   {"bit_generator": "PCG64", "state": {"state": 2**200, "inc": 1}, "has_uint32": 0,
                                    "uinteger": 0},
                                   {"bit_generator": "PCG64", "state": {"state": 1, "inc": 1}, "has_uint32": 0,
                                    "uinteger": 2**70},
                                   {"bit_generator": "MT19937"}])
def test_a_generators_state_that_is_none(state):
    with pytest.raises(ValueError, match="no state of a PCG64 generator. Received"):
        random.set_generator_state(random.spawn(), state)
