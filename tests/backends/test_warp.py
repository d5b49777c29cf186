"""Flips, crops and rotations: against plain loops in float64, and the fast wing against the readable one in float32."""

import math

import numpy as np
import pytest
import threadpoolctl
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet.backends.numba import workers

SEEDS = st.integers(0, 999)
IMAGES = st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5), st.integers(1, 4))
FILL_MODES = st.sampled_from(["constant", "nearest", "reflect", "wrap"])
INTERPOLATIONS = st.sampled_from(["bilinear", "nearest"])
FILL_VALUE = 0.7


def transposed(forward, dy, shape):
    """Return dx = Mᵀ dy of an affine map, forward(x) = M x + b: M's columns are what it makes of unit images."""
    dx, b = np.empty(shape), forward(np.zeros(shape))
    for index in np.ndindex(shape):
        unit = np.zeros(shape)
        unit[index] = 1
        dx[index] = np.vdot(forward(unit) - b, dy)
    return dx


def endless(image, h, w, c, fill_mode):
    """Return what stands at any whole place of an image that goes on for ever, walking there step by step."""
    place = []
    for position, length in ((h, len(image)), (w, image.shape[1])):
        while not 0 <= position < length:
            if fill_mode == "constant":
                return FILL_VALUE
            if fill_mode == "nearest":
                position += 1 if position < 0 else -1
            elif fill_mode == "wrap":
                position += length if position < 0 else -length
            else:  # the mirror stands on the pixel's outer edge
                position = -1 - position if position < 0 else 2 * length - 1 - position
        place.append(position)
    return image[(*place, c)]


def warped(x, maps, interpolation, fill_mode):
    """Weigh the pixels near each point by 1 - their distance along both axes, where that is positive."""
    y = np.empty(x.shape)
    for n, i, j, c in np.ndindex(x.shape):
        u, v = (float(row @ (i, j, 1)) for row in maps[n])
        if interpolation == "nearest":
            y[n, i, j, c] = endless(x[n], math.floor(u + 0.5), math.floor(v + 0.5), c, fill_mode)
            continue
        y[n, i, j, c] = math.fsum(
            endless(x[n], h, w, c, fill_mode) * max(0, 1 - abs(u - h)) * max(0, 1 - abs(v - w))
            for h in range(math.floor(u), math.floor(u) + 2) for w in range(math.floor(v), math.floor(v) + 2))
    return y


@settings(max_examples=25)
@given(shape=IMAGES, seed=SEEDS)
def test_flip(run, shape, seed):
    rng = np.random.default_rng(seed)
    x, y, flips = rng.normal(size=shape), np.full(shape, np.nan), rng.random((shape[0], 2)) < 0.5
    run("flip", x, flips, y)
    for n, h, w, c in np.ndindex(shape):
        i = shape[1] - 1 - h if flips[n, 0] else h
        j = shape[2] - 1 - w if flips[n, 1] else w
        assert y[n, h, w, c] == x[n, i, j, c]


@settings(max_examples=25)
@given(shape=IMAGES, spare=st.tuples(st.integers(0, 3), st.integers(0, 3)), seed=SEEDS)
def test_crop_each(run, shape, spare, seed):
    N, OH, OW, C = shape
    rng = np.random.default_rng(seed)
    x, dy = rng.normal(size=(N, OH + spare[0], OW + spare[1], C)), rng.normal(size=shape)
    corners = rng.integers(0, spare, (N, 2), endpoint=True)

    def cut(x):
        y = np.empty(shape)
        for n, i, j, c in np.ndindex(shape):
            y[n, i, j, c] = x[n, corners[n, 0] + i, corners[n, 1] + j, c]
        return y

    y, dx = np.full(shape, np.nan), np.full(x.shape, np.nan)
    run("crop_each", x, corners, y)
    np.testing.assert_array_equal(y, cut(x))
    run("crop_each_backward", dy, corners, dx)
    np.testing.assert_array_equal(dx, transposed(cut, dy, x.shape))


@settings(max_examples=40)
@given(shape=IMAGES, interpolation=INTERPOLATIONS, fill_mode=FILL_MODES, reach=st.sampled_from([0.5, 3.0]), seed=SEEDS)
def test_warp(run, shape, interpolation, fill_mode, reach, seed):
    """Any affine map, not rotations only, up to far outside; backward for the last image and channel."""
    rng = np.random.default_rng(seed)
    x, dy, maps = rng.normal(size=shape), rng.normal(size=shape), rng.uniform(-reach, reach, (shape[0], 2, 3))
    y, dx = np.full(shape, np.nan), np.full(shape, np.nan)
    run("warp", x, maps, y, interpolation, fill_mode, FILL_VALUE)
    np.testing.assert_allclose(y, warped(x, maps, interpolation, fill_mode), rtol=1e-11, atol=1e-12)
    run("warp_backward", dy, maps, dx, interpolation, fill_mode)
    last = transposed(lambda unit: warped(unit, maps[-1:], interpolation, fill_mode), dy[-1:, ..., -1:],
                      (1, *shape[1:3], 1))
    np.testing.assert_allclose(dx[-1:, ..., -1:], last, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("fill_mode, wanted", [
    ("constant", [9, 9, 9, 9, 1, 2, 3, 9, 9, 9, 9]), ("nearest", [1, 1, 1, 1, 1, 2, 3, 3, 3, 3, 3]),
    ("reflect", [3, 3, 2, 1, 1, 2, 3, 3, 2, 1, 1]), ("wrap", [3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1]),
])
@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("axis", [1, 2])
def test_known_values_outside(run, fill_mode, wanted, interpolation, axis):
    """The axis 1 2 3 from four places before it to four behind it."""
    x = np.moveaxis(np.array([1.0, 2, 3]).reshape(1, 3, 1, 1), 1, axis)
    y = np.moveaxis(np.zeros((1, 11, 1, 1)), 1, axis).copy()
    maps = np.array([[[1.0, 0, 0], [0, 1, 0]]])
    maps[0, axis - 1, 2] = -4
    run("warp", x, maps, y, interpolation, fill_mode, 9.0)
    assert y.ravel().tolist() == wanted


def test_a_place_midway_takes_the_later_pixel(run):
    """Also where rounding puts it a hair before the middle, so that all images move the same way."""
    y = np.empty((1, 1, 3, 1))
    for midway in (0.5, 0.5 - 1e-12, 0.5 + 1e-12):
        run("warp", np.array([1.0, 2, 3]).reshape(1, 1, 3, 1), np.array([[[1, 0, 0], [0, 1, midway]]]), y, "nearest",
            "nearest", 0.0)
        assert y.ravel().tolist() == [2, 3, 3]


@settings(max_examples=25)
@given(shape=IMAGES, interpolation=INTERPOLATIONS, fill_mode=FILL_MODES, seed=SEEDS)
def test_wings(compare, shape, interpolation, fill_mode, seed):
    rng = np.random.default_rng(seed)
    x, dy = rng.normal(size=(2, *shape)).astype(np.float32)
    maps, flips = rng.uniform(-1, 1, (shape[0], 2, 3)), rng.random((shape[0], 2)) < 0.5
    compare("flip", x, flips, np.zeros_like(x))
    compare("warp", x, maps, np.zeros_like(x), interpolation, fill_mode, FILL_VALUE)
    compare("warp_backward", dy, maps, np.zeros_like(x), interpolation, fill_mode)
    corners = rng.integers(0, (2, 3), (shape[0], 2), endpoint=True)
    larger = rng.normal(size=(shape[0], shape[1] + 2, shape[2] + 3, shape[3])).astype(np.float32)
    compare("crop_each", larger, corners, np.zeros_like(x))
    compare("crop_each_backward", dy, corners, np.zeros_like(larger))


@pytest.mark.parametrize("fill_mode", ["constant", "reflect"])
def test_many_images_and_channels(compare, rng, fill_mode):
    """So many that no block of threads has them all, and that no number of them fills the last one."""
    x, dy = rng.normal(size=(2, 9, 6, 7, 37)).astype(np.float32)
    maps, flips = rng.uniform(-1, 1, (9, 2, 3)), rng.random((9, 2)) < 0.5
    compare("flip", x, flips, np.zeros_like(x))
    compare("warp", x, maps, np.zeros_like(x), "bilinear", fill_mode, FILL_VALUE)
    compare("warp_backward", dy, maps, np.zeros_like(x), "bilinear", fill_mode)
    corners = rng.integers(0, (2, 3), (9, 2), endpoint=True)
    larger = rng.normal(size=(9, 8, 10, 37)).astype(np.float32)
    compare("crop_each", larger, corners, np.zeros_like(x))
    compare("crop_each_backward", dy, corners, np.zeros_like(larger))


def test_threads_that_share_a_batch_take_the_maps_of_their_own_images(compare, monkeypatch):
    monkeypatch.setattr(workers, "LARGE_NUMBERS", 0)
    rng = np.random.default_rng(0)
    x, maps = rng.normal(size=(5, 6, 7, 3)).astype(np.float32), rng.uniform(-0.5, 1, (5, 2, 3))
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        compare("warp", x, maps, np.zeros_like(x), "bilinear", "reflect", 0.0)
        compare("warp_backward", x, maps, np.zeros_like(x), "bilinear", "reflect")
