import contextlib

import pytest

from benchmarks.__main__ import parse
from benchmarks.gpu import layers
from benchmarks.processes import WorkerError
from benchmarks.single_layers import SINGLE_LAYERS

CONV = SINGLE_LAYERS["conv 14×14×32 * 3×3×32×64, forward and backward"]
DENSE = SINGLE_LAYERS["dense 784 * 784×128, forward"]


def test_rates_are_by_the_operations_of_the_definition():
    seconds = {"tinynet": [0.004, 0.009, 0.004], "torch": [0.003] * 3, "torch_channels_last": [0.002] * 3}
    row = layers.row(CONV, seconds)
    assert CONV.operations == 3 * 2 * 4096 * 14 * 14 * 9 * 32 * 64
    assert row[1:] == ["4000.0", "22.20", "2000.0", "44.39", "62%", "0.50 (torch_channels_last)", "0.6", "missed"]
    assert len(row) == len(layers.HEADER)


def test_a_dense_layer_has_a_target_of_its_own():
    row = layers.row(DENSE, {"tinynet": [0.001], "torch": [0.00091]})
    assert DENSE.operations == 2 * 4096 * 784 * 128
    assert row[3:] == ["910.0", "0.90", "0%", "0.91 (torch)", "0.9", "met"]


def test_without_pytorch_there_is_no_verdict():
    assert layers.row(DENSE, {"tinynet": [0.001]})[3:] == ["", "", "0%", "", "0.9", ""]


class FakeWorker:
    off = 0.0

    def __init__(self, name, log):
        self.name, self.log = name, log

    def computed(self, layer):
        return [0.5, 1.0 + (self.off if self.name == "torch" else 0)]

    def device_time(self, layer, steps):
        self.log.append((self.name, layer))
        return {"device": 0.001, "wall": 0.001}

    def forget(self):
        self.log.append((self.name, "forget"))


@pytest.fixture
def log(monkeypatch):
    log = []

    @contextlib.contextmanager
    def running(names, options, precision):
        yield {name: FakeWorker(name, log) for name in names}

    monkeypatch.setattr(layers, "running", running)
    monkeypatch.setattr("benchmarks.train.PAUSE", 0)
    return log


def test_only_pytorchs_own_layers_are_timed_and_memory_is_given_up_after_each(log):
    options = parse(["gpu", "--models", "softmax_b128", "--repeats", "1", "--burst", "0.003", "--precisions", "high"])
    facts = []
    tables = layers.measure(["tinynet", "torch", "torch_channels_last", "compiled"], options, facts)
    (text,) = tables.values()
    assert [line.split(" |")[0] for line in text.splitlines()[2:]] == [
        "| dense 784 * 784×10, forward                    ",
        "| dense 784 * 784×10, forward and backward, no dx",
    ]
    assert {name for name, _ in log} == {"tinynet", "torch"}
    assert [what for name, what in log if name == "torch"].count("forget") == 2
    assert "batches of 4096, medians over 1 bursts of about 0.001 s" in facts[0]


def test_layers_that_compute_something_else_are_not_timed(log, monkeypatch):
    monkeypatch.setattr(FakeWorker, "off", 0.002)
    options = parse(["gpu", "--models", "softmax_b128", "--precisions", "highest"])
    with pytest.raises(WorkerError, match="dense 784 .*outputs and gradients within 0.001"):
        layers.measure(["tinynet", "torch"], options, [])
    assert log == []
