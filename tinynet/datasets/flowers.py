"""Flowers: 3670 photos of flowers of five kinds, in colour and of many sizes.

The TensorFlow team: Flowers (2019), http://download.tensorflow.org/example_images/flower_photos.tgz. Each photo is
licensed CC BY by its own photographer; LICENSE.txt in the archive names them.

The photos are read where they are: in the published archive `flower_photos.tgz`, in another tar archive of that layout
(`flower_photos/<class>/<name>.jpg`), plain or gzip, or in the folder that such an archive was extracted to. The test
part is fixed: every fifth photo of each class in the order of the names, the 5th, the 10th and so on; 731 of them.
"""

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinynet.data import AUTOTUNE, Dataset, images, passes, resize_and_crop
from tinynet.data import one_hot as to_one_hot
from tinynet.datasets import archive
from tinynet.datasets.download import Published, find_file, own_folders
from tinynet.errors import explain_keywords, look_up

class_names = ("daisy", "dandelion", "roses", "sunflowers", "tulips")

_FOLDER = "flower_photos"
_ARCHIVE = "flower_photos.tgz"
_SHA256 = "4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c"
FLOWERS = Published(
    title="Flowers",
    folder="flowers",
    mirrors=(
        "https://storage.googleapis.com/download.tensorflow.org/example_images/",
        "http://download.tensorflow.org/example_images/",
    ),
    files={_ARCHIVE: (_SHA256, _SHA256)},
)

Split = tuple[np.ndarray, np.ndarray]


@explain_keywords
def load_data(
    data_dir: str | os.PathLike | None = None,
    image_size: tuple[int, int] = (192, 192),
    one_hot: bool = False,
    broken: str = "raise",
) -> tuple[Split, Split]:
    """Load all photos, brought to one size: scaled, and cut off evenly where they stand over.

    They come class by class; `fit` shuffles them. :func:`as_datasets` decodes them as they are needed instead.

    Parameters
    ----------
    data_dir : path, optional
        An archive; or a folder that holds one (flower_photos.tgz, or flower_photos*.tar) or the extracted folder
        flower_photos, or holds a folder "flowers" that does. Looked at next: the folder "flowers" in the place that the
        environment variable TINYNET_DATA names, and the user's cache; then the archive (229 MB) is downloaded into
        the cache. Only what lies in the cache has to be the published archive.
    image_size : tuple (H, W)
        In pixels. Photos that have this size already stay as they are.
    one_hot : bool
        Whether labels are one-hot rows, as `categorical_crossentropy` wants them.
    broken : {"raise", "skip"}
        What to do where a photo cannot be read: raise an error that names it, or warn, naming it, and leave it out.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        x: uint8, (2939, H, W, 3) and (731, H, W, 3); y: uint8, (2939,) and (731,), the number of the class in
        `class_names`. With `one_hot`, y is of :func:`tinynet.config.floatx`, (n, 5). At 192x192 that is 406 MB.

    Raises
    ------
    ValueError
        If the archive is damaged or not to be trusted (see :class:`tinynet.datasets.archive.Archive`), a class has no
        photos, or a photo cannot be read.
    FileNotFoundError
        If `data_dir` is given, and there is no such file or folder.
    ConnectionError
        If the archive has to be downloaded, and no mirror can be reached.
    """
    size = images.check_size("flowers: image_size", image_size)
    skip = _is_skip(broken)
    parts = _find(data_dir).split()
    errors: list[Exception] = []
    loaded = [_load(part, size, errors if skip else None) for part in parts]
    if errors:
        told = "; ".join(map(str, errors[: passes.TOLD])) + "; and more" * (len(errors) > passes.TOLD)
        if not sum(len(labels) for _, labels in loaded):
            raise ValueError(f"flowers: not a single photo can be read. Received: {told}")
        warnings.warn(f"flowers: {len(errors)} photos are left out, as they cannot be read: {told}", stacklevel=3)
    train, test = [(x, to_one_hot(y, len(class_names)) if one_hot else y) for x, y in loaded]
    return train, test


@explain_keywords
def as_datasets(
    data_dir: str | os.PathLike | None = None,
    image_size: tuple[int, int] = (192, 192),
    one_hot: bool = False,
    broken: str = "raise",
) -> tuple[Dataset, Dataset]:
    """Return pipelines that decode the photos as they are needed, one thread a processor core: train, test.

    An element is a photo (H, W, 3), uint8, and its label, an int64 number or with `one_hot` a row. They come class by
    class, so call `shuffle(len(train))`, which only moves numbers. An archive that is gzip is held in memory as it is
    (229 MB); others stay on disk. The arguments are those of :func:`load_data`. To skip what is broken, all photos are
    decoded once here.

    Examples
    --------
    >>> train, test = flowers.as_datasets(one_hot=True)
    >>> train = train.shuffle(len(train)).batch(32).prefetch(AUTOTUNE)
    """
    size = images.check_size("flowers: image_size", image_size)
    skip = _is_skip(broken)

    def pipeline(part: _Photos) -> Dataset:
        labels = to_one_hot(part.labels, len(class_names)) if one_hot else part.labels.astype(np.int64)
        dataset = Dataset.from_tensor_slices((np.arange(len(part.names)), labels)).map(
            lambda number, label: (part.decode(number, size), label), num_parallel_calls=AUTOTUNE
        )
        return dataset.ignore_errors() if skip else dataset

    train, test = _find(data_dir).split()
    return pipeline(train), pipeline(test)


@explain_keywords
def extract(folder: str | os.PathLike, data_dir: str | os.PathLike | None = None) -> Path:
    """Extract the archive into a new folder, and return the folder `flower_photos` in it, for pipelines of one's own.

    If the photos lie extracted somewhere already, in `folder` or in `data_dir`, that place is returned.

    Examples
    --------
    >>> Dataset.list_files(flowers.extract("photos") / "*/*.jpg")
    """
    folder = Path(folder).expanduser()
    if not (folder / _FOLDER).is_dir():
        source = _place(data_dir)
        if source.is_dir():
            return source
        archive.extract(source, folder)
    return folder / _FOLDER


@dataclass(frozen=True)
class _Photos:
    """Some of the photos: their names, labels (n,), and how to read what a file holds."""

    place: Path
    names: list[str]
    labels: np.ndarray
    read: Callable[[str], bytes]

    def decode(self, number: int, size: tuple[int, int]) -> np.ndarray:
        """Return a photo: uint8, (*size, 3)."""
        name = self.names[number]
        return resize_and_crop(images.decode(self.read(name), f"{name} in {self.place}"), size)

    def split(self) -> tuple["_Photos", "_Photos"]:
        """Return the training part, and the test part: every fifth of each class."""
        number_in_class = np.concatenate([np.arange(n) for n in np.bincount(self.labels)])
        is_test = number_in_class % 5 == 4
        return self._only(~is_test), self._only(is_test)

    def _only(self, chosen: np.ndarray) -> "_Photos":
        names = [self.names[number] for number in chosen.nonzero()[0]]
        return _Photos(self.place, names, self.labels[chosen], self.read)


def _find(data_dir: str | os.PathLike | None) -> _Photos:
    """Return all photos, class by class, in the order of their names."""
    place = _place(data_dir)
    if place.is_dir():
        found = [f"{path.parent.name}/{path.name}" for path in place.glob("*/*") if path.is_file()]

        def read(name: str) -> bytes:
            with open(place / name, "rb") as file:
                return file.read(images.MAX_BYTES + 1)
    else:
        opened = archive.Archive(place)
        found = [name.removeprefix(_FOLDER + "/") for name in opened.names if name.startswith(_FOLDER + "/")]

        def read(name: str) -> bytes:
            return opened.read(f"{_FOLDER}/{name}")

    names: list[str] = []
    labels: list[int] = []
    for label, class_name in enumerate(class_names):
        of_class = sorted(name for name in found if _is_photo(name, class_name))
        if not of_class:
            raise ValueError(
                f"{place} must hold photos {_FOLDER}/<class>/<name>.jpg of {', '.join(class_names)}; fetch or extract "
                f"it again. Received: none of {class_name}"
            )
        names += of_class
        labels += [label] * len(of_class)
    return _Photos(place, names, np.array(labels, np.uint8), read)


def _is_photo(name: str, class_name: str) -> bool:
    folder, _, file = name.rpartition("/")
    return folder == class_name and file.lower().endswith((".jpg", ".jpeg")) and not file.startswith(".")


def _place(data_dir: str | os.PathLike | None) -> Path:
    """Return the archive, or the folder that holds a folder for each class."""
    if data_dir is not None and Path(data_dir).expanduser().is_file():
        return Path(data_dir).expanduser()
    for folder in own_folders(FLOWERS, data_dir):
        if (folder / _FOLDER).is_dir():
            return folder / _FOLDER
        if all((folder / name).is_dir() for name in class_names):
            return folder
        for path in [folder / _ARCHIVE, *sorted(folder.glob(f"{_FOLDER}*"))]:
            if path.is_file() and path.name.endswith((".tgz", ".tar", ".tar.gz")):
                return path
    return find_file(FLOWERS, _ARCHIVE)


def _load(photos: _Photos, size: tuple[int, int], errors: list[Exception] | None) -> Split:
    """Decode photos into one array; those that cannot be read go into `errors`, if there is such a list."""
    x = np.empty((len(photos.names), *size, 3), np.uint8)

    def fill(number: int) -> Exception | None:
        try:
            x[number] = photos.decode(number, size)
        except (ValueError, OSError) as error:
            if errors is None:
                raise
            return error
        return None

    kept: list[int] = []
    for number, error in enumerate(passes.fetch_each(fill, iter(range(len(x))), os.cpu_count() or 1)):
        if error is not None:
            errors.append(error)
            continue
        if errors:  # close the gap
            x[len(kept)] = x[number]
        kept.append(number)
    return x[: len(kept)], photos.labels[kept]


def _is_skip(broken: str) -> bool:
    return look_up("way with broken photos", broken, {"raise": False, "skip": True})
