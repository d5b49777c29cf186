import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinynet
from tinynet import layers
from tinynet.shapes import window_pads, window_size

POOLS = [layers.MaxPooling2D, layers.AveragePooling2D]
GLOBAL_POOLS = [layers.GlobalMaxPooling2D, layers.GlobalAveragePooling2D]


def mean(numbers):
    return math.fsum(numbers) / len(numbers)


REDUCE = {layers.MaxPooling2D: max, layers.AveragePooling2D: mean,
          layers.GlobalMaxPooling2D: max, layers.GlobalAveragePooling2D: mean}


def distinct(seed, shape):
    """Draw numbers that lie at least 0.02 apart, so that differences never change who is the largest."""
    rng = np.random.default_rng(seed)
    return 0.02 * rng.permutation(math.prod(shape)).reshape(shape) - 1


def slid(reduce, size, strides, padding):
    """Return the oracle: `reduce` of the numbers inside the image, at every place of the window."""
    def forward(x):
        N, H, W, C = x.shape
        OH, OW = (window_size(*axis, padding) for axis in zip((H, W), size, strides, strict=True))
        top, left = (window_pads(*axis, padding)[0] for axis in zip((H, W), size, strides, strict=True))
        y = np.zeros((N, OH, OW, C))
        for n, i, j, c in np.ndindex(y.shape):
            h, w = i * strides[0] - top, j * strides[1] - left
            inside = x[n, max(h, 0) : h + size[0], max(w, 0) : w + size[1], c]
            y[n, i, j, c] = reduce(inside.ravel().tolist())
        return y

    return forward


@st.composite
def configurations(draw):
    """Draw an image's shape, a window that fits it, its strides and the padding."""
    padding = draw(st.sampled_from(["valid", "same"]))
    H, W, C = (draw(st.integers(1, most)) for most in (7, 7, 3))
    size = draw(st.integers(1, H)), draw(st.integers(1, W))
    if padding == "same" and draw(st.booleans()):
        size = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    strides = draw(st.sampled_from([size, (1, 1), (2, 2), (3, 1), (4, 5)]))
    return (H, W, C), size, strides, padding


@pytest.mark.parametrize("Pool", POOLS)
@given(configuration=configurations(), n=st.integers(1, 3), seed=st.integers(0, 999))
@settings(max_examples=25)
def test_contract(check_layer, Pool, configuration, n, seed):
    shape, size, strides, padding = configuration
    given_strides = None if strides == size and seed % 2 else strides
    check_layer(lambda: Pool(size, given_strides, padding), distinct(seed, (n, *shape)),
                slid(REDUCE[Pool], size, strides, padding))


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("Pool", GLOBAL_POOLS)
@given(shape=st.tuples(*[st.integers(1, 4)] * 4), seed=st.integers(0, 999))
@settings(max_examples=15)
def test_contract_of_global_pools(check_layer, Pool, keepdims, shape, seed):
    def oracle(x):
        y = slid(REDUCE[Pool], x.shape[1:3], (1, 1), "valid")(x)
        return y if keepdims else y[:, 0, 0]

    check_layer(lambda: Pool(keepdims=keepdims), distinct(seed, shape), oracle)


def test_the_recipes_forms():
    """By keyword and by position, as tutorials write them."""
    for layer in (layers.MaxPooling2D(), layers.MaxPooling2D((2, 2), strides=2), layers.MaxPooling2D(2, 2, "same"),
                  layers.MaxPooling2D(pool_size=[2, 2], padding="SAME", data_format="channels_last"),
                  layers.AveragePooling2D(2, name="halve"), layers.AvgPool2D(), layers.MaxPool2D(strides=(2, 2))):
        assert layer.build((28, 28, 32)) == (14, 14, 32)
    assert layers.MaxPooling2D(2).build((7, 7, 1)) == (3, 3, 1)
    assert layers.MaxPooling2D(2, padding="same").build((7, 7, 1)) == (4, 4, 1)
    assert layers.GlobalAveragePooling2D().build((7, 7, 64)) == (64,)
    assert layers.GlobalAvgPool2D(keepdims=True).build((7, 7, 64)) == (1, 1, 64)
    assert layers.GlobalMaxPool2D().build((1, 1, 1)) == (1,)


@pytest.mark.parametrize("layer, size, wanted, dx", [
    (layers.MaxPooling2D(3, 2, "same"), 4, [[10, 11], [14, 15]], None),
    (layers.MaxPooling2D(2, 2, "same"), 5, [[6, 8, 9], [16, 18, 19], [21, 23, 24]], None),
    (layers.AveragePooling2D(2, 2, "same"), 5, [[3, 5, 6.5], [13, 15, 16.5], [20.5, 22.5, 24]],
     [[1 / 4, 1 / 4, 1 / 4, 1 / 4, 1 / 2]] * 4 + [[1 / 2, 1 / 2, 1 / 2, 1 / 2, 1]]),
])
def test_known_values(run, layer, size, wanted, dx):
    """Of 0, 1, 2, ... in a square, with windows that stick out below and on the right: as in TensorFlow."""
    x = np.arange(size * size, dtype=np.float32).reshape(1, size, size, 1)
    layer.build(x.shape[1:])
    y = run(layer.forward, x, training=True)
    assert y[0, ..., 0].tolist() == wanted
    if dx is not None:
        assert run(layer.backward, np.ones(y.shape, np.float32))[0, ..., 0].tolist() == dx


def test_padding_never_wins_and_the_first_of_equals_gets_the_gradient(run):
    layer = layers.MaxPooling2D(3, 1, "same")
    layer.build((2, 2, 1))
    x = np.full((1, 2, 2, 1), -5, np.float32)
    y = run(layer.forward, x, training=True)
    assert y.ravel().tolist() == [-5] * 4
    dx = run(layer.backward, np.arange(1, 5, dtype=np.float32).reshape(1, 2, 2, 1))
    assert dx.ravel().tolist() == [10, 0, 0, 0]


@pytest.mark.parametrize("Pool", [layers.MaxPooling2D, layers.GlobalMaxPooling2D])
def test_a_diverging_run_shows(run, Pool):
    layer = Pool()
    layer.build((4, 4, 1))
    x = np.zeros((1, 4, 4, 1), np.float32)
    x[0, 1, 0] = np.nan
    assert np.isnan(run(layer.forward, x)).any()


@pytest.mark.parametrize("Pool", POOLS)
@pytest.mark.parametrize("argument, value", [
    ("pool_size", (2, 2, 1)), ("pool_size", 0), ("pool_size", 2.0), ("strides", 0), ("strides", (2, 0)),
    ("strides", (1, 2, 2, 1)), ("padding", "full"), ("padding", None), ("data_format", "channels_first"),
])
def test_bad_arguments(Pool, argument, value):
    with pytest.raises(ValueError, match=f"^{argument} of {Pool.__name__} must be .*Received: ") as caught:
        Pool(**{argument: value})
    assert str(caught.value).endswith(f"Received: {value!r}")


@pytest.mark.parametrize("Pool", [*POOLS, *GLOBAL_POOLS])
@pytest.mark.parametrize("shape", [(28, 28), (784,), (1, 28, 28, 1), ()])
def test_inputs_that_are_no_images(Pool, shape):
    with pytest.raises(ValueError, match=r"Layer 'pool' expects images of shape \(H, W, C\).*Received: input_shape="):
        Pool(name="pool").build(shape)


@pytest.mark.parametrize("Pool", POOLS)
def test_a_window_larger_than_the_image(Pool):
    with pytest.raises(ValueError, match=r"Layer 'pool': a window .* \(5, 2\) pixels does not fit .*"
                                         r"padding='valid'\. Received: input_shape=\(4, 4, 8\)$"):
        Pool((5, 2), name="pool").build((4, 4, 8))
    assert Pool((5, 2), padding="same").build((4, 4, 8)) == (1, 2, 8)


@pytest.mark.parametrize("Pool", POOLS)
@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
def test_channels_first_is_guessed(Pool, shape):
    with pytest.raises(ValueError, match=r"It looks like channels first.*np\.moveaxis\(x, 1, -1\).*Received: "):
        Pool(4).build(shape)


@pytest.mark.parametrize("Pool", [*POOLS, *GLOBAL_POOLS])
def test_a_misspelled_keyword(Pool):
    with pytest.raises(TypeError, match="data_format.*Received: "):
        Pool(data_fromat="channels_last")


def test_a_step_allocates_nothing_of_the_batchs_size(backend):
    """The second pass writes where the first one did; a smaller batch gets the front of it."""
    for layer in [*[Pool(3, strides=2) for Pool in POOLS], *[Pool() for Pool in GLOBAL_POOLS]]:
        layer.build((6, 6, 2))
        x = layer.ops.asarray(np.ones((4, 6, 6, 2)), "float32")
        y = layer.forward(x, training=True)
        dx = layer.backward(y)
        small = layer.forward(x[:2], training=True)
        assert np.shares_memory(small, y)
        assert np.shares_memory(layer.backward(small), dx)


def test_in_a_model(backend):
    model = tinynet.Sequential([layers.MaxPooling2D(2, input_shape=(4, 4, 3)), layers.GlobalAveragePooling2D()])
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 3)).astype(np.float32)
    wanted = x.reshape(2, 2, 2, 2, 2, 3).max(axis=(2, 4)).mean(axis=(1, 2))
    np.testing.assert_allclose(model.forward(x), wanted, rtol=1e-6)
