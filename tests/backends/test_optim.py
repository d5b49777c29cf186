import math

import numpy as np
import pytest

from tinynet.backends import get_backend


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


def shortened(grads, longest):
    """Return what the backend makes of copies of the gradients."""
    wing = get_backend()
    held = [wing.asarray(grad.copy(), grad.dtype) for grad in grads]
    assert wing.shorten(held, longest) is None
    return [wing.to_numpy(grad) for grad in held]


@pytest.mark.parametrize(("dtype", "close"), [(np.float64, 1e-13), (np.float32, 1e-5)])
@pytest.mark.parametrize("sizes", [[1], [17], [100_000], [2, 1, 1500], [300_000, 7]])
def test_gradients_that_are_too_long_together(backend, rng, sizes, dtype, close):
    grads = [rng.normal(size=size).astype(dtype) for size in sizes]
    norm = math.sqrt(math.fsum(g * g for grad in grads for g in grad.tolist()))
    for share in (0.3, 0.9999):
        for found, grad in zip(shortened(grads, share * norm), grads, strict=True):
            assert found.dtype == dtype
            np.testing.assert_allclose(found, grad.astype(float) * share, rtol=close)
    for found, grad in zip(shortened(grads, 1.0001 * norm), grads, strict=True):
        np.testing.assert_array_equal(found, grad)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("longest", "wanted"), [(6, [3, 4]), (5, [3, 4]), (4, [2.4, 3.2]),
                                                 (np.float32(2.5), [1.5, 2])])
def test_gradients_as_long_as_they_may_be_stay(backend, longest, wanted, dtype):
    found = shortened([np.array([3, 0], dtype), np.array([4], dtype)], longest)
    np.testing.assert_allclose(found[0], [wanted[0], 0], rtol=1e-6)
    np.testing.assert_allclose(found[1], [wanted[1]], rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_norms_that_are_0_or_no_number(backend, dtype):
    """No norm, or no number for one, and nothing changes; beside infinity all else is nothing."""
    assert shortened([], 1.0) == []
    for grads in ([[0, 0], [0]], [[1, np.nan], [200]], [[np.nan, np.inf], [1]]):
        grads = [np.array(grad, dtype) for grad in grads]
        for found, grad in zip(shortened(grads, 0.01), grads, strict=True):
            np.testing.assert_array_equal(found, grad)
    with np.errstate(invalid="ignore"):
        found = shortened([np.array([np.inf, 1], dtype), np.array([-2], dtype)], 3.0)
    np.testing.assert_array_equal(found[0], [np.nan, 0])
    np.testing.assert_array_equal(found[1], [0])


@pytest.mark.parametrize(("dtype", "close"), [(np.float64, 1e-12), (np.float32, 1e-5)])
@pytest.mark.parametrize("size", [1, 257, 1500, 300_000])
def test_penalties_of_few_values_and_many(run, rng, size, dtype, close):
    value = rng.normal(size=size).astype(dtype)
    wanted = math.fsum(0.3 * abs(v) + 0.2 * v * v for v in value.tolist())
    assert run("penalty", value, 0.3, 0.2) == pytest.approx(wanted, rel=close)
