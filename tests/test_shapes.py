import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinynet.shapes import (
    as_image_shape,
    as_padding,
    as_pair,
    as_shape,
    check_data_format,
    slide,
    slide_over,
    window_pads,
    window_size,
)

WINDOWS = {"size": st.integers(1, 40), "kernel": st.integers(1, 7), "stride": st.integers(1, 5),
           "dilation": st.integers(1, 3)}


def test_shapes_as_users_write_them():
    assert as_shape((28, 28, 1)) == as_shape([28, 28, 1]) == as_shape([np.int64(28), 28, 1]) == (28, 28, 1)
    assert as_shape(784) == as_shape(np.int32(784)) == (784,)
    assert as_shape(()) == ()


@pytest.mark.parametrize("shape", [0, (28, 0), (-1,), (2.0,), "28", ("28",), (None, 28), None, (True,), [[2]]])
def test_bad_shapes(shape):
    with pytest.raises(ValueError, match="^units must be .*Received: ") as caught:
        as_shape(shape, "units")
    assert str(caught.value).endswith(f"Received: {shape!r}")


def test_pairs():
    assert as_pair(3, "strides") == as_pair((3, 3), "strides") == as_pair([np.int64(3), 3], "strides") == (3, 3)
    assert as_pair((2, 5), "strides") == (2, 5)


@pytest.mark.parametrize("pair", [0, (1,), (1, 2, 3), (1, 0), (1, 2.0), "ab", None, True])
def test_bad_pairs(pair):
    with pytest.raises(ValueError, match="^strides must be .*Received: ") as caught:
        as_pair(pair, "strides")
    assert str(caught.value).endswith(f"Received: {pair!r}")


def places(size, kernel, stride, dilation):
    """Return where a window may begin, by trying."""
    reach = dilation * (kernel - 1)
    return [start for start in range(0, size, stride) if start + reach < size]


@given(**WINDOWS)
def test_valid_windows_stay_inside(size, kernel, stride, dilation):
    expected = places(size, kernel, stride, dilation)
    if expected:
        assert window_size(size, kernel, stride, "valid", dilation) == len(expected)
    else:
        with pytest.raises(ValueError, match=f"does not fit an axis of {size}.*Received: kernel {kernel}"):
            window_size(size, kernel, stride, "valid", dilation)
    assert window_pads(size, kernel, stride, "valid", dilation) == (0, 0)


@given(**WINDOWS)
def test_same_windows_number_the_strides_with_the_least_pads_the_odd_one_after(size, kernel, stride, dilation):
    count = window_size(size, kernel, stride, "same", dilation)
    before, after = window_pads(size, kernel, stride, "same", dilation)
    assert count == len(range(0, size, stride))
    assert 0 <= after - before <= 1
    assert len(places(size + before + after, kernel, stride, dilation)) >= count
    if before + after:  # one less would lose a place
        assert len(places(size + before + after - 1, kernel, stride, dilation)) < count


def test_the_tutorials_own_pads():
    assert window_pads(28, 6, 1, "same") == (2, 3)
    assert window_pads(28, 5, 2, "same") == (1, 2)
    assert window_pads(28, 2, 2, "same") == (0, 0)


def test_unknown_padding():
    with pytest.raises(ValueError, match="'valid' or 'same'. Received: 'full'$"):
        window_size(28, 3, 1, "full")
    with pytest.raises(ValueError, match="'valid' or 'same'. Received: 'full'$"):
        window_pads(28, 3, 1, "full")


def test_a_window_over_an_image_is_one_over_each_axis():
    window = slide((28, 15), (6, 3), (2, 1), "same", (1, 2))
    assert window == ((6, 3), (2, 1), (1, 2), (2, 2), (14, 15))
    assert (window.size, window.strides, window.dilation, window.before, window.places) == window
    assert slide((9, 8), (3, 2), (3, 2), "valid").places == (3, 4)
    with pytest.raises(ValueError, match="reaches over 5 elements does not fit an axis of 4. Received: "):
        slide((9, 4), (3, 3), (1, 1), "valid", (1, 2))


def test_padding_in_small_letters():
    assert [as_padding(padding, "padding") for padding in ("valid", "SAME", "Same")] == ["valid", "same", "same"]


@pytest.mark.parametrize("padding", ["full", None, 1, ("same", "same")])
def test_bad_padding(padding):
    with pytest.raises(ValueError, match="^padding of P must be 'valid' or 'same'. Received: ") as caught:
        as_padding(padding, "padding of P")
    assert str(caught.value).endswith(f"Received: {padding!r}")


def test_data_formats():
    check_data_format(None, "data_format of P")
    check_data_format("channels_last", "data_format of P")
    with pytest.raises(ValueError, match=r"^data_format of P must be .*np\.moveaxis.*Received: 'channels_first'$"):
        check_data_format("channels_first", "data_format of P")


def test_image_shapes():
    assert as_image_shape([28, 28, np.int64(1)], "conv") == (28, 28, 1)
    with pytest.raises(ValueError, match=r"^Layer 'conv' expects images of shape \(H, W, C\), one channel too: "
                                         r".*Reshape.*Received: input_shape=\(28, 28\)$"):
        as_image_shape((28, 28), "conv")
    with pytest.raises(ValueError, match=r"^Layer 'conv' expects images of shape \(H, W, C\). Received: "):
        as_image_shape((784,), "conv")


def test_a_layers_window():
    window = (6, 3), (2, 1), "same", (1, 2)
    assert slide_over("conv", (28, 15, 3), *window) == slide((28, 15), *window)
    with pytest.raises(ValueError, match=r"^Layer 'conv': a window that reaches over \(3, 5\) pixels does not fit an "
                                         r"image of \(H, W\) = \(9, 4\) with padding='valid'. Received: input_shape="):
        slide_over("conv", (9, 4, 3), (3, 3), (1, 1), "valid", (1, 2))


@pytest.mark.parametrize("shape, guessed", [
    ((1, 28, 28), True), ((3, 32, 32), True), ((3, 3, 64), False), ((4, 9, 1), False),
])
def test_channels_first_is_guessed(shape, guessed):
    with pytest.raises(ValueError, match="does not fit") as caught:
        slide_over("conv", shape, (5, 5), (1, 1), "valid")
    assert ("It looks like channels first" in str(caught.value)) == guessed


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
def test_images_with_channels_first_are_guessed_where_a_window_fits_them(shape):
    with pytest.warns(UserWarning, match="'conv2d': images of .* look like channels first.*Received: input_shape="):
        slide_over("conv2d", shape, (3, 3), (1, 1), "same", (1, 1))


@pytest.mark.parametrize("shape", [(1, 28, 3), (3, 3, 3), (28, 28, 1), (4, 32, 32), (1, 1, 64)])
def test_other_images_are_not(shape):
    slide_over("conv2d", shape, (3, 3), (1, 1), "same", (1, 1))  # a warning would be an error
