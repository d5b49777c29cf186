import threading
import time

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


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_fetch_each_keeps_the_order(threads, monkeypatch):
    for limit in (0, 10):
        monkeypatch.setattr(passes, "WORTH_A_THREAD", limit)
        for n in (0, 1, 2, 16):
            assert list(passes.fetch_each(lambda ticket: -ticket, iter(range(n)), threads)) == [-i for i in range(n)]


def test_fetch_each_uses_threads_only_where_it_takes_long():
    def fetch(duration):
        time.sleep(duration)
        return threading.get_ident()

    assert len(set(passes.fetch_each(fetch, iter([0.01] * 9), 4))) > 2
    assert set(passes.fetch_each(lambda ticket: threading.get_ident(), iter(range(9)), 4)) == {threading.get_ident()}


def test_fetch_each_takes_the_same_tickets_ahead_however_long_it_takes(monkeypatch):
    taken = []
    for limit in (0, 10):
        monkeypatch.setattr(passes, "WORTH_A_THREAD", limit)
        tickets = iter(range(20))
        out = passes.fetch_each(lambda ticket: ticket, tickets, 3)
        assert [next(out) for _ in range(4)] == [0, 1, 2, 3]
        out.close()
        taken.append(next(tickets))
    assert taken == [7, 7]


def test_run_ahead_with_several_threads():
    both = threading.Barrier(3)
    fetched = list(passes.run_ahead(lambda ticket: both.wait(10) and ticket or ticket, iter(range(9)), 1, threads=3))
    assert fetched == list(range(9))  # passes only if three run at the same time


def test_sound_names_what_it_leaves_out():
    def fetch(ticket):
        if ticket % 3 == 0:
            raise ValueError(f"photo {ticket} is damaged")
        return ticket

    with pytest.warns(UserWarning, match=r"leaves out 3 of 8 elements: element 0 \(photo 0 is damaged\); element 3"):
        assert passes.sound(fetch, iter(range(8)), 2, warn=True) == [1, 2, 4, 5, 7]
    assert passes.sound(fetch, iter(range(8)), 1, warn=False) == [1, 2, 4, 5, 7]
    with pytest.warns(UserWarning, match=r"photo 27 is damaged\); and 24 more$"):
        passes.sound(fetch, iter(range(100)), 1, warn=True)
