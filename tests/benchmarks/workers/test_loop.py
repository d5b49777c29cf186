import io
import json

from benchmarks.models import MODELS, Dropout
from benchmarks.workers import loop


class CountingRunner:
    """Its loss is the number of steps since the restart; its clock shows a second a step."""

    def __init__(self, model=None):
        self.model = model
        self.calls = []
        self.done = 0
        self.now = 0.0

    def restart(self):
        self.done = 0
        self.calls.append("restart")

    def run(self, steps):
        self.done += steps
        self.now += steps
        self.calls.append(steps)
        return float(self.done)


def test_time_is_a_mean_over_stretches_that_each_start_from_the_initial_weights():
    runner = CountingRunner()
    assert loop.time_steps(runner, 1100, clock=lambda: runner.now) == 1.0
    assert runner.calls == ["restart", 30, "restart", 500, "restart", 500, "restart", 100]


def test_few_steps_are_warmed_up_by_as_few():
    runner = CountingRunner()
    loop.time_steps(runner, 2, clock=lambda: runner.now)
    assert runner.calls == ["restart", 2, "restart", 2]


def test_the_losses_are_those_of_single_steps():
    assert loop.losses(CountingRunner(), 3) == [1.0, 2.0, 3.0]


def test_a_model_is_built_once():
    runners = {}
    for do in ("losses", "memory"):
        loop.answer({"do": do, "model": "softmax_b128", "steps": 1}, runners, CountingRunner)
    assert list(runners) == [MODELS["softmax_b128"]]
    assert len(runners[MODELS["softmax_b128"]].calls) == 4


def test_losses_are_compared_without_dropout_and_steps_are_timed_with_it():
    runners = {}
    loop.answer({"do": "losses", "model": "deep_mnist_b50", "steps": 1}, runners, CountingRunner)
    loop.answer({"do": "time", "model": "deep_mnist_b50", "steps": 1}, runners, CountingRunner)
    kinds = [[type(layer) for layer in model.layers] for model in runners]
    assert [Dropout in layers for layers in kinds] == [False, True]
    assert [len(layers) for layers in kinds] == [7, 8]


def test_memory_is_that_of_the_process_after_the_steps(monkeypatch):
    runner = CountingRunner()
    monkeypatch.setattr(loop, "peak_memory", lambda: 1000 + runner.done)
    assert loop.memory(runner, 30) == 1030


def test_a_worker_that_cannot_be_imported_says_so_and_ends():
    replies = io.StringIO()
    loop.serve("nonesuch", 1, io.StringIO('{"do": "time"}\n'), replies)
    (reply,) = [json.loads(line) for line in replies.getvalue().splitlines()]
    assert "nonesuch" in reply["missing"]


def test_a_failed_request_is_answered_with_its_error_and_the_next_one_served(monkeypatch):
    class Module:
        Runner = CountingRunner

        @staticmethod
        def prepare(threads):
            return f"1.{threads}"

    monkeypatch.setattr(loop.importlib, "import_module", lambda name: Module)
    requests = [{"do": "losses", "model": "unknown", "steps": 1}, {"do": "losses", "model": "softmax_b128", "steps": 2}]
    replies = io.StringIO()
    loop.serve("fake", 2, io.StringIO("".join(json.dumps(r) + "\n" for r in requests)), replies)
    version, failed, served = [json.loads(line) for line in replies.getvalue().splitlines()]
    assert version == {"version": "1.2"}
    assert "KeyError" in failed["error"]
    assert served == {"losses": [1.0, 2.0]}
