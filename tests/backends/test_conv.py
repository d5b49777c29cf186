import importlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet.backends import get_backend
from tinynet.backends.numpy.conv import naive_conv2d
from tinynet.shapes import slide

BUFFER = "buffer"  # stands for the function that hands out scratch arrays

PAIR = st.tuples(st.integers(1, 3), st.integers(1, 3))


@st.composite
def windows(draw):
    """Draw (image, window): strides that do not divide, kernels larger than the stride and the reverse, dilation."""
    size, strides, dilation = draw(st.tuples(st.integers(1, 5), st.integers(1, 4))), draw(PAIR), draw(PAIR)
    padding = draw(st.sampled_from(["valid", "same"]))
    least = [(k - 1) * d + 1 if padding == "valid" else 1 for k, d in zip(size, dilation, strict=True)]
    image = tuple(a + draw(st.integers(0, 5)) for a in least)
    return image, slide(image, size, strides, padding, dilation)


def unwritten(*shapes, dtype=np.float64):
    return [np.full(shape, np.nan, dtype) for shape in shapes]


def random(seed, *shapes, dtype=np.float64):
    rng = np.random.default_rng(seed)
    return [rng.normal(0, 1, shape).astype(dtype) for shape in shapes]


def meetings(image, window):
    """Yield (i, j, a, b, h, w): in place (i, j) the kernel's entry (a, b) lies on the pixel (h, w)."""
    for i, j, a, b in np.ndindex(*window.places, *window.size):
        h = i * window.strides[0] + a * window.dilation[0] - window.before[0]
        w = j * window.strides[1] + b * window.dilation[1] - window.before[1]
        if 0 <= h < image[0] and 0 <= w < image[1]:
            yield i, j, a, b, h, w


def by_loops(x, kernel, bias, dy, window):
    """Return y, dx, dkernel and dbias of a convolution."""
    y = np.zeros(dy.shape) + (0 if bias is None else bias)
    dx, dkernel = np.zeros(x.shape), np.zeros(kernel.shape)
    seen, F = kernel.shape[2:]
    for i, j, a, b, h, w in meetings(x.shape[1:3], window):
        for n, c, f in np.ndindex(len(x), seen, F):
            channel = f // (F * seen // x.shape[3]) * seen + c
            y[n, i, j, f] += x[n, h, w, channel] * kernel[a, b, c, f]
            dx[n, h, w, channel] += dy[n, i, j, f] * kernel[a, b, c, f]
            dkernel[a, b, c, f] += dy[n, i, j, f] * x[n, h, w, channel]
    return y, dx, dkernel, dy.sum(axis=(0, 1, 2))


def depthwise_by_loops(x, kernel, bias, dy, window):
    """Return y, dx, dkernel and dbias of a depthwise convolution."""
    y = np.zeros(dy.shape) + (0 if bias is None else bias)
    dx, dkernel = np.zeros(x.shape), np.zeros(kernel.shape)
    C, M = kernel.shape[2:]
    for i, j, a, b, h, w in meetings(x.shape[1:3], window):
        for n, c, m in np.ndindex(len(x), C, M):
            y[n, i, j, c * M + m] += x[n, h, w, c] * kernel[a, b, c, m]
            dx[n, h, w, c] += dy[n, i, j, c * M + m] * kernel[a, b, c, m]
            dkernel[a, b, c, m] += dy[n, i, j, c * M + m] * x[n, h, w, c]
    return y, dx, dkernel, dy.sum(axis=(0, 1, 2))


def close(found, wanted):
    for a, b in zip(found, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@settings(max_examples=40)
@given(drawn=windows(), n=st.integers(1, 3), groups=st.integers(1, 3), c=st.integers(1, 3), f=st.integers(1, 3),
       with_bias=st.booleans(), seed=st.integers(0, 999))
def test_against_loops(run, drawn, n, groups, c, f, with_bias, seed):
    image, window = drawn
    shapes = (n, *image, groups * c), (*window.size, c, groups * f), (groups * f,), (n, *window.places, groups * f)
    x, kernel, bias, dy = random(seed, *shapes)
    bias = bias if with_bias else None
    y, dx, dkernel, dbias = unwritten(dy.shape, *shapes[:3])
    run("conv2d", x, kernel, bias, y, window, BUFFER)
    run("conv2d_backward", x, kernel, dy, dx, dkernel, dbias, window, BUFFER)
    close((y, dx, dkernel, dbias), by_loops(x, kernel, bias, dy, window))


@settings(max_examples=40)
@given(drawn=windows(), n=st.integers(1, 3), c=st.integers(1, 4), m=st.integers(1, 3), with_bias=st.booleans(),
       seed=st.integers(0, 999))
def test_depthwise_against_loops(run, drawn, n, c, m, with_bias, seed):
    image, window = drawn
    shapes = (n, *image, c), (*window.size, c, m), (c * m,), (n, *window.places, c * m)
    x, kernel, bias, dy = random(seed, *shapes)
    bias = bias if with_bias else None
    y, dx, dkernel, dbias = unwritten(dy.shape, *shapes[:3])
    run("depthwise_conv2d", x, kernel, bias, y, window)
    run("depthwise_conv2d_backward", x, kernel, dy, dx, dkernel, dbias, window, BUFFER)
    close((y, dx, dkernel, dbias), depthwise_by_loops(x, kernel, bias, dy, window))


@settings(max_examples=15)
@given(drawn=windows(), groups=st.integers(1, 2), c=st.integers(1, 2), f=st.integers(1, 2), with_bias=st.booleans(),
       seed=st.integers(0, 999))
def test_the_seven_loops(drawn, groups, c, f, with_bias, seed):
    image, window = drawn
    x, kernel, bias, dy = random(seed, (2, *image, groups * c), (*window.size, c, groups * f), (groups * f,),
                                 (2, *window.places, groups * f))
    bias = bias if with_bias else None
    y, = unwritten(dy.shape)
    naive_conv2d(x, kernel, bias, y, window)
    close([y], by_loops(x, kernel, bias, dy, window)[:1])


@settings(max_examples=15)
@given(drawn=windows(), groups=st.integers(1, 2), c=st.integers(1, 3), f=st.integers(1, 3), seed=st.integers(0, 999))
def test_float32_against_the_seven_loops(run, drawn, groups, c, f, seed):
    image, window = drawn
    shapes = (2, *image, groups * c), (*window.size, c, groups * f), (groups * f,)
    x, kernel, bias = random(seed, *shapes, dtype=np.float32)
    y, wanted = unwritten(*[(2, *window.places, groups * f)] * 2, dtype=np.float32)
    run("conv2d", x, kernel, bias, y, window, BUFFER)
    naive_conv2d(x, kernel, bias, wanted, window)
    np.testing.assert_allclose(y, wanted, rtol=1e-5, atol=1e-5)


@settings(max_examples=25)
@given(drawn=windows(), n=st.integers(1, 5), groups=st.integers(1, 3), c=st.integers(1, 9), f=st.integers(1, 9),
       with_bias=st.booleans(), seed=st.integers(0, 999))
def test_float32_against_the_readable_wing(compare, drawn, n, groups, c, f, with_bias, seed):
    image, window = drawn
    shapes = (n, *image, groups * c), (*window.size, c, groups * f), (groups * f,), (n, *window.places, groups * f)
    x, kernel, bias, dy = random(seed, *shapes, dtype=np.float32)
    y, dx, dkernel, dbias = unwritten(dy.shape, *shapes[:3], dtype=np.float32)
    compare("conv2d", x, kernel, bias if with_bias else None, y, window, BUFFER)
    compare("conv2d_backward", x, kernel, dy, dx, dkernel, dbias, window, BUFFER)
    compare("add_bias", y * 0, bias)
    compare("sum_bias", dy, dbias)


@settings(max_examples=25)
@given(drawn=windows(), n=st.integers(1, 3), groups=st.integers(1, 2), c=st.integers(1, 4), f=st.integers(1, 9),
       seed=st.integers(0, 999))
def test_a_relu_in_the_same_pass(run, drawn, n, groups, c, f, seed):
    image, window = drawn
    shapes = (n, *image, groups * c), (*window.size, c, groups * f), (groups * f,), (n, *window.places, groups * f)
    x, kernel, bias, dy = random(seed, *shapes)
    z = by_loops(x, kernel, bias, dy, window)[0]
    y, dx, dkernel, dbias = unwritten(dy.shape, *shapes[:3])
    run("conv2d", x, kernel, bias, y, window, BUFFER, None, (0, np.inf))
    run("conv2d_backward", x, kernel, dy, dx, dkernel, dbias, window, BUFFER, y)
    _, *wanted = by_loops(x, kernel, bias, np.where(z > 0, dy, 0), window)
    close((y, dx, dkernel, dbias), (np.maximum(z, 0), *wanted))


def test_not_a_number_goes_through_a_relu(run):
    window = slide((3, 3), (2, 2), (1, 1), "valid")
    x, kernel = np.ones((1, 3, 3, 1)), np.ones((2, 2, 1, 3))
    x[0, 0, 0] = np.nan
    y, = unwritten((1, 2, 2, 3))
    run("conv2d", x, kernel, None, y, window, BUFFER, None, (0, np.inf))
    assert np.isnan(y[0, 0, 0]).all()
    assert np.isnan(y).sum() == 3


@settings(max_examples=25)
@given(drawn=windows(), n=st.integers(1, 3), c=st.integers(1, 4), f=st.sampled_from([1, 5, 8, 16, 24, 40]),
       with_bias=st.booleans(), kernel=st.sampled_from(["conv2d", "depthwise_conv2d"]), seed=st.integers(0, 999))
def test_scale_and_bounds_in_the_same_pass(run, drawn, n, c, f, with_bias, kernel, seed):
    image, window = drawn
    depthwise = kernel == "depthwise_conv2d"
    shapes = (n, *image, f if depthwise else c), (*window.size, *((f, 1) if depthwise else (c, f)))
    x, weights, scale, bias = random(seed, *shapes, (f,), (f,))
    z, y = unwritten(*[(n, *window.places, f)] * 2)
    scratch = () if depthwise else (BUFFER,)
    run(kernel, x, weights, None, z, window, *scratch)
    run(kernel, x, weights, bias if with_bias else None, y, window, *scratch, scale, (-0.5, 0.7))
    close([y], [np.clip(z * scale + (bias if with_bias else 0), -0.5, 0.7)])


@settings(max_examples=25)
@given(drawn=windows(), n=st.integers(1, 5), c=st.sampled_from([1, 3, 8, 16, 24, 40, 56]),
       m=st.sampled_from([1, 1, 2]), with_bias=st.booleans(), seed=st.integers(0, 999))
def test_depthwise_float32_against_the_readable_wing(compare, drawn, n, c, m, with_bias, seed):
    image, window = drawn
    shapes = (n, *image, c), (*window.size, c, m), (c * m,), (n, *window.places, c * m)
    x, kernel, bias, dy = random(seed, *shapes, dtype=np.float32)
    y, dx, dkernel, dbias = unwritten(dy.shape, *shapes[:3], dtype=np.float32)
    compare("depthwise_conv2d", x, kernel, bias if with_bias else None, y, window)
    compare("depthwise_conv2d_backward", x, kernel, dy, dx, dkernel, dbias, window, BUFFER)


@pytest.mark.parametrize(("image", "size", "c", "f", "padding"), [
    ((28, 28), (3, 3), 1, 32, "same"), ((14, 14), (5, 5), 32, 64, "same"), ((9, 9), (6, 6), 12, 24, "valid"),
    ((7, 7), (1, 1), 40, 30, "same"),
])
def test_shapes_of_the_tutorials(compare, image, size, c, f, padding):
    window = slide(image, size, (2, 2) if size == (6, 6) else (1, 1), padding)
    shapes = (2, *image, c), (*size, c, f), (f,), (2, *window.places, f)
    x, kernel, bias, dy = random(0, *shapes, dtype=np.float32)
    y, dx, dkernel, dbias = unwritten(dy.shape, *shapes[:3], dtype=np.float32)
    compare("conv2d", x, kernel, bias, y, window, BUFFER)
    compare("conv2d_backward", x, kernel, dy, dx, dkernel, dbias, window, BUFFER)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("size", [(3, 2), (1, 1)])
def test_columns_of_a_few_samples_at_a_time(compare, monkeypatch, size, groups):
    """Where a wing lays columns out for a part of the batch, and for long sums only: both for all convolutions here."""
    room = importlib.import_module(get_backend().__name__ + ".conv")
    monkeypatch.setattr(room, "COLUMNS_BYTES", 2_500, raising=False)
    monkeypatch.setattr(room, "FEW", 0, raising=False)
    window = slide((5, 4), size, (1, 1), "same")
    shapes = (7, 5, 4, 2 * groups), (*size, 2, 3 * groups), (3 * groups,), (7, 5, 4, 3 * groups)
    x, kernel, bias, dy = random(0, *shapes, dtype=np.float32)
    y, dx, dkernel, dbias = unwritten(dy.shape, *shapes[:3], dtype=np.float32)
    compare("conv2d", x, kernel, bias, y, window, BUFFER)
    for relu in (None, np.abs(dy) - 0.5):
        compare("conv2d_backward", x, kernel, dy, dx, dkernel, dbias, window, BUFFER, relu)
        compare("conv2d_backward", x, kernel, dy, dx, None, None, window, BUFFER, relu)


@pytest.mark.parametrize("with_dx", [False, True])
@pytest.mark.parametrize(("n", "image", "c"), [(45, (25, 9), 1), (3, (9, 130), 3), (600, (3, 3), 4)])
def test_many_rows_and_long_ones(compare, n, image, c, with_dx):
    """More places than one block of a GPU sums, by rows and in a row."""
    window = slide(image, (3, 3), (1, 1), "same")
    shapes = (n, *image, c), (3, 3, c, 10), (10,), (n, *image, 10)
    x, kernel, bias, dy = random(0, *shapes, dtype=np.float32)
    y, dx, dkernel, dbias = unwritten(dy.shape, *shapes[:3], dtype=np.float32)
    compare("conv2d", x, kernel, bias, y, window, BUFFER, None, (0, np.inf))
    compare("conv2d_backward", x, kernel, dy, dx if with_dx else None, dkernel, dbias, window, BUFFER, np.abs(dy) - 0.5)
    compare("sum_bias", dy, dbias)
    deep, ddeep = kernel[..., :1].copy(), dkernel[..., :1].copy()
    y, dy, dbias = y[..., :c].copy(), dy[..., :c].copy(), dbias[:c]
    compare("depthwise_conv2d", x, deep, None, y, window)
    compare("depthwise_conv2d_backward", x, deep, dy, dx if with_dx else None, ddeep, dbias, window, BUFFER)


@pytest.mark.parametrize("size", [(3, 2), (1, 1)])
@pytest.mark.parametrize("asked", ["dx", "dkernel", "dbias"])
def test_each_gradient_alone(run, asked, size):
    window = slide((5, 4), size, (1, 1), "same")
    shapes = {"dx": (2, 5, 4, 3), "dkernel": (*size, 3, 4), "dbias": (4,)}
    x, kernel, dy = random(0, shapes["dx"], shapes["dkernel"], (2, 5, 4, 4))
    out = dict(zip(shapes, unwritten(*shapes.values()), strict=True))
    wanted = dict(zip(["y", "dx", "dkernel", "dbias"], by_loops(x, kernel, None, dy, window), strict=True))
    chosen = [array if name == asked else None for name, array in out.items()]
    run("conv2d_backward", x if asked == "dkernel" else x * np.nan, kernel, dy, *chosen, window, BUFFER)
    close([out[asked]], [wanted[asked]])
    deep = kernel[..., :1].copy()
    out["dkernel"], out["dbias"] = unwritten(deep.shape, 3)
    dy = dy[..., :3].copy()
    wanted = dict(zip(["y", "dx", "dkernel", "dbias"], depthwise_by_loops(x, deep, None, dy, window), strict=True))
    chosen = [array if name == asked else None for name, array in out.items()]
    run("depthwise_conv2d_backward", x, deep, dy, *chosen, window, BUFFER)
    close([out[asked]], [wanted[asked]])


def test_the_bias_alone(run):
    y, bias, dy = random(0, (2, 3, 2, 4), (4,), (2, 3, 2, 4))
    wanted, dbias = y + bias, np.full(4, np.nan)
    run("add_bias", y, bias)
    run("sum_bias", dy, dbias)
    close([y, dbias], [wanted, dy.sum(axis=(0, 1, 2))])


def test_a_pixel_that_no_place_sees_gets_nothing(run):
    window = slide((5, 5), (1, 1), (3, 3), "valid")
    dx, = unwritten((1, 5, 5, 2))
    x, kernel, dy = random(0, dx.shape, (1, 1, 2, 3), (1, 2, 2, 3))
    run("conv2d_backward", x, kernel, dy, dx, None, None, window, BUFFER)
    seen = np.zeros((5, 5), bool)
    seen[::3, ::3] = True
    assert (dx[0][~seen] == 0).all()
    assert (dx[0][seen] != 0).all()


@pytest.mark.parametrize("kernel", ["conv2d", "depthwise_conv2d"])
def test_not_a_number_goes_where_it_is_seen(run, kernel):
    window = slide((4, 4), (2, 2), (1, 1), "valid")
    x, weights, y = np.ones((2, 4, 4, 1)), np.ones((2, 2, 1, 1)), np.empty((2, 3, 3, 1))
    x[1, 0, 1] = np.nan
    run(kernel, x, weights, None, y, window, *([BUFFER] if kernel == "conv2d" else []))
    assert np.argwhere(np.isnan(y[..., 0])).tolist() == [[1, 0, 0], [1, 0, 1]]
