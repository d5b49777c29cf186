import math
import tracemalloc
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinynet
from tinynet import layers

SHAPES = {"n": st.integers(1, 5), "leading": st.lists(st.integers(1, 3), max_size=2), "c": st.integers(1, 5)}
CHOICES = {"center": st.booleans(), "scale": st.booleans(), "epsilon": st.sampled_from([0.001, 0.1, 1.0])}
EXACT = {"rtol": 1e-11, "atol": 1e-12}
one_value_is_fine = pytest.mark.filterwarnings("ignore:.*at least two values per channel:UserWarning")


def positive(rng, shape):
    """Draw parameters; variances must be above 0."""
    return rng.uniform(0.5, 1.5, shape)


def affine(xhat, c, parameters, center, scale):
    """Return gamma xhat + beta for channel c; of the parameters those that are there come first, in this order."""
    parameters = list(parameters)
    gamma = parameters.pop(0)[c] if scale else 1
    return gamma * xhat + (parameters.pop(0)[c] if center else 0)


def normalized(x, mean, variance, epsilon, parameters, center, scale):
    """Compute y number by number. x (N, ..., C), mean and variance (C,)."""
    y = np.zeros(x.shape)
    for index in np.ndindex(x.shape):
        c = index[-1]
        y[index] = affine((x[index] - mean[c]) / math.sqrt(variance[c] + epsilon), c, parameters, center, scale)
    return y


def statistics(x):
    """Return the mean and the variance of each channel by loops."""
    means, variances = [], []
    for c in range(x.shape[-1]):
        values = [float(x[(*index, c)]) for index in np.ndindex(x.shape[:-1])]
        means.append(sum(values) / len(values))
        variances.append(sum((value - means[-1]) ** 2 for value in values) / len(values))
    return np.array(means), np.array(variances)


def values(layer, parameters=None):
    return [layer.ops.to_numpy(parameter.value).astype(float)
            for parameter in (layer.parameters if parameters is None else parameters)]


def built(shape=(3,), draw=positive, **options):
    """Return a float64 BatchNormalization whose parameters are drawn."""
    tinynet.set_floatx("float64")
    layer = layers.BatchNormalization(**options)
    layer.build(shape)
    rng = np.random.default_rng(5)
    for parameter in layer.parameters:
        parameter.value[...] = layer.ops.asarray(draw(rng, parameter.shape), "float64")
    return layer


def moving(layer):
    return values(layer, [layer.moving_mean, layer.moving_variance])


# Batch normalisation.


@one_value_is_fine
@settings(max_examples=25)
@given(**SHAPES, **CHOICES, momentum=st.sampled_from([0.0, 0.5, 0.99]), seed=st.integers(0, 999))
def test_batch_norm(harness, n, leading, c, center, scale, epsilon, momentum, seed):
    def make():
        return layers.BatchNormalization(momentum=momentum, epsilon=epsilon, center=center, scale=scale)

    x = np.random.default_rng(seed).normal(1, 1, (n, *leading, c))
    ready = harness(make, x, draw=positive)
    for floatx, close in (("float64", EXACT), ("float32", {"rtol": 1e-4, "atol": 1e-4})):
        layer = ready.layer(floatx)
        parameters, (moving_mean, moving_variance) = values(layer), moving(layer)
        given_x = x.astype(floatx)
        mean, variance = statistics(given_x.astype(float))
        y = ready.run(layer, given_x, training=True)
        assert (y.dtype, y.shape) == (np.dtype(floatx), x.shape)
        np.testing.assert_allclose(y, normalized(given_x, mean, variance, epsilon, parameters, center, scale), **close)
        moved = moving(layer)
        np.testing.assert_allclose(moved[0], momentum * moving_mean + (1 - momentum) * mean, **close)
        np.testing.assert_allclose(moved[1], momentum * moving_variance + (1 - momentum) * variance, **close)
        y = ready.run(layer, given_x)
        np.testing.assert_allclose(y, normalized(given_x, *moved, epsilon, parameters, center, scale), **close)
        np.testing.assert_array_equal(ready.run(layer, given_x[:1]), y[:1])
        np.testing.assert_array_equal(moving(layer), moved)
    ready.check_gradients()
    ready.check_errors()


@given(n=st.integers(2, 5), leading=st.sampled_from([(2,), (3, 2)]), c=st.integers(1, 5))
@settings(max_examples=10)
def test_batch_norm_in_memory(harness, n, leading, c):
    x = np.random.default_rng(0).normal(1, 1, (n, *leading, c))
    harness(lambda: layers.BatchNormalization(epsilon=0.1), x, draw=positive).check_memory()


def test_parameters_stand_as_in_keras(backend):
    layer = layers.BatchNormalization(input_shape=(4,))
    layer.build((4,))
    assert [(p.name, p.shape, p.trainable) for p in layer.parameters] == [
        ("gamma", (4,), True), ("beta", (4,), True), ("moving_mean", (4,), False), ("moving_variance", (4,), False)]
    assert [value.tolist() for value in values(layer)] == [[1] * 4, [0] * 4, [0] * 4, [1] * 4]
    assert (layer.momentum, layer.epsilon) == (0.99, 0.001)


@pytest.mark.parametrize("kind, statistics_there", [(layers.BatchNormalization, ["moving_mean", "moving_variance"]),
                                                    (layers.LayerNormalization, [])])
@pytest.mark.parametrize("center, scale, there", [(True, False, ["beta"]), (False, True, ["gamma"]),
                                                  (False, False, []), (True, True, ["gamma", "beta"])])
def test_what_center_and_scale_leave_out_is_not_there(kind, statistics_there, center, scale, there):
    layer = kind(center=center, scale=scale)
    layer.build((2, 2, 3))
    assert [parameter.name for parameter in layer.parameters] == there + statistics_there
    assert (layer.gamma is not None, layer.beta is not None) == (scale, center)


def test_initializers():
    constant = tinynet.initializers.Constant
    layer = layers.BatchNormalization(beta_initializer=constant(1), gamma_initializer=constant(2),
                                      moving_mean_initializer=constant(3), moving_variance_initializer=constant(4))
    layer.build((1,))
    assert [value.item() for value in values(layer)] == [2, 1, 3, 4]


def test_every_backend_starts_from_the_same_weights():
    found = []
    for name in ("numpy", "numba"):
        tinynet.set_seed(4)
        with tinynet.use_backend(name):
            layer = layers.BatchNormalization(gamma_initializer="random_normal", beta_initializer="random_normal")
            layer.build((7,))
        found.append(values(layer))
    np.testing.assert_array_equal(*found)
    assert not np.array_equal(found[0][0], found[0][1])


def test_a_frozen_layer_takes_its_moving_statistics_also_in_training(run, rng):
    layer = built()
    x, dy = rng.normal(0, 1, (2, 5, 3))
    layer.trainable = False
    before, grads = values(layer), [layer.ops.to_numpy(p.grad) for p in layer.parameters]
    at_inference = run(layer.forward, x)
    y = run(layer.forward, x, training=True)
    dx = run(layer.backward, dy)
    np.testing.assert_array_equal(y, at_inference)
    gamma, _, _, variance = before
    np.testing.assert_allclose(dx, dy * gamma / np.sqrt(variance + 0.001), rtol=1e-13)
    np.testing.assert_array_equal(values(layer), before)
    for parameter, grad in zip(layer.parameters, grads, strict=True):
        np.testing.assert_array_equal(layer.ops.to_numpy(parameter.grad), grad)
    report = tinynet.gradcheck(layer, x)
    assert report, str(report)
    assert [found.name for found in report.comparisons] == ["x"]


@pytest.mark.parametrize("frozen", [True, False])
def test_backward_follows_the_forward_that_ran_whatever_changed_since(run, rng, frozen):
    x, dy = rng.normal(0, 1, (2, 5, 3))
    layer, other = built(), built()
    layer.trainable = other.trainable = not frozen
    run(layer.forward, x, training=True)
    wanted = run(layer.backward, dy)
    run(other.forward, x, training=True)
    other.trainable = frozen
    other.moving_mean.value[...] = 7
    other.moving_variance.value[...] = 7
    np.testing.assert_allclose(run(other.backward, dy), wanted, rtol=1e-12)
    # An unfrozen layer's gradients are used by the next step, so they are filled, for the forward that ran.
    assert np.any(values_of_grads(other)) == frozen
    if frozen:
        gamma, _, mean, variance = values(layer)
        dgamma, dbeta = values_of_grads(other)
        np.testing.assert_allclose(dgamma, (dy * (x - mean) / np.sqrt(variance + 0.001)).sum(axis=0), rtol=1e-12)
        np.testing.assert_allclose(dbeta, dy.sum(axis=0), rtol=1e-12)


def values_of_grads(layer):
    return [layer.ops.to_numpy(parameter.grad) for parameter in (layer.gamma, layer.beta)]


def test_unfrozen_again_it_trains_again(run, rng):
    layer = built()
    layer.trainable = False
    layer.trainable = True
    before = moving(layer)
    run(layer.forward, rng.normal(5, 1, (4, 3)), training=True)
    assert (np.abs(np.array(moving(layer)) - before) > 1e-6).all()


@pytest.mark.parametrize("shape", [(3,), (1, 1, 3)])
def test_a_batch_of_one_value_per_channel_warns_once_and_gives_beta(run, shape):
    layer, other = built(shape, momentum=0.75, name="norm"), built(shape)
    x = np.full((1, *shape), 1234.567)
    with pytest.warns(UserWarning, match="Layer 'norm': .*at least two values per channel.*Received: .*1, ") as seen:
        y = run(layer.forward, x, training=True)
    assert len(seen) == 1
    _, beta, mean, variance = values(built(shape))
    np.testing.assert_array_equal(y.ravel(), beta)
    np.testing.assert_allclose(moving(layer)[0], 0.75 * mean + 0.25 * 1234.567, rtol=1e-14)
    np.testing.assert_allclose(moving(layer)[1], 0.75 * variance, rtol=1e-14)
    np.testing.assert_allclose(run(layer.backward, np.ones(x.shape)), 0, atol=1e-13)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run(layer.forward, x, training=True)
        run(other.forward, x)
        run(other.forward, np.repeat(x, 2, axis=0), training=True)
        run(built((2, 2, 3)).forward, np.ones((1, 2, 2, 3)), training=True)
        other.trainable = False
        run(other.forward, x, training=True)
    other.trainable = True
    with pytest.warns(UserWarning, match="Layer 'batch_normalization'"):
        run(other.forward, x, training=True)


def test_a_gradient_check_of_a_model_puts_the_statistics_back(backend, rng):
    model = tinynet.Sequential([layers.Dense(6, use_bias=False), layers.BatchNormalization(scale=False),
                                layers.Activation("tanh"), layers.LayerNormalization(), layers.Dense(2)])
    x = rng.normal(0, 1, (7, 4))
    model.build((4,))
    model.forward(x, training=True)
    before = model.get_weights()
    report = tinynet.gradcheck(model, x, most=30)
    assert report, str(report)
    assert [found.name for found in report.comparisons] == [
        "x", "kernel", "beta", "gamma", "beta", "kernel", "bias"]
    for ours, theirs in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_optimizers_leave_moving_statistics_alone(backend, rng):
    norm = layers.BatchNormalization(momentum=1.0)  # so that training does not move them either
    model = tinynet.Sequential([layers.Dense(4), norm, layers.Dense(1)])
    model.compile(tinynet.optimizers.SGD(0.5, momentum=0.9), "mse")
    x, y = rng.normal(0, 1, (8, 3)).astype(np.float32), rng.normal(0, 1, (8, 1)).astype(np.float32)
    model.train_on_batch(x, y)
    model.train_on_batch(x, y)
    assert values(norm)[2:] == [pytest.approx([0] * 4), pytest.approx([1] * 4)]
    assert (values(norm)[0] != 1).all()
    assert (values(norm)[1] != 0).all()


def test_a_model_learns_what_scale_hides(backend):
    """Features of sizes 1000 apart: after some batches inference does as well as training."""
    rng = np.random.default_rng(0)
    x = (rng.normal(size=(256, 2)) * [1e3, 1] + [5e3, 0]).astype(np.float32)
    y = (x[:, 1] > 0).astype(np.float32)[:, None]
    model = tinynet.Sequential([layers.BatchNormalization(momentum=0.8), layers.Dense(1, activation="sigmoid")])
    model.compile(tinynet.optimizers.Adam(0.05), "binary_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=8, batch_size=32, verbose=0)
    assert model.evaluate(x, y, verbose=0)[1] > 0.95


def test_a_step_after_the_first_allocates_nothing(backend):
    if backend != "numba":
        pytest.skip("the readable wing makes arrays as it goes")
    batch = layers.BatchNormalization()
    batch.build((8, 8, 16))
    layer = layers.LayerNormalization()
    layer.build((8, 8, 16))
    x = np.ones((32, 8, 8, 16), np.float32)

    def step():
        layer.forward(batch.forward(x, training=True), training=True)
        batch.backward(layer.backward(x))

    step()
    tracemalloc.start()
    step()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < x.nbytes / 2


def test_dx_is_not_computed_where_nobody_needs_it(harness, rng):
    for kind in (layers.BatchNormalization, layers.LayerNormalization):
        ready = harness(kind, rng.normal(size=(3, 4)), draw=positive)
        _, dx, _ = ready.run(ready.layer(), ready.x, rng.normal(size=(3, 4)), need_dx=False)
        assert dx is None


# Layer normalisation.


def by_rows(center, scale, epsilon):
    def oracle(x, *parameters):
        y = np.zeros(x.shape)
        for index in np.ndindex(x.shape[:-1]):
            row = [float(v) for v in x[index]]
            mean = sum(row) / len(row)
            std = math.sqrt(sum((v - mean) ** 2 for v in row) / len(row) + epsilon)
            for c, v in enumerate(row):
                y[index][c] = affine((v - mean) / std, c, parameters, center, scale)
        return y

    return oracle


@settings(max_examples=25)
@given(**SHAPES, **CHOICES, seed=st.integers(0, 999))
def test_layer_norm(harness, n, leading, c, center, scale, epsilon, seed):
    x = np.random.default_rng(seed).normal(1, 1, (n, *leading, c))
    ready = harness(lambda: layers.LayerNormalization(epsilon=epsilon, center=center, scale=scale), x,
                    by_rows(center, scale, epsilon))
    if epsilon >= 0.1:  # of two numbers that lie close a small epsilon leaves what float32 rounds off
        ready.check_values()
        ready.check_memory()
    ready.check_gradients()
    ready.check_errors()


def test_a_frozen_layer_norm_returns_dx_alone(run, rng):
    layer = layers.LayerNormalization()
    layer.build((4,))
    x, dy = rng.normal(0, 1, (2, 3, 4))
    run(layer.forward, x, training=True)
    wanted = run(layer.backward, dy)
    before = values_of_grads(layer)
    layer.trainable = False
    run(layer.forward, x, training=True)
    np.testing.assert_array_equal(run(layer.backward, dy), wanted)
    np.testing.assert_array_equal(values_of_grads(layer), before)


# What is refused.


@pytest.mark.parametrize("kind", [layers.BatchNormalization, layers.LayerNormalization])
class TestArguments:
    @pytest.mark.parametrize("axis", [-1, 3])
    def test_the_last_axis(self, kind, axis):
        assert kind(axis=axis).build((4, 5, 6)) == (4, 5, 6)

    @pytest.mark.parametrize("axis", [0, 1, 2, 4, -2])
    def test_another_axis(self, kind, axis):
        with pytest.raises(ValueError, match=r"Layer 'n' .*\(N, 4, 5, 6\) axis must be -1 or 3\. "
                                             f"Received: axis={axis}"):
            kind(axis=axis, name="n").build((4, 5, 6))

    @pytest.mark.parametrize("axis", ["last", None, 1.0, True, [1, 2]])
    def test_no_axis(self, kind, axis):
        with pytest.raises(ValueError, match=f"axis of {kind.__name__} must be .*Received: "):
            kind(axis=axis)

    @pytest.mark.parametrize("epsilon", [0, -1e-3, "small", None, float("nan"), True])
    def test_epsilon(self, kind, epsilon):
        with pytest.raises(ValueError, match=f"epsilon of {kind.__name__} must be .*Received: "):
            kind(epsilon=epsilon)

    def test_no_channels(self, kind):
        with pytest.raises(ValueError, match="needs an axis of channels.*Received: "):
            kind().build(())

    def test_a_misspelled_keyword(self, kind):
        with pytest.raises(TypeError, match="did you mean 'epsilon'.*Received: "):
            kind(epsilom=0.1)

    def test_a_wrong_initializer(self, kind):
        with pytest.raises(ValueError, match=r"initializer of 'gamma' must return the shape \(3,\)\. Received: "):
            kind(gamma_initializer=lambda shape, generator: np.ones(2)).build((3,))


@pytest.mark.parametrize("momentum", [-0.1, 1.1, "0.9", None, True, float("nan")])
def test_momentum(momentum):
    with pytest.raises(ValueError, match="momentum of BatchNormalization must be .*Received: "):
        layers.BatchNormalization(momentum=momentum)
