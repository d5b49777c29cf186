import dataclasses

import numpy as np

from benchmarks.models import MODELS
from benchmarks.single_layers import BATCH, SINGLE_LAYERS, gradients, layers_of, sample


def test_every_convolution_and_dense_layer_is_there_once_and_in_both_directions():
    names = list(SINGLE_LAYERS)
    assert len(names) == len(layers_of(MODELS.values())) == 2 * (7 + 11)
    assert sum(name.startswith("conv") for name in names) == 2 * 7
    assert "conv 28×28×12 * 6×6×12×24 / 2 without bias, forward" in names
    assert {single.batch for single in SINGLE_LAYERS.values()} == {BATCH}
    assert all(single.layer.activation is None for single in SINGLE_LAYERS.values())


def test_only_layers_behind_others_need_the_gradient_of_their_inputs():
    needing = [single for single in SINGLE_LAYERS.values() if single.needs_dx]
    assert all(single.backward for single in needing)
    first = [single for single in SINGLE_LAYERS.values() if single.backward and not single.needs_dx]
    assert {single.input_shape for single in first} == {(784,), (28, 28, 1)}
    assert all("no dx" in single.name for single in first)


def test_operations_are_those_of_the_passes_that_are_run():
    forward, both = layers_of([MODELS["softmax_b128"]])
    assert forward.operations == 2 * BATCH * 784 * 10
    assert both.operations == 2 * forward.operations
    name = "conv 14×14×24 * 6×6×24×32 / 2 without bias, forward"
    strided = SINGLE_LAYERS[name]
    assert strided.operations == 2 * BATCH * 7 * 7 * 36 * 24 * 32
    assert SINGLE_LAYERS[name + " and backward"].operations == 3 * strided.operations


def test_gradients_are_scaled_by_how_often_the_kernel_is_used():
    single = dataclasses.replace(SINGLE_LAYERS["conv 28×28×1 * 3×3×1×32, forward"], batch=4)
    dy = gradients(single)
    assert (dy.shape, dy.dtype) == ((4, 28, 28, 32), np.float32)
    assert 0.99 < dy.std() * np.sqrt(4 * 28 * 28) < 1.01
    assert np.array_equal(dy, gradients(single))


def test_a_sample_has_the_first_example_and_the_first_unit():
    single = dataclasses.replace(SINGLE_LAYERS["dense 60 * 60×10, forward and backward"], batch=4)
    y, dkernel, dx = np.full((4, 10), 1.0), np.full((60, 10), 2.0), np.full((4, 60), 3.0)
    assert sample(single, y, dkernel, dx) == [1.0] * 10 + [2.0] * 60 + [6.0] * 60
    images = np.arange(16.0).reshape(2, 2, 2, 2)
    assert sample(single, images, None, None) == [0, 2, 4, 6]
