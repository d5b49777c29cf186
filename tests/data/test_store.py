import itertools
import os
import tracemalloc

import numpy as np
import pytest

from tinynet.data import Dataset
from tinynet.data.store import MAGIC


def pairs(n=5, seen=None):
    x = np.arange(n * 6, dtype=np.float32).reshape(n, 2, 3)
    dataset = Dataset.from_tensor_slices((x, {"label": np.arange(n), "more": (np.arange(n) % 2 == 0,)}))
    return dataset.map(lambda *element: seen.append(1) or element) if seen is not None else dataset


def plain(element):
    if isinstance(element, tuple):
        return tuple(plain(part) for part in element)
    if isinstance(element, dict):
        return {key: plain(part) for key, part in element.items()}
    return np.asarray(element).tolist(), np.asarray(element).dtype


@pytest.fixture(params=["memory", "file"])
def place(request, tmp_path):
    return None if request.param == "memory" else tmp_path / "folder" / "cache"


def test_elements_come_back_as_they_were(place):
    expected = [plain(element) for element in pairs()]
    cached = pairs().cache(place)
    assert len(cached) == 5
    for _ in range(3):
        assert [plain(element) for element in cached] == expected
    assert [plain(element) for element in cached.batch(5)] == [plain(element) for element in pairs().batch(5)]
    assert sorted(element[1]["label"] for element in cached.shuffle(5).repeat(2)) == sorted([*range(5)] * 2)


def test_the_function_runs_once_an_element(place):
    seen = []
    cached = pairs(seen=seen).cache(place)
    next(iter(cached))
    assert len(seen) == 1
    list(cached.take(5))
    assert len(seen) == 1 + 5
    list(cached)
    assert len(seen) == 6
    again = pairs(seen=seen).cache(place)
    list(again)
    assert len(seen) == (11 if place is None else 7)  # a file serves another pipeline too; one element is compared


def test_elements_are_the_callers_own(place):
    cached = pairs().cache(place)
    for _ in range(3):
        for number, (x, _) in enumerate(cached):
            assert x[0, 0] == number * 6
            x[:] = -1


@pytest.mark.parametrize("make", [
    lambda x: x * 1.5, lambda x: int(x), lambda x: bool(x % 2), lambda x: complex(x, 1), lambda x: np.float16(x),
    lambda x: np.array(x), lambda x: np.zeros((0, 3)), lambda x: np.full((2, 2), x, ">i4"),
    lambda x: (x, (x, {"a": x})), lambda x: np.full((3, 2), x).T,
])  # fmt: skip
def test_all_that_numbers_come_as(place, make):
    cached = Dataset.from_tensor_slices(np.arange(4)).map(make).cache(place)
    direct = [plain(element) for element in Dataset.from_tensor_slices(np.arange(4)).map(make)]
    for _ in range(2):
        assert [plain(element) for element in cached] == direct


def test_a_cache_of_nothing(place):
    cached = pairs().take(0).cache(place)
    assert list(cached) == list(cached) == []
    assert place is None or not place.exists()


# ---------------------------------------------------------------- in memory


def test_elements_that_differ_lie_beside_the_others():
    shapes = [(3,), (3,), (2,), (3,)]

    def make(x):
        return np.full(shapes[x], x)

    cached = Dataset.from_tensor_slices(np.arange(4)).map(make).cache()
    for _ in range(2):
        assert [element.tolist() for element in cached] == [make(x).tolist() for x in range(4)]
    mixed = [np.float32(1), np.float64(2), (1, 2), {"a": 1}, {"b": 1}, (1,), "text", None, [1, 2]]
    cached = Dataset.from_tensor_slices(np.arange(9)).map(lambda x: mixed[x]).cache()
    for _ in range(2):
        received = list(cached)
        assert received == mixed
        assert [type(element) for element in received[:2]] == [np.float32, np.float64]
    texts = Dataset.from_tensor_slices(np.arange(3)).map(lambda x: "photo" * x).cache()
    assert list(texts) == list(texts) == ["", "photo", "photophoto"]


def test_batches_of_which_the_last_is_smaller():
    cached = pairs().batch(2).cache()
    for _ in range(2):
        assert [len(x) for x, _ in cached] == [2, 2, 1]


def test_one_array_and_not_one_an_element():
    n = 5000
    cached = Dataset.from_tensor_slices(np.zeros((n, 10), np.float32)).cache()
    tracemalloc.start()
    for _ in cached:
        pass
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert n * 40 <= kept < n * 40 + 20_000  # an array for each would cost another 100 bytes


# ---------------------------------------------------------------- in a file


def test_a_file_serves_other_processes_and_is_looked_into_where_needed(tmp_path):
    expected = [plain(element) for element in pairs().cache(tmp_path / "cache")]
    seen = []
    again = pairs(seen=seen).cache(str(tmp_path / "cache"))
    assert [plain(element) for element in again] == expected
    assert len(seen) == 1
    assert os.listdir(tmp_path) == ["cache"]


@pytest.mark.parametrize("stop", [0, 1, 4])
def test_a_pass_that_is_not_complete_leaves_nothing(tmp_path, stop):
    iterator = iter(pairs().cache(tmp_path / "cache"))
    list(itertools.islice(iterator, stop))
    assert not (tmp_path / "cache").exists()
    del iterator
    assert os.listdir(tmp_path) == []

    def fail(x, more):
        if more["label"] == 3:
            raise KeyError("three")
        return x

    with pytest.raises(KeyError):
        list(pairs().map(fail).cache(tmp_path / "cache"))
    assert os.listdir(tmp_path) == []


def test_the_file_is_there_once_the_last_element_was_delivered(tmp_path):
    iterator = iter(pairs().cache(tmp_path / "cache"))
    list(itertools.islice(iterator, 5))
    assert os.listdir(tmp_path) == ["cache"]


def test_two_passes_at_once(tmp_path):
    cached = pairs().cache(tmp_path / "cache")
    for (x, _), (y, _) in zip(cached, cached, strict=True):
        np.testing.assert_array_equal(x, y)
    assert os.listdir(tmp_path) == ["cache"]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda: pairs(4), '"elements": 4.*Received: .*"elements": 5'),
        (lambda: pairs().map(lambda x, y: x), r"was made by another pipeline; delete it"),
        (lambda: pairs().map(lambda x, y: (x[:1], y)), r"\[1, 3\].*Received: .*\[2, 3\]"),
        (lambda: pairs().map(lambda x, y: (x.astype(int), y)), "<i8.*Received: .*<f4"),
    ],
)
def test_a_stale_file(tmp_path, other, message):
    list(pairs().cache(tmp_path / "cache"))
    with pytest.raises(ValueError, match=f"Dataset.cache: .*{message}"):
        list(other().cache(tmp_path / "cache"))


def test_damaged_files(tmp_path, rng):
    path = tmp_path / "cache"
    expected = [plain(element) for element in pairs().cache(path)]
    sound = path.read_bytes()
    for content in (b"", b"notes", MAGIC, sound[:60], sound[:-1], sound + b"x", MAGIC + b"[" * 5000):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="Dataset.cache: .*(is no cache|another pipeline|is damaged).*Received: "):
            list(pairs().cache(path))
    for place in rng.permutation(len(sound))[:150]:
        content = bytearray(sound)
        content[place] ^= 1 << rng.integers(8)
        path.write_bytes(content)
        with pytest.raises(ValueError, match="Dataset.cache: .*Received: "):
            assert [plain(element) for element in pairs().cache(path)] == expected


def test_one_damaged_element_is_named(tmp_path):
    path = tmp_path / "cache"
    list(pairs().cache(path))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    cached = iter(pairs().cache(path))
    for _ in range(4):
        next(cached)
    with pytest.raises(ValueError, match="is damaged; delete it.*Received: element 4 with a wrong sum"):
        next(cached)


@pytest.mark.parametrize("make", [lambda x: str(x), lambda x: None, lambda x: [1, 2], lambda x: {1: x},
                                  lambda x: (x, "a")])
def test_what_does_not_go_into_a_file(tmp_path, make):
    with pytest.raises(ValueError, match="must be made of arrays and numbers.*Received: "):
        list(Dataset.from_tensor_slices(np.arange(3)).map(make).cache(tmp_path / "cache"))
    assert os.listdir(tmp_path) == []


def test_elements_in_a_file_need_one_shape(tmp_path):
    for dataset in (pairs().batch(2), pairs().map(lambda x, y: x[: y["label"]])):
        with pytest.raises(ValueError, match="need one structure, shape and dtype.*before batch.*Received: an element"):
            list(dataset.cache(tmp_path / "cache"))
        assert os.listdir(tmp_path) == []


def test_a_files_memory_is_one_element(tmp_path):
    n, size = 20, 100_000
    def dataset():
        return Dataset.from_tensor_slices(np.arange(n)).map(lambda x: np.full(size, x, np.uint8)).cache(tmp_path / "c")

    list(dataset().take(0))
    for element in dataset():
        del element
    assert (tmp_path / "c").stat().st_size > n * size
    cached = dataset()
    tracemalloc.start()
    for element in cached:
        assert element[-1] == element[0]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * size
