import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinynet import initializers, layers

SHAPE = (300, 200)
COUNT = 60_000
# Name: (standard deviation, bound) for a kernel (300, 200). Scaled normals are cut off at two deviations of the normal
# distribution that they are cut from, whose own deviation is larger by 1 / 0.8796.
CUT = 0.8796256610342398
STATISTICS = {
    "random_normal": (0.05, math.inf),
    "random_uniform": (0.05 / math.sqrt(3), 0.05),
    "truncated_normal": (0.05 * CUT, 0.1),
    "glorot_uniform": (math.sqrt(2 / 500), math.sqrt(6 / 500)),
    "glorot_normal": (math.sqrt(2 / 500), 2 * math.sqrt(2 / 500) / CUT),
    "he_uniform": (math.sqrt(2 / 300), math.sqrt(6 / 300)),
    "he_normal": (math.sqrt(2 / 300), 2 * math.sqrt(2 / 300) / CUT),
    "lecun_normal": (math.sqrt(1 / 300), 2 * math.sqrt(1 / 300) / CUT),
}


def draw(initializer, shape=SHAPE, seed=0):
    return initializers.get(initializer)(shape, np.random.default_rng(seed))


@pytest.mark.parametrize("name", STATISTICS)
def test_deviation_mean_and_bound(name):
    deviation, bound = STATISTICS[name]
    weights = draw(name)
    assert weights.shape == SHAPE
    assert weights.dtype == np.float64
    assert abs(weights.mean()) < 5 * deviation / math.sqrt(COUNT)
    assert weights.std() == pytest.approx(deviation, rel=0.015)
    assert np.abs(weights).max() <= bound
    if bound < math.inf:
        assert np.abs(weights).max() > 0.95 * bound


@pytest.mark.parametrize("name", STATISTICS)
def test_the_same_generator_draws_the_same(name):
    np.testing.assert_array_equal(draw(name), draw(name))
    assert not np.array_equal(draw(name), draw(name, seed=1))


def test_where_the_constant_of_the_cut_normal_comes_from():
    z = np.linspace(-2, 2, 400_001)
    density = np.exp(-z * z / 2)
    assert math.sqrt((z * z * density).sum() / density.sum()) == pytest.approx(CUT, rel=1e-5)


def test_a_cut_normal_is_cut_in_every_draw():
    generator = np.random.default_rng(0)
    assert max(np.abs(initializers.TruncatedNormal()((2,), generator)).max() for _ in range(2000)) <= 0.1


def test_a_normal_is_not_cut():
    assert np.abs(draw("random_normal")).max() > 0.15


def test_constants():
    assert not draw("zeros").any()
    assert (draw("ones") == 1).all()
    assert (draw(initializers.Constant(0.1)) == 0.1).all()
    assert not draw("constant").any()


def test_arguments():
    normal = draw(initializers.RandomNormal(mean=3.0, stddev=2.0))
    assert normal.mean() == pytest.approx(3, abs=0.05)
    assert normal.std() == pytest.approx(2, rel=0.02)
    uniform = draw(initializers.RandomUniform(1.0, 2.0))
    assert 1 <= uniform.min() < 1.01
    assert 1.99 < uniform.max() <= 2
    cut = draw(initializers.TruncatedNormal(stddev=0.1, mean=1.0))
    assert np.abs(cut - 1).max() <= 0.2
    assert cut.mean() == pytest.approx(1, abs=0.01)


@given(hnp.array_shapes(min_dims=2, max_dims=5, max_side=6))
def test_fans_count_inputs_and_outputs_of_a_kernel(shape):
    """fan_in is how many numbers one output sums over: every entry of the kernel that leads to that output."""
    kernel = np.zeros(shape)
    assert initializers.fans(shape) == (kernel[..., 0].size, kernel[..., 0, :].size)


@given(st.integers(1, 50))
def test_fans_of_a_bias(size):
    assert initializers.fans((size,)) == (size, size)


def test_a_convolutions_window_counts():
    weights = draw("glorot_uniform", (5, 5, 3, 40))
    assert np.abs(weights).max() == pytest.approx(math.sqrt(6 / (25 * 43)), rel=0.01)


def test_by_name_class_object_or_function():
    generator = np.random.default_rng(0)
    assert isinstance(initializers.get("he_normal"), initializers.HeNormal)
    assert isinstance(initializers.get(initializers.HeNormal), initializers.HeNormal)
    own = initializers.HeNormal()
    assert initializers.get(own) is own
    layer = layers.Dense(2, kernel_initializer=lambda shape, generator: np.full(shape, 7.0), bias_initializer="ones")
    layer.build((3,))
    assert (layer.kernel.value == 7).all()
    assert (layer.bias.value == 1).all()
    with pytest.raises(TypeError, match="does not say how to draw"):
        initializers.Initializer()((1,), generator)


def test_unknown_initializers():
    with pytest.raises(ValueError, match=r"Unknown initializer \(did you mean 'he_normal'\?\); known are .*zeros\. "
                                         "Received: 'hee_normal'$"):
        layers.Dense(2, kernel_initializer="hee_normal")
    with pytest.raises(TypeError, match=r"name or is called with \(shape, generator\). Received: 0.1$"):
        layers.Dense(2, bias_initializer=0.1)
    with pytest.raises(TypeError, match="TruncatedNormal has no argument 'std'.*mean, stddev. Received: std=0.1$"):
        initializers.TruncatedNormal(std=0.1)


def test_an_initializer_of_another_shape():
    layer = layers.Dense(2, kernel_initializer=lambda shape, generator: np.zeros((2, 3)))
    with pytest.raises(ValueError, match=r"'kernel' must return the shape \(3, 2\). Received: \(2, 3\)$"):
        layer.build((3,))
