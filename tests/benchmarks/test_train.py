import argparse
import statistics

import pytest

from benchmarks import train
from benchmarks.models import MODELS
from benchmarks.processes import WorkerError


class FakeWorker:
    """Answers with seconds from a list, and writes down who was asked for how many steps."""

    def __init__(self, who, seconds, log):
        self.who, self.seconds, self.log = who, iter(seconds), log

    def time(self, model, steps):
        self.log.append((self.who, steps))
        return next(self.seconds)


def test_a_row_has_medians_and_the_ratio_of_the_fastest_peer():
    seconds = {
        "tinynet": [0.0001, 0.0009, 0.0001],
        "torch": [0.0004, 0.0004, 0.0001],
        "jax": [0.0003, 0.0003, 0.0003],
    }
    row = train.row(MODELS["softmax_b128"], list(seconds), seconds)
    assert row == ["softmax_b128", "0.1000", "0.4000", "0.3000", "400%", "3.00 (jax)", "2.5", "met"]
    assert len(row) == len(train.header(list(seconds)))


def test_a_ratio_below_the_target_is_missed():
    row = train.row(MODELS["softmax_b128"], ["tinynet", "torch"], {"tinynet": [1.0], "torch": [2.49]})
    assert row[-3:] == ["2.49 (torch)", "2.5", "missed"]


def test_without_peers_there_is_no_verdict():
    assert train.row(MODELS["mlp_200_60_b128"], ["tinynet"], {"tinynet": [0.002]}) == [
        "mlp_200_60_b128", "2.0000", "0%", "", "1.25", "",
    ]  # fmt: skip


def test_the_better_of_two_orders_counts_and_both_are_shown():
    workers = ["tinynet", "torch", "torch_channels_last"]
    seconds = {"tinynet": [0.004], "torch": [0.008], "torch_channels_last": [0.006]}
    row = train.row(MODELS["fashion_cnn_b32"], workers, seconds)
    assert row[1:4] == ["4.0000", "8.0000", "6.0000"]
    assert row[5:] == ["1.50 (torch_channels_last)", "1.25", "met"]


def test_an_order_of_images_is_timed_on_models_of_images_alone():
    assert train.workers_of(["torch", "jax"]) == ["tinynet", "torch", "torch_channels_last", "jax"]
    assert train.runs("torch_channels_last", MODELS["phd_bn_b64"])
    assert not train.runs("torch_channels_last", MODELS["softmax_b128"])
    assert train.runs("torch", MODELS["softmax_b128"])
    row = train.row(MODELS["softmax_b128"], train.workers_of(["torch"]), {"tinynet": [0.001], "torch": [0.004]})
    assert row == ["softmax_b128", "1.0000", "4.0000", "", "0%", "4.00 (torch)", "2.5", "met"]


def test_spread_is_the_middle_half_as_a_part_of_the_median():
    assert train.spread([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(2 / 3)
    assert train.spread([1.0]) == 0


def test_each_repeat_starts_with_another_framework_and_all_take_turns():
    log = []
    workers = {who: FakeWorker(who, [0.01, 0.01, 0.001, 0.002, 0.003], log) for who in ("tinynet", "torch", "jax")}
    seconds = train.time_model("softmax_b128", workers, repeats=3, burst=0.3)
    bursts = [who for who, _ in log[6:]]
    assert bursts == ["tinynet", "torch", "jax", "torch", "jax", "tinynet", "jax", "tinynet", "torch"]
    assert all(values == [0.001, 0.002, 0.003] for values in seconds.values())
    assert statistics.median(seconds["jax"]) == 0.002


def test_bursts_are_as_long_as_asked_whatever_a_step_takes():
    log = []
    workers = {"tinynet": FakeWorker("tinynet", [0.01, 0.001, 0.001], log), "jax": FakeWorker("jax", [9, 9, 9], log)}
    train.time_model("softmax_b128", workers, repeats=1, burst=0.3)
    assert log == [("tinynet", 10), ("tinynet", 10), ("jax", 10), ("jax", 1), ("tinynet", 300), ("jax", 1)]


def test_agreement_within_a_thousandth_passes():
    train.check_agreement("m", {"tinynet": [2.5, 1.2], "torch": [2.5005, 1.2004], "jax": [2.4999, 1.2]})


@pytest.mark.parametrize("other", [1.2011, float("nan")])
def test_disagreement_names_the_model_the_step_and_the_losses(other):
    with pytest.raises(WorkerError, match=r"m: .* at step 1\. Received: tinynet 1\.2000.*, torch"):
        train.check_agreement("m", {"tinynet": [2.5, 1.2], "torch": [2.5, other]})


def test_names_are_parsed_in_order():
    parse = train.names(train.PEERS)
    assert parse("keras, torch") == ["keras", "torch"]
    assert parse("") == []


@pytest.mark.parametrize("text", ["torch,tensorflow", "torch,torch"])
def test_unknown_and_repeated_names_are_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="torch, jax, keras. Received"):
        train.names(train.PEERS)(text)


def test_a_missing_peer_is_reported_and_the_others_run(monkeypatch):
    closed = []

    class Started:
        def __init__(self, framework, python, threads):
            self.framework, self.python = framework, python
            self.missing = "No module named 'jax'" if framework == "jax" else None

        def close(self):
            closed.append(self.framework)

    monkeypatch.setattr(train, "Worker", Started)
    workers, missing = train.start_workers(["torch", "jax"], "other/python", threads=2)
    assert list(workers) == ["tinynet", "torch", "torch_channels_last"]
    assert workers["torch"].python == "other/python" != workers["tinynet"].python
    assert missing == {"jax": "No module named 'jax'"}
    assert closed == ["jax"]
