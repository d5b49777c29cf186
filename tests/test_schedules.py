import math

import numpy as np
import pytest

from tinynet import layers, models, optimizers, schedules


def test_exponential_decay():
    decay = schedules.ExponentialDecay(0.1, decay_steps=100, decay_rate=0.5)
    assert [decay(step) for step in (0, 100, 200)] == pytest.approx([0.1, 0.05, 0.025])
    assert decay(50) == pytest.approx(0.1 * math.sqrt(0.5))


def test_exponential_decay_in_stairs():
    decay = schedules.ExponentialDecay(0.1, 100, 0.5, staircase=True)
    assert [decay(step) for step in (0, 99, 100, 199, 200)] == pytest.approx([0.1, 0.1, 0.05, 0.05, 0.025])


def test_cosine_decay():
    decay = schedules.CosineDecay(0.2, decay_steps=100)
    expected = [0.1 * (1 + math.cos(math.pi * step / 100)) for step in range(100)]
    assert [decay(step) for step in range(100)] == pytest.approx(expected)
    assert decay(0) == 0.2
    assert decay(100) == decay(1000) == pytest.approx(0, abs=1e-12)


def test_cosine_decay_to_a_share():
    decay = schedules.CosineDecay(0.2, 100, alpha=0.1)
    assert decay(0) == pytest.approx(0.2)
    assert decay(50) == pytest.approx(0.2 * (0.1 + 0.9 * 0.5))
    assert decay(100) == decay(150) == pytest.approx(0.02)


def test_cosine_decay_after_a_warm_up_as_in_keras():
    decay = schedules.CosineDecay(0.1, 100, alpha=0.1, warmup_target=0.5, warmup_steps=10)
    assert [decay(step) for step in (0, 1, 5)] == pytest.approx([0.1, 0.14, 0.3])
    assert decay(10) == pytest.approx(0.5)
    assert decay(60) == pytest.approx(0.5 * 0.55)
    assert decay(110) == decay(500) == pytest.approx(0.05)
    assert schedules.CosineDecay(0.5, 100, warmup_steps=10)(0) == 0.5
    assert schedules.CosineDecay(0.1, 100, warmup_target=0.5)(0) == 0.5


def test_piecewise_constant_decay_changes_after_its_boundaries():
    decay = schedules.PiecewiseConstantDecay([10, 20], [1.0, 0.5, 0.1])
    assert [decay(step) for step in (0, 10, 11, 20, 21, 999)] == [1.0, 1.0, 0.5, 0.5, 0.1, 0.1]


def test_warm_up_rises_to_what_follows():
    warm = schedules.WarmUp(schedules.ExponentialDecay(0.5, 10, 0.1), warmup_steps=4)
    assert [warm(step) for step in range(5)] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    assert warm(14) == pytest.approx(0.05)
    assert [schedules.WarmUp(0.5, 1)(step) for step in range(3)] == pytest.approx([0.25, 0.5, 0.5])


@pytest.mark.parametrize("make", [
    lambda: schedules.ExponentialDecay(0.1, 0, 0.5),
    lambda: schedules.CosineDecay(0.1, -1),
    lambda: schedules.WarmUp(0.1, 0),
])
def test_steps_are_at_least_1(make):
    with pytest.raises(ValueError, match="_steps of a schedule must be at least 1. Received: -?[01]$"):
        make()


@pytest.mark.parametrize(("boundaries", "values"), [([10], [1.0]), ([20, 10], [1.0, 0.5, 0.1]), ([], [])])
def test_boundaries_and_values_that_do_not_fit(boundaries, values):
    with pytest.raises(ValueError, match="rising boundaries, and one value more.*Received: boundaries="):
        schedules.PiecewiseConstantDecay(boundaries, values)


def test_a_misspelt_keyword():
    with pytest.raises(TypeError, match=r"CosineDecay has no argument 'warmup' \(did you mean 'warmup_"):
        schedules.CosineDecay(0.1, 10, warmup=3)


def test_an_optimizer_asks_its_schedule_before_each_update():
    model = models.Sequential([layers.Dense(1, use_bias=False, kernel_initializer="zeros", input_shape=(1,))])
    optimizer = optimizers.SGD(schedules.PiecewiseConstantDecay([0, 1], [1.0, 10.0, 100.0]))
    model.parameters[0].grad[...] = -1
    weights, rates = [], []
    for _ in range(3):
        rates.append(optimizer.current_rate)
        optimizer.step(model)
        weights.append(model.get_weights()[0].item())
    assert rates == [1, 10, 100]
    np.testing.assert_array_equal(weights, [1, 11, 111])
    assert optimizer.iterations == 3
