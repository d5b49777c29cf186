"""The GPU worker of tinynet, on a GPU or on what stands in for it: the same numbers as elsewhere, step by step."""

import dataclasses

import numpy as np
import pytest

import tinynet
from benchmarks import single_layers
from benchmarks.models import Conv, Dense, Dropout, Flatten, MaxPool, Model, Optimizer, without_dropout
from benchmarks.workers import device, loop
from benchmarks.workers import tinynet as host
from tinynet import config

LAYERS = (Conv(3, 3, activation="relu"), MaxPool(), Flatten(), Dropout(0.5), Dense(4, "softmax"))
TINY = Model("tiny", 6, (4, 4, 1), LAYERS, Optimizer("adam", 0.01), target=1.0)


@pytest.fixture
def worker(on_gpu):
    from benchmarks.workers import tinynet_gpu

    yield tinynet_gpu
    tinynet.set_matmul_precision("highest")


def test_losses_are_those_of_the_other_backends_after_each_restart(worker):
    model = without_dropout(TINY)
    runner = worker.Runner(model)
    wanted = loop.losses(host.Runner(model), 5)
    assert loop.losses(runner, 5) == pytest.approx(wanted, abs=1e-5)
    assert loop.losses(runner, 5) == pytest.approx(wanted, abs=1e-5)
    assert wanted[-1] < wanted[0]


def test_a_step_is_replayed_as_one_graph_that_outlives_a_restart(worker, monkeypatch):
    from tinynet.backends.cupy import steps

    made, launched = [], []

    class Noted(steps.Graph):
        def __init__(self, *arguments):
            made.append(self)
            super().__init__(*arguments)

        def launch(self):
            launched.append(self)
            super().launch()

    monkeypatch.setattr(steps, "Graph", Noted)
    runner = worker.Runner(TINY)
    runner.restart()
    runner.run(4)
    runner.restart()
    runner.run(2)
    assert len(made) == 1
    assert len(launched) == 5


def test_both_clocks_tell_seconds(worker):
    found = device.time_steps(worker.Runner(TINY), 3)
    assert 0 < found["device"] <= found["wall"]


def test_memory_is_what_came_since_the_process_was_ready(worker, monkeypatch):
    """By CuPy's own count here: other tests, and other processes, take and give back the GPU's memory too."""
    monkeypatch.setattr(worker, "_in_use", worker.cp.get_default_memory_pool().used_bytes)
    version = worker.prepare(1, "high")
    assert config.matmul_precision() == "high"
    assert version.startswith(tinynet.__version__ + " on ")
    model = dataclasses.replace(TINY, batch=1000)
    x_and_activations = 1000 * 4 * 16 * (1 + 3)
    taken = device.memory(worker.Runner(model), 2)
    assert taken >= x_and_activations
    worker.forget()


@pytest.mark.parametrize("name", [name for name in single_layers.SINGLE_LAYERS if "5×5" in name or "200×60" in name])
def test_single_layers_compute_what_the_readable_wing_does(worker, name):
    single = dataclasses.replace(single_layers.SINGLE_LAYERS[name], batch=2)
    found = device.computed(worker.LayerRunner(single), 3)
    assert found == pytest.approx(readable(single), abs=2e-5)
    assert np.abs(found).max() > 0.1


def readable(single):
    from benchmarks.models import initial_weights, inputs

    with tinynet.use_backend("numpy"):
        layer = host.build_layer(single.layer, single.input_shape)
        layer.build(single.input_shape)
    layer.set_weights(initial_weights(single))
    y = layer.forward(inputs(single, single.batch), training=True)
    if not single.backward:
        return single_layers.sample(single, y, None, None)
    dx = layer.backward(single_layers.gradients(single), need_dx=single.needs_dx)
    return single_layers.sample(single, y, layer.parameters[0].grad, dx)
