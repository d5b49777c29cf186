import math

import numpy as np
import pytest

from benchmarks import models
from benchmarks.models import MODELS, batch, initial_weights, input_shapes, weights_of_layers
from benchmarks.workers import tinynet as worker


@pytest.mark.parametrize("name", MODELS)
def test_weights_and_batches_are_always_the_same(name):
    model = MODELS[name]
    x, y = batch(model)
    assert x.dtype == np.float32
    assert x.shape == (model.batch, *model.input_shape)
    assert y.shape == (model.batch,)
    assert set(y) <= set(range(model.classes))
    weights = initial_weights(model)
    assert {array.dtype for array in weights} == {np.dtype("float32")}
    assert all(np.array_equal(a, b) for a, b in zip(weights, initial_weights(model), strict=True))
    assert np.array_equal(y, batch(model)[1])


@pytest.mark.parametrize("name", MODELS)
def test_weights_are_those_of_the_network_in_keras_order(name):
    model = MODELS[name]
    network = worker.build(model)
    assert [array.shape for array in network.get_weights()] == [array.shape for array in initial_weights(model)]
    network.set_weights(initial_weights(model))
    assert network.forward(batch(model)[0]).shape == (model.batch, model.classes)


@pytest.mark.parametrize("name", MODELS)
def test_shapes_are_those_of_the_network(name):
    model = MODELS[name]
    network = worker.build(model)
    assert [layer.input_shape for layer in network.layers] == input_shapes(model)


def test_the_models_have_the_tutorials_parameters():
    counts = {name: sum(array.size for array in initial_weights(model)) for name, model in MODELS.items()}
    assert counts["fashion_cnn_b32"] == 421_642
    assert counts["deep_mnist_b50"] == 3_274_634
    normed = 12 + 24 + 32 + 200
    kernels = 9 * 12 + 36 * 12 * 24 + 36 * 24 * 32 + 7 * 7 * 32 * 200
    assert counts["phd_bn_b64"] == kernels + 3 * normed + 2010


def test_kernels_are_glorot_uniform_over_the_window():
    (kernel, bias), *_ = weights_of_layers(MODELS["deep_mnist_b50"])
    assert kernel.shape == (5, 5, 1, 32)
    limit = math.sqrt(6 / (25 * (1 + 32)))
    assert 0.95 * limit < np.abs(kernel).max() <= limit
    assert not bias.any()


def test_what_batch_normalisation_moves_starts_at_zero_and_one():
    beta, mean, variance = models.BatchNorm().weights((14, 14, 24), None)
    assert beta.tolist() == mean.tolist() == [0] * 24
    assert variance.tolist() == [1] * 24


def test_edges_that_no_window_fills_are_dropped_by_pooling_and_kept_by_convolutions():
    assert models.MaxPool(2).output_shape((7, 9, 3)) == (3, 4, 3)
    assert models.Conv(8, 6, strides=2).output_shape((7, 9, 3)) == (4, 5, 8)
    assert models.Flatten().output_shape((7, 9, 3)) == (189,)
