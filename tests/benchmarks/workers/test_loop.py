import io
import json
from types import SimpleNamespace

import numpy as np

from benchmarks.mobilenet import TRANSFER
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


class PredictingRunner(CountingRunner):
    """Its outputs are as many as the channels of two places."""

    def run(self, steps):
        super().run(steps)
        return np.arange(6, dtype=np.float32).reshape(1, 1, 2, 3)


WORKER = SimpleNamespace(Runner=CountingRunner, ForwardRunner=PredictingRunner, prepare=lambda threads: f"1.{threads}")


def test_time_is_a_mean_over_stretches_that_each_start_from_the_initial_weights_with_a_step_not_counted():
    runner = CountingRunner()
    assert loop.time_steps(runner, 1100, clock=lambda: runner.now) == 1.0
    assert runner.calls == ["restart", 30, "restart", 1, 500, "restart", 1, 500, "restart", 1, 100]


def test_few_steps_are_warmed_up_by_as_few():
    runner = CountingRunner()
    loop.time_steps(runner, 2, clock=lambda: runner.now)
    assert runner.calls == ["restart", 2, "restart", 1, 2]


def test_the_losses_are_those_of_single_steps():
    assert loop.losses(CountingRunner(), 3) == [1.0, 2.0, 3.0]


def test_outputs_are_all_numbers_from_the_initial_weights_in_a_row():
    runner = PredictingRunner()
    assert loop.outputs(runner, 1) == [0, 1, 2, 3, 4, 5]
    assert runner.calls == ["restart", 1]


def test_a_network_that_is_not_trained_has_a_runner_that_predicts():
    runners = {}
    reply = loop.answer({"do": "outputs", "model": "mobilenet_forward_b1", "steps": 1}, runners, WORKER)
    assert len(reply["outputs"]) == 6
    loop.answer({"do": "losses", "model": "mobilenet_tuning_b16", "steps": 1}, runners, WORKER)
    assert [type(runner) for runner in runners.values()] == [PredictingRunner, CountingRunner]
    assert list(runners) == [TRANSFER["mobilenet_forward_b1"], TRANSFER["mobilenet_tuning_b16"]]


def test_a_model_is_built_once():
    runners = {}
    for do in ("losses", "memory"):
        loop.answer({"do": do, "model": "softmax_b128", "steps": 1}, runners, WORKER)
    assert list(runners) == [MODELS["softmax_b128"]]
    assert len(runners[MODELS["softmax_b128"]].calls) == 4


def test_what_was_built_is_forgotten_before_the_memory_is_given_back():
    runners, freed = {}, []
    worker = SimpleNamespace(Runner=CountingRunner, forget=lambda: freed.append(len(runners)))
    loop.answer({"do": "losses", "model": "softmax_b128", "steps": 1}, runners, worker)
    assert loop.answer({"do": "forget"}, runners, worker) == {}
    assert freed == [0]


def test_a_layer_by_itself_has_a_runner_of_its_own():
    class LayerRunner(CountingRunner):
        def computed(self):
            return [0.5]

    name = "dense 784 * 784×10, forward"
    request = {"do": "computed", "model": name, "steps": 1}
    assert loop.answer(request, {}, SimpleNamespace(LayerRunner=LayerRunner)) == {"numbers": [0.5]}


def test_losses_are_compared_without_dropout_and_steps_are_timed_with_it():
    runners = {}
    loop.answer({"do": "losses", "model": "deep_mnist_b50", "steps": 1}, runners, WORKER)
    loop.answer({"do": "time", "model": "deep_mnist_b50", "steps": 1}, runners, WORKER)
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


def test_a_worker_whose_gpu_is_not_there_says_so_and_is_told_the_precision(monkeypatch):
    def prepare(threads, precision):
        raise ImportError(f"no GPU for {precision} and {threads}")

    monkeypatch.setattr(loop.importlib, "import_module", lambda name: SimpleNamespace(prepare=prepare))
    replies = io.StringIO()
    loop.serve("fake", 2, io.StringIO(""), replies, "high")
    assert json.loads(replies.getvalue()) == {"missing": "no GPU for high and 2"}


def test_a_failed_request_is_answered_with_its_error_and_the_next_one_served(monkeypatch):
    monkeypatch.setattr(loop.importlib, "import_module", lambda name: WORKER)
    requests = [{"do": "losses", "model": "unknown", "steps": 1}, {"do": "losses", "model": "softmax_b128", "steps": 2}]
    replies = io.StringIO()
    loop.serve("fake", 2, io.StringIO("".join(json.dumps(r) + "\n" for r in requests)), replies)
    version, failed, served = [json.loads(line) for line in replies.getvalue().splitlines()]
    assert version == {"version": "1.2"}
    assert "KeyError" in failed["error"]
    assert served == {"losses": [1.0, 2.0]}
