import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet import layers

SIZES = st.tuples(st.integers(1, 4), st.integers(1, 3))
MORE = st.tuples(st.integers(0, 3), st.integers(0, 4))
STEPS = st.tuples(st.booleans(), st.tuples(st.integers(1, 3), st.integers(1, 3)))  # strides or dilation, not both


def depthwise(strides, dilation, padding):
    """Return an oracle of DepthwiseConv2D."""
    def forward(x, kernel, bias=None):
        N, H, W, C = x.shape
        KH, KW, _, M = kernel.shape
        out, before = [], []
        for size, k, stride, d in zip((H, W), (KH, KW), strides, dilation, strict=True):
            reach = (k - 1) * d + 1
            out.append(math.ceil(size / stride) if padding == "same" else (size - reach) // stride + 1)
            before.append(max((out[-1] - 1) * stride + reach - size, 0) // 2 if padding == "same" else 0)
        y = np.zeros((N, *out, C * M)) + (0 if bias is None else bias)
        for i, j, a, b in np.ndindex(*out, KH, KW):
            h, w = i * strides[0] + a * dilation[0] - before[0], j * strides[1] + b * dilation[1] - before[1]
            if 0 <= h < H and 0 <= w < W:
                for n, c, m in np.ndindex(N, C, M):
                    y[n, i, j, c * M + m] += x[n, h, w, c] * kernel[a, b, c, m]
        return y

    return forward


def separable(strides, dilation, padding):
    """Return an oracle of SeparableConv2D."""
    def forward(x, depthwise_kernel, pointwise_kernel, bias=None):
        u = depthwise(strides, dilation, padding)(x, depthwise_kernel)
        y = np.zeros((*u.shape[:3], pointwise_kernel.shape[3])) + (0 if bias is None else bias)
        for place in np.ndindex(u.shape[:3]):
            for k, f in np.ndindex(pointwise_kernel.shape[2:]):
                y[place][f] += u[place][k] * pointwise_kernel[0, 0, k, f]
        return y

    return forward


def drawn(size, more, steps, padding):
    """Return strides, dilation and an image's height and width from what hypothesis drew."""
    strides, dilation = (steps[1], (1, 1)) if steps[0] else ((1, 1), steps[1])
    least = [(k - 1) * d + 1 if padding == "valid" else 1 for k, d in zip(size, dilation, strict=True)]
    return strides, dilation, tuple(a + b for a, b in zip(least, more, strict=True))


@pytest.mark.parametrize("padding", ["valid", "same"])
@given(size=SIZES, more=MORE, steps=STEPS, n=st.integers(1, 3), c=st.integers(1, 3), m=st.integers(1, 3),
       use_bias=st.booleans(), seed=st.integers(0, 999))
@settings(max_examples=25)
def test_contract(check_layer, padding, size, more, steps, n, c, m, use_bias, seed):
    strides, dilation, image = drawn(size, more, steps, padding)
    x = np.random.default_rng(seed).normal(0, 1, (n, *image, c))
    check_layer(lambda: layers.DepthwiseConv2D(size, strides, padding, m, None, dilation, use_bias=use_bias),
                x, depthwise(strides, dilation, padding))


@pytest.mark.parametrize("padding", ["valid", "same"])
@given(size=SIZES, more=MORE, steps=STEPS, n=st.integers(1, 3), c=st.integers(1, 3), m=st.integers(1, 2),
       f=st.integers(1, 3), use_bias=st.booleans(), seed=st.integers(0, 999))
@settings(max_examples=20)
def test_contract_of_the_separable(check_layer, padding, size, more, steps, n, c, m, f, use_bias, seed):
    strides, dilation, image = drawn(size, more, steps, padding)
    x = np.random.default_rng(seed).normal(0, 1, (n, *image, c))
    check_layer(lambda: layers.SeparableConv2D(f, size, strides, padding, None, dilation, m, use_bias=use_bias),
                x, separable(strides, dilation, padding))


def test_an_activation_after_them(check_layer, rng):
    x = rng.normal(size=(2, 3, 4, 2))
    for kind, oracle in ((lambda: layers.DepthwiseConv2D(3, 2, "same", 2, activation="tanh"), depthwise),
                         (lambda: layers.SeparableConv2D(3, 3, 2, "same", activation="tanh"), separable)):
        values = oracle((2, 2), (1, 1), "same")
        check_layer(kind, x, lambda x, *parameters, values=values: np.tanh(values(x, *parameters)))


def test_a_separable_convolution_is_a_convolution(harness, rng):
    x = rng.normal(size=(2, 5, 5, 3))
    ready = harness(lambda: layers.SeparableConv2D(4, 3, padding="same", depth_multiplier=2), x)
    layer = ready.layer()
    deep, point, bias = (layer.ops.to_numpy(parameter.value) for parameter in layer.parameters)
    whole = harness(lambda: layers.Conv2D(4, 3, padding="same"), x)
    same = whole.layer()
    same.kernel.value[...] = same.ops.asarray(np.einsum("abcm,cmf->abcf", deep, point.reshape(3, 2, 4)), "float64")
    same.bias.value[...] = same.ops.asarray(bias, "float64")
    np.testing.assert_allclose(ready.run(layer, x), whole.run(same, x), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("layer", "shapes"), [
    (layers.DepthwiseConv2D(5, depth_multiplier=20), {"depthwise_kernel": (5, 5, 10, 20), "bias": (200,)}),
    (layers.SeparableConv2D(30, 5, depth_multiplier=20),
     {"depthwise_kernel": (5, 5, 10, 20), "pointwise_kernel": (1, 1, 200, 30), "bias": (30,)}),
])
def test_glorot_kernels_and_zero_bias_by_default(layer, shapes):
    layer.build((8, 8, 10))
    assert {parameter.name: parameter.shape for parameter in layer.parameters} == shapes
    *kernels, bias = layer.parameters
    for kernel in kernels:
        edge = math.sqrt(6 / (kernel.shape[0] * kernel.shape[1] * sum(kernel.shape[2:])))
        assert 0.98 * edge < np.abs(kernel.value).max() <= edge
    assert not bias.value.any()


def test_initializers_and_regularizers_reach_their_parameters():
    deep = layers.DepthwiseConv2D(2, depthwise_initializer="ones", bias_initializer="ones", depthwise_regularizer="l1",
                                  bias_regularizer="l2")
    deep.build((3, 3, 2))
    assert all((parameter.value == 1).all() for parameter in deep.parameters)
    assert (deep.depthwise_kernel.regularizer.l1, deep.bias.regularizer.l2) == (0.01, 0.01)
    both = layers.SeparableConv2D(4, 2, depthwise_initializer="ones", pointwise_initializer="zeros",
                                  bias_initializer="ones", depthwise_regularizer="l1", pointwise_regularizer="l2")
    both.build((3, 3, 2))
    assert [parameter.value.mean() for parameter in both.parameters] == [1, 0, 1]
    assert (both.depthwise_kernel.regularizer.l1, both.pointwise_kernel.regularizer.l2) == (0.01, 0.01)
    assert both.bias.regularizer is None


MAKERS = [lambda **options: layers.DepthwiseConv2D(3, depth_multiplier=2, **options),
          lambda **options: layers.SeparableConv2D(4, 3, **options)]


@pytest.mark.parametrize("make", MAKERS)
def test_a_frozen_layer_returns_dx_and_leaves_its_grads_alone(harness, rng, make):
    ready = harness(make, rng.normal(size=(2, 4, 5, 2)))
    layer = ready.layer()
    dy = rng.normal(size=(2, *layer.output_shape))
    _, wanted, grads = ready.run(layer, ready.x, dy)
    layer.trainable = False
    _, dx, same = ready.run(layer, ready.x, 2 * dy)
    np.testing.assert_allclose(dx, 2 * wanted, rtol=1e-13)
    assert all(np.array_equal(*pair) for pair in zip(grads, same, strict=True))


@pytest.mark.parametrize("make", MAKERS)
def test_logits_are_what_goes_into_the_activation(harness, rng, make):
    x, dz = rng.normal(size=(2, 3, 3, 2)), rng.normal(size=(2, 3, 3, 4))
    plain = harness(lambda: make(padding="same"), x)
    z, dx, grads = plain.run(plain.layer(), x, dz)
    layer = harness(lambda: make(padding="same", activation="softmax"), x).layer()
    np.testing.assert_array_equal(layer.ops.to_numpy(layer.logits(layer.ops.asarray(x, "float64"), training=True)), z)
    np.testing.assert_array_equal(layer.ops.to_numpy(layer.logits_backward(layer.ops.asarray(dz, "float64"))), dx)
    for parameter, grad in zip(layer.parameters, grads, strict=True):
        np.testing.assert_array_equal(layer.ops.to_numpy(parameter.grad), grad)


@pytest.mark.parametrize("make", MAKERS)
def test_dx_is_not_computed_where_nobody_needs_it(harness, rng, make):
    ready = harness(lambda: make(padding="same"), rng.normal(size=(3, 4, 4, 2)))
    _, dx, _ = ready.run(ready.layer(), ready.x, rng.normal(size=(3, 4, 4, 4)), need_dx=False)
    assert dx is None


@pytest.mark.parametrize(("arguments", "words"), [
    ({"depth_multiplier": 0}, "depth_multiplier"),
    ({"kernel_size": (3, 3, 3)}, "kernel_size.*pair"),
    ({"strides": 0}, "strides"),
    ({"dilation_rate": 0}, "dilation_rate"),
    ({"strides": 2, "dilation_rate": 2}, "strides.*dilation_rate"),
    ({"padding": "causal"}, "padding.*valid"),
    ({"data_format": "channels_first"}, "data_format.*channels_last"),
])
@pytest.mark.parametrize(("kind", "more"), [(layers.DepthwiseConv2D, {}), (layers.SeparableConv2D, {"filters": 2})])
def test_bad_arguments(kind, more, arguments, words):
    with pytest.raises(ValueError, match=f"{words}.*Received: "):
        kind(**{"kernel_size": 3, **more, **arguments})


@pytest.mark.parametrize("make", MAKERS)
def test_bad_images(make):
    with pytest.raises(ValueError, match="Layer 'first': a window .*does not fit.*Received: "):
        make(name="first").build((2, 2, 1))
    with pytest.raises(ValueError, match=r"expects images of shape \(H, W, C\).*Received: "):
        make().build((28, 28))
    layer = make(name="first")
    layer.build((8, 6, 3))
    with pytest.raises(ValueError, match=r"channels first: np\.moveaxis\(x, 1, -1\)\. Received: \(5, 3, 8, 6\)"):
        layer.forward(np.zeros((5, 3, 8, 6), np.float32))


def test_no_filters():
    with pytest.raises(ValueError, match="filters of SeparableConv2D.*Received: 0"):
        layers.SeparableConv2D(0, 3)
