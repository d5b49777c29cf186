import numpy as np
import pytest

from tinynet.data import passes


def test_shuffled_takes_no_more_than_it_needs():
    taken = []

    def tickets():
        for i in range(100):
            taken.append(i)
            yield i

    out = passes.shuffled(tickets(), 10, np.random.default_rng(0))
    assert taken == []
    next(out)
    assert len(taken) == 11


def test_shuffled_draws_each_place_of_the_buffer_equally_often():
    first = [next(passes.shuffled(iter(range(9)), 3, np.random.default_rng(seed))) for seed in range(600)]
    assert set(first) == {0, 1, 2}
    assert np.bincount(first).min() > 150


def test_shuffled_of_nothing():
    assert list(passes.shuffled(iter(()), 10, np.random.default_rng(0))) == []


@pytest.mark.parametrize("threads", [1, 2, 3, 7, 100])
def test_fetch_all_keeps_the_order(threads, monkeypatch):
    monkeypatch.setattr(passes, "WORTH_A_THREAD", 0)
    for n in (1, 2, 5, 16):
        assert passes.fetch_all(lambda ticket: -ticket, list(range(n)), threads) == [-i for i in range(n)]


def test_run_ahead_takes_its_tickets_in_the_consumers_thread_a_fixed_number_ahead():
    taken = []

    def tickets():
        for i in range(10):
            taken.append(i)
            yield i

    out = passes.run_ahead(lambda ticket: -ticket, tickets(), depth=3)
    assert next(out) == 0
    assert taken == [0, 1, 2, 3]
    assert list(out) == [-i for i in range(1, 10)]
