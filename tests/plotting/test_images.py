import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinynet import plotting
from tinynet.plotting.images import Sheet

RANDOM = np.random.default_rng(0)


def mosaic(figure):
    return np.asarray(figure.axes[0].images[0].get_array())


def texts(figure):
    return [(text.get_text(), text.get_color()) for text in figure.axes[0].texts]


def pixels(figure):
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3]


@given(
    count=st.integers(1, 12),
    columns=st.integers(1, 6),
    side=st.tuples(st.integers(2, 40), st.integers(2, 40)),
    colour=st.booleans(),
    beside=st.booleans(),
    text_width=st.integers(0, 200),
)
def test_a_sheet_holds_each_picture_at_its_place(count, columns, side, colour, beside, text_width):
    pictures = RANDOM.integers(0, 255, (count, *side, 3) if colour else (count, *side), dtype=np.uint8)
    sheet = Sheet(pictures, columns, title="", beside=beside, text_width=text_width)
    drawn = mosaic(sheet.figure).copy()
    corners = list(zip(sheet.top, sheet.left, strict=True))
    assert corners == sorted(corners)
    for (top, left), picture in zip(corners, pictures, strict=True):
        np.testing.assert_array_equal(drawn[top : top + side[0], left : left + side[1]], picture)
        drawn[top : top + side[0], left : left + side[1]] = 255
    # Nothing else is drawn, and no two lie on one another: then one of them would not have been there.
    assert (drawn == 255).all()
    assert len(set(sheet.top)) == -(-count // min(columns, count))
    right = sheet.beside + side[1] if beside else sheet.left + side[1]
    assert right.max() <= drawn.shape[1]


def test_the_figure_shows_every_pixel_as_a_square_of_its_own():
    images = RANDOM.integers(0, 256, (4, 28, 28), dtype=np.uint8)
    sheet = Sheet(255 - images, 2, title="A title")
    shown = pixels(sheet.figure)
    assert sheet.zoom == 4
    for top, left, image in zip(sheet.top, sheet.left, images, strict=True):
        y, x = (np.arange(28) + top) * 4 + 34, (np.arange(28) + left) * 4
        for corner in (0, 3):
            np.testing.assert_allclose(shown[np.ix_(y + corner, x + corner)][..., 0], 255.0 - image, atol=1)


def test_25_images_with_names():
    names = ["T-shirt/top", "Trouser", "Pullover"]
    images, labels = RANDOM.random((25, 28, 28, 1)), RANDOM.integers(0, 3, 25)
    figure = plotting.plot_images(images, labels, class_names=names)
    assert texts(figure) == [(names[label], "black") for label in labels]
    x, y = zip(*(text.get_position() for text in figure.axes[0].texts), strict=True)
    assert len(set(x)) == len(set(y)) == 5
    assert x[:5] == x[5:10] and list(x[:5]) == sorted(x[:5])
    (frames,) = figure.axes[0].collections
    assert len(frames.get_paths()) == 25
    one_hot = plotting.plot_images(images, np.eye(3)[labels], class_names=names)
    assert texts(one_hot) == texts(figure)


def test_images_without_names_and_without_labels():
    images = RANDOM.random((3, 28, 28))
    assert texts(plotting.plot_images(images, [7, 1, 2])) == [("7", "black"), ("1", "black"), ("2", "black")]
    assert texts(plotting.plot_images(images)) == []


@pytest.mark.parametrize("title", ["", "A title that is longer by far than these two small pictures are wide"])
def test_nothing_is_cut_off(title):
    names = ["an uncommonly long name of a class", "w"]
    figure = plotting.plot_images(np.zeros((2, 28, 28)), [0, 1], class_names=names, title=title)
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in [*figure.axes[0].texts, *figure.texts]]
    width, height = figure.canvas.get_width_height()
    assert all(box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height for box in boxes)
    assert boxes[0].x1 < boxes[1].x0
    assert [text.get_text() for text in figure.texts] == [title] * bool(title)


def test_one_image_with_its_scale():
    image = RANDOM.random((28, 28, 1)) * 255
    figure = plotting.plot_image(image, title="Ankle boot")
    picture, bar = figure.axes
    np.testing.assert_array_equal(np.asarray(picture.images[0].get_array()), image[..., 0])
    assert picture.get_title() == "Ankle boot"
    assert bar.get_ylim() == pytest.approx((image.min(), image.max()))
    # 0 is white and the largest value black, as the tutorial draws it.
    assert picture.images[0].cmap.name == "binary"


def test_one_photo_has_no_scale():
    figure = plotting.plot_image(np.zeros((10, 12, 3), np.uint8))
    assert len(figure.axes) == 1


def test_digits_with_their_labels():
    images = RANDOM.random((30, 784))
    labels = RANDOM.integers(0, 10, 30)
    figure = plotting.plot_digits(images, labels, columns=24, title="training digits and their labels")
    assert texts(figure) == [(str(label), "black") for label in labels]
    assert figure.texts[0].get_text() == "training digits and their labels"
    # Close rows: 24 digits of 28 pixels, two rows.
    assert mosaic(figure).shape == (2 * (28 + 9), 24 * 28)


def test_digits_with_predictions_are_red_where_wrong():
    images = RANDOM.random((3, 28, 28))
    expected = [("1", "black"), ("5", "red"), ("3", "black")]
    assert texts(plotting.plot_digits(images, [1, 2, 3], [1, 5, 3])) == expected
    assert texts(plotting.plot_digits(images, np.eye(10)[[1, 2, 3]], np.eye(10)[[1, 5, 3]] * 0.9)) == expected


def test_wrong_digits_come_first_and_keep_their_order():
    # Each image is of one brightness, by which it is known again.
    images = np.arange(8, dtype=np.uint8)[:, None, None] * np.ones((1, 28, 28), np.uint8)
    labels, predictions = np.arange(8), np.array([0, 1, 9, 3, 4, 8, 6, 7])
    figure = plotting.plot_wrong_first(images, labels, predictions, rows=2, columns=3)
    order = [2, 5, 0, 1, 3, 4]
    assert texts(figure) == [("9", "red"), ("8", "red"), ("0", "black"), ("1", "black"), ("3", "black"), ("4", "black")]
    places = [mosaic(figure)[row, column] for row in (5, 42) for column in (5, 33, 61)]
    assert places == [255 - number for number in order]
    assert figure.texts[0].get_text().startswith("wrongly read: 2 of 8 digits")
    assert plotting.plot_wrong_first(images, labels, predictions, title="Mine").texts[0].get_text() == "Mine"


def test_predictions_of_another_length():
    with pytest.raises(ValueError, match=r"predictions has to hold one class for each of the 3 images"):
        plotting.plot_wrong_first(np.zeros((3, 28, 28)), [1, 2, 3], [1, 2])
