import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.transforms import Bbox

from tinynet import plotting

NAMES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.random((15, 28, 28))
LABELS = RANDOM.integers(0, 10, 15)
PROBABILITIES = RANDOM.dirichlet(np.full(10, 0.3), 15).astype(np.float32)
GREY, RED, BLUE = "#777777", "#ff0000", "#0000ff"


def expected_colors(probabilities, label):
    colors = [GREY] * len(probabilities)
    colors[probabilities.argmax()] = RED
    colors[label] = BLUE
    return colors


def certain(prediction, probability):
    """Ten probabilities, of which one is known."""
    row = np.full(10, (1 - probability) / 9)
    row[prediction] = probability
    return row


def drawn_bars(figure, pictures):
    """Heights from 0 to 1 and colours of the bars beside the pictures, each (pictures, classes)."""
    collection = figure.axes[0].collections[2]
    corners = np.array([path.vertices[:4] for path in collection.get_paths()])
    heights = (corners[..., 1].max(axis=1) - corners[..., 1].min(axis=1)) / 28
    colors = np.array([to_hex(color) for color in collection.get_facecolors()])
    return corners, heights.reshape(pictures, -1), colors.reshape(pictures, -1)


@pytest.mark.parametrize("draw", [plotting.plot_predictions, plotting.plot_prediction_pairs])
def test_the_text_names_prediction_percentage_and_truth(draw):
    probabilities = np.stack([certain(6, 0.934), certain(6, 0.926), certain(9, 1.0)])
    figure = draw(IMAGES[:3], [6, 4, 9], probabilities, class_names=NAMES, title="Some")
    found = [(text.get_text(), text.get_color()) for text in figure.axes[0].texts]
    expected = [("Shirt 93% (Shirt)", "blue"), ("Shirt 93% (Coat)", "red"), ("Ankle boot 100% (Ankle boot)", "blue")]
    assert found == expected
    assert figure.texts[0].get_text() == "Some"
    numbers = draw(IMAGES[:3], np.eye(10)[[6, 4, 9]], probabilities)
    assert [text.get_text() for text in numbers.axes[0].texts] == ["6 93% (6)", "6 93% (4)", "9 100% (9)"]


def test_a_grid_of_predictions_holds_the_images():
    figure = plotting.plot_predictions(IMAGES, LABELS, PROBABILITIES, class_names=NAMES)
    (image,) = figure.axes[0].images
    assert len(figure.axes) == 1
    assert len({text.get_position()[0] for text in figure.axes[0].texts}) == 5
    assert 100 < (np.asarray(image.get_array()) < 255).sum() / 15 <= 784


def test_bars_of_the_pairs_are_the_probabilities():
    figure = plotting.plot_prediction_pairs(IMAGES, LABELS, PROBABILITIES, class_names=NAMES)
    pictures, charts, _ = figure.axes[0].collections
    corners, heights, colors = drawn_bars(figure, 15)
    np.testing.assert_allclose(heights, PROBABILITIES, atol=1e-6)
    for row, label, found in zip(PROBABILITIES, LABELS, colors, strict=True):
        assert found.tolist() == expected_colors(row, label)
    # Each bar stands on the floor of its own chart, from left to right, and each chart right of its picture.
    for number, (picture, chart) in enumerate(zip(pictures.get_paths(), charts.get_paths(), strict=True)):
        own = corners[10 * number : 10 * number + 10]
        box = Bbox.from_extents(*chart.vertices[:4].min(axis=0), *chart.vertices[:4].max(axis=0))
        assert (own[..., 1].max(axis=1) == box.y1).all()
        assert own[0, :, 0].min() > box.x0 and own[-1, :, 0].max() < box.x1
        assert (np.diff(own[:, 0, 0]) > 0).all()
        assert picture.vertices[:, 0].max() < box.x0
        assert picture.vertices[:, 1].max() == box.y1


def test_the_pairs_stand_5_by_3_and_nothing_overlaps():
    figure = plotting.plot_prediction_pairs(IMAGES, [9] * 15, np.tile(certain(0, 0.95), (15, 1)), class_names=NAMES)
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert [text.get_text() for text in figure.axes[0].texts] == ["T-shirt/top 95% (Ankle boot)"] * 15
    assert len({round(box.x0) for box in boxes}) == 3
    assert len({round(box.y0) for box in boxes}) == 5
    width, height = figure.canvas.get_width_height()
    for number, box in enumerate(boxes):
        assert box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height
        assert not any(box.overlaps(other) for other in boxes[:number])


def test_one_prediction_beside_its_picture():
    figure = plotting.plot_prediction(IMAGES[0], 4, certain(6, 0.7), class_names=NAMES)
    _, heights, colors = drawn_bars(figure, 1)
    np.testing.assert_allclose(heights[0], certain(6, 0.7))
    assert colors[0].tolist() == expected_colors(certain(6, 0.7), 4)
    verdict, *numbers = figure.axes[0].texts
    assert (verdict.get_text(), verdict.get_color()) == ("Shirt 70% (Coat)", "red")
    assert [text.get_text() for text in numbers] == list("0123456789")
    # Each number stands under the middle of its bar.
    corners, _, _ = drawn_bars(figure, 1)
    np.testing.assert_allclose([text.get_position()[0] for text in numbers], corners[..., 0].mean(axis=1))


@pytest.mark.parametrize("image", [IMAGES[0].ravel(), IMAGES[0][..., np.newaxis]])
def test_one_prediction_takes_every_form_of_an_image(image):
    expected = plotting.plot_prediction(IMAGES[0], 4, certain(6, 0.7))
    found = plotting.plot_prediction(image, np.eye(10)[4], certain(6, 0.7))
    for figure in (expected, found):
        assert figure.axes[0].texts[0].get_text() == "6 70% (4)"
    np.testing.assert_array_equal(found.axes[0].images[0].get_array(), expected.axes[0].images[0].get_array())


@pytest.mark.parametrize("label", [None, 4, 6])
def test_the_bar_chart_of_one_prediction(label):
    values = certain(6, 0.7)
    (axes,) = plotting.plot_probabilities(values, label, title="One").axes
    assert [bar.get_height() for bar in axes.patches] == pytest.approx(values)
    expected = [GREY] * 6 + [RED] + [GREY] * 3 if label is None else expected_colors(values, label)
    assert [to_hex(bar.get_facecolor()) for bar in axes.patches] == expected
    assert axes.get_ylim() == (0, 1)
    assert [text.get_text() for text in axes.get_xticklabels()] == list("0123456789")
    assert axes.get_title() == "One"


@pytest.mark.parametrize("shape", [(28, 28), (192, 192, 3), (60, 90, 3)])
def test_answers_stand_beside_their_photo_and_inside(shape):
    names, values = ["black-and-tan coonhound", "daisy", "bee"], [0.71, 0.2, 0.0]
    figure = plotting.plot_answers(RANDOM.integers(0, 256, shape, dtype=np.uint8), names, values, title="a.jpg")
    photo, bars = figure.axes
    assert photo.images[0].get_array().shape == shape
    assert [bar.get_width() for bar in bars.patches] == pytest.approx(values)
    assert [text.get_text() for text in bars.texts] == ["71%", "20%", "0%"]
    assert [text.get_text() for text in bars.get_yticklabels()] == names
    figure.canvas.draw()
    tops = [bars.transData.transform((0, bar.get_y()))[1] for bar in bars.patches]
    assert tops == sorted(tops, reverse=True)
    left = photo.get_window_extent().x1
    assert all(left <= text.get_window_extent().x0 for text in bars.get_yticklabels())
    assert all(text.get_window_extent().x1 <= figure.bbox.x1 for text in bars.texts)


@pytest.mark.parametrize(("names", "values", "message"), [
    (["daisy"], [0.5, 0.5], "name each of the 2 classes"),
    (["daisy", "bee"], [0.5, 1.5], "between 0 and 1"),
    (["daisy", "bee"], [[0.5, 0.5]], "one prediction"),
])
def test_answers_need_a_name_and_a_probability_each(names, values, message):
    with pytest.raises(ValueError, match=message):
        plotting.plot_answers(IMAGES[0], names, values)


def test_class_names_stand_at_45_degrees_and_inside():
    figure = plotting.plot_probabilities(certain(6, 0.7), 6, class_names=NAMES)
    figure.canvas.draw()
    names = figure.axes[0].get_xticklabels()
    assert [text.get_text() for text in names] == NAMES
    assert {text.get_rotation() for text in names} == {45}
    assert all(text.get_window_extent().y0 >= 0 and text.get_window_extent().x0 >= 0 for text in names)


def test_five_classes_of_photos():
    photos = RANDOM.integers(0, 256, (3, 192, 192, 3), dtype=np.uint8)
    values = RANDOM.dirichlet(np.ones(5), 3)
    names = ["daisy", "dandelion", "roses", "sunflowers", "tulips"]
    figure = plotting.plot_prediction_pairs(photos, [0, 1, 4], values, class_names=names)
    assert len(figure.axes[0].collections[2].get_paths()) == 15


@pytest.mark.parametrize("names", [None, ["daisy", "dandelion", "rose"]])
def test_a_confusion_matrix_has_true_rows_and_predicted_columns(names):
    matrix = np.array([[8, 2, 0], [0, 10, 0], [0, 0, 0]])
    figure = plotting.plot_confusion_matrix(matrix, class_names=names, title="Test images")
    figure.canvas.draw()
    (axes,) = figure.axes
    cells = {text.get_position(): (text.get_text(), text.get_color()) for text in axes.texts}
    assert len(cells) == 9
    assert cells[1, 0] == ("2", "black")  # x is the column
    assert cells[0, 0] == ("8", "white")
    assert cells[0, 1][0] == "0"
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.8, 0.2, 0], [0, 1, 0], [0, 0, 0]])
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")
    for labels in (axes.get_xticklabels(), axes.get_yticklabels()):
        assert [text.get_text() for text in labels] == (names or ["0", "1", "2"])
        assert all(text.get_window_extent().x0 >= 0 and text.get_window_extent().y0 >= 0 for text in labels)


@pytest.mark.parametrize("shape", [(3,), (2, 3), (0, 0)])
def test_a_confusion_matrix_of_another_shape(shape):
    with pytest.raises(ValueError, match=r"matrix has to be of shape \(classes, classes\)\. Received: shape \("):
        plotting.plot_confusion_matrix(np.zeros(shape))
