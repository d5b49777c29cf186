import contextlib

import pytest

from benchmarks.__main__ import parse
from benchmarks.gpu import steps
from benchmarks.processes import WorkerError

US = 1e-6


def test_ratios_are_of_the_devices_medians_and_each_peers_best_way():
    seconds = {
        "tinynet": [10 * US, 90 * US, 10 * US],
        "torch": [50 * US] * 3,
        "torch_channels_last": [40 * US] * 3,
        "compiled": [11 * US] * 3,
        "compiled_fused": [9 * US] * 3,
    }
    walls = {name: [2 * second for second in values] for name, values in seconds.items()}
    row = steps.row("m", seconds, walls)
    assert row == [
        "m", "10.0", "20.0", "40.0", "80.0", "9.0", "18.0", "400%",
        "4.00 (torch_channels_last)", "3", "met", "0.90 (compiled_fused)", "1", "missed",
    ]  # fmt: skip
    assert len(row) == len(steps.header())
    assert steps.ratios_of(seconds) == pytest.approx({"torch": 4.0, "compiled": 0.9})


def test_without_peers_there_is_no_verdict():
    row = steps.row("m", {"tinynet": [10 * US]}, {"tinynet": [10 * US]})
    assert row == ["m", "10.0", "10.0", "", "", "", "", "0%", "", "3", "", "", "1", ""]


def test_the_last_row_has_geometric_means():
    row = steps.mean_row({"torch": [2.0, 8.0], "compiled": [0.5, 1.0]})
    assert row[0] == "geometric mean"
    assert row[8:] == ["4.00", "3", "met", "0.71", "1", "missed"]
    assert len(row) == len(steps.header())
    assert steps.mean_row({"torch": [], "compiled": []})[8:] == ["", "3", "", "", "1", ""]


class FakeWorker:
    """Takes its seconds for a step, as many on the wall again, and loses what the others do, but for `off`."""

    off = 0.0
    seconds = {"tinynet": 10 * US, "torch": 40 * US, "torch_channels_last": 30 * US}

    def __init__(self, name, precision, log):
        self.name, self.precision, self.log = name, precision, log

    def losses(self, model, count):
        return [2.0 - step / 10 + (self.off if self.name == "torch" else 0) for step in range(count)]

    def device_time(self, model, count):
        self.log.append((self.precision, self.name, model))
        return {"device": self.seconds[self.name], "wall": 2 * self.seconds[self.name]}

    def forget(self):
        self.log.append((self.precision, self.name, "forget"))


@pytest.fixture
def log(monkeypatch):
    log = []

    @contextlib.contextmanager
    def running(names, options, precision):
        yield {name: FakeWorker(name, precision, log) for name in names}

    monkeypatch.setattr(steps, "running", running)
    monkeypatch.setattr("benchmarks.train.PAUSE", 0)
    return log


OPTIONS = parse(["gpu", "--models", "softmax_b128,phd_bn_b64", "--repeats", "2", "--burst", "0.001"])
NAMES = ["tinynet", "torch", "torch_channels_last"]


def test_each_precision_has_a_table_of_all_models(log):
    facts = []
    tables = steps.measure(NAMES, OPTIONS, facts)
    assert list(tables) == ["training steps, precision 'highest'", "training steps, precision 'high'"]
    lines = tables["training steps, precision 'high'"].splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines]
    assert [row[0] for row in rows[2:]] == ["softmax_b128", "phd_bn_b64", "geometric mean"]
    assert [row[8] for row in rows[2:]] == ["4.00 (torch)", "3.00 (torch_channels_last)", "3.46"]
    assert rows[2][1:5] == ["10.0", "20.0", "40.0", "80.0"]
    assert ("highest", "torch_channels_last", "softmax_b128") not in log
    assert ("high", "torch", "forget") in log
    assert "2 bursts of about 0.001 s" in facts[0]


def test_losses_have_to_agree_more_closely_at_the_highest_precision(log, monkeypatch):
    monkeypatch.setattr(FakeWorker, "off", 0.01)
    with pytest.raises(WorkerError, match="softmax_b128.*within 0.001"):
        steps.measure(NAMES, OPTIONS, [])
    assert log == []
    high = parse(["gpu", "--models", "softmax_b128", "--repeats", "1", "--precisions", "high"])
    assert len(steps.measure(NAMES, high, [])) == 1
