import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinynet import plotting
from tinynet.plotting.inputs import as_classes, as_picture, as_pictures

IMAGES, LABELS = np.zeros((4, 28, 28)), np.arange(4)
PROBABILITIES = np.full((4, 10), 0.1)
NAMES = list("abcdefghij")


def test_all_forms_of_the_same_images_are_one():
    images = np.random.default_rng(0).integers(0, 256, (5, 28, 28), dtype=np.uint8)
    images[0, 0, :2] = 0, 255
    expected = 255 - images
    forms = [images, images[..., np.newaxis], images.reshape(5, 784), list(images)]
    forms += [images.astype(int), images / 255, images / np.float32(256), images / 127.5 - 1]
    for form in forms:
        pictures = as_pictures(form)
        assert pictures.dtype == np.uint8
        np.testing.assert_array_equal(pictures, expected)


def test_colour_stays_as_it_is():
    photos = np.random.default_rng(0).integers(0, 256, (2, 8, 6, 3), dtype=np.uint8)
    np.testing.assert_array_equal(as_pictures(photos), photos)


def test_a_constant_image_is_white():
    assert (as_pictures(np.full((1, 4, 4), 0.3)) == 255).all()


@pytest.mark.parametrize("shape", [(28, 28), (28, 28, 1), (784,)])
def test_one_image_in_every_form(shape):
    image = np.arange(784.0)
    np.testing.assert_array_equal(as_picture(image.reshape(shape)), image.reshape(28, 28))


@given(st.lists(st.integers(0, 9), min_size=1, max_size=20))
def test_classes_from_numbers_one_hot_rows_and_probabilities(classes):
    rows = np.eye(10)[classes]
    for form in (classes, np.array(classes, np.uint8), rows, 0.05 + rows / 2, rows.astype(int)):
        assert as_classes(form, len(classes), "labels", 10).tolist() == classes


@pytest.mark.parametrize(
    "shape", [(28, 28), (28, 28, 1), (28, 28, 3), (2, 28, 28, 2), (0, 28, 28), (3, 785), (784,), ()]
)
def test_images_of_another_shape(shape):
    with pytest.raises(ValueError, match=r"images has .*np\.array\(\[img\]\)\. Received: float64 of shape \("):
        plotting.plot_images(np.zeros(shape))


@pytest.mark.parametrize("shape", [(1, 28, 28, 1), (5, 28, 28), (785,), (0, 0), ()])
def test_one_image_of_another_shape(shape):
    for draw in (plotting.plot_image, lambda image: plotting.plot_prediction(image, 0, [0.5, 0.5])):
        with pytest.raises(ValueError, match=r"images\[0\] is the first of many\. Received: float64 of shape \("):
            draw(np.zeros(shape))


def test_images_that_are_not_finite_numbers():
    images = IMAGES.copy()
    images[1, 2, 3] = np.nan
    with pytest.raises(ValueError, match="finite numbers only. Received: values from nan"):
        plotting.plot_images(images)
    with pytest.raises(ValueError, match="Received: <U1 of shape"):
        plotting.plot_images(np.full((2, 28, 28), "a"))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.arange(3), r"labels has to hold one class for each of the 4 images.* Received: int.* of shape \(3,\)"),
        (np.arange(4.0), r"Received: float64 of shape \(4,\)"),
        (np.eye(10), r"Received: float64 of shape \(10, 10\)"),
        (np.zeros((4, 1), np.int64), r"Received: int.* of shape \(4, 1\)"),
        ([0, 1, 2, -1], r"labels has to be .*Received: classes from -1 to 2"),
        ([0, 1, 2, 10], r"labels has to be from 0 to 9, as there are 10 classes\. Received: classes from 0 to 10"),
    ],
)
def test_labels_that_do_not_fit(labels, message):
    draws = [
        lambda: plotting.plot_images(IMAGES, labels, class_names=NAMES),
        lambda: plotting.plot_predictions(IMAGES, labels, PROBABILITIES),
        lambda: plotting.plot_prediction_pairs(IMAGES, labels, PROBABILITIES),
    ]
    for draw in draws:
        with pytest.raises(ValueError, match=message):
            draw()


@pytest.mark.parametrize(
    ("probabilities", "message"),
    [
        (PROBABILITIES[:3], r"for each of the 4 images.* Received: shape \(3, 10\)"),
        (PROBABILITIES[:, 0], r"Received: shape \(4,\)"),
        (PROBABILITIES[:, :1], r"Received: shape \(4, 1\)"),
        (PROBABILITIES * 30, r"logits, softmax .*Received: values from 3 to 3"),
        (PROBABILITIES * np.nan, r"Received: values from nan"),
    ],
)
def test_probabilities_that_do_not_fit(probabilities, message):
    for draw in (plotting.plot_predictions, plotting.plot_prediction_pairs):
        with pytest.raises(ValueError, match=message):
            draw(IMAGES, LABELS, probabilities)


def test_many_predictions_where_one_is_meant():
    message = r"predictions\[0\] is the first of many\. Received: shape \(1, 10\)"
    with pytest.raises(ValueError, match=message):
        plotting.plot_probabilities(PROBABILITIES[:1])
    with pytest.raises(ValueError, match=message):
        plotting.plot_prediction(IMAGES[0], 0, PROBABILITIES[:1])
    with pytest.raises(ValueError, match="label has to be from 0 to 9"):
        plotting.plot_probabilities(PROBABILITIES[0], 10)


def test_class_names_of_another_number():
    draws = [
        lambda: plotting.plot_predictions(IMAGES, LABELS, PROBABILITIES, class_names=NAMES[:9]),
        lambda: plotting.plot_probabilities(PROBABILITIES[0], class_names=NAMES[:9]),
        lambda: plotting.plot_confusion_matrix(np.eye(10), class_names=NAMES[:9]),
    ]
    for draw in draws:
        with pytest.raises(ValueError, match=r"class_names has to name each of the 10 classes\. Received: 9 names"):
            draw()


@pytest.mark.parametrize("columns", [0, 2.0, None])
def test_columns_of_another_kind(columns):
    with pytest.raises(ValueError, match=r"columns has to be a whole number, at least 1\. Received: columns="):
        plotting.plot_images(IMAGES, columns=columns)
