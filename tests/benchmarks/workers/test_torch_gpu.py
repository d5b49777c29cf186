"""PyTorch's GPU workers, run on the CPU with the clock of the host: the same losses and numbers as tinynet's."""

import dataclasses
import importlib

import numpy as np
import pytest

from benchmarks import single_layers
from benchmarks.models import Conv, Dense, Flatten, MaxPool, Model, Optimizer
from benchmarks.workers import device, loop
from benchmarks.workers import tinynet as host

torch = pytest.importorskip("torch")
# What PyTorch's compiler imports warns of other parts of PyTorch.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
LAYERS = (Conv(3, 3, activation="relu"), MaxPool(), Flatten(), Dense(4, "softmax"))
TINY = Model("tiny", 6, (4, 4, 1), LAYERS, Optimizer("adam", 0.01), target=1.0)
MODULES = ["torch_gpu", "torch_gpu_channels_last"]
COMPILED = ["torch_gpu_compiled", "torch_gpu_compiled_channels_last", "torch_gpu_compiled_fused"]


class Clock:
    """A second later at each look."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 1.0
        return self.now


def on_cpu(module, kind):
    """Return the worker's class of that kind, made for the CPU."""
    base = getattr(importlib.import_module(f"benchmarks.workers.{module}"), kind)
    # Compiled for real it takes a minute; "eager" goes the same way and leaves out the compiler.
    return type(kind, (base,), {"device": "cpu", "timer": device.HostTimer(Clock()), "compiler": {"backend": "eager"}})


@pytest.mark.parametrize("module", MODULES + COMPILED)
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_losses_are_tinynets_after_each_restart(module, optimizer):
    model = dataclasses.replace(TINY, optimizer=Optimizer(optimizer, 0.01))
    wanted = loop.losses(host.Runner(model), 5)
    runner = on_cpu(module, "Runner")(model)
    for _ in range(2):
        assert loop.losses(runner, 5) == pytest.approx(wanted, abs=2e-4)


@pytest.mark.parametrize("module", COMPILED[:2])
def test_a_step_is_compiled_once_for_each_model_however_many(module):
    from torch._dynamo.utils import counters

    for batch in range(2, 12):
        runner = on_cpu(module, "Runner")(dataclasses.replace(TINY, batch=batch))
        counters.clear()
        runner.restart()
        runner.run(2)
        compiled = counters["stats"]["unique_graphs"]
        for _ in range(2):
            runner.restart()
            runner.run(2)
        assert counters["stats"]["unique_graphs"] == compiled == 2


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.parametrize("name", [name for name in single_layers.SINGLE_LAYERS if "5×5" in name or "200×60" in name])
def test_single_layers_compute_what_tinynet_does(module, name):
    single = dataclasses.replace(single_layers.SINGLE_LAYERS[name], batch=2)
    found = device.computed(on_cpu(module, "LayerRunner")(single), 3)
    assert found == pytest.approx(of_tinynet(single), abs=2e-5)
    assert np.abs(found).max() > 0.1


def of_tinynet(single):
    from benchmarks.models import initial_weights, inputs

    layer = host.build_layer(single.layer, single.input_shape)
    layer.build(single.input_shape)
    layer.set_weights(initial_weights(single))
    y = layer.forward(inputs(single, single.batch), training=True)
    if not single.backward:
        return single_layers.sample(single, y, None, None)
    dx = layer.backward(single_layers.gradients(single), need_dx=single.needs_dx)
    return single_layers.sample(single, y, layer.parameters[0].grad, dx)


def test_steps_are_timed_by_the_clock_given():
    runner = on_cpu("torch_gpu", "Runner")(TINY)
    assert device.time_steps(runner, 4, clock=Clock()) == {"device": 1 / 4, "wall": 1 / 4}


def test_precision_is_that_of_products_and_of_convolutions():
    from benchmarks.workers import torch_gpu

    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark
    try:
        for precision in ("high", "highest"):
            torch_gpu.set_precision(precision)
            assert torch.get_float32_matmul_precision() == precision
            assert torch.backends.cudnn.allow_tf32 == (precision == "high")
            assert torch.backends.cudnn.benchmark
    finally:
        torch.set_float32_matmul_precision(before[0])
        torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = before[1:]


@pytest.mark.skipif(torch.cuda.is_available(), reason="here is a GPU")
@pytest.mark.parametrize("module", MODULES + COMPILED)
def test_without_a_gpu_it_says_so(module):
    worker = importlib.import_module(f"benchmarks.workers.{module}")
    with pytest.raises(ImportError, match="finds no GPU"):
        worker.prepare(1, "highest")
