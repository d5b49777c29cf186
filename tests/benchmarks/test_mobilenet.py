import dataclasses

import numpy as np
import pytest

from benchmarks.mobilenet import TRANSFER, DepthwiseConv, MobileNetV2, ScaledBatchNorm
from benchmarks.models import Conv, Model, initial_weights, input_shapes, inputs, parts, weights_of_layers
from benchmarks.workers import tinynet as worker
from tinynet.layers import BatchNormalization
from tinynet.layers.chain import members

FORWARD = TRANSFER["mobilenet_forward_b16"]
TUNING = TRANSFER["mobilenet_tuning_b16"]


def small(model):
    """The same network for two small photos."""
    return dataclasses.replace(model, input_shape=(64, 64, 3), batch=2)


@pytest.mark.parametrize("name", TRANSFER)
def test_the_described_weights_are_those_of_the_ready_made_network(name):
    model = small(TRANSFER[name])
    network = worker.build(model)
    weights = initial_weights(model)
    assert [array.shape for array in network.get_weights()] == [array.shape for array in weights]
    assert {array.dtype for array in weights} == {np.dtype("float32")}
    assert all(np.array_equal(a, b) for a, b in zip(weights, initial_weights(model), strict=True))


def test_the_base_has_the_published_number_of_parameters():
    assert sum(array.size for array in initial_weights(FORWARD)) == 2_257_984
    assert sum(array.size for array in initial_weights(TUNING)) == 2_257_984 + 1280 * 5 + 5


def test_shapes_are_those_of_the_ready_made_network():
    network = worker.build(TUNING)
    assert input_shapes(TUNING) == [(192, 192, 3), (6, 6, 1280), (1280,)]
    assert [layer.input_shape for layer in network.layers] == input_shapes(TUNING)
    described = [
        layer.output_shape(shape) for layer, shape in parts(TUNING) if isinstance(layer, Conv | DepthwiseConv)
    ]
    built = [layer.output_shape for layer in members(network.layers) if "Conv" in type(layer).__name__]
    assert described == built
    assert len(described) == 52


def test_the_normalisations_are_described_as_they_are_built():
    norms = [layer for layer in members(worker.build(small(TUNING)).layers) if isinstance(layer, BatchNormalization)]
    described = [layer for layer, _ in parts(TUNING) if isinstance(layer, ScaledBatchNorm)]
    assert [(norm.momentum, norm.epsilon) for norm in norms] == [(norm.momentum, norm.epsilon) for norm in described]


def test_each_part_has_the_weights_of_its_own_kind():
    described = list(parts(FORWARD))
    for (layer, shape), weights in zip(described, weights_of_layers(FORWARD), strict=True):
        if isinstance(layer, DepthwiseConv):
            assert [array.shape for array in weights] == [(3, 3, shape[-1], 1)]
        elif isinstance(layer, ScaledBatchNorm):
            assert [array.shape for array in weights] == [shape[-1:]] * 4
            assert weights[3].min() > 0


def test_the_frozen_outputs_depend_on_the_photos_and_no_rounding_is_blown_up():
    """Else agreement would be easy, or beyond reach: the outputs lie in 0 to 6 and are compared within 0.001."""
    model = small(FORWARD)
    runner = worker.ForwardRunner(model)
    runner.restart()
    outputs = runner.run(1)
    assert outputs.shape == (2, 2, 2, 1280)
    assert 0.5 < outputs.std() < 3
    assert np.abs(outputs[0] - outputs[1]).mean() > 0.05
    weights = initial_weights(model)
    weights[0] *= np.float32(1 + 1e-6)
    runner.network.set_weights(weights)
    assert np.abs(runner.run(1) - outputs).max() < 1e-4


def test_a_restart_puts_the_weights_back_and_training_learns_all_of_them():
    runner = worker.Runner(small(TUNING))
    runner.restart()
    first = runner.run(1)
    assert runner.run(3) < first
    changed = zip(runner.network.get_weights(), initial_weights(TUNING), strict=True)
    assert not any(np.array_equal(now, before) for now, before in changed)
    runner.restart()
    assert runner.run(1) == first


def test_photos_are_predicted_as_one_batch(monkeypatch):
    runner = worker.ForwardRunner(small(FORWARD))
    asked = []
    monkeypatch.setattr(runner.network, "predict", lambda x, batch_size: asked.append((len(x), batch_size)))
    runner.run(2)
    assert asked == [(2, 2)] * 2


def test_batches_and_targets_are_those_of_the_issue():
    assert [(model.batch, model.target, isinstance(model, Model)) for model in TRANSFER.values()] == [
        (16, 1.2, False), (1, 1.2, False), (16, 1.2, True),
    ]  # fmt: skip
    assert all(isinstance(model.layers[0], MobileNetV2) for model in TRANSFER.values())
    assert inputs(FORWARD, 3).shape == (3, 192, 192, 3)
