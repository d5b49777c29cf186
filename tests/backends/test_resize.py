"""Padding and upsampling: against plain loops in float64, and the fast wing against the readable one in float32."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

SEEDS = st.integers(0, 999)
IMAGES = st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5), st.integers(1, 4))
SIZES = st.tuples(st.integers(1, 4), st.integers(1, 4))
BORDERS = st.tuples(*[st.integers(0, 3)] * 4)


def larger(shape, borders):
    top, bottom, left, right = borders
    return (shape[0], top + shape[1] + bottom, left + shape[2] + right, shape[3])


def transposed(forward, dy, shape):
    """Return dx = Mᵀ dy of a linear map M, which `forward` computes: M's columns are what it makes of unit images."""
    dx = np.empty(shape)
    for index in np.ndindex(shape):
        unit = np.zeros(shape)
        unit[index] = 1
        dx[index] = np.vdot(forward(unit), dy)
    return dx


def padded(x, borders):
    top, _, left, _ = borders
    y = np.zeros(larger(x.shape, borders))
    for n, h, w, c in np.ndindex(x.shape):
        y[n, top + h, left + w, c] = x[n, h, w, c]
    return y


def nearest(x, size):
    y = np.empty((len(x), x.shape[1] * size[0], x.shape[2] * size[1], x.shape[3]))
    for n, i, j, c in np.ndindex(y.shape):
        y[n, i, j, c] = x[n, i // size[0], j // size[1], c]
    return y


def bilinear(x, size):
    """Weigh every pixel by 1 - its distance, where that is positive, along both axes; the edge goes on outside."""
    y = np.zeros((len(x), x.shape[1] * size[0], x.shape[2] * size[1], x.shape[3]))
    for n, i, j, c in np.ndindex(y.shape):
        u, v = ((place + 0.5) / factor - 0.5 for place, factor in zip((i, j), size, strict=True))
        for h in range(-1, x.shape[1] + 1):
            for w in range(-1, x.shape[2] + 1):
                pixel = x[n, min(max(h, 0), x.shape[1] - 1), min(max(w, 0), x.shape[2] - 1), c]
                y[n, i, j, c] += pixel * max(0, 1 - abs(u - h)) * max(0, 1 - abs(v - w))
    return y


@settings(max_examples=25)
@given(shape=IMAGES, borders=BORDERS, seed=SEEDS)
def test_zero_pad_and_crop(run, shape, borders, seed):
    rng = np.random.default_rng(seed)
    top, _, left, _ = borders
    x, y, dx = rng.normal(size=shape), np.full(larger(shape, borders), np.nan), np.full(shape, np.nan)
    run("zero_pad", x, y, top, left)
    np.testing.assert_array_equal(y, padded(x, borders))
    dy = rng.normal(size=y.shape)
    run("crop", dy, dx, top, left)
    np.testing.assert_array_equal(dx, transposed(lambda unit: padded(unit, borders), dy, shape))


@settings(max_examples=25)
@given(shape=IMAGES, size=SIZES, seed=SEEDS)
def test_upsample(run, shape, size, seed):
    rng = np.random.default_rng(seed)
    x, dx = rng.normal(size=shape), np.full(shape, np.nan)
    y = np.full_like(nearest(x, size), np.nan)
    run("upsample", x, y, size)
    np.testing.assert_array_equal(y, nearest(x, size))
    dy = rng.normal(size=y.shape)
    run("upsample_backward", dy, dx, size)
    for index in np.ndindex(shape):
        n, h, w, c = index
        copies = dy[n, h * size[0] : (h + 1) * size[0], w * size[1] : (w + 1) * size[1], c]
        assert math.isclose(dx[index], math.fsum(copies.ravel()), rel_tol=1e-12, abs_tol=1e-13)


@settings(max_examples=25)
@given(shape=IMAGES, size=SIZES, seed=SEEDS)
def test_upsample_bilinear(run, shape, size, seed):
    """Backward for the last image and channel, whatever the others are."""
    rng = np.random.default_rng(seed)
    x, dx = rng.normal(size=shape), np.full(shape, np.nan)
    wanted = bilinear(x, size)
    y = np.full_like(wanted, np.nan)
    run("upsample_bilinear", x, y, size)
    np.testing.assert_allclose(y, wanted, rtol=1e-12, atol=1e-14)
    dy = rng.normal(size=y.shape)
    run("upsample_bilinear_backward", dy, dx, size)
    last = transposed(lambda unit: bilinear(unit, size), dy[-1:, ..., -1:], (1, *shape[1:3], 1))
    np.testing.assert_allclose(dx[-1:, ..., -1:], last, rtol=1e-11, atol=1e-13)


def test_known_bilinear_values(run):
    """As TensorFlow's image.resize and PyTorch's interpolate (align_corners=False) have them."""
    y = np.empty((1, 1, 6, 1))
    run("upsample_bilinear", np.array([0.0, 4.0, 8.0]).reshape(1, 1, 3, 1), y, (1, 2))
    assert y.ravel().tolist() == [0, 1, 3, 5, 7, 8]


@settings(max_examples=25)
@given(shape=IMAGES, size=SIZES, borders=BORDERS, seed=SEEDS)
def test_wings(compare, shape, size, borders, seed):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=shape).astype(np.float32)
    y = nearest(rng.normal(size=shape), size).astype(np.float32)
    for name in ("upsample", "upsample_bilinear"):
        compare(name, x, y, size)
        compare(f"{name}_backward", y, x, size)
    y = padded(rng.normal(size=shape), borders).astype(np.float32)
    compare("zero_pad", x, y, borders[0], borders[2])
    compare("crop", y, x, borders[0], borders[2])


@pytest.mark.parametrize("size", [(2, 3), (5, 1)])
def test_many_pixels_and_channels(compare, rng, size):
    """So many that no block of threads has them all, and that no number of them fills the last one."""
    x = rng.normal(size=(2, 9, 11, 37)).astype(np.float32)
    y = nearest(rng.normal(size=x.shape), size).astype(np.float32)
    for name in ("upsample", "upsample_bilinear"):
        compare(name, x, y, size)
        compare(f"{name}_backward", y, x, size)
    y = rng.normal(size=larger(x.shape, (1, 2, 0, 3))).astype(np.float32)
    compare("zero_pad", x, y, 1, 0)
    compare("crop", y, x, 1, 0)
