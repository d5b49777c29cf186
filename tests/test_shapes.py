import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinynet.shapes import as_pair, as_shape, slide, window_pads, window_size

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
