import numpy as np
import pytest

import tinynet
from tinynet.data import Dataset

N = 12


def elements(dataset):
    return [int(np.squeeze(x)) for x in dataset]


def shuffled():
    return Dataset.from_tensor_slices(np.arange(N)).shuffle(N)


PIPELINES = {
    "shuffle": shuffled,
    "two": lambda: shuffled().skip(2).shuffle(3),
    "zip": lambda: Dataset.zip((shuffled(), shuffled())).map(lambda a, b: 100 * a + b),
    "cache": lambda: shuffled().cache().shuffle(3),
    "one order": lambda: Dataset.from_tensor_slices(np.arange(N)).shuffle(N, reshuffle_each_iteration=False),
    "batch": lambda: shuffled().batch(1).prefetch(2),
    "map": lambda: shuffled().map(lambda x: x + 1, num_parallel_calls=2).repeat(2),
    "none": lambda: Dataset.from_tensor_slices(np.arange(N)),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_another_process_goes_on_with_the_next_pass(name):
    dataset = PIPELINES[name]()
    for _ in range(3):
        elements(dataset)
    state, later = dataset.get_state(), [elements(dataset) for _ in range(2)]
    tinynet.set_seed(77)  # as another process would begin
    again = PIPELINES[name]()
    again.set_state(state)
    assert [elements(again) for _ in range(2)] == later


def test_the_kth_pass_has_the_kth_child_of_the_seed():
    dataset = Dataset.from_tensor_slices(np.arange(N)).shuffle(N, seed=5)
    seeds = np.random.SeedSequence(5)
    for _ in range(3):
        generator = np.random.default_rng(seeds.spawn(1)[0])
        assert elements(dataset) == generator.permutation(N).tolist()


def test_iterating_from_an_element_on_fetches_none_before_it():
    fetched = []

    def note(x):
        fetched.append(int(x))
        return x

    for pipeline in (lambda dataset: dataset, lambda dataset: dataset.batch(1), lambda dataset: dataset.prefetch(2)):
        source = Dataset.from_tensor_slices(np.arange(N)).map(note)
        fetched.clear()
        assert [int(np.squeeze(x)) for x in pipeline(source).iterate(9)] == [9, 10, 11]
        assert fetched == [9, 10, 11]


@pytest.mark.parametrize("state", [[], [{}], [{"seeds": {}, "passes": 1}], [{"seeds": None, "passes": 1}],
                                   [{"seeds": {"entropy": 1, "spawn_key": [], "children": 0}, "passes": -1}],
                                   [{"seeds": {"entropy": 1, "spawn_key": [], "children": 0}, "passes": 1.5}],
                                   [{"seeds": {"entropy": 1, "spawn_key": ["a"], "children": 0}, "passes": 1}],
                                   [{"seeds": {"entropy": 1, "spawn_key": [], "children": 2**40}, "passes": 1}]])
def test_a_state_that_is_none_is_a_value_error(state):
    with pytest.raises(ValueError, match="Received"):
        shuffled().set_state(state)


def test_a_cache_that_is_filled_already_must_be_in_that_order():
    def dataset():
        return shuffled().cache()

    tinynet.set_seed(1)
    first = dataset()
    expected, state = elements(first), first.get_state()
    first.set_state(state)  # its own
    tinynet.set_seed(1)
    again = dataset()
    assert elements(again) == expected
    again.set_state(state)
    assert elements(again) == expected
    tinynet.set_seed(2)
    other = dataset()
    elements(other)
    with pytest.raises(ValueError, match="in another order than then.*Received: a cache that is filled"):
        other.set_state(state)
