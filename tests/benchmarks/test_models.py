import numpy as np
import pytest

from benchmarks.models import MODELS, batch, initial_weights


@pytest.mark.parametrize("name", MODELS)
def test_weights_and_batches_fit_together_and_are_always_the_same(name):
    model = MODELS[name]
    x, y = batch(model)
    assert x.dtype == np.float32
    assert x.shape == (model.batch, *model.input_shape)
    assert y.shape == (model.batch,)
    assert set(y) <= set(range(model.classes))
    weights = initial_weights(model)
    for kernel, bias in zip(weights[::2], weights[1::2], strict=True):
        x = x @ kernel + bias
        assert x.dtype == np.float32
    assert x.shape == (model.batch, model.classes)
    assert all(np.array_equal(a, b) for a, b in zip(weights, initial_weights(model), strict=True))
    assert np.array_equal(y, batch(model)[1])
