import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tinynet
from tinynet import Sequential, layers, models, optimizers

STEPS = 6


def sgd(momentum=0.0, nesterov=False):
    velocity = 0.0

    def update(w, g, rate, t):
        nonlocal velocity
        velocity = momentum * velocity - rate * g
        return w + (momentum * velocity - rate * g if nesterov else velocity)

    return update


def adam(beta_1=0.9, beta_2=0.999, epsilon=1e-7, decay=0.0):
    """Algorithm 1 of the paper, with epsilon where Keras has it: beside the root that is not yet corrected."""
    m = v = 0.0

    def update(w, g, rate, t):
        nonlocal m, v
        m, v = beta_1 * m + (1 - beta_1) * g, beta_2 * v + (1 - beta_2) * g**2
        w = w - decay * rate * w
        return w - rate * math.sqrt(1 - beta_2**t) / (1 - beta_1**t) * m / (np.sqrt(v) + epsilon)

    return update


def rmsprop(rho=0.9, epsilon=1e-7):
    v = 0.0

    def update(w, g, rate, t):
        nonlocal v
        v = rho * v + (1 - rho) * g**2
        return w - rate * g / np.sqrt(v + epsilon)

    return update


def adagrad(start=0.1, epsilon=1e-7):
    total = start

    def update(w, g, rate, t):
        nonlocal total
        total = total + g**2
        return w - rate * g / np.sqrt(total + epsilon)

    return update


# (the optimizer, the formula, its rate)
RULES = {
    "sgd": (optimizers.SGD, sgd, 0.01),
    "sgd 0.3": (lambda: optimizers.SGD(0.3), sgd, 0.3),
    "momentum": (lambda: optimizers.SGD(0.1, momentum=0.9), lambda: sgd(0.9), 0.1),
    "nesterov": (lambda: optimizers.SGD(0.1, 0.9, nesterov=True), lambda: sgd(0.9, True), 0.1),
    "adam": (optimizers.Adam, adam, 0.001),
    "adam with arguments": (lambda: optimizers.Adam(0.1, 0.8, 0.9, 0.01), lambda: adam(0.8, 0.9, 0.01), 0.1),
    "adamw": (optimizers.AdamW, lambda: adam(decay=0.004), 0.001),
    "adamw 0.1": (lambda: optimizers.AdamW(0.01, weight_decay=0.1), lambda: adam(decay=0.1), 0.01),
    "rmsprop": (optimizers.RMSprop, rmsprop, 0.001),
    "rmsprop 0.5": (lambda: optimizers.RMSprop(0.1, rho=0.5, epsilon=0.1), lambda: rmsprop(0.5, 0.1), 0.1),
    "adagrad": (optimizers.Adagrad, adagrad, 0.001),
    "adagrad 0.5": (lambda: optimizers.Adagrad(0.1, 0.5, 0.1), lambda: adagrad(0.5, 0.1), 0.1),
}


def small_model(**dense):
    return models.Sequential([layers.Dense(3, input_shape=(4,), **dense), layers.Dense(2)])


def set_gradients(model, rng):
    """Give every parameter a random gradient, and return copies."""
    for parameter in model.parameters:
        parameter.grad[...] = model.ops.asarray(rng.normal(size=parameter.shape), model.dtype)
    return [model.ops.to_numpy(parameter.grad) for parameter in model.parameters]


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize(("floatx", "rel"), [("float32", 1e-4), ("float64", 1e-12)])
def test_some_steps(backend, name, floatx, rel, rng):
    tinynet.set_floatx(floatx)
    make, formula, rate = RULES[name]
    model, optimizer = small_model(bias_initializer="random_normal"), make()
    expected = [weight.astype(np.float64) for weight in model.get_weights()]
    formulas = [formula() for _ in expected]
    for t in range(1, STEPS + 1):
        grads = set_gradients(model, rng)
        optimizer.step(model)
        expected = [update(w, g, rate, t) for update, w, g in zip(formulas, expected, grads, strict=True)]
        for found, wanted in zip(model.get_weights(), expected, strict=True):
            np.testing.assert_allclose(found, wanted, rtol=rel, atol=rel / 10)
    assert optimizer.iterations == STEPS


@given(norm=st.floats(0.1, 6), seed=st.integers(0, 99))
def test_clipnorm_shortens_each_parameters_gradient(backend, norm, seed):
    model, optimizer = small_model(), optimizers.SGD(1.0, clipnorm=norm)
    before, grads = model.get_weights(), set_gradients(model, np.random.default_rng(seed))
    optimizer.step(model)
    for old, new, grad in zip(before, model.get_weights(), grads, strict=True):
        kept = grad * min(1, norm / np.linalg.norm(grad))
        np.testing.assert_allclose(old - new, kept, rtol=1e-4, atol=1e-6)


@given(norm=st.floats(0.1, 9), seed=st.integers(0, 99))
def test_global_clipnorm_shortens_all_gradients_together(backend, norm, seed):
    model, optimizer = small_model(), optimizers.SGD(1.0, global_clipnorm=norm)
    before, grads = model.get_weights(), set_gradients(model, np.random.default_rng(seed))
    whole = math.sqrt(sum((grad**2).sum() for grad in grads))
    optimizer.step(model)
    for old, new, grad in zip(before, model.get_weights(), grads, strict=True):
        np.testing.assert_allclose(old - new, grad * min(1, norm / whole), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("make", [
    lambda: optimizers.AdamW(0.1, weight_decay=0.5),
    lambda: optimizers.SGD(0.1, momentum=0.9, clipnorm=0.1),
    lambda: optimizers.Adagrad(0.1, global_clipnorm=0.1),
])
def test_a_frozen_layer_is_left_alone_from_the_next_step_on(backend, make, rng):
    """Momentum, weight decay and clipping leave it alone too; the others keep their running means."""
    model, optimizer = small_model(), make()
    free, free_optimizer = small_model(), make()
    free.set_weights(model.get_weights())
    for step in range(6):
        model.layers[0].trainable = step not in (2, 3)
        before = model.get_weights()
        grads = set_gradients(model, rng)
        optimizer.step(model)
        changed = [not np.array_equal(old, new) for old, new in zip(before, model.get_weights(), strict=True)]
        assert changed == [step not in (2, 3)] * 2 + [True] * 2
        if optimizer.global_clipnorm is None:  # then what the first layer does is nothing to the second
            for parameter, grad in zip(free.parameters, grads, strict=True):
                parameter.grad[...] = free.ops.asarray(grad, free.dtype)
            free_optimizer.step(free)
            np.testing.assert_array_equal(model.get_weights()[2], free.get_weights()[2])


def test_the_norm_of_all_gradients_leaves_frozen_ones_out(backend):
    model, optimizer = small_model(), optimizers.SGD(1.0, global_clipnorm=5.0)
    model.layers[0].trainable = False
    for parameter in model.parameters:
        parameter.grad[...] = 0
    model.parameters[0].grad[...] = 1e6
    model.parameters[3].grad[...] = 3  # of norm √18 < 5
    before = model.get_weights()[3]
    optimizer.step(model)
    np.testing.assert_allclose(model.get_weights()[3], before - 3)


def test_a_frozen_layer_keeps_its_running_means(backend):
    model, optimizer = small_model(use_bias=False), optimizers.SGD(1.0, momentum=0.5)
    weight, other = model.parameters[0], model.parameters[1]
    weight.grad[...] = 1
    other.grad[...] = 0
    optimizer.step(model)  # the velocity is -1
    model.layers[0].trainable = False
    optimizer.step(model)
    model.layers[0].trainable = True
    before = model.get_weights()[0]
    weight.grad[...] = 0
    optimizer.step(model)
    np.testing.assert_allclose(model.get_weights()[0], before - 0.5, rtol=1e-5)


def test_running_means_move_into_an_outer_model(backend, rng):
    alone, nested = small_model(), small_model()
    nested.set_weights(alone.get_weights())
    optimizer, other = optimizers.Adam(0.1), optimizers.Adam(0.1)
    for model, adam_of_its_own in ((alone, optimizer), (nested, other)):
        set_gradients(model, np.random.default_rng(1))
        adam_of_its_own.step(model)
    models.Sequential([layers.Dense(4, input_shape=(4,)), nested])
    for model, adam_of_its_own in ((alone, optimizer), (nested, other)):
        set_gradients(model, np.random.default_rng(2))
        adam_of_its_own.step(model)
    for one, two in zip(alone.get_weights(), nested.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)


def test_one_optimizer_for_two_models_keeps_the_running_means_of_both_or_says_that_it_cannot(rng):
    """Otherwise the momentum is lost, silently, whenever the models take turns."""
    apart, shared = [optimizers.SGD(0.1, momentum=0.9) for _ in range(2)], optimizers.SGD(0.1, momentum=0.9)
    firsts, seconds = [small_model() for _ in range(2)], [small_model() for _ in range(2)]
    for one, two in zip(firsts, seconds, strict=True):
        two.set_weights(one.get_weights())
    try:
        for _ in range(3):
            for one, two, own in zip(firsts, seconds, apart, strict=True):
                for parameter, grad in zip(two.parameters, set_gradients(one, rng), strict=True):
                    parameter.grad[...] = grad
                own.step(one)
                shared.step(two)
    except ValueError as error:
        assert "Received: " in str(error)
        return
    for one, two in zip(firsts, seconds, strict=True):
        for weight, same in zip(one.get_weights(), two.get_weights(), strict=True):
            np.testing.assert_allclose(weight, same, rtol=1e-6)


def outer_of_two():
    """An outer model of two inner ones with equally many parameters, and all gradients 1."""
    inner = [models.Sequential([layers.Dense(2, input_shape=(2,))]) for _ in range(2)]
    outer = models.Sequential(inner)
    for parameter in outer.parameters:
        parameter.grad[...] = 1
    return outer, *inner


def changes(model, step):
    """Return by how much `step()` changes the first number of each parameter."""
    before = model.get_weights()
    step()
    return [round(float((new - old).flat[0]), 4) for old, new in zip(before, model.get_weights(), strict=True)]


def test_inner_models_take_turns(backend):
    outer, first, second = outer_of_two()
    optimizer = optimizers.SGD(1.0, momentum=0.5)
    assert changes(outer, lambda: optimizer.step(first)) == [-1, -1, 0, 0]
    assert changes(outer, lambda: optimizer.step(second)) == [0, 0, -1, -1]
    assert changes(outer, lambda: optimizer.step(first)) == [-1.5, -1.5, 0, 0]
    assert changes(outer, lambda: optimizer.step(outer)) == [-1.75, -1.75, -1.5, -1.5]


def test_running_means_of_what_a_step_leaves_out_are_kept(backend):
    outer, inner, _ = outer_of_two()
    optimizer = optimizers.SGD(1.0, momentum=0.5)
    optimizer.step(outer)
    optimizer.step(inner)
    assert changes(outer, lambda: optimizer.step(outer)) == [-1.75, -1.75, -1.5, -1.5]
    optimizer.step(inner)
    outermost = models.Sequential([outer, layers.Dense(1)])  # moves all parameters into new memory
    for parameter in outermost.parameters:
        parameter.grad[...] = 1
    assert changes(outermost, lambda: optimizer.step(outermost)) == [-1.9375, -1.9375, -1.75, -1.75, -1, -1]


def test_the_rate_can_be_set_at_any_time():
    model, optimizer = small_model(use_bias=False), optimizers.SGD(1.0)
    for parameter in model.parameters:
        parameter.grad[...] = 1
    before = model.get_weights()[0]
    optimizer.step(model)
    optimizer.learning_rate = 0.5
    optimizer.step(model)
    np.testing.assert_allclose(model.get_weights()[0], before - 1.5, rtol=1e-6)
    optimizer.learning_rate = 0
    optimizer.step(model)
    np.testing.assert_allclose(model.get_weights()[0], before - 1.5, rtol=1e-6)


def test_a_model_without_parameters_has_nothing_to_step():
    model, optimizer = models.Sequential([layers.Flatten(input_shape=(2, 2))]), optimizers.Adam()
    optimizer.step(model)
    assert model.get_weights() == []


def test_names():
    for name, kind in {"sgd": optimizers.SGD, "adam": optimizers.Adam, "Adam": optimizers.Adam,
                       "adamw": optimizers.AdamW, "RMSprop": optimizers.RMSprop, "adagrad": optimizers.Adagrad}.items():
        assert type(optimizers.get(name)) is kind
    own = optimizers.Adam()
    assert optimizers.get(own) is own


@pytest.mark.parametrize(("make", "error", "message"), [
    (lambda: optimizers.get("adma"), ValueError, "Unknown optimizer.*did you mean 'adam.*Received: 'adma'$"),
    (lambda: optimizers.get(optimizers.Adam), TypeError, "such as Adam.0.001.. Received: <class"),
    (lambda: optimizers.Adam(-1), ValueError, "Adam: learning_rate must be a number of at least 0.*Received: -1$"),
    (lambda: optimizers.Adam(math.nan), ValueError, "Adam: learning_rate must be .*Received: nan$"),
    (lambda: optimizers.Adam("0.1"), (TypeError, ValueError), "Adam: learning_rate must be .*Received: '0.1'$"),
    (lambda: optimizers.RMSprop(None), (TypeError, ValueError), "RMSprop: learning_rate must be .*Received: None$"),
    (lambda: optimizers.SGD(momentum=1), ValueError, "SGD: momentum must be at least 0 and below 1. Received: 1$"),
    (lambda: optimizers.AdamW(beta_2=-0.1), ValueError, "AdamW: beta_2 must .*Received: -0.1$"),
    (lambda: optimizers.RMSprop(rho=2), ValueError, "RMSprop: rho must .*Received: 2$"),
    (lambda: optimizers.SGD(clipnorm=0), ValueError, "SGD: clipnorm must be above 0. Received: 0$"),
    (lambda: optimizers.SGD(global_clipnorm=-1), ValueError, "SGD: global_clipnorm must be above 0. Received: -1$"),
    (lambda: optimizers.Adam(lr=0.1), TypeError, "Adam has no argument 'lr' .did you mean 'learning_rate'.*lr=0.1$"),
    (lambda: optimizers.SGD(decay=0.1), TypeError, "SGD has no argument 'decay'.*Received: decay=0.1$"),
    (lambda: optimizers.SGD().step(models.Sequential([layers.Dense(2)])), ValueError, "needs a built model. Received"),
    (lambda: optimizers.SGD().step([1.0]), TypeError, r"SGD.step takes a model or a layer. Received: \[1.0\]$"),
])
def test_bad_arguments(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_slots_are_seen_by_parameter():
    model = Sequential([layers.Dense(2, input_shape=(3,)), layers.Dense(1)])
    adagrad = optimizers.Adagrad(initial_accumulator_value=0.25)
    slots = adagrad.slot_values(model)
    assert [slot["total"].shape for slot in slots] == [(3, 2), (2,), (2, 1), (1,)]
    assert all((slot["total"] == 0.25).all() for slot in slots)
    slots[2]["total"][...] = 1
    model.layers[0].trainable = False
    assert [slot["total"].flat[0] for slot in adagrad.slot_values(model)] == [0.25, 0.25, 1, 0.25]
    assert optimizers.SGD().slot_values(model) == [{}] * 4
    assert optimizers.Adam().slot_values(Sequential([layers.Flatten(input_shape=(2, 2))])) == []
