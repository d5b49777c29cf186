import gzip
import hashlib
import io
import subprocess
import sys
import tarfile
import warnings

import numpy as np
import pytest
from PIL import Image

from tinynet import datasets
from tinynet.data import Dataset, decode_image
from tinynet.datasets import flowers

COUNTS = {"daisy": 6, "dandelion": 11, "roses": 5, "sunflowers": 4, "tulips": 10}


def jpeg(colour, size=(12, 8)):
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, "JPEG", quality=95)
    return file.getvalue()


def tar_bytes(files):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return file.getvalue()


@pytest.fixture
def files():
    """Photos whose colour says class (red) and place in their class by name (green); not in the order of names."""
    made = {"flower_photos/LICENSE.txt": b"CC BY"}
    for label, (name, count) in enumerate(COUNTS.items()):
        for k in reversed(range(count)):
            made[f"flower_photos/{name}/{k:03}_x.jpg"] = jpeg((label * 40, k * 15, 0))
    made["flower_photos/daisy/.hidden.jpg"] = b"not a photo"
    made["flower_photos/daisy/notes.txt"] = b"not a photo"
    made["flower_photos/thistles/1.jpg"] = b"not a class"
    return made


@pytest.fixture(params=["tgz", "tar", "resized tar", "tar.gz", "folder"])
def place(request, tmp_path, files, cache, no_download):
    """A folder that holds the photos in one of the forms."""
    folder = tmp_path / "flowers"
    folder.mkdir()
    if request.param == "folder":
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        return folder
    name = {"tgz": "flower_photos.tgz", "resized tar": "flower_photos_192.tar"}.get(
        request.param, "flower_photos." + request.param)
    packed = gzip.compress if request.param in ("tgz", "tar.gz") else bytes
    (folder / name).write_bytes(packed(tar_bytes(files)))
    (folder / "flower_photos.txt").write_text("no archive")
    return folder


@pytest.fixture
def tar(tmp_path, cache, no_download):
    """A function that writes an archive of files and returns its folder."""

    def write(files):
        (tmp_path / "flower_photos.tar").write_bytes(tar_bytes(files))
        return tmp_path

    return write


def expected(is_test):
    return [(label, k) for label, count in enumerate(COUNTS.values()) for k in range(count) if (k % 5 == 4) == is_test]


def found(images):
    """The classes and numbers that the photos' colours say."""
    middle = np.asarray(images)[:, 2, 2].astype(int)
    return [(round(red / 40), round(green / 15)) for red, green, _ in middle]


# ---------------------------------------------------------------- load_data


def test_all_forms_hold_the_same(place):
    (x_train, y_train), (x_test, y_test) = flowers.load_data(place, image_size=(6, 9))
    assert (x_train.shape, x_test.shape) == ((30, 6, 9, 3), (6, 6, 9, 3))
    assert {a.dtype for a in (x_train, y_train, x_test, y_test)} == {np.dtype(np.uint8)}
    for x, y, is_test in ((x_train, y_train, False), (x_test, y_test, True)):
        assert found(x) == expected(is_test)
        assert y.tolist() == [label for label, _ in expected(is_test)]


def test_the_places(place, monkeypatch, tmp_path):
    sizes = []
    inside = next(path for path in place.iterdir() if path.name != "flower_photos.txt")
    for data_dir in (place, tmp_path, str(place), inside):
        sizes.append(len(flowers.load_data(data_dir, (2, 2))[0][0]))
    monkeypatch.setenv("TINYNET_DATA", str(tmp_path))
    sizes.append(len(flowers.load_data(image_size=(2, 2))[0][0]))
    assert sizes == [30] * 5


def test_one_hot(tar, files):
    (_, y_train), (_, y_test) = flowers.load_data(tar(files), (2, 2), one_hot=True)
    np.testing.assert_array_equal(y_train, np.eye(5, dtype=np.float32)[[label for label, _ in expected(False)]])
    assert y_test.dtype == np.float32


def test_photos_of_that_size_are_not_touched(tar, files):
    (x, _), _ = flowers.load_data(tar(files), (8, 12))
    np.testing.assert_array_equal(x[1], decode_image(files["flower_photos/daisy/001_x.jpg"]))


def test_the_published_archive_is_downloaded_and_its_hash_checked(cache, monkeypatch, files):
    import pooch

    content = gzip.compress(tar_bytes(files))
    asked = []

    def retrieve(url, known_hash, fname, path, downloader):
        asked.append((url, known_hash))
        path.mkdir(parents=True, exist_ok=True)
        (path / fname).write_bytes(content)
        return path / fname

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    sound = hashlib.sha256(content).hexdigest()
    (x, _), _ = flowers.load_data(image_size=(2, 2))
    assert len(x) == 30
    assert asked == [("https://storage.googleapis.com/download.tensorflow.org/example_images/flower_photos.tgz",
                      "sha256:4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c")]
    monkeypatch.setitem(flowers.FLOWERS.files, "flower_photos.tgz", (sound, sound))
    flowers.load_data(image_size=(2, 2))
    assert len(asked) == 1
    (cache / "flowers" / "flower_photos.tgz").write_bytes(content[:-9])
    flowers.load_data(image_size=(2, 2))
    assert len(asked) == 2


# ---------------------------------------------------------------- broken photos and archives


def damage(files):
    files["flower_photos/daisy/002_x.jpg"] = b"no photo at all"
    files["flower_photos/roses/004_x.jpg"] = files["flower_photos/roses/004_x.jpg"][:200]
    return files


def test_a_broken_photo_is_named(tar, files):
    folder = tar(damage(files))
    message = r"daisy/002_x.jpg in .*flower_photos.tar is no photo that can be read .*Received: 15 bytes of something"
    with pytest.raises(ValueError, match=message):
        flowers.load_data(folder, (2, 2))
    train, test = flowers.as_datasets(folder, (2, 2))
    with pytest.raises(ValueError, match=message):
        list(train)
    with pytest.raises(ValueError, match="roses/004_x.jpg in .*damaged or cut short"):
        list(test)


def test_broken_photos_are_skipped_where_the_caller_says_so(tar, files):
    folder = tar(damage(files))
    with pytest.warns(UserWarning, match="2 photos are left out, .* daisy/002_x.jpg .*; .*roses/004_x.jpg"):
        (x_train, y_train), (x_test, y_test) = flowers.load_data(folder, (4, 4), broken="skip")
    train = [pair for pair in expected(False) if pair != (0, 2)]
    test = [pair for pair in expected(True) if pair != (2, 4)]
    assert (found(x_train), found(x_test)) == (train, test)
    assert (y_train.tolist(), y_test.tolist()) == ([label for label, _ in train], [label for label, _ in test])
    with pytest.warns(UserWarning, match=r"leaves out 1 of [0-9]+ elements: element 2 \(.*daisy/002|roses/004_x.jpg"):
        pipelines = flowers.as_datasets(folder, (4, 4), broken="skip")
    for dataset, pairs in zip(pipelines, (train, test), strict=True):
        assert len(dataset) == len(pairs)
        assert found([image for image, _ in dataset]) == pairs


def test_nothing_is_left_out_without_need(tar, files):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        flowers.load_data(tar(files), (2, 2), broken="skip")


def test_not_a_single_photo(tar, files):
    folder = tar(dict.fromkeys(files, b"no photo"))
    with pytest.raises(ValueError, match="not a single photo can be read. Received: .*; and more"):
        flowers.load_data(folder, (2, 2), broken="skip")


def test_a_class_without_photos(tar, files):
    folder = tar({name: content for name, content in files.items() if "roses" not in name})
    with pytest.raises(ValueError, match=r"must hold photos flower_photos/<class>/<name>.jpg.*Received: none of roses"):
        flowers.load_data(folder)
    with pytest.raises(ValueError, match="Received: none of daisy"):
        flowers.load_data(tar({"elsewhere/daisy/1.jpg": b""}))


def test_hostile_and_damaged_archives(tar, files, tmp_path):
    folder = tar(files | {"flower_photos/../../evil.jpg": b"x"})
    with pytest.raises(ValueError, match="leads out of the archive's folder.*Received: 'flower_photos/../../evil.jpg'"):
        flowers.load_data(folder)
    with pytest.raises(ValueError, match="leads out"):
        flowers.extract(tmp_path / "out", folder)
    assert not (tmp_path / "out").exists()
    path = folder / "flower_photos.tar"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ValueError, match="cut short"):
        flowers.as_datasets(folder)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"broken": "ignore"}, ValueError, "way with broken photos.*raise, skip. Received: 'ignore'"),
        ({"image_size": 192}, ValueError, r"flowers: image_size must be \(height, width\).*Received: 192"),
        ({"data_dir": "nowhere"}, FileNotFoundError, "data_dir must be a folder that exists. Received: 'nowhere'"),
        ({"data_path": "x"}, TypeError, "has no argument 'data_path'"),
    ],
)
@pytest.mark.parametrize("function", [flowers.load_data, flowers.as_datasets])
def test_bad_arguments(function, arguments, error, message, cache, no_download):
    with pytest.raises(error, match=message):
        function(**arguments)


# ---------------------------------------------------------------- pipelines


def test_pipelines_decode_as_needed(place):
    train, test = flowers.as_datasets(place, (6, 9))
    assert (len(train), len(test)) == (30, 6)
    for dataset, is_test in ((train, False), (test, True)):
        for _ in range(2):
            images, labels = zip(*dataset, strict=True)
            assert found(images) == expected(is_test)
            assert list(labels) == [label for label, _ in expected(is_test)]
    image, label = next(iter(train))
    assert (image.shape, image.dtype, label.dtype) == ((6, 9, 3), np.uint8, np.int64)
    images, labels = next(iter(train.shuffle(30, seed=0).batch(30).prefetch(1)))
    assert sorted(found(images)) == expected(False)
    assert [label for label, _ in found(images)] == labels.tolist()


def test_one_hot_pipelines(tar, files):
    _, test = flowers.as_datasets(tar(files), (2, 2), one_hot=True)
    _, labels = next(iter(test.batch(6)))
    np.testing.assert_array_equal(labels, np.eye(5, dtype=np.float32)[[label for label, _ in expected(True)]])


def test_by_name(tar, files, monkeypatch):
    monkeypatch.setenv("TINYNET_DATA", str(tar(files)))
    (tar(files) / "flowers").mkdir()
    (tar(files) / "flower_photos.tar").rename(tar(files) / "flowers" / "flower_photos.tar")
    dataset, metadata = datasets.load("flowers")
    assert metadata.splits["train"].num_examples == len(dataset["train"]) == 30
    assert metadata.class_names == list(flowers.class_names)
    assert metadata.features["image"].shape == next(iter(dataset["test"]))[0].shape == (192, 192, 3)
    element = next(iter(datasets.load("flowers", split="test", as_supervised=False, with_info=False)))
    assert element.keys() == {"image", "label"}
    assert (element["image"].shape, element["label"]) == ((192, 192, 3), 0)


def test_extracted_for_a_pipeline_of_ones_own(place, tmp_path):
    photos = flowers.extract(tmp_path / "out", place)
    assert photos.name == "flower_photos"
    dataset = Dataset.list_files(photos / "*" / "0*.jpg", shuffle=False).map(lambda path: decode_image(path))
    assert found(list(dataset)) == sorted(expected(True) + expected(False))
    assert flowers.extract(tmp_path / "out", place) == photos


def test_importing_is_light():
    code = (
        "import sys\nfrom tinynet.datasets import flowers\n"
        "print([m for m in ('PIL', 'pooch', 'tarfile', 'concurrent.futures', 'numba') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout == "[]\n"


def test_the_real_photos(real_data, no_download):
    real_data("flowers")
    train, test = flowers.as_datasets()
    assert (len(train), len(test)) == (2939, 731)
    labels = [np.bincount([int(label) for _, label in part.take(3)], minlength=5)[0] for part in (train, test)]
    assert labels == [3, 3]
    image, _ = next(iter(test.skip(730)))
    assert image.shape == (192, 192, 3)
    assert 20 < image.mean() < 235
