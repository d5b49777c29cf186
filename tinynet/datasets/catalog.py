"""Data sets by name, as pipelines: the way of TensorFlow Datasets."""

import os
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinynet.data import Dataset
from tinynet.datasets import fashion_mnist, flowers, mnist
from tinynet.errors import explain_keywords, look_up

_MODULES = {"mnist": mnist, "fashion_mnist": fashion_mnist, "flowers": flowers}
_SPLITS = ("train", "test")


@dataclass(frozen=True)
class Split:
    """One part of a data set, training or test."""

    num_examples: int


@dataclass(frozen=True)
class Image:
    """What the images of a data set are like."""

    shape: tuple[int, ...]
    dtype: type


@dataclass(frozen=True)
class ClassLabel:
    """What the labels of a data set are like: their classes' names, in order."""

    names: list[str]

    @property
    def num_classes(self) -> int:
        """How many classes there are."""
        return len(self.names)


@dataclass(frozen=True)
class Metadata:
    """What is known about a data set: `metadata.splits["train"].num_examples`, `metadata.class_names`."""

    name: str
    splits: dict[str, Split]
    features: dict[str, Image | ClassLabel]

    @property
    def class_names(self) -> list[str]:
        """The classes' names, in the order of the labels."""
        return self.features["label"].names


@explain_keywords
def load(
    name: str,
    split: str | list[str] | tuple[str, ...] | None = None,
    data_dir: str | os.PathLike | None = None,
    as_supervised: bool = True,
    with_info: bool = True,
) -> Any:
    """Load a data set by name, as datasets to iterate over.

    Parameters
    ----------
    name : {"mnist", "fashion_mnist", "flowers"}
        Which data set. Photos of flowers are decoded as they are needed.
    split : {"train", "test"} or list of these, optional
        For one dataset, or a list of them, in place of the dict of both.
    data_dir : path, optional
        Where files are looked for first; see the data set's own `load_data`.
    as_supervised : bool
        Whether an element is a pair (image, label); otherwise it is a dict {"image": image, "label": label}. An image
        is uint8 of shape (28, 28, 1), a photo of flowers (192, 192, 3); a label is an int64 number.
    with_info : bool
        Whether to return the metadata too.

    Returns
    -------
    datasets, metadata
        {"train": Dataset, "test": Dataset}, or as `split` says; and the :class:`Metadata`, if `with_info`.

    Raises
    ------
    ValueError
        For an unknown name or split, or a damaged file.
    FileNotFoundError
        If `data_dir` is given, and no folder.
    ConnectionError
        If files have to be downloaded, and no mirror can be reached.

    Examples
    --------
    >>> dataset, metadata = load("fashion_mnist", as_supervised=True, with_info=True)
    >>> train_dataset, test_dataset = dataset["train"], dataset["test"]
    >>> metadata.splits["train"].num_examples
    60000
    """
    module = look_up("data set", name, _MODULES)
    wanted = [split] if isinstance(split, str) else split
    for one in wanted or ():
        look_up(f"split of {name}", one, dict.fromkeys(_SPLITS))
    if module is flowers:
        image = Image((192, 192, 3), np.uint8)
        parts = flowers.as_datasets(data_dir, image.shape[:2])
    else:
        image = Image((28, 28, 1), np.uint8)
        parts = [_as_dataset(*arrays) for arrays in module.load_data(data_dir)]
    if not as_supervised:
        parts = [part.map(lambda image, label: {"image": image, "label": label}) for part in parts]
    datasets = dict(zip(_SPLITS, parts, strict=True))
    if isinstance(split, str):
        result = datasets[split]
    elif split is not None:
        result = [datasets[one] for one in split]
    else:
        result = datasets
    if not with_info:
        return result
    return result, Metadata(
        name=name,
        splits={one: Split(len(dataset)) for one, dataset in datasets.items()},
        features={"image": image, "label": ClassLabel(list(module.class_names))},
    )


def _as_dataset(images: np.ndarray, labels: np.ndarray) -> Dataset:
    return Dataset.from_tensor_slices((images[..., np.newaxis], labels.astype(np.int64)))
