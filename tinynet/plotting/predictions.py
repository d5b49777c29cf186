"""Pictures of predictions: as text under the images, as bars beside them, as a confusion matrix."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tinynet.plotting.figure import add_axes, new_figure
from tinynet.plotting.images import FONT_SIZE, LETTER, TITLE, Sheet, rectangles
from tinynet.plotting.inputs import as_classes, as_names, as_one_prediction, as_picture, as_pictures, as_probabilities

if TYPE_CHECKING:
    from matplotlib.figure import Figure

GREY, RED, BLUE = "#777777", "red", "blue"


def plot_predictions(
    images: Any,
    labels: Any,
    probabilities: Any,
    *,
    class_names: Sequence[str] | None = None,
    columns: int = 5,
    title: str = "",
) -> "Figure":
    """Draw images in a grid, under each what a network sees in it: ``Shirt 93% (Coat)``, the true class in brackets.

    The text is blue when the network is right and red when it is wrong.

    Parameters
    ----------
    images : array
        (n, H, W), (n, H, W, 1), (n, H, W, 3) or flat (n, H * W).
    labels : array
        The true classes, (n,) or one-hot (n, classes).
    probabilities : array
        What ``predict`` returned for them, (n, classes).
    class_names : sequence of str, optional
        Written instead of the class numbers.
    columns : int
        Images in a row.
    title : str
        Written above them.

    Returns
    -------
    matplotlib.figure.Figure
        The picture.
    """
    pictures, labels, probabilities = _checked(images, labels, probabilities)
    texts, colors = _verdicts(labels, probabilities, class_names)
    sheet = Sheet(pictures, columns, title=title, text_width=LETTER * max(map(len, texts)))
    sheet.frame(sheet.left)
    sheet.write(texts, colors)
    return sheet.figure


def plot_prediction_pairs(
    images: Any,
    labels: Any,
    probabilities: Any,
    *,
    class_names: Sequence[str] | None = None,
    columns: int = 3,
    title: str = "",
) -> "Figure":
    """Draw images in a grid, each with its prediction under it and a bar chart of all classes' probabilities beside it.

    Bars reach from 0 to 1, class 0 on the left; they are grey, the predicted class red, the true class blue: a right
    prediction shows no red. 15 images make the tutorial's 5x3.

    Parameters
    ----------
    images, labels, probabilities, class_names, title
        As in :func:`plot_predictions`.
    columns : int
        Pairs in a row.

    Returns
    -------
    matplotlib.figure.Figure
        The picture.
    """
    pictures, labels, probabilities = _checked(images, labels, probabilities)
    return _pairs(pictures, labels, probabilities, class_names, columns, title, picture=112).figure


def plot_prediction(
    image: Any,
    label: int,
    probabilities: Any,
    *,
    class_names: Sequence[str] | None = None,
    title: str = "",
) -> "Figure":
    """Draw one image large, its prediction under it and the bar chart beside it; colours as in the pairs.

    Parameters
    ----------
    image : array
        One image, (H, W), (H, W, 1), (H, W, 3) or flat.
    label : int
        The true class, or its one-hot row.
    probabilities : array
        One prediction, (classes,).
    class_names : sequence of str, optional
        Written instead of the class numbers.
    title : str
        Written above them.

    Returns
    -------
    matplotlib.figure.Figure
        The picture.
    """
    rows = as_picture(image)[np.newaxis], np.asarray(label)[np.newaxis], as_one_prediction(probabilities)
    pictures, labels, probabilities = _checked(*rows)
    sheet = _pairs(pictures, labels, probabilities, class_names, 1, title, picture=224)
    # There is room here to number the bars.
    step = sheet.width / (probabilities.shape[1] + 1)
    for number in range(probabilities.shape[1]):
        x, y = sheet.beside[0] + (number + 1) * step, sheet.top[0] + sheet.height + 4 / sheet.zoom
        sheet.axes.text(x, y, str(number), ha="center", va="top", fontsize=FONT_SIZE)
    return sheet.figure


def plot_probabilities(
    probabilities: Any,
    label: int | None = None,
    *,
    class_names: Sequence[str] | None = None,
    title: str = "",
) -> "Figure":
    """Draw one prediction as a bar chart: the predicted class red, then the true one blue, the others grey.

    Parameters
    ----------
    probabilities : array
        One prediction, (classes,).
    label : int, optional
        The true class, or its one-hot row.
    class_names : sequence of str, optional
        Written under the bars, at 45 degrees, instead of the class numbers.
    title : str
        Written above them.

    Returns
    -------
    matplotlib.figure.Figure
        The picture.
    """
    values = as_probabilities(as_one_prediction(probabilities), 1)
    classes = values.shape[1]
    labels = None if label is None else as_classes(np.asarray(label)[np.newaxis], 1, "label", classes)
    names = as_names(class_names, classes)
    figure = new_figure(max(560, 42 * classes), 400)
    bottom = 30 + (0 if class_names is None else 6 * max(map(len, names)))
    axes = add_axes(figure, 70, bottom, max(470, 42 * classes - 90), 365 - bottom)
    axes.bar(range(classes), values[0], color=_bar_colors(values, labels))
    axes.set_ylim(0, 1)
    axes.set_ylabel("probability")
    axes.set_title(title)
    axes.set_xticks(range(classes), names)
    if class_names is not None:
        for text in axes.get_xticklabels():
            text.set(rotation=45, ha="right", rotation_mode="anchor")
    return figure


def plot_answers(image: Any, names: Sequence[str], probabilities: Any, *, title: str = "") -> "Figure":
    """Draw a photo whose truth nobody has said, and beside it the answers, each with a bar as long as it is probable.

    Parameters
    ----------
    image : array
        One image, (H, W), (H, W, 1), (H, W, 3) or flat.
    names : sequence of str
        The classes to show, from top to bottom: the few most probable ones, for instance.
    probabilities : array
        One for each of them, (n,).
    title : str
        Written above them.

    Returns
    -------
    matplotlib.figure.Figure
        The picture.
    """
    image = as_picture(image)
    values = as_probabilities(as_one_prediction(probabilities), 1)[0]
    names = as_names(names, len(values))
    side, bars, margin = 340, 260, 20
    names_width = LETTER * max(map(len, names))
    figure = new_figure(side + names_width + bars + 4 * margin, side + 2 * margin + TITLE)
    axes = add_axes(figure, margin, margin, side, side)
    axes.imshow(image, cmap="binary")
    axes.set_axis_off()
    height = min(side, 60 * len(values))
    axes = add_axes(figure, side + names_width + 2 * margin, margin + (side - height) / 2, bars, height)
    axes.barh(range(len(values)), values, 0.6, color=GREY)
    for number, value in enumerate(values):
        axes.text(value + 0.02, number, f"{100 * value:.0f}%", va="center", fontsize=FONT_SIZE)
    axes.set_yticks(range(len(values)), names, fontsize=FONT_SIZE)
    axes.set_ylim(len(values) - 0.5, -0.5)
    axes.set_xlim(0, 1.15)
    axes.set_xticks([])
    for border in ("top", "right", "bottom"):
        axes.spines[border].set_visible(False)
    figure.suptitle(title, fontsize=12)
    return figure


def plot_confusion_matrix(matrix: Any, *, class_names: Sequence[str] | None = None, title: str = "") -> "Figure":
    """Draw a confusion matrix: how many images of each true class (row) were taken for each class (column).

    A cell is the darker the larger its share of the row.

    Parameters
    ----------
    matrix : array
        Counts, (classes, classes), as :func:`tinynet.metrics.confusion_matrix` returns them.
    class_names : sequence of str, optional
        Written along the sides instead of the class numbers.
    title : str
        Written above it.

    Returns
    -------
    matplotlib.figure.Figure
        The picture.
    """
    matrix = np.asarray(matrix)
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1] or matrix.size == 0:
        raise ValueError(f"matrix has to be of shape (classes, classes). Received: shape {matrix.shape}")
    classes = len(matrix)
    names = as_names(class_names, classes)
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)

    side, names_width = 48 * classes, 45 + 7 * max(map(len, names))
    figure = new_figure(names_width + side + 20, names_width + side + 40)
    axes = add_axes(figure, names_width, names_width, side, side)
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
    for (row, column), count in np.ndenumerate(matrix):
        color = "white" if share[row, column] > 0.5 else "black" if count else "#aaaaaa"
        axes.text(column, row, f"{count:g}", color=color, ha="center", va="center", fontsize=FONT_SIZE)
    axes.set_xticks(range(classes), names)
    axes.set_yticks(range(classes), names)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.set_title(title)
    if class_names is not None:
        for text in axes.get_xticklabels():
            text.set(rotation=45, ha="right", rotation_mode="anchor")
    return figure


def _checked(images, labels, probabilities) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    pictures = as_pictures(images)
    probabilities = as_probabilities(probabilities, len(pictures))
    return pictures, as_classes(labels, len(pictures), "labels", probabilities.shape[1]), probabilities


def _verdicts(labels: np.ndarray, probabilities: np.ndarray, class_names) -> tuple[list[str], list[str]]:
    """The text under each picture, and its colour."""
    predicted = probabilities.argmax(axis=1)
    names = as_names(class_names, probabilities.shape[1])
    texts = [
        f"{names[guess]} {100 * row[guess]:.0f}% ({names[label]})"
        for guess, label, row in zip(predicted, labels, probabilities, strict=True)
    ]
    return texts, np.where(predicted == labels, BLUE, RED).tolist()


def _bar_colors(probabilities: np.ndarray, labels: np.ndarray | None) -> list[str]:
    colors = np.full(probabilities.shape, GREY)
    np.put_along_axis(colors, probabilities.argmax(axis=1, keepdims=True), RED, axis=1)
    if labels is not None:
        np.put_along_axis(colors, labels[:, np.newaxis], BLUE, axis=1)
    return colors.ravel().tolist()


def _pairs(pictures, labels, probabilities, class_names, columns: int, title: str, picture: int) -> Sheet:
    texts, colors = _verdicts(labels, probabilities, class_names)
    sheet = Sheet(
        pictures, columns, title=title, picture=picture, text_width=LETTER * max(map(len, texts)), beside=True
    )
    sheet.frame(sheet.left)
    sheet.frame(sheet.beside)
    sheet.write(texts, colors, align="left")

    classes = probabilities.shape[1]
    step = sheet.width / (classes + 1)
    left = sheet.beside[:, np.newaxis] + (np.arange(classes) + 0.6) * step
    floor = (sheet.top + sheet.height)[:, np.newaxis]
    bars = rectangles(left, floor, 0.8 * step, -sheet.height * probabilities)
    sheet.add_polygons(bars, facecolors=_bar_colors(probabilities, labels))
    return sheet
