import math

import numpy as np
import pytest


def sgd(v, g, slots):
    return v - 0.1 * g, ()


def momentum(nesterov):
    def rule(v, g, slots):
        velocity = 0.9 * slots[0] - 0.1 * g
        return v + (0.9 * velocity - 0.1 * g if nesterov else velocity), (velocity,)

    return rule


def adam(decay):
    def rule(v, g, slots):
        mean, square = 0.9 * slots[0] + 0.1 * g, 0.999 * slots[1] + 0.001 * g * g
        return v - decay * v - 0.01 * mean / (math.sqrt(square) + 1e-7), (mean, square)

    return rule


def rmsprop(v, g, slots):
    square = 0.9 * slots[0] + 0.1 * g * g
    return v - 0.01 * g / math.sqrt(square + 1e-7), (square,)


def adagrad(v, g, slots):
    total = slots[0] + g * g
    return v - 0.01 * g / math.sqrt(total + 1e-7), (total,)


# What is tested: the kernel, its slots, its constants, and the rule for one number.
RULES = {
    "sgd": ("sgd", 0, (0.1,), sgd),
    "momentum": ("momentum", 1, (0.1, 0.9, False), momentum(False)),
    "nesterov": ("momentum", 1, (0.1, 0.9, True), momentum(True)),
    "adam": ("adam", 2, (0.01, 0.9, 0.999, 1e-7, 0.0), adam(0.0)),
    "adamw": ("adam", 2, (0.01, 0.9, 0.999, 1e-7, 0.03), adam(0.03)),
    "rmsprop": ("rmsprop", 1, (0.01, 0.9, 1e-7), rmsprop),
    "adagrad": ("adagrad", 1, (0.01, 1e-7), adagrad),
}


@pytest.mark.parametrize(("dtype", "close"), [(np.float64, {"rtol": 1e-11, "atol": 1e-13}),
                                              (np.float32, {"rtol": 1e-5, "atol": 1e-6})])
@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("name", RULES)
def test_against_the_rule_for_one_number(run, rng, name, size, dtype, close):
    kernel, slots, constants, rule = RULES[name]
    value = rng.normal(size=size).astype(dtype)
    held = [np.zeros(size, dtype) for _ in range(slots)]
    wanted = [(float(v), (0.0,) * slots) for v in value]
    for _ in range(4):
        grad = rng.normal(size=size).astype(dtype)
        before = grad.copy()
        run(kernel, value, grad, *held, *constants)
        np.testing.assert_array_equal(grad, before)
        wanted = [rule(v, float(g), numbers) for (v, numbers), g in zip(wanted, grad, strict=True)]
    np.testing.assert_allclose(value, [v for v, _ in wanted], **close)
    for i, slot in enumerate(held):
        np.testing.assert_allclose(slot, [numbers[i] for _, numbers in wanted], **close)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_gradients_of_0_and_of_no_number(run, name, dtype):
    kernel, slots, constants, rule = RULES[name]
    value, grad = np.array([1, 1], dtype), np.array([0, np.nan], dtype)
    run(kernel, value, grad, *[np.zeros(2, dtype) for _ in range(slots)], *constants)
    assert value[0] == pytest.approx(rule(1.0, 0.0, (0.0,) * slots)[0])
    assert np.isnan(value[1])


@pytest.mark.parametrize(("dtype", "close"), [(np.float64, 1e-13), (np.float32, 1e-5)])
@pytest.mark.parametrize("size", [1, 17, 100_000])
def test_norms_and_scaling(run, rng, size, dtype, close):
    grad = rng.normal(size=size).astype(dtype)
    assert run("squared_norm", grad) == pytest.approx(math.fsum(float(g) ** 2 for g in grad), rel=close)
    scaled = grad.copy()
    run("scale", scaled, 0.3)
    np.testing.assert_allclose(scaled, grad.astype(float) * 0.3, rtol=close)


def test_the_norm_of_no_number(run):
    assert math.isnan(run("squared_norm", np.array([1.0, np.nan])))
