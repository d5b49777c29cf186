import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet
from tinynet import layers


def build(rate, shape, seed=0):
    tinynet.set_seed(seed)
    layer = layers.Dropout(rate)
    layer.build(shape)
    return layer


SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=3)


@given(shape=SHAPES, n=st.integers(1, 4))
def test_contract_where_nothing_is_dropped(check_layer, shape, n):
    check_layer(lambda: layers.Dropout(0), np.random.default_rng(0).normal(0, 1, (n, *shape)), lambda x: x)


@given(shape=SHAPES, n=st.integers(1, 4), rate=st.sampled_from([0.1, 0.5, 0.9]))
def test_contract(harness, shape, n, rate):
    ready = harness(lambda: layers.Dropout(rate), np.random.default_rng(0).normal(0, 1, (n, *shape)), lambda x: x)
    ready.check_gradients()
    ready.check_errors()
    layer = ready.layer()
    assert np.array_equal(ready.run(layer, ready.x), ready.x)


def test_strides_change_no_mask(harness, rng):
    x, dy = rng.normal(0, 1, (2, 4, 6)), rng.normal(0, 1, (2, 4, 6))
    ready = harness(lambda: layers.Dropout(0.5), x)
    y, dx, _ = ready.run(ready.layer(), x, dy)
    other_y, other_dx, _ = ready.run(ready.layer(), np.asfortranarray(x), np.asfortranarray(dy))
    assert np.array_equal(other_y, y)
    assert np.array_equal(other_dx, dx)


@pytest.mark.parametrize("floatx", ["float32", "float64"])
@pytest.mark.parametrize("rate", [0.0, 0.1, 0.25, 0.75])
def test_a_share_is_dropped_and_the_rest_grows(run, rate, floatx):
    tinynet.set_floatx(floatx)
    layer = build(rate, (100,))
    y = run(layer.forward, np.ones((500, 100)), training=True)
    kept = y != 0
    assert y.dtype == floatx
    assert np.allclose(y[kept], 1 / (1 - rate), rtol=1e-6)
    assert abs(kept.mean() - (1 - rate)) < 0.01
    assert abs(y.mean() - 1) < 0.05
    dy = np.random.default_rng(0).normal(0, 1, y.shape)
    assert np.allclose(run(layer.backward, dy), dy * y, rtol=1e-5)


def test_the_mask_is_what_the_generator_draws(run):
    layer = build(0.4, (5,))
    generator = np.random.Generator(np.random.Philox())  # another stream
    generator.bit_generator.state = layer.generator.bit_generator.state
    x = np.random.default_rng(0).normal(0, 1, (3, 5)).astype(np.float32)
    y = run(layer.forward, x, training=True)
    noise = generator.random((3, 5), np.float32)
    for index in np.ndindex(y.shape):
        assert np.isclose(y[index], x[index] / 0.6 if noise[index] >= 0.4 else 0, rtol=1e-6)


def test_masks_differ_from_step_to_step_from_layer_to_layer_and_from_sample_to_sample(run):
    tinynet.set_seed(0)
    first, second = layers.Dropout(0.5), layers.Dropout(0.5)
    first.build((50,))
    second.build((50,))
    x = np.ones((2, 50))
    one, two = (run(first.forward, x, training=True) for _ in range(2))
    other = run(second.forward, x, training=True)
    assert not np.array_equal(one, two)
    assert not np.array_equal(one, other)
    assert not np.array_equal(one[0], one[1])


def test_the_same_seed_gives_the_same_masks_on_both_backends():
    found = []
    for name in ("numpy", "numba"):
        with tinynet.use_backend(name):
            found.append(np.array(build(0.5, (50,), 3).forward(np.ones((20, 50)), training=True)))
    assert np.array_equal(found[0], found[1])
    assert not np.array_equal(found[0], build(0.5, (50,), 4).forward(np.ones((20, 50)), training=True))


def test_inference_draws_nothing(run):
    layer = build(0.5, (5,))
    before = layer.generator.bit_generator.state
    x = np.ones((2, 5), np.float32)
    assert np.array_equal(run(layer.forward, x), x)
    np.testing.assert_equal(layer.generator.bit_generator.state, before)


@pytest.mark.parametrize("rate", [1, 1.0, -0.1, 1.5, "0.5", None, True, float("nan")])
def test_rates(rate):
    with pytest.raises(ValueError, match="rate of Dropout must be .* Received: "):
        layers.Dropout(rate)
