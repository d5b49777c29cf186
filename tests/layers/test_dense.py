import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tinynet
from tinynet import layers

FUNCTIONS = {
    None: lambda z: z,
    "relu": lambda z: max(z, 0.0),
    "relu6": lambda z: min(max(z, 0.0), 6.0),
    "leaky_relu": lambda z: z if z > 0 else 0.2 * z,
    "elu": lambda z: z if z > 0 else math.exp(z) - 1,
    "gelu": lambda z: z * 0.5 * (1 + math.erf(z / math.sqrt(2))),
    "sigmoid": lambda z: 1 / (1 + math.exp(-z)),
    "tanh": math.tanh,
    "softplus": lambda z: math.log(1 + math.exp(z)),
}
KINKS = {"relu": [0], "relu6": [0, 6], "leaky_relu": [0], "elu": [0]}


def affine(x, kernel, bias=None):
    """Compute x @ kernel + bias by loops. x (N, ..., I), result (N, ..., O)."""
    z = np.zeros((*x.shape[:-1], kernel.shape[1]))
    for index in np.ndindex(x.shape[:-1]):
        for o in range(kernel.shape[1]):
            z[index][o] = 0 if bias is None else bias[o]
            for i in range(kernel.shape[0]):
                z[index][o] += x[index][i] * kernel[i, o]
    return z


def oracle(activation):
    def forward(x, *parameters):
        z = affine(x, *parameters)
        y = np.zeros(z.shape)
        for index in np.ndindex(z.shape):
            if activation == "softmax":
                y[index] = math.exp(z[index]) / sum(math.exp(other) for other in z[index[:-1]])
            else:
                y[index] = FUNCTIONS[activation](z[index])
        return y

    return forward


@pytest.mark.parametrize("activation", [*FUNCTIONS, "softmax"])
@given(leading=st.lists(st.integers(1, 3), max_size=2), i=st.integers(1, 6), o=st.integers(1, 6),
       n=st.integers(1, 4), use_bias=st.booleans(), seed=st.integers(0, 1000))
@settings(max_examples=15)
def test_contract(check_layer, harness, activation, leading, i, o, n, use_bias, seed):
    def make():
        return layers.Dense(o, activation, use_bias)

    x = np.random.default_rng(seed).normal(0, 1, (n, *leading, i))
    layer = harness(make, x).layer()
    z = affine(x, *[layer.ops.to_numpy(parameter.value) for parameter in layer.parameters])
    for kink in KINKS.get(activation, []):
        assume(np.abs(z - kink).min() > 3e-3)  # differences must not step over it
    check_layer(make, x, oracle(activation))


def test_glorot_kernel_and_zero_bias_by_default(backend):
    layer = layers.Dense(300)
    layer.build((200,))
    edge = math.sqrt(6 / 500)
    kernel = layer.ops.to_numpy(layer.kernel.value)
    assert np.abs(kernel).max() <= edge
    assert np.abs(kernel).max() > 0.99 * edge
    assert abs(kernel.std() - edge / math.sqrt(3)) < 1e-3
    assert not layer.bias.value.any()
    assert [parameter.name for parameter in layer.parameters] == ["kernel", "bias"]


def test_initializers_by_name_and_as_objects():
    layer = layers.Dense(3, kernel_initializer="ones", bias_initializer=tinynet.initializers.Constant(0.5))
    layer.build((2,))
    assert np.array_equal(layer.kernel.value, np.ones((2, 3)))
    assert np.array_equal(layer.bias.value, np.full(3, 0.5))


def test_every_backend_starts_from_the_same_weights():
    kernels = []
    for name in ("numpy", "numba"):
        tinynet.set_seed(4)
        with tinynet.use_backend(name):
            layer = layers.Dense(5)
            layer.build((7,))
        kernels.append(layer.kernel.value)
    assert np.array_equal(*kernels)


def test_a_frozen_layer_returns_dx_and_leaves_its_grads_alone(run, rng):
    layer = layers.Dense(3, "tanh")
    layer.build((4,))
    x, dy = rng.normal(0, 1, (2, 4)), rng.normal(0, 1, (2, 3))
    run(layer.forward, x, training=True)
    wanted = run(layer.backward, dy)
    before = [layer.ops.to_numpy(parameter.grad) for parameter in layer.parameters]
    layer.trainable = False
    run(layer.forward, x, training=True)
    assert np.array_equal(run(layer.backward, 2 * dy), 2 * wanted)
    for parameter, grad in zip(layer.parameters, before, strict=True):
        assert np.array_equal(layer.ops.to_numpy(parameter.grad), grad)


def test_logits_are_what_goes_into_the_activation(run, rng):
    layer = layers.Dense(3, "softmax")
    layer.build((4,))
    x, dz = rng.normal(0, 1, (2, 4)).astype(np.float32), rng.normal(0, 1, (2, 3)).astype(np.float32)
    kernel = layer.ops.to_numpy(layer.kernel.value)
    assert np.allclose(run(layer.logits, x, training=True), x @ kernel, rtol=1e-5)
    assert np.allclose(run(layer.logits_backward, dz), dz @ kernel.T, rtol=1e-5)
    assert np.allclose(layer.ops.to_numpy(layer.kernel.grad), x.T @ dz, rtol=1e-5)


@pytest.mark.parametrize("units", [0, -1, 2.5, "3", True, (2, 3), None])
def test_units(units):
    with pytest.raises(ValueError, match="Received: "):
        layers.Dense(units)


def test_units_of_any_integer_type():
    assert layers.Dense(np.int64(3)).units == 3


@pytest.mark.parametrize("activation, error", [("rleu", ValueError), (np.tanh, TypeError)])
def test_an_unknown_activation(activation, error):
    with pytest.raises(error, match="Received: "):
        layers.Dense(3, activation=activation)


def test_a_misspelled_keyword():
    with pytest.raises(TypeError, match="activation.*Received: "):
        layers.Dense(3, activaton="relu")


def test_dx_is_not_computed_where_nobody_needs_it(harness, rng):
    ready = harness(lambda: layers.Dense(2, activation="tanh"), rng.normal(size=(3, 4)))
    _, dx, _ = ready.run(ready.layer(), ready.x, rng.normal(size=(3, 2)), need_dx=False)
    assert dx is None


@pytest.mark.parametrize("activation", ["relu", "elu"])
def test_logits_of_a_subclass_count_whatever_the_activation(backend, run, rng, activation):
    class Doubled(layers.Dense):
        def logits(self, x, *, training=False):
            return super().logits(x + x, training=training)

    x = rng.normal(size=(5, 4)).astype(np.float32)
    outputs = []
    for kind, inputs in ((Doubled, x), (layers.Dense, 2 * x)):
        tinynet.set_seed(0)
        layer = kind(3, activation=activation)
        layer.build((4,))
        outputs.append(run(layer.forward, inputs))
    np.testing.assert_allclose(*outputs, rtol=1e-5)
