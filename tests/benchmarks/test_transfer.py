import argparse

import pytest

from benchmarks import memory, train, transfer
from benchmarks.__main__ import parse
from benchmarks.mobilenet import TRANSFER
from benchmarks.processes import WorkerError

MB = 1_000_000


class FakeWorker:
    """Each framework takes its seconds for a step, and predicts and loses what the others do, but for `off`."""

    SECONDS = {"tinynet": 0.1, "torch": 0.3, "torch_channels_last": 0.15}
    PEAKS = {"tinynet": 400 * MB, "torch": 600 * MB, "torch_channels_last": 500 * MB}
    off = 0.0
    log = []

    def __init__(self, framework, python, threads):
        self.framework, self.version, self.missing = framework, "1.0", None
        self.log.append((framework, "start"))

    def losses(self, model, steps):
        assert steps == train.AGREEMENT_STEPS
        return [1.5 - 0.1 * step for step in range(steps)]

    def outputs(self, model):
        return [0.0, 6.0, 3.0 + (self.off if self.framework == "torch" else 0.0)]

    def time(self, model, steps):
        self.log.append((self.framework, model))
        return self.SECONDS[self.framework]

    def memory(self, model, steps):
        self.log.append((self.framework, f"memory of {model} after {steps}"))
        return self.PEAKS[self.framework]

    def close(self):
        self.log.append((self.framework, "close"))


@pytest.fixture
def log(monkeypatch):
    log = []
    monkeypatch.setattr(FakeWorker, "log", log)
    monkeypatch.setattr(train, "Worker", FakeWorker)
    monkeypatch.setattr(memory, "Worker", FakeWorker)
    monkeypatch.setattr(train, "PAUSE", 0)
    return log


def test_times_and_memory_are_two_tables_held_against_the_better_order(log):
    facts = []
    text = transfer.run(parse(["transfer", "--repeats", "2", "--burst", "0.4"]), facts)
    times, peaks = ([line.split("|")[1:-1] for line in table.splitlines()[2:]] for table in text.split("\n\n"))
    times, peaks = ([[cell.strip() for cell in row] for row in table] for table in (times, peaks))
    assert [row[0] for row in times] == list(TRANSFER)
    assert times[0][1:] == ["100.0000", "300.0000", "150.0000", "0%", "1.50 (torch_channels_last)", "1.2", "met"]
    assert [row[0] for row in peaks] == ["mobilenet_forward_b16", "mobilenet_tuning_b16"]
    assert peaks[1][1:] == ["400.0", "600.0", "500.0", "0.80 (torch_channels_last)", "1", "met"]
    assert facts[0] == "tinynet 1.0, torch 1.0, torch_channels_last 1.0"
    assert "2 bursts of about 0.4 s" in facts[1]
    assert "3 processes each: the highest resident memory of 10 steps" in facts[2]


def test_each_memory_is_that_of_a_process_that_does_nothing_else(log):
    transfer.run(parse(["transfer", "--repeats", "1", "--processes", "1", "--models", "mobilenet_tuning_b16"]), [])
    own = [what for who, what in log if who == "tinynet"]
    assert own[-3:] == ["start", "memory of mobilenet_tuning_b16 after 10", "close"]
    assert own.count("start") == own.count("close") == 2
    assert own.index("close") == len(own) - 4


def test_networks_that_predict_something_else_are_not_timed(log, monkeypatch):
    monkeypatch.setattr(FakeWorker, "off", 0.002)
    message = r"mobilenet_forward_b16: .* expected outputs within 0.001 .* at number 2\. Received: tinynet 3\.0"
    with pytest.raises(WorkerError, match=message):
        transfer.run(parse(["transfer"]), [])
    assert [what for _, what in log] == ["start"] * 3 + ["close"] * 3


def test_pytorch_is_the_only_peer(capsys):
    assert parse(["transfer"]).peers == ["torch"]
    with pytest.raises(SystemExit):
        parse(["transfer", "--peers", "jax"])
    assert "jax" in capsys.readouterr().err


def test_models_are_chosen_by_name(log):
    options = parse(["transfer", "--models", "mobilenet_forward_b1", "--repeats", "1"])
    text = transfer.run(options, [])
    assert isinstance(options, argparse.Namespace)
    assert text.count("mobilenet_") == 1
