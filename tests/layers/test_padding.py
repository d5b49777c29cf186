import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet import layers

IMAGES = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 4), st.integers(1, 3))
SIDES = st.tuples(st.integers(0, 3), st.integers(0, 3))
SIZES = st.tuples(st.integers(1, 3), st.integers(1, 3))


@given(shape=IMAGES, rows=SIDES, columns=SIDES, seed=st.integers(0, 999))
@settings(max_examples=25)
def test_contract_of_zero_padding(check_layer, shape, rows, columns, seed):
    def oracle(x):
        N, H, W, C = x.shape
        y = np.zeros((N, sum(rows) + H, sum(columns) + W, C))
        for n, h, w, c in np.ndindex(x.shape):
            y[n, rows[0] + h, columns[0] + w, c] = x[n, h, w, c]
        return y

    x = np.random.default_rng(seed).normal(size=shape)
    check_layer(lambda: layers.ZeroPadding2D((rows, columns)), x, oracle)


def nearest(size, shape):
    def oracle(x):
        y = np.zeros((len(x), *shape))
        for n, i, j, c in np.ndindex(y.shape):
            y[n, i, j, c] = x[n, i // size[0], j // size[1], c]
        return y

    return oracle


def bilinear(size, shape):
    """Weigh every pixel by 1 - its distance, where that is positive, along both axes; the edge goes on outside."""
    def oracle(x):
        N, H, W, _ = x.shape
        y = np.zeros((N, *shape))
        for n, i, j, c in np.ndindex(y.shape):
            u, v = ((place + 0.5) / factor - 0.5 for place, factor in zip((i, j), size, strict=True))
            for h in range(-1, H + 1):
                for w in range(-1, W + 1):
                    share = max(0, 1 - abs(u - h)) * max(0, 1 - abs(v - w))
                    y[n, i, j, c] += share * x[n, min(max(h, 0), H - 1), min(max(w, 0), W - 1), c]
        return y

    return oracle


@pytest.mark.parametrize("interpolation, oracle", [("nearest", nearest), ("bilinear", bilinear)])
@given(shape=IMAGES, size=SIZES, seed=st.integers(0, 999))
@settings(max_examples=15)
def test_contract_of_upsampling(check_layer, interpolation, oracle, shape, size, seed):
    N, H, W, C = shape
    x = np.random.default_rng(seed).normal(size=shape)
    check_layer(lambda: layers.UpSampling2D(size, interpolation=interpolation), x,
                oracle(size, (H * size[0], W * size[1], C)))


@pytest.mark.parametrize("padding, wanted", [
    (2, ((2, 2), (2, 2))), ((1, 3), ((1, 1), (3, 3))), (((0, 1), (2, 3)), ((0, 1), (2, 3))), (0, ((0, 0), (0, 0))),
    ([0, np.int64(1)], ((0, 0), (1, 1))), ([[0, 1], [0, 1]], ((0, 1), (0, 1))), ((1, (2, 3)), ((1, 1), (2, 3))),
])
def test_forms_of_padding(padding, wanted):
    layer = layers.ZeroPadding2D(padding)
    assert layer.padding == wanted
    (top, bottom), (left, right) = wanted
    assert layer.build((5, 6, 2)) == (5 + top + bottom, 6 + left + right, 2)


def test_one_pixel_around_by_default():
    assert layers.ZeroPadding2D().build((5, 6, 2)) == (7, 8, 2)


@pytest.mark.parametrize("padding", [-1, (1, 2, 3), (1, -1), 1.5, True, ((1, 2), (3,)), ((1, 2, 3), (1, 2, 3)), "same",
                                     None, (1, (2, True))])
def test_bad_padding(padding):
    with pytest.raises(ValueError, match="^padding of ZeroPadding2D must be .*Received: ") as caught:
        layers.ZeroPadding2D(padding)
    assert str(caught.value).endswith(f"Received: {padding!r}")


@pytest.mark.parametrize("size", [0, (2, 2, 2), (2, 0), 1.5, None])
def test_bad_sizes(size):
    with pytest.raises(ValueError, match="^size of UpSampling2D must be .*Received: "):
        layers.UpSampling2D(size)


def test_an_unknown_interpolation():
    with pytest.raises(ValueError, match="of UpSampling2D; known are bilinear, nearest. Received: 'bicubic'"):
        layers.UpSampling2D(interpolation="bicubic")


@pytest.mark.parametrize("Layer", [layers.ZeroPadding2D, layers.UpSampling2D])
def test_what_both_refuse(Layer):
    with pytest.raises(ValueError, match=r"'large' expects images of shape \(H, W, C\), one channel too.*Received: "):
        Layer(name="large").build((28, 28))
    with pytest.raises(ValueError, match=f"data_format of {Layer.__name__} must be .*Received: 'channels_first'"):
        Layer(data_format="channels_first")
    with pytest.raises(TypeError, match="data_format.*Received: "):
        Layer(data_fromat="channels_last")


def test_by_position_as_tutorials_write_them():
    assert layers.UpSampling2D((2, 3)).build((4, 4, 1)) == (8, 12, 1)
    assert layers.UpSampling2D(2).build((4, 4, 1)) == (8, 8, 1)
    assert layers.ZeroPadding2D(((0, 1), (0, 1)), name="pad").build((224, 224, 3)) == (225, 225, 3)
