"""Where the files of published data sets are: the places to look, the mirrors to download from, the known hashes."""

import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

TRAIN_IMAGES = "train-images-idx3-ubyte.gz"
TRAIN_LABELS = "train-labels-idx1-ubyte.gz"
TEST_IMAGES = "t10k-images-idx3-ubyte.gz"
TEST_LABELS = "t10k-labels-idx1-ubyte.gz"

_TIMEOUT = (10, 60)  # seconds to wait for a connection, and for the next piece
_PIECE = 1 << 20


@dataclass(frozen=True)
class Published:
    """A data set as its authors published it.

    `folder` is the name of its folder wherever files are looked for. `files` gives each file's SHA-256, as published
    (gzip) and uncompressed: MNIST and Fashion-MNIST have the same file names, and only the hash tells them apart. A
    file that has one form only gives its hash twice.
    """

    title: str
    folder: str
    mirrors: tuple[str, ...]
    files: dict[str, tuple[str, str]]


MNIST = Published(
    title="MNIST",
    folder="mnist",
    mirrors=(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
        "https://raw.githubusercontent.com/fgnt/mnist/master/",
    ),
    files={
        TRAIN_IMAGES: (
            "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        TRAIN_LABELS: (
            "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        TEST_IMAGES: (
            "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        TEST_LABELS: (
            "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    },
)
FASHION_MNIST = Published(
    title="Fashion-MNIST",
    folder="fashion-mnist",
    mirrors=(
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    ),
    files={
        TRAIN_IMAGES: (
            "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        ),
        TRAIN_LABELS: (
            "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        ),
        TEST_IMAGES: (
            "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        ),
        TEST_LABELS: (
            "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    },
)


def find_file(published: Published, filename: str, data_dir: str | os.PathLike | None = None) -> Path:
    """Return the path of a data set's file, downloaded if need be; its hash has been checked.

    Looked for, gzip or plain, in `data_dir` (its folder of the data set's name, or itself), then in that folder of the
    place that the environment variable TINYNET_DATA names, then in the user's cache; downloads go into the cache.

    Raises
    ------
    ValueError
        If a file has the wrong hash. A file in the cache is deleted and fetched again once before that; a file
        anywhere else is the user's own, and left alone.
    FileNotFoundError
        If `data_dir` is given, and no folder.
    ConnectionError
        If the file is nowhere, and no mirror could be reached.
    """
    for folder in own_folders(published, data_dir):
        if (path := _present(folder, filename)) is not None:
            received = _sha256(path)
            if received not in published.files[filename]:
                raise ValueError(_wrong_hash(published, filename, path, received))
            return path

    import pooch

    cache = cache_folder(published)
    path = _present(cache, filename)
    if path is None:
        return _download(published, filename, cache, tries=2)
    if _sha256(path) in published.files[filename]:
        return path
    pooch.get_logger().warning("%s has the wrong hash: it is deleted and fetched again.", path)
    path.unlink(missing_ok=True)
    return _download(published, filename, cache, tries=1)


def own_folders(published: Published, data_dir: str | os.PathLike | None) -> list[Path]:
    """The user's own folders that may hold the data set, in the order in which they are looked into."""
    folders = []
    if data_dir is not None:
        place = Path(data_dir).expanduser()
        if not place.is_dir():
            raise FileNotFoundError(f"data_dir must be a folder that exists. Received: {str(data_dir)!r}")
        folders += [place / published.folder, place]
    if os.environ.get("TINYNET_DATA"):
        folders.append(Path(os.environ["TINYNET_DATA"]).expanduser() / published.folder)
    return folders


def cache_folder(published: Published) -> Path:
    """The folder of the user's cache into which the data set is downloaded."""
    import pooch

    return Path(pooch.os_cache("tinynet")) / published.folder


def _present(folder: Path, filename: str) -> Path | None:
    for path in (folder / filename, folder / filename.removesuffix(".gz")):
        if path.is_file():
            return path
    return None


def _sha256(path: str | os.PathLike) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def _download(published: Published, filename: str, cache: Path, tries: int) -> Path:
    """Download into the cache from the first mirror that answers; after a wrong hash try on, `tries` times in all."""
    import pooch

    downloader = pooch.HTTPDownloader(progressbar=sys.stderr.isatty(), chunk_size=_PIECE, timeout=_TIMEOUT)
    expected, _ = published.files[filename]
    received: list[str] = []
    silent: list[str] = []

    def download(url: str, output_file: str, pup: object) -> None:
        downloader(url, output_file, pup)
        received.append(_sha256(output_file))

    for mirror in published.mirrors:
        try:
            # pooch says which file it fetches from where, and moves it to its place only if the hash is right.
            path = pooch.retrieve(mirror + filename, f"sha256:{expected}", filename, cache, downloader=download)
        except OSError as error:
            silent.append(f"{urlsplit(mirror).netloc} ({type(error).__name__})")
        except ValueError as error:
            if not received:
                raise  # not about the hash
            if len(received) == tries:
                raise ValueError(_wrong_hash(published, filename, cache / filename, received[-1])) from error
        else:
            return Path(path)
    if received:
        raise ValueError(_wrong_hash(published, filename, cache / filename, received[-1]))
    raise ConnectionError(
        f"{published.title}'s {filename} is not on this machine, and no mirror could be reached.\n"
        f"{_manual_way(published, list(published.files), cache)}\n"
        "Without any network, `python examples/quickstart.py` trains on digits drawn from fonts.\n"
        f"Received: {', '.join(silent)}"
    )


def _wrong_hash(published: Published, filename: str, path: Path, received: str) -> str:
    compressed, plain = published.files[filename]
    expected = compressed if compressed == plain else f"{compressed} (gzip) or {plain} (uncompressed)"
    other = next((p for p in (MNIST, FASHION_MNIST) if received in p.files.get(filename, ())), None)
    what = f"it is {other.title}'s file of that name" if other else "it is damaged, cut short, or another file"
    return (
        f"{path} is not {published.title}'s {filename}: {what}.\n"
        f"Expected: SHA-256 {expected}.\n"
        f"{_manual_way(published, [filename], path.parent)}\n"
        f"Received: SHA-256 {received}"
    )


def _manual_way(published: Published, filenames: list[str], folder: Path) -> str:
    return (
        f"By hand: download {', '.join(filenames)} from {' or '.join(published.mirrors)} into {folder}; or into a "
        f"folder {published.folder!r} anywhere, and name the folder around that as data_dir or in the environment "
        "variable TINYNET_DATA."
    )
