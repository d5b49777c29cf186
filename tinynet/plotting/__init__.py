"""Pictures of data, predictions, training and the inside of networks, drawn with matplotlib.

Every function returns a matplotlib ``Figure``. In a notebook it shows as the last expression of a cell, or with
``display(figure)``; elsewhere :func:`save` writes it to a file. No screen is needed and no global state is touched:
pyplot is never imported, and matplotlib itself only when something is drawn.

>>> figure = tinynet.plotting.plot_images(images[:25], labels[:25], class_names=class_names)
>>> tinynet.plotting.save(figure, "pictures/first_25.png")

Images are arrays of shape (n, H, W) or (n, H, W, 1), drawn dark on white as the tutorials do; or (n, H, W, 3), in
colour; or flat (n, H * W) where they are square. uint8 goes from 0 to 255; any other type is stretched from the
smallest to the largest value. Labels are class numbers (n,) or one-hot (n, classes); probabilities are what ``predict``
returns, (n, classes). Anything else gets a ValueError that says what was expected.
"""

from tinynet.plotting.curves import live_curves, plot_history, plot_learning_rate
from tinynet.plotting.figure import in_notebook, save, show_live
from tinynet.plotting.filters import plot_activations, plot_filters
from tinynet.plotting.images import plot_digits, plot_image, plot_images, plot_wrong_first
from tinynet.plotting.numbers import plot_numbers
from tinynet.plotting.predictions import (
    plot_answers,
    plot_confusion_matrix,
    plot_prediction,
    plot_prediction_pairs,
    plot_predictions,
    plot_probabilities,
)
from tinynet.plotting.windows import plot_receptive_field

__all__ = [
    "in_notebook",
    "live_curves",
    "plot_activations",
    "plot_answers",
    "plot_confusion_matrix",
    "plot_digits",
    "plot_filters",
    "plot_history",
    "plot_image",
    "plot_images",
    "plot_learning_rate",
    "plot_numbers",
    "plot_prediction",
    "plot_prediction_pairs",
    "plot_predictions",
    "plot_probabilities",
    "plot_receptive_field",
    "plot_wrong_first",
    "save",
    "show_live",
]
