"""The pool room: each kernel against plain loops in float64, and the fast wing against the readable one in float32."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet.shapes import slide

SEEDS = st.integers(0, 999)
IMAGES = st.tuples(st.integers(1, 3), st.integers(1, 9), st.integers(1, 9), st.integers(1, 5))


@st.composite
def windows(draw, image):
    """Draw a window over an image (height, width), not larger than it; often 2×2, which has kernels of its own."""
    padding = draw(st.sampled_from(["valid", "same"]))
    dilation = draw(st.sampled_from([(1, 1), (1, 1), (2, 1), (1, 3)]))
    most = [min(4, (length - 1) // step + 1) for length, step in zip(image, dilation, strict=True)]
    size = min(2, most[0]), min(2, most[1])
    if draw(st.booleans()):
        size = draw(st.integers(1, most[0])), draw(st.integers(1, most[1]))
    strides = draw(st.sampled_from([(2, 2), size, (1, 1), (3, 2), (1, 4)]))
    return slide(image, size, strides, padding, dilation)


def seen(window, image, i, j):
    """Return the pixels (h, w) of the image that place (i, j) of the window sees, in row order."""
    taps = [(i * window.strides[0] + a * window.dilation[0] - window.before[0],
             j * window.strides[1] + b * window.dilation[1] - window.before[1]) for a, b in np.ndindex(window.size)]
    return [(h, w) for h, w in taps if 0 <= h < image[0] and 0 <= w < image[1]]


def pooled(x, window, pool):
    """Return y, pool(numbers) giving the number of one place."""
    y = np.empty((len(x), *window.places, x.shape[3]))
    for n, i, j, c in np.ndindex(y.shape):
        y[n, i, j, c] = pool([x[n, h, w, c] for h, w in seen(window, x.shape[1:3], i, j)])
    return y


def pooled_backward(dy, x, window, shares):
    """Return dx, shares(numbers) giving the parts of a place's dy that its pixels get."""
    dx = np.zeros_like(x)
    for n, i, j, c in np.ndindex(dy.shape):
        pixels = seen(window, x.shape[1:3], i, j)
        for (h, w), share in zip(pixels, shares([x[n, h, w, c] for h, w in pixels]), strict=True):
            if share:
                dx[n, h, w, c] += share * dy[n, i, j, c]
    return dx


def mean(numbers):
    return math.fsum(numbers) / len(numbers)


def equal_shares(numbers):
    return [1 / len(numbers)] * len(numbers)


def all_to_the_first_maximum(numbers):
    winner = next((k for k, number in enumerate(numbers) if number != number), None)
    if winner is None:
        winner = numbers.index(max(numbers))
    return [float(k == winner) for k in range(len(numbers))]


def few_numbers(rng, shape):
    """Draw so few different numbers that many are equal, -inf among them."""
    return rng.choice([-np.inf, -2.0, -1.0, 0.0, 1.0], shape)


@given(shape=IMAGES, data=st.data(), seed=SEEDS)
def test_max_pool(run, shape, data, seed):
    rng = np.random.default_rng(seed)
    window = data.draw(windows(shape[1:3]))
    x = few_numbers(rng, shape)
    y = np.full((len(x), *window.places, shape[3]), np.nan)
    run("max_pool", x, y, window)
    np.testing.assert_array_equal(y, pooled(x, window, max))
    dy, dx = rng.normal(size=y.shape), np.full(shape, np.nan)
    run("max_pool_backward", dy, x, y, dx, window)
    np.testing.assert_allclose(dx, pooled_backward(dy, x, window, all_to_the_first_maximum), rtol=1e-12, atol=1e-14)


@given(shape=IMAGES, data=st.data(), seed=SEEDS)
def test_average_pool(run, shape, data, seed):
    rng = np.random.default_rng(seed)
    window = data.draw(windows(shape[1:3]))
    x = rng.normal(size=shape)
    y = np.full((len(x), *window.places, shape[3]), np.nan)
    run("average_pool", x, y, window)
    np.testing.assert_allclose(y, pooled(x, window, mean), rtol=1e-12, atol=1e-14)
    dy, dx = rng.normal(size=y.shape), np.full(shape, np.nan)
    run("average_pool_backward", dy, dx, window)
    np.testing.assert_allclose(dx, pooled_backward(dy, x, window, equal_shares), rtol=1e-12, atol=1e-14)


@settings(max_examples=25)
@given(shape=IMAGES, seed=SEEDS)
def test_global_pools_are_those_of_one_window_as_large_as_the_image(run, shape, seed):
    rng = np.random.default_rng(seed)
    N, H, W, C = shape
    window = slide((H, W), (H, W), (1, 1), "valid")
    x, dy, y, dx = few_numbers(rng, shape), rng.normal(size=(N, C)), np.full((N, C), np.nan), np.full(shape, np.nan)
    run("global_max_pool", x, y)
    np.testing.assert_array_equal(y, pooled(x, window, max)[:, 0, 0])
    run("global_max_pool_backward", dy, x, y, dx)
    np.testing.assert_array_equal(dx, pooled_backward(dy[:, None, None], x, window, all_to_the_first_maximum))
    x = rng.normal(size=shape)
    run("global_average_pool", x, y)
    np.testing.assert_allclose(y, pooled(x, window, mean)[:, 0, 0], rtol=1e-12, atol=1e-14)
    run("global_average_pool_backward", dy, dx)
    np.testing.assert_allclose(dx, pooled_backward(dy[:, None, None], x, window, equal_shares), rtol=1e-13)


@settings(max_examples=25)
@given(shape=IMAGES, data=st.data(), seed=SEEDS)
def test_wings(compare, shape, data, seed):
    rng = np.random.default_rng(seed)
    window = data.draw(windows(shape[1:3]))
    x = rng.normal(size=shape).astype(np.float32)
    y, dy = (rng.normal(size=(len(x), *window.places, shape[3])).astype(np.float32) for _ in range(2))
    compare("average_pool", x, y, window)
    compare("average_pool_backward", dy, x.copy(), window)
    compare("max_pool", x, y, window)
    y[...] = pooled(x, window, max)
    compare("max_pool_backward", dy, x, y, x.copy(), window)
    compare("global_average_pool", x, y[:, 0, 0].copy())
    compare("global_average_pool_backward", dy[:, 0, 0].copy(), x.copy())
    compare("global_max_pool", x, y[:, 0, 0].copy())
    compare("global_max_pool_backward", dy[:, 0, 0].copy(), x, x.max(axis=(1, 2)), x.copy())


@pytest.mark.parametrize("shape", [(3, 40, 9, 1), (2, 9, 8, 40), (1, 5, 90, 7)])
def test_many_pixels_and_many_channels(compare, rng, shape):
    window = slide(shape[1:3], (3, 2), (2, 2), "same")
    x, y = rng.normal(size=shape), np.full((shape[0], *window.places, shape[3]), np.nan)
    x = np.maximum(x.round(1), 0).astype(np.float32)  # many are equal, as after a ReLU
    dy = rng.normal(size=y.shape).astype(np.float32)
    for name in ("max_pool", "average_pool"):
        compare(name, x, y.astype(np.float32), window)
    y = pooled(x, window, max).astype(np.float32)
    compare("max_pool_backward", dy, x, y, x * np.nan, window)
    compare("average_pool_backward", dy, x * np.nan, window)
    whole = rng.normal(size=(shape[0], shape[3])).astype(np.float32)
    compare("global_max_pool", x, whole)
    compare("global_average_pool", x, whole)
    compare("global_max_pool_backward", whole, x, x.max(axis=(1, 2)), x * np.nan)
    compare("global_average_pool_backward", whole, x * np.nan)


# Over images of 7×7: 2×2 windows inside it, beyond its last row, beyond its last column; and those that overlap.
WINDOWS = [slide((7, 7), (2, 2), (2, 2), "valid"), slide((7, 6), (2, 2), (2, 2), "same"),
           slide((6, 7), (2, 2), (2, 2), "same"), slide((7, 7), (3, 3), (2, 2), "same"),
           slide((7, 7), (2, 3), (1, 1), "valid")]


@pytest.mark.parametrize("window", WINDOWS)
def test_the_first_of_equals_wins(run, window):
    """An image of one number: every place gives its dy to the first pixel that it sees."""
    x, y = np.full((1, 7, 7, 2), 3.0), np.empty((1, *window.places, 2))
    run("max_pool", x, y, window)
    dx, wanted = np.full_like(x, np.nan), np.zeros_like(x)
    run("max_pool_backward", np.ones_like(y), x, y, dx, window)
    for i, j in np.ndindex(window.places):
        wanted[(0, *seen(window, (7, 7), i, j)[0])] += 1
    np.testing.assert_array_equal(dx, wanted)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("place", list(np.ndindex(2, 2)))
def test_nan_goes_through_a_maximum_and_gets_its_gradient(run, rng, window, place):
    x = rng.normal(size=(2, 7, 7, 3))
    x[(1, *place, 2)] = np.nan
    x[0, 6, 6, 0] = np.inf
    y, dx = np.empty((2, *window.places, 3)), np.empty_like(x)
    run("max_pool", x, y, window)
    touched = pooled(np.isnan(x), window, any).astype(bool)
    np.testing.assert_array_equal(np.isnan(y), touched)
    np.testing.assert_array_equal(y[~touched], pooled(x, window, max)[~touched])
    dy = rng.normal(size=y.shape)
    run("max_pool_backward", dy, x, y, dx, window)
    np.testing.assert_allclose(dx, pooled_backward(dy, x, window, all_to_the_first_maximum), rtol=1e-12, atol=1e-14)
    y, dy = np.empty((2, 3)), rng.normal(size=(2, 3))
    run("global_max_pool", x, y)
    assert np.argwhere(np.isnan(y)).tolist() == [[1, 2]]
    run("global_max_pool_backward", dy, x, y, dx)
    whole = slide((7, 7), (7, 7), (1, 1), "valid")
    np.testing.assert_array_equal(dx, pooled_backward(dy[:, None, None], x, whole, all_to_the_first_maximum))


def test_a_gradient_that_is_no_number_stays_with_the_winner(run):
    x = np.array([[1.0, 5.0], [2.0, 3.0]]).reshape(1, 2, 2, 1)
    for value in (np.nan, np.inf):
        for strides in ((2, 2), (1, 1)):
            dx, window = np.empty_like(x), slide((2, 2), (2, 2), strides, "valid")
            run("max_pool_backward", np.full((1, 1, 1, 1), value), x, np.full((1, 1, 1, 1), 5.0), dx, window)
            np.testing.assert_array_equal(dx.ravel(), [0, value, 0, 0])


@pytest.mark.parametrize("window", WINDOWS)
def test_images_do_not_mix(run, rng, window):
    """Part of a batch by itself gives what it gives within the batch."""
    x, dy = rng.normal(size=(5, 7, 7, 3)), rng.normal(size=(5, *window.places, 3))
    y, mean_y, dx, mean_dx = np.empty_like(dy), np.empty_like(dy), np.empty_like(x), np.empty_like(x)

    def all_four(part):
        run("max_pool", x[part], y[part], window)
        run("max_pool_backward", dy[part], x[part], y[part], dx[part], window)
        run("average_pool", x[part], mean_y[part], window)
        run("average_pool_backward", dy[part], mean_dx[part], window)
        return [a.copy() for a in (y, mean_y, dx, mean_dx)]

    wanted = all_four(slice(None))
    all_four(slice(0, 2))
    for found, want in zip(all_four(slice(2, 5)), wanted, strict=True):
        np.testing.assert_array_equal(found, want)
