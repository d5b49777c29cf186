import contextlib

import pytest

from benchmarks.__main__ import parse
from benchmarks.gpu import memory

MB = 1_000_000


class FakeWorker:
    def __init__(self, name):
        self.name = name

    def device_memory(self, model, steps):
        return {"tinynet": 60 * MB, "torch": 80 * MB, "torch_channels_last": 50 * MB}[self.name] + steps


@pytest.fixture
def started(monkeypatch):
    started = []

    @contextlib.contextmanager
    def running(names, options, precision):
        started.append((*names, precision))
        yield {name: FakeWorker(name) for name in names}

    monkeypatch.setattr(memory, "running", running)
    return started


def test_each_process_trains_alone_and_the_leaner_order_counts(started):
    options = parse(["gpu", "--models", "softmax_b128,phd_bn_b64", "--processes", "2", "--steps", "5"])
    facts = []
    (text,) = memory.measure(["tinynet", "torch", "torch_channels_last", "compiled"], options, facts).values()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[2:]]
    assert rows[0] == ["softmax_b128", "60.0", "80.0", "", "0.75 (torch)", "1", "met"]
    assert rows[1] == ["phd_bn_b64", "60.0", "80.0", "50.0", "1.20 (torch_channels_last)", "1", "missed"]
    assert started[:4] == [("tinynet", "highest")] * 2 + [("torch", "highest")] * 2
    assert len(started) == 4 + 6
    assert "2 processes each, the highest use of 5 steps" in facts[0]
