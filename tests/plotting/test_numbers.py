import numpy as np
import pytest

from tinynet import plotting

PIXELS = np.array([[0, 255, 25], [128, 1, 2]], np.uint8)


def drawn(axes):
    return np.asarray(axes.images[0].get_array())


def test_every_number_stands_in_its_cell():
    figure = plotting.plot_numbers({"pixels": PIXELS, "result": [[-1.5, 3]]}, title="How it goes")
    pixels, result = figure.axes
    assert [text.get_text() for text in pixels.texts] == ["0", "255", "25", "128", "1", "2"]
    assert {text.get_text(): text.get_position() for text in pixels.texts}["128"] == (0.5, 1.5)
    assert [text.get_text() for text in result.texts] == ["-1.5", "3"]
    assert [axes.get_title() for axes in figure.axes] == ["pixels", "result"]
    assert figure.texts[0].get_text() == "How it goes"


def test_pixels_are_grey_and_other_numbers_dark_or_red():
    figure = plotting.plot_numbers({"pixels": PIXELS, "numbers": [[-2, 0, 1, 2]]})
    pixels, numbers = map(drawn, figure.axes)
    np.testing.assert_array_equal(pixels[..., 0], PIXELS)
    np.testing.assert_array_equal(numbers[0], [[255, 0, 0], [255, 255, 255], [128, 128, 128], [0, 0, 0]])
    # What is written on a dark cell is white.
    assert [text.get_color() for text in figure.axes[0].texts] == ["white", "black", "white", "black", "white", "white"]


def test_marks_of_one_number_share_a_colour():
    marks = {"a": [(0, 1, 2, 2), (0, 0, 1, 1)], "c": [(0, 0, 1, 1)]}
    figure = plotting.plot_numbers({"a": PIXELS, "b": PIXELS, "c": PIXELS}, marks=marks)
    a, b, c = (axes.collections[2:] for axes in figure.axes)  # after the lines between the cells
    assert [len(a), len(b), len(c)] == [2, 0, 1]
    np.testing.assert_array_equal(a[0].get_paths()[0].vertices[:4], [[1, 0], [3, 0], [3, 2], [1, 2]])
    colours = [tuple(mark.get_edgecolor()[0]) for mark in (*a, *c)]
    assert colours[0] == colours[2] != colours[1]


@pytest.mark.parametrize("columns", [None, 1, 2, 9])
def test_arrays_lie_in_rows_and_none_is_cut_off(columns):
    arrays = {f"array number {i}, under a long name": np.full((i + 1, 4 - i), 10.0**i) for i in range(4)}
    figure = plotting.plot_numbers(arrays, columns=columns, title="a title " * 12)
    figure.canvas.draw()
    width, height = figure.canvas.get_width_height()
    drawn = [*figure.axes, *(axes.title for axes in figure.axes), *figure.texts]
    boxes = [artist.get_window_extent() for artist in drawn]
    assert all(box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height for box in boxes)
    assert not any(one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i])
    assert len({round(axes.get_window_extent().y1) for axes in figure.axes}) == -(-4 // min(columns or 4, 4))
    sides = [axes.get_window_extent().width / (4 - i) for i, axes in enumerate(figure.axes)]
    assert sides == pytest.approx([sides[0]] * 4)


@pytest.mark.parametrize(("arrays", "marks", "message"), [
    ({"a": np.zeros(3)}, None, r"shape \(H, W\), each under its name\. Received: 'a', float64 of shape \(3,\)"),
    ({"a": np.zeros((0, 3))}, None, r"Received: 'a', float64 of shape \(0, 3\)"),
    ({"a": [["x"]]}, None, r"has to hold arrays of numbers"),
    ({}, None, r"arrays has to hold an array"),
    ({"a": PIXELS}, {"b": [(0, 0, 1, 1)]}, r"only, \['a'\]\. Received: marks of \['b'\]"),
    ({"a": [[np.inf]]}, None, r"finite numbers only"),
])
def test_what_cannot_be_drawn_gets_an_error(arrays, marks, message):
    with pytest.raises(ValueError, match=message):
        plotting.plot_numbers(arrays, marks=marks)
