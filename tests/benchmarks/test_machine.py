import sys
import time

import pytest

from benchmarks import machine


def alone(cpu):
    return {cpu}


def pairs(cpu):
    return {cpu - cpu % 2, cpu - cpu % 2 + 1}


def test_cores_are_chosen_up_to_the_number_of_threads():
    assert machine.choose_cores([0, 1, 2, 3], 2, alone) == {0, 1}
    assert machine.choose_cores([3], 2, alone) == {3}


def test_physical_cores_come_before_their_second_threads():
    assert machine.choose_cores([0, 1, 2, 3], 2, pairs) == {0, 2}
    assert machine.choose_cores([0, 1, 2, 3], 3, pairs) == {0, 1, 2}


def test_a_list_of_processors_is_parsed():
    assert machine.parse_cpus("0,4-6\n") == {0, 4, 5, 6}


def test_our_own_processes_are_no_other_work(monkeypatch):
    clocks = iter([(100.0, 50.0, 7.0), (104.0, 56.0, 10.0)])
    monkeypatch.setattr(machine.OtherWork, "_clocks", staticmethod(lambda: next(clocks)))
    assert machine.OtherWork().share() == pytest.approx(0.1)  # busy 4 s and idle 6 s, of which 3 s were our own


def test_other_work_is_unknown_where_the_system_does_not_tell(monkeypatch):
    monkeypatch.setattr(machine.OtherWork, "_clocks", staticmethod(lambda: None))
    assert machine.OtherWork().share() is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux' /proc")
def test_other_work_is_a_part_of_the_whole():
    watched = machine.OtherWork()
    time.sleep(0.05)
    assert 0 <= watched.share() <= 1


def test_the_processor_has_a_name():
    assert machine.processor()
