import itertools
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinynet
from tinynet import data
from tinynet.data import AUTOTUNE, Dataset


def numbers(n):
    return Dataset.from_tensor_slices(np.arange(n))


def as_list(dataset, limit=1000):
    return [element.tolist() for element in itertools.islice(dataset, limit)]


# ---------------------------------------------------------------- sources


def test_slices_of_an_array_a_tuple_a_dict_and_a_list():
    images = np.arange(24, dtype=np.uint8).reshape(3, 2, 4)
    assert [e.tolist() for e in Dataset.from_tensor_slices(images)] == images.tolist()
    pairs = list(Dataset.from_tensor_slices((images, [7, 8, 9])))
    assert [(e[0].tolist(), e[1]) for e in pairs] == [(images[i].tolist(), 7 + i) for i in range(3)]
    assert pairs[0][0].dtype == np.uint8
    named = list(Dataset.from_tensor_slices({"image": images, "more": (images, [1.5, 2.5, 3.5])}))
    assert named[1]["image"].tolist() == images[1].tolist()
    assert named[1]["more"][1] == 2.5
    assert as_list(Dataset.from_tensor_slices([[1, 2], [3, 4]])) == [[1, 2], [3, 4]]


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ((np.zeros((3, 2)), np.zeros(4)), r"one length.*Received: shapes \(3, 2\), \(4,\)"),
        (np.zeros((0, 28)), r"at least one element. Received: shapes \(0, 28\)"),
        ([], "at least one element"),
        ((), "at least one element. Received: shapes of nothing"),
        (5, "single number.*Received: 5"),
        ([[1, 2], [3]], "one length.*Received: a list"),
        ([np.zeros((2, 3)), np.zeros(2)], "go into a tuple. Received: a list"),
        (None, "Received: a NoneType"),
        ((i for i in range(3)), "Received: a generator"),
    ],
)
def test_what_cannot_be_sliced(tensors, message):
    with pytest.raises(ValueError, match=message):
        Dataset.from_tensor_slices(tensors)


def test_elements_are_the_callers_own():
    images = np.ones((4, 2), np.float32)

    def halve(image):
        image /= 2  # in place
        return image

    halved = Dataset.from_tensor_slices(images).map(halve)
    cached = halved.cache()
    for dataset in (halved, cached, halved.batch(2), cached.batch(2), halved.batch(2).cache(), halved.prefetch(1)):
        for _ in range(3):
            for element in dataset:
                assert (element == 0.5).all()
                element[:] = 99
    assert (images == 1).all()


# ---------------------------------------------------------------- map


def test_map_takes_the_parts_of_a_tuple_as_arguments():
    pairs = Dataset.from_tensor_slices((np.arange(3), np.arange(3) * 10))
    assert as_list(pairs.map(lambda x, y: x + y)) == [0, 11, 22]
    assert as_list(pairs.map(lambda x, y: (x, y)).map(lambda x, y: y - x)) == [0, 9, 18]
    named = Dataset.from_tensor_slices({"x": np.arange(3)})
    assert as_list(named.map(lambda element: element["x"] * 2)) == [0, 2, 4]


def test_map_runs_only_for_what_is_delivered():
    seen = []
    dataset = numbers(100).map(lambda x: seen.append(int(x)) or x)
    list(dataset.skip(10).take(3))
    assert seen == [10, 11, 12]
    seen.clear()
    next(iter(dataset.repeat().shuffle(100).batch(4)))
    assert len(seen) == 4


def test_a_failing_function_ends_the_pass_with_its_error():
    def fail(x):
        if x == 3:
            raise KeyError("three")
        return x

    for dataset in (numbers(9).map(fail), numbers(9).map(fail).prefetch(2)):
        iterator = iter(dataset)
        assert [next(iterator).tolist() for _ in range(3)] == [0, 1, 2]
        with pytest.raises(KeyError, match="three"):
            next(iterator)
        assert list(iterator) == []


def test_a_stop_iteration_does_not_shorten_the_dataset():
    nothing = iter(())
    with pytest.raises(RuntimeError):
        list(numbers(3).map(lambda x: next(nothing)))


def test_parallel_calls_keep_the_order_and_share_a_batch():
    threads = set()

    def slow(x):
        threads.add(threading.get_ident())
        time.sleep(0.001 * (1 + x % 3))
        return x * 2

    dataset = numbers(21).map(slow, num_parallel_calls=4).map(lambda x: x).batch(8)
    assert [batch.tolist() for batch in dataset] == [
        [2 * x for x in range(a, min(a + 8, 21))] for a in (0, 8, 16)
    ]
    assert len(threads) > 1
    threads.clear()
    assert [batch.tolist() for batch in numbers(4).map(slow).batch(4)] == [[0, 2, 4, 6]]
    assert len(threads) == 1


def test_an_error_in_a_parallel_call_arrives():
    def fail(x):
        time.sleep(0.001)
        if x == 5:
            raise KeyError("five")
        return x

    with pytest.raises(KeyError, match="five"):
        list(numbers(8).map(fail, num_parallel_calls=AUTOTUNE).map(lambda x: x).batch(8))


def test_parallel_calls_without_a_batch():
    together = threading.Barrier(2)

    def meet(x):
        time.sleep(0.001)
        if x:
            together.wait(10)
        return x

    dataset = numbers(9).map(meet, num_parallel_calls=2)
    for _ in range(2):
        assert as_list(dataset) == list(range(9))  # comes to an end only if two run at the same time


def test_parallel_calls_without_a_batch_raise_at_their_element():
    def fail(x):
        time.sleep(0.001)
        if x == 3:
            raise KeyError("three")
        return x

    iterator = iter(numbers(9).map(fail, num_parallel_calls=4))
    assert [next(iterator).tolist() for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError, match="three"):
        next(iterator)


# ---------------------------------------------------------------- ignore_errors


def broken(x):
    if x % 4 == 1:
        raise OSError(f"photo {x} cannot be read")
    return x * 10


def test_ignore_errors_leaves_out_and_knows_its_length():
    with pytest.warns(UserWarning, match=r"leaves out 3 of 10 elements: element 1 \(photo 1 cannot be read\); elem"):
        dataset = numbers(10).map(broken, num_parallel_calls=2).ignore_errors()
    assert len(dataset) == 7
    for _ in range(2):
        assert as_list(dataset) == [0, 20, 30, 40, 60, 70, 80]
    assert [batch.tolist() for batch in dataset.batch(4)] == [[0, 20, 30, 40], [60, 70, 80]]
    assert sorted(as_list(dataset.shuffle(7))) == [0, 20, 30, 40, 60, 70, 80]
    assert as_list(dataset.cache()) == as_list(dataset)


def test_ignore_errors_without_a_warning_and_without_errors():
    assert len(numbers(10).map(broken).ignore_errors(log_warning=False)) == 7
    assert as_list(numbers(4).ignore_errors()) == [0, 1, 2, 3]
    assert as_list(numbers(4).take(0).ignore_errors()) == []


def test_ignore_errors_does_not_hide_mistakes():
    with pytest.raises(TypeError):
        numbers(3).map(lambda x: x + "a").ignore_errors()
    with pytest.raises(ValueError, match="ignore_errors: no element can be made. Received: photo 1 cannot be read"):
        numbers(10).skip(1).take(1).map(broken).ignore_errors()
    with pytest.raises(ValueError, match="Dataset.ignore_errors needs an end"):
        numbers(3).repeat().ignore_errors()


# ---------------------------------------------------------------- cache


def test_cache_calls_the_function_once_an_element():
    seen = []
    dataset = numbers(6).map(lambda x: seen.append(int(x)) or x).cache()
    for _ in range(3):
        assert as_list(dataset) == list(range(6))
    assert seen == list(range(6))
    assert sorted(as_list(dataset.shuffle(6).repeat(2))) == sorted([*range(6)] * 2)
    assert len(seen) == 6


def test_cache_is_kept_once_the_last_element_was_delivered_though_nobody_asked_for_another():
    seen = []
    dataset = numbers(6).map(lambda x: seen.append(int(x)) or x).cache()
    as_list(dataset.take(5))
    assert as_list(dataset.take(6)) == as_list(dataset) == list(range(6))
    assert seen == [*range(5), *range(6)]


def test_cache_after_shuffle_keeps_the_order():
    dataset = numbers(50).shuffle(50).cache()
    assert as_list(dataset) == as_list(dataset)


def test_cache_of_an_endless_dataset():
    with pytest.raises(ValueError, match="before repeat.*Received: an endless dataset"):
        numbers(3).repeat().cache()


# ---------------------------------------------------------------- shuffle


def test_shuffle_delivers_each_element_once_in_another_order_each_time():
    dataset = numbers(100).shuffle(100)
    first, second = as_list(dataset), as_list(dataset)
    assert sorted(first) == sorted(second) == list(range(100))
    assert first != second != list(range(100))


@settings(deadline=None)
@given(n=st.integers(1, 40), buffer_size=st.integers(1, 50))
def test_shuffle_draws_from_a_buffer_of_so_many(n, buffer_size):
    out = as_list(numbers(n).shuffle(buffer_size))
    assert sorted(out) == list(range(n))
    # When the k-th element goes out, the buffer has seen the first k + buffer_size elements, and no more.
    assert all(element < k + buffer_size for k, element in enumerate(out))


def test_shuffle_mixes_evenly():
    tinynet.set_seed(0)
    dataset = numbers(5).shuffle(5)
    counts = np.zeros((5, 5))
    for _ in range(2000):
        counts[np.arange(5), as_list(dataset)] += 1
    assert np.abs(counts / 2000 - 0.2).max() < 0.05


def test_shuffle_without_reshuffling_and_with_a_seed():
    same = numbers(50).shuffle(50, reshuffle_each_iteration=False)
    assert as_list(same) == as_list(same)
    assert as_list(same.repeat(2)) == as_list(same) * 2
    a, b = (numbers(50).shuffle(50, seed=3) for _ in range(2))
    assert as_list(a) == as_list(b)
    assert as_list(a) == as_list(b) != as_list(numbers(50).shuffle(50, seed=4))


def test_set_seed_repeats_the_orders_whatever_runs_ahead():
    def orders(depth):
        tinynet.set_seed(7)
        dataset = numbers(20).shuffle(20).repeat().batch(5).prefetch(depth)
        return [[batch.tolist() for batch in itertools.islice(dataset, 4)] for _ in range(3)]

    assert orders(2) == orders(2)
    assert orders(2)[0] != orders(2)[1]


def test_shuffle_of_an_endless_dataset():
    out = as_list(numbers(10).repeat().shuffle(25), limit=200)
    assert set(out) == set(range(10))
    assert max(out.count(x) for x in range(10)) < 40


# ---------------------------------------------------------------- repeat, take, skip, zip, batch


def test_repeat():
    assert as_list(numbers(3).repeat(2)) == [0, 1, 2] * 2
    assert as_list(numbers(3).repeat(), limit=10) == ([0, 1, 2] * 4)[:10]
    assert as_list(numbers(3).repeat(-1), limit=4) == [0, 1, 2, 0]
    assert as_list(numbers(3).take(0).repeat()) == []  # and no hang


def test_take_and_skip():
    assert as_list(numbers(5).take(2)) == [0, 1]
    assert as_list(numbers(5).take(9)) == as_list(numbers(5).take(-1)) == [0, 1, 2, 3, 4]
    assert as_list(numbers(5).skip(3)) == [3, 4]
    assert as_list(numbers(5).skip(9)) == []
    assert as_list(numbers(5).repeat().skip(3).take(4)) == [3, 4, 0, 1]


def test_zip():
    images = numbers(3).map(lambda x: np.full((2, 2), x))
    labels = numbers(5).map(lambda x: x * 10)
    both = Dataset.zip((images, labels))
    assert [(image[0, 0], label) for image, label in both] == [(0, 0), (1, 10), (2, 20)]
    assert len(both) == 3
    x, y = next(iter(both.shuffle(3, seed=0).batch(3)))
    assert x.shape == (3, 2, 2)
    assert (x[:, 0, 0] * 10 == y).all()
    nested = next(iter(Dataset.zip((both, labels)).map(lambda pair, label: pair[1] + label)))
    assert nested == 0


@pytest.mark.parametrize("datasets", [[1, 2], (), (1,), None])
def test_zip_takes_a_tuple_of_datasets(datasets):
    with pytest.raises(TypeError, match=r"Dataset.zip\(\(a, b\)\). Received: "):
        Dataset.zip(datasets)


@settings(deadline=None)
@given(n=st.integers(1, 30), size=st.integers(1, 35), drop=st.booleans())
def test_batch_and_its_length(n, size, drop):
    dataset = numbers(n).batch(size, drop_remainder=drop)
    expected = [list(range(a, min(a + size, n))) for a in range(0, n, size)]
    if drop:
        expected = [batch for batch in expected if len(batch) == size]
    assert [batch.tolist() for batch in dataset] == expected
    assert len(dataset) == len(expected)


def test_each_batch_is_its_own_array():
    first, second = numbers(4).map(lambda x: np.full(3, x)).batch(2)
    assert not np.shares_memory(first, second)
    assert first.flags.owndata
    assert second.flags.owndata


def test_batches_of_batches_and_verbs_after_batch():
    dataset = numbers(6).batch(2)
    assert next(iter(dataset.batch(3))).shape == (3, 2)
    assert as_list(dataset.map(lambda batch: batch.sum())) == [1, 5, 9]
    assert sorted(as_list(dataset.shuffle(3).repeat(2))) == sorted([[0, 1], [2, 3], [4, 5]] * 2)


# ---------------------------------------------------------------- prefetch


def test_prefetch_keeps_elements_and_order():
    for depth in (1, 3, 50, AUTOTUNE):
        assert as_list(numbers(20).map(lambda x: x + 1).prefetch(depth)) == list(range(1, 21))


def test_prefetch_works_in_another_thread_and_so_many_ahead():
    seen = []
    dataset = numbers(20).map(lambda x: seen.append(threading.get_ident()) or x).prefetch(3)
    iterator = iter(dataset)
    next(iterator)
    deadline = time.monotonic() + 10
    while len(seen) < 4 and time.monotonic() < deadline:
        time.sleep(0.001)
    time.sleep(0.01)
    assert len(seen) == 4
    assert threading.get_ident() not in seen


def test_a_consumer_that_stops_stops_the_thread():
    def prefetching():
        return [t for t in threading.enumerate() if t.name.startswith("tinynet-prefetch")]

    iterator = iter(numbers(1000).repeat().prefetch(4))
    next(iterator)
    assert prefetching()
    del iterator
    assert not prefetching()


def test_an_unfinished_prefetch_does_not_keep_python_from_ending():
    code = (
        "import numpy as np\nfrom tinynet.data import Dataset\n"
        "iterator = iter(Dataset.from_tensor_slices(np.arange(9)).repeat().prefetch(2))\nprint(next(iterator))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "0\n", "")


# ---------------------------------------------------------------- lengths


def test_lengths():
    dataset = numbers(10)
    assert len(dataset) == dataset.cardinality() == 10
    assert len(dataset.map(lambda x: x).shuffle(3).cache().prefetch(1)) == 10
    assert len(dataset.repeat(3)) == 30
    assert len(dataset.take(4)) == 4
    assert len(dataset.take(40)) == 10
    assert len(dataset.skip(4)) == 6
    assert len(dataset.skip(40)) == 0
    assert len(dataset.repeat().take(7)) == 7
    assert not dataset.is_endless


def test_endless_datasets_say_so():
    endless = numbers(10).repeat()
    for dataset in (endless, endless.batch(3), endless.shuffle(5).skip(3), endless.prefetch(2), endless.repeat(2)):
        assert dataset.is_endless
        assert dataset.cardinality() == data.INFINITE_CARDINALITY == -1
        assert dataset  # has a truth value
        with pytest.raises(TypeError, match="Received: an endless dataset"):
            len(dataset)
    assert not Dataset.zip((endless, numbers(4))).is_endless
    assert "endless" in repr(endless)
    assert "10 elements" in repr(numbers(10))


# ---------------------------------------------------------------- bad arguments


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: d.batch(0), "Dataset.batch: batch_size must be an integer of at least 1. Received: 0"),
        (lambda d: d.batch(60000 / 32), "batch_size must be an integer.*Received: 1875.0"),
        (lambda d: d.batch(True), "Received: True"),
        (lambda d: d.shuffle(0), "Dataset.shuffle: buffer_size.*Received: 0"),
        (lambda d: d.shuffle(5, seed=-1), "Dataset.shuffle: seed.*Received: -1"),
        (lambda d: d.shuffle(5, reshuffle_each_iteration=3), "reshuffle_each_iteration.*Received: 3"),
        (lambda d: d.repeat(-5), "Dataset.repeat: count.*Received: -5"),
        (lambda d: d.repeat(0), "Dataset.repeat: count.*Received: 0"),
        (lambda d: d.take(-2), "Dataset.take: count.*Received: -2"),
        (lambda d: d.skip(-1), "Dataset.skip: count.*Received: -1"),
        (lambda d: d.prefetch(0), "Dataset.prefetch: buffer_size.*Received: 0"),
        (lambda d: d.map(abs, num_parallel_calls=0), "Dataset.map: num_parallel_calls.*Received: 0"),
        (lambda d: d.map(abs, num_parallel_calls="4"), "Dataset.map: num_parallel_calls.*Received: '4'"),
    ],
)
def test_bad_numbers(call, message):
    with pytest.raises(ValueError, match=message):
        call(numbers(3))


def test_bad_functions_and_misspelt_keywords():
    with pytest.raises(TypeError, match="map_func must be a function. Received: 3"):
        numbers(3).map(3)
    with pytest.raises(TypeError, match="Dataset.batch has no argument 'drop_remain'.*drop_remainder"):
        numbers(3).batch(2, drop_remain=True)
    with pytest.raises(TypeError, match="Dataset.map has no argument 'num_parallel'"):
        numbers(3).map(abs, num_parallel=2)


# ---------------------------------------------------------------- the tutorials' own lines


def test_the_tutorials_pipelines():
    images = np.arange(70 * 784, dtype=np.uint8).reshape(70, 28, 28, 1)
    labels = np.arange(70) % 10

    def normalize(image, label):
        return np.float32(image) / 255, label

    train = Dataset.from_tensor_slices((images, labels)).map(normalize)
    dataset = train.repeat().shuffle(60).batch(32)
    x, y = next(iter(dataset))
    assert (x.shape, x.dtype, y.shape) == ((32, 28, 28, 1), np.float32, (32,))
    for one, label in zip(x, y, strict=True):
        assert any(np.array_equal(one, np.float32(image) / 255) for image in images[labels == label])

    codelab = train.map(lambda image, label: (image.reshape(784), data.one_hot(label, 10)), num_parallel_calls=16)
    codelab = codelab.cache().shuffle(5000, reshuffle_each_iteration=True).repeat().batch(128)
    x, y = next(iter(codelab.prefetch(data.experimental.AUTOTUNE)))
    assert (x.shape, y.shape, y.dtype) == ((128, 784), (128, 10), np.float32)
    assert len(list(train.take(25))) == 25
    assert len(list(train.batch(32).as_numpy_iterator())) == 3
