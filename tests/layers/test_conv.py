import math
import tracemalloc

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinynet
from tinynet import layers

SIZES = st.tuples(st.integers(1, 4), st.integers(1, 3))
MORE = st.tuples(st.integers(0, 3), st.integers(0, 4))
STEPS = st.tuples(st.booleans(), st.tuples(st.integers(1, 3), st.integers(1, 3)))  # strides or dilation, not both


def places(size, kernel, stride, dilation, padding):
    """Return how many places a window takes along an axis, and the padding before it: TensorFlow's rule."""
    reach = (kernel - 1) * dilation + 1
    if padding == "valid":
        return (size - reach) // stride + 1, 0
    count = math.ceil(size / stride)
    return count, max((count - 1) * stride + reach - size, 0) // 2


def meetings(image, size, strides, dilation, padding):
    """Yield (i, j, a, b, h, w): in place (i, j) the kernel's entry (a, b) lies on the pixel (h, w)."""
    (OH, top), (OW, left) = (places(*axis, padding) for axis in zip(image, size, strides, dilation, strict=True))
    for i, j, a, b in np.ndindex(OH, OW, *size):
        h, w = i * strides[0] + a * dilation[0] - top, j * strides[1] + b * dilation[1] - left
        if 0 <= h < image[0] and 0 <= w < image[1]:
            yield i, j, a, b, h, w


def convolution(strides, dilation, padding):
    """Return an oracle of Conv2D. The groups are as many as the kernel's channels say."""
    def forward(x, kernel, bias=None):
        size, image = kernel.shape[:2], x.shape[1:3]
        OH, OW = (places(*axis, padding)[0] for axis in zip(image, size, strides, dilation, strict=True))
        filters, seen = kernel.shape[3], kernel.shape[2]
        y = np.zeros((len(x), OH, OW, filters)) + (0 if bias is None else bias)
        for i, j, a, b, h, w in meetings(image, size, strides, dilation, padding):
            for n, c, f in np.ndindex(len(x), seen, filters):
                group = f // (filters * seen // x.shape[3])
                y[n, i, j, f] += x[n, h, w, group * seen + c] * kernel[a, b, c, f]
        return y

    return forward


def transposed(strides, dilation, padding):
    """Return an oracle of Conv2DTranspose: each pixel stamps the kernel onto the output."""
    def forward(x, kernel, bias=None):
        image = [size * stride + (max((k - 1) * d + 1 - stride, 0) if padding == "valid" else 0)
                 for size, k, stride, d in zip(x.shape[1:3], kernel.shape[:2], strides, dilation, strict=True)]
        y = np.zeros((len(x), *image, kernel.shape[2])) + (0 if bias is None else bias)
        for i, j, a, b, h, w in meetings(image, kernel.shape[:2], strides, dilation, padding):
            for n, f, c in np.ndindex(len(x), *kernel.shape[2:]):
                y[n, h, w, f] += x[n, i, j, c] * kernel[a, b, f, c]
        return y

    return forward


def strides_and_dilation(steps):
    return (steps[1], (1, 1)) if steps[0] else ((1, 1), steps[1])


def image_of(size, dilation, padding, more):
    """Return an image's height and width: as large as the window needs, or from one pixel on, and some more."""
    least = [(k - 1) * d + 1 if padding == "valid" else 1 for k, d in zip(size, dilation, strict=True)]
    return tuple(a + b for a, b in zip(least, more, strict=True))


@pytest.mark.parametrize("padding", ["valid", "same"])
@given(size=SIZES, more=MORE, steps=STEPS, n=st.integers(1, 3), groups=st.integers(1, 3), c=st.integers(1, 2),
       f=st.integers(1, 3), use_bias=st.booleans(), seed=st.integers(0, 999))
@settings(max_examples=25)
def test_contract(check_layer, padding, size, more, steps, n, groups, c, f, use_bias, seed):
    strides, dilation = strides_and_dilation(steps)
    x = np.random.default_rng(seed).normal(0, 1, (n, *image_of(size, dilation, padding, more), groups * c))
    check_layer(lambda: layers.Conv2D(groups * f, size, strides, padding, None, dilation, groups, use_bias=use_bias),
                x, convolution(strides, dilation, padding))


@pytest.mark.parametrize("padding", ["valid", "same"])
@given(size=SIZES, image=st.tuples(st.integers(1, 3), st.integers(1, 3)), steps=STEPS, n=st.integers(1, 3),
       c=st.integers(1, 3), f=st.integers(1, 3), use_bias=st.booleans(), seed=st.integers(0, 999))
@settings(max_examples=25)
def test_contract_of_the_transposed(check_layer, padding, size, image, steps, n, c, f, use_bias, seed):
    strides, dilation = strides_and_dilation(steps)
    x = np.random.default_rng(seed).normal(0, 1, (n, *image, c))
    check_layer(lambda: layers.Conv2DTranspose(f, size, strides, padding, None, dilation, use_bias=use_bias),
                x, transposed(strides, dilation, padding))


@pytest.mark.parametrize("kind", [layers.Conv2D, layers.Conv2DTranspose])
def test_an_activation_after_it(check_layer, rng, kind):
    oracle = (convolution if kind is layers.Conv2D else transposed)((2, 2), (1, 1), "same")
    check_layer(lambda: kind(3, 3, 2, "same", activation="tanh"), rng.normal(size=(2, 3, 4, 2)),
                lambda x, *parameters: np.tanh(oracle(x, *parameters)))


def row(run, kind, x, kernel, **options):
    """Return what the layer makes of one row of pixels, as numbers."""
    x, kernel = np.array(x, np.float32).reshape(1, 1, -1, 1), np.array(kernel, np.float32).reshape(1, -1, 1, 1)
    layer = kind(1, (1, kernel.shape[1]), use_bias=False, kernel_initializer=lambda shape, generator: kernel, **options)
    layer.build(x.shape[1:])
    return run(layer.forward, x).ravel().tolist()


@pytest.mark.parametrize(("options", "wanted"), [
    ({}, [21, 32, 43]),
    ({"padding": "same"}, [21, 32, 43, 4]),  # the odd zero stands after the row, as in TensorFlow
    ({"padding": "SAME", "strides": (1, 3)}, [21, 4]),
    ({"dilation_rate": (1, 3)}, [41]),
    ({"padding": "same", "dilation_rate": (1, 2)}, [20, 31, 42, 3]),
])
def test_known_numbers(run, options, wanted):
    assert row(run, layers.Conv2D, [1, 2, 3, 4], [1, 10], **options) == wanted


@pytest.mark.parametrize(("kernel", "options", "wanted"), [
    ([1, 10], {}, [1, 12, 20]),
    ([1, 10], {"padding": "same"}, [1, 12]),
    ([1, 10, 100], {"padding": "same", "strides": (1, 2)}, [1, 10, 102, 20]),
    ([1, 10, 100], {"strides": (1, 2)}, [1, 10, 102, 20, 200]),
    ([1], {"strides": (1, 3)}, [1, 0, 0, 2, 0, 0]),  # a kernel below the stride leaves gaps, also at the end
    ([1, 10], {"dilation_rate": (1, 2)}, [1, 2, 10, 20]),
])
def test_known_numbers_of_the_transposed(run, kernel, options, wanted):
    assert row(run, layers.Conv2DTranspose, [1, 2], kernel, **options) == wanted


def test_one_number_for_both_directions():
    whole, pairs = layers.Conv2D(2, 3, 2, "same"), layers.Conv2D(2, [3, 3], (2, 2), padding="same")
    assert whole.build((9, 7, 1)) == pairs.build((9, 7, 1)) == (5, 4, 2)
    assert layers.Conv2D(2, np.int64(3)).build((9, 7, 1)) == (7, 5, 2)


@pytest.mark.parametrize(("layer", "shape"), [
    (layers.Conv2D(30, 3, groups=2), (3, 3, 5, 30)),
    (layers.Conv2DTranspose(30, 3), (3, 3, 30, 10)),
])
def test_glorot_kernel_and_zero_bias_by_default(layer, shape):
    layer.build((8, 8, 10))
    edge = math.sqrt(6 / (9 * (shape[2] + shape[3])))
    assert [(parameter.name, parameter.shape) for parameter in layer.parameters] == [("kernel", shape), ("bias", (30,))]
    assert 0.98 * edge < np.abs(layer.kernel.value).max() <= edge
    assert not layer.bias.value.any()


@pytest.mark.parametrize("kind", [layers.Conv2D, layers.Conv2DTranspose])
def test_regularizers_and_initializers_reach_their_parameters(kind):
    layer = kind(2, 3, kernel_initializer="ones", bias_initializer=tinynet.initializers.Constant(0.5),
                 kernel_regularizer="l2", bias_regularizer="l1")
    layer.build((8, 8, 3))
    assert np.array_equal(layer.kernel.value, np.ones(layer.kernel.shape))
    assert np.array_equal(layer.bias.value, [0.5, 0.5])
    assert (layer.kernel.regularizer.l2, layer.bias.regularizer.l1) == (0.01, 0.01)


@pytest.mark.parametrize("kind", [layers.Conv2D, layers.Conv2DTranspose])
def test_a_frozen_layer_returns_dx_and_leaves_its_grads_alone(harness, rng, kind):
    ready = harness(lambda: kind(3, 2), rng.normal(size=(2, 4, 5, 2)))
    layer = ready.layer()
    dy = rng.normal(size=(2, *layer.output_shape))
    _, wanted, grads = ready.run(layer, ready.x, dy)
    layer.trainable = False
    _, dx, same = ready.run(layer, ready.x, 2 * dy)
    np.testing.assert_allclose(dx, 2 * wanted, rtol=1e-13)
    assert all(np.array_equal(*pair) for pair in zip(grads, same, strict=True))


@pytest.mark.parametrize("kind", [layers.Conv2D, layers.Conv2DTranspose])
def test_logits_are_what_goes_into_the_activation(harness, rng, kind):
    x, dz = rng.normal(size=(2, 3, 3, 2)), rng.normal(size=(2, 3, 3, 4))
    plain = harness(lambda: kind(4, 3, padding="same"), x)
    z, dx, grads = plain.run(plain.layer(), x, dz)
    layer = harness(lambda: kind(4, 3, padding="same", activation="softmax"), x).layer()
    np.testing.assert_array_equal(layer.ops.to_numpy(layer.logits(layer.ops.asarray(x, "float64"), training=True)), z)
    np.testing.assert_array_equal(layer.ops.to_numpy(layer.logits_backward(layer.ops.asarray(dz, "float64"))), dx)
    for parameter, grad in zip(layer.parameters, grads, strict=True):
        np.testing.assert_array_equal(layer.ops.to_numpy(parameter.grad), grad)


@pytest.mark.parametrize("kind", [layers.Conv2D, layers.Conv2DTranspose])
def test_dx_is_not_computed_where_nobody_needs_it(harness, rng, kind):
    ready = harness(lambda: kind(2, 3, padding="same"), rng.normal(size=(3, 4, 4, 1)))
    _, dx, _ = ready.run(ready.layer(), ready.x, rng.normal(size=(3, 4, 4, 2)), need_dx=False)
    assert dx is None


@pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="too large to be interpreted")
@pytest.mark.parametrize("options", [{}, {"strides": 2}, {"dilation_rate": 2}, {"groups": 4}])
@pytest.mark.parametrize("kind", [layers.Conv2D, layers.Conv2DTranspose])
def test_steps_after_the_first_allocate_nothing_of_the_batchs_size(harness, rng, kind, options):
    if kind is layers.Conv2DTranspose and "groups" in options:
        options = {"use_bias": False}
    layer = harness(lambda: kind(8, 3, padding="same", **options), np.ones((64, 16, 16, 8))).layer()
    x = layer.ops.asarray(rng.normal(size=(64, 16, 16, 8)), "float64")
    dy = layer.ops.asarray(rng.normal(size=(64, *layer.output_shape)), "float64")

    def step(n):
        layer.forward(x[:n], training=True)
        layer.backward(dy[:n])

    step(64)
    tracemalloc.start()
    try:
        step(64)
        step(40)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < min(x.nbytes, dy.nbytes)  # NumPy's own loops take 200 kB, whatever the batch


@pytest.mark.parametrize(("arguments", "words"), [
    ({"filters": 0}, "filters"),
    ({"filters": 2.5}, "filters"),
    ({"kernel_size": 0}, "kernel_size"),
    ({"kernel_size": (3, 3, 3)}, "kernel_size.*pair"),
    ({"strides": 0}, "strides"),
    ({"strides": (1, 0)}, "strides"),
    ({"dilation_rate": 0}, "dilation_rate"),
    ({"dilation_rate": (1, 1, 1)}, "dilation_rate.*pair"),
    ({"strides": 2, "dilation_rate": 2}, "strides.*dilation_rate"),
    ({"padding": "full"}, "padding.*valid"),
    ({"padding": 1}, "padding.*valid"),
    ({"data_format": "channels_first"}, "data_format.*channels_last"),
])
@pytest.mark.parametrize("kind", [layers.Conv2D, layers.Conv2DTranspose])
def test_bad_arguments(kind, arguments, words):
    with pytest.raises(ValueError, match=f"{words}.*Received: "):
        kind(**{"filters": 2, "kernel_size": 3, **arguments})


@pytest.mark.parametrize(("groups", "filters"), [(0, 4), (3, 4), (8, 4)])
def test_groups_that_do_not_divide_the_filters(groups, filters):
    with pytest.raises(ValueError, match="groups of Conv2D .*Received: "):
        layers.Conv2D(filters, 3, groups=groups)


def test_groups_that_do_not_divide_the_channels():
    with pytest.raises(ValueError, match=r"'first': groups=2 must divide the channels.*Received: .*\(8, 8, 3\)"):
        layers.Conv2D(4, 3, groups=2, name="first").build((8, 8, 3))


@pytest.mark.parametrize(("arguments", "shape"), [
    ({"kernel_size": (4, 1)}, (3, 9, 1)),
    ({"kernel_size": (1, 4)}, (9, 3, 1)),
    ({"kernel_size": 2, "dilation_rate": 3}, (3, 3, 1)),
])
def test_a_window_larger_than_the_image(arguments, shape):
    with pytest.raises(ValueError, match="Layer 'first': a window .*does not fit.*Received: "):
        layers.Conv2D(2, **arguments, name="first").build(shape)
    layers.Conv2D(2, padding="same", **arguments).build(shape)


@pytest.mark.parametrize("kind", [layers.Conv2D, layers.Conv2DTranspose])
@pytest.mark.parametrize("shape", [(28,), (28, 28), (2, 28, 28, 1)])
def test_inputs_that_are_no_images(kind, shape):
    with pytest.raises(ValueError, match=rf"expects images of shape \(H, W, C\).*Received: input_shape=\({shape[0]}"):
        kind(2, 3).build(shape)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28)])
def test_channels_first_at_build(shape):
    with pytest.raises(ValueError, match=r"looks like channels first.*np\.moveaxis\(x, 1, -1\).*Received: "):
        layers.Conv2D(2, 5).build(shape)


@pytest.mark.parametrize("kind", [layers.Conv2D, layers.Conv2DTranspose])
def test_channels_first_at_forward(run, kind):
    layer = kind(2, 3)
    layer.build((8, 6, 3))
    with pytest.raises(ValueError, match=r"channels first: np\.moveaxis\(x, 1, -1\)\. Received: \(5, 3, 8, 6\)"):
        run(layer.forward, np.zeros((5, 3, 8, 6), np.float32))
    with pytest.raises(ValueError, match=r"expects inputs of shape \(N, 8, 6, 3\).*Received: \(5, 8, 3, 6\)"):
        run(layer.forward, np.zeros((5, 8, 3, 6), np.float32))


def test_an_image_of_equal_axes_is_no_mistake():
    layer = layers.Conv2D(2, 3)
    layer.build((4, 4, 4))
    assert layer.forward(np.zeros((1, 4, 4, 4), np.float32)).shape == (1, 2, 2, 2)


@pytest.mark.parametrize(("kind", "keyword"), [(layers.Conv2D, "stride"), (layers.Conv2DTranspose, "output_padding")])
def test_a_keyword_that_is_not_there(kind, keyword):
    with pytest.raises(TypeError, match=f"{kind.__name__} has no argument '{keyword}'.*Received: "):
        kind(2, 3, **{keyword: 1})
