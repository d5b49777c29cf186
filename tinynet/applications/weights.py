"""Trained weights of MobileNetV2: the file they are in, and whether they fit."""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from tinynet.datasets.download import Published, cache_folder, find_file, own_folders
from tinynet.keras_weights import load_keras_weights
from tinynet.layers import Layer

ALPHAS = (0.35, 0.5, 0.75, 1.0, 1.3, 1.4)
"""Widths for which Keras publishes weights."""

# The files have no hash where they are published. Only this one's is known from several public projects, so it alone is
# downloaded; it serves the network without the top as well.
_WITH_TOP = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224.h5"
_SHA256 = "3e195a2857356cfc092cbbb460beb2a5bce279015d7792598b8d3d9e451902e3"
PUBLISHED = Published(
    title="MobileNetV2",
    folder="mobilenet_v2",
    mirrors=("https://storage.googleapis.com/tensorflow/keras-applications/mobilenet_v2/",),
    files={_WITH_TOP: (_SHA256, _SHA256)},
)


def check_weights(weights, alpha: float, shape: tuple[int, ...], classes: int | None, activation) -> None:
    """Raise a ValueError where `weights` cannot fit; `classes` is None for a network without the top."""
    if weights is None:
        return
    if weights != "imagenet":
        if not isinstance(weights, str | os.PathLike) or not Path(weights).expanduser().is_file():
            raise ValueError("weights of MobileNetV2 must be 'imagenet', None for random ones, or the path of a file "
                             f"that exists. Received: {weights!r}")
        return
    if alpha not in ALPHAS:
        raise ValueError("weights='imagenet' are published for alpha " + ", ".join(map(str, ALPHAS)) + "; other widths "
                         f"start from weights=None. Received: alpha={alpha!r}")
    if classes not in (None, 1000):
        raise ValueError("weights='imagenet' with include_top=True has classes=1000; for classes of your own take "
                         f"include_top=False and put a Dense layer behind. Received: classes={classes!r}")
    if classes is not None and activation not in (None, "softmax", "linear"):
        raise ValueError("weights='imagenet' with include_top=True go with classifier_activation 'softmax' or None. "
                         f"Received: {activation!r}")
    if shape[2] != 3:
        raise ValueError(f"weights='imagenet' take images of 3 channels. Received: input_shape={shape}")


def load_weights(model: Layer, weights, alpha: float, include_top: bool, data_dir,
                 alike: Callable[[float], Layer]) -> None:
    """Load `weights` into a model of width `alpha`; `alike` makes the network of another width without its top.

    Raises
    ------
    ValueError
        If they do not fit; the message says of which width they seem to be.
    """
    path = find_weights(alpha, include_top, data_dir) if weights == "imagenet" else Path(weights).expanduser()
    report = load_keras_weights(model, path, skip_mismatch=True)
    if report.complete:
        return
    for other in ALPHAS:
        if other != alpha and load_keras_weights(alike(other), path, skip_mismatch=True).complete:
            raise ValueError(f"{path} holds weights of another width: they look like alpha={other}. "
                             f"Received: alpha={alpha}")
    raise ValueError(str(report))


def find_weights(alpha: float, include_top: bool, data_dir=None) -> Path:
    """Return the file of ImageNet's weights for a width, downloaded if need be.

    Raises
    ------
    FileNotFoundError
        If it is nowhere, and is none of those that are downloaded; the message says how to get it by hand.
    ConnectionError
        If it cannot be downloaded.
    """
    cache = cache_folder(PUBLISHED)
    for folder in own_folders(PUBLISHED, data_dir):
        for path in _candidates(folder, alpha, include_top):
            return path
    for path in _candidates(cache, alpha, include_top):
        if path.name not in PUBLISHED.files:  # those have a hash that is to be checked
            return path
    if alpha == 1.0:
        return find_file(PUBLISHED, _WITH_TOP)
    filename = _WITH_TOP.replace("1.0", str(float(alpha))).replace(".h5", ".h5" if include_top else "_no_top.h5")
    raise FileNotFoundError(
        f"weights='imagenet' for alpha={alpha} are not on this machine. By hand: download "
        f"{PUBLISHED.mirrors[0]}{filename} into {cache}, or anywhere, and say weights=path. (Only the file for "
        "alpha=1.0 is downloaded by itself, as the hashes of the others are not published.)\n"
        f"Received: alpha={alpha}, include_top={include_top}")


def _candidates(folder: Path, alpha: float, include_top: bool) -> Iterator[Path]:
    """Yield the files for a width in a folder, the best first: without the top where there is none, then by name."""
    names = [path.name for path in folder.glob("mobilenet_v2_*.h5")] if folder.is_dir() else []
    wanted = re.compile(rf"mobilenet_v2_(.*_)?{re.escape(str(float(alpha)))}_224(_.*)?\.h5")
    fitting = sorted(name for name in names if wanted.fullmatch(name))
    without = [name for name in fitting if name.endswith("_no_top.h5")]
    whole = [name for name in fitting if name not in without]
    for name in whole if include_top else without + whole:
        yield folder / name
