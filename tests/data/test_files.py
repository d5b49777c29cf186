import os

import pytest

from tinynet.data import Dataset
from tinynet.data.files import matching


@pytest.fixture
def photos(tmp_path):
    for name in ("roses/b.jpg", "roses/a.jpg", "daisy/c.jpg", "daisy/notes.txt", "tulips/d.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "daisy" / "folder.jpg").mkdir()
    return tmp_path


def names(paths, folder):
    return [os.path.relpath(path, folder).replace(os.sep, "/") for path in paths]


def test_matching_files_sorted(photos):
    everything = ["daisy/c.jpg", "roses/a.jpg", "roses/b.jpg", "tulips/d.jpg"]
    assert names(matching(photos / "*" / "*.jpg"), photos) == everything
    assert names(matching(str(photos / "r*" / "[ab].jpg")), photos) == ["roses/a.jpg", "roses/b.jpg"]
    patterns = [photos / "t*" / "*", photos / "*" / "?.jpg"]
    assert names(matching(patterns), photos) == everything


@pytest.mark.parametrize("pattern", ["nothing*", "daisy/folder.jpg", ""])
def test_no_match(photos, pattern):
    with pytest.raises(FileNotFoundError, match="Dataset.list_files: no file matches. Received: "):
        Dataset.list_files(photos / pattern if pattern else [])


def test_list_files_in_order_and_shuffled(photos):
    pattern = str(photos / "*" / "*.jpg")
    ordered = Dataset.list_files(pattern, shuffle=False)
    assert len(ordered) == 4
    assert list(ordered) == matching(pattern)
    assert all(isinstance(path, str) for path in ordered)
    shuffled = Dataset.list_files(pattern, seed=1)
    passes = [list(shuffled) for _ in range(6)]
    assert all(sorted(one) == matching(pattern) for one in passes)
    assert len(set(map(tuple, passes))) > 1
    assert passes == [list(again) for again in [Dataset.list_files(pattern, shuffle=True, seed=1)] for _ in range(6)]
