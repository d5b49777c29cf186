"""ImageNet's 1,000 classes, and what a prediction says in their words."""

import functools
from importlib import resources

import numpy as np

from tinynet.errors import as_numbers
from tinynet.shapes import as_count

CLASSES = 1000


@functools.cache
def class_names() -> tuple[tuple[str, str], ...]:
    """Return (WordNet's id, name) of each class in order, such as ("n02099712", "Labrador_retriever")."""
    text = resources.files("tinynet.applications").joinpath("imagenet_classes.txt").read_text(encoding="utf-8")
    return tuple((wnid, name) for wnid, name in map(str.split, text.splitlines()))


def decode_predictions(preds, top: int = 5) -> list[list[tuple[str, str, float]]]:
    """Return the most probable classes of each image, the first being the most probable.

    Parameters
    ----------
    preds : array (N, 1000)
        What a network with ImageNet's classes predicts for N images.
    top : int
        How many classes of each image.

    Returns
    -------
    list of list of tuple
        For each image (WordNet's id, name, score), such as ("n11939491", "daisy", 0.93).

    Raises
    ------
    ValueError
        If preds has another shape, or `top` is below 1.
    """
    preds = as_numbers("preds of decode_predictions", preds)
    if preds.ndim != 2 or preds.shape[1] != CLASSES:
        raise ValueError(f"preds of decode_predictions must be predictions of ImageNet's classes, (N, {CLASSES}); a "
                         f"single one p is np.array([p]). Received: {preds.shape}")
    top = as_count(top, "top of decode_predictions")
    order = np.argsort(-preds, axis=1, kind="stable")[:, :top]
    return [[(*class_names()[k], float(row[k])) for k in best] for row, best in zip(preds, order, strict=True)]
