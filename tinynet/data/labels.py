"""One-hot labels."""

import numpy as np
from numpy.typing import ArrayLike

from tinynet import config
from tinynet.errors import explain_keywords


@explain_keywords
def one_hot(labels: ArrayLike, num_classes: int) -> np.ndarray:
    """Turn class numbers into rows that are 1 at the class and 0 elsewhere.

    `categorical_crossentropy` wants labels in this form, `sparse_categorical_crossentropy` the numbers themselves.

    Parameters
    ----------
    labels : array of integers, any shape
        Class numbers from 0 to num_classes - 1; a single number will do.
    num_classes : int
        How many classes there are.

    Returns
    -------
    array of :func:`tinynet.config.floatx`, labels' shape + (num_classes,)

    Raises
    ------
    ValueError
        If the labels are not integers, or one lies outside the classes.

    Examples
    --------
    >>> one_hot([2, 0], 3)
    array([[0., 0., 1.],
           [1., 0., 0.]], dtype=float32)
    """
    if isinstance(num_classes, bool) or not isinstance(num_classes, int | np.integer) or num_classes < 1:
        raise ValueError(f"one_hot: num_classes must be an integer of at least 1. Received: {num_classes!r}")
    classes = np.asarray(labels)
    if classes.dtype.kind not in "iu":
        raise ValueError(f"one_hot: labels must be integers, one class number each. Received: dtype {classes.dtype}")
    if classes.size and (classes.min() < 0 or classes.max() >= num_classes):
        raise ValueError(
            f"one_hot: labels must lie between 0 and {num_classes - 1}, as num_classes is {num_classes}. "
            f"Received: labels from {classes.min()} to {classes.max()}"
        )
    rows = np.zeros((classes.size, num_classes), config.floatx())
    rows[np.arange(classes.size), classes.ravel()] = 1
    return rows.reshape(*classes.shape, num_classes)
