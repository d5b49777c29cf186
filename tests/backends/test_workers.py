"""How the numba wing shares large kernels between threads."""

import threading

import numpy as np
import pytest
import threadpoolctl

import tinynet
from tinynet import layers
from tinynet.backends import numpy as readable
from tinynet.backends.numba import workers


@pytest.fixture
def two_threads():
    """Let the BLAS, and so the pool, use two threads."""
    with threadpoolctl.threadpool_limits(2, user_api="blas"):
        if workers.blas_threads() != 2:
            pytest.skip("this BLAS does not take two threads")
        yield


@pytest.mark.parametrize("n", [1, 2, 3, 7, 100])
def test_parts_cover_everything_once(two_threads, n):
    slices = workers.parts(n)
    assert len(slices) == min(n, 2)
    assert [i for part in slices for i in range(n)[part]] == list(range(n))
    assert workers.parts(n, large=False) == [slice(0, n)]


def test_small_work_is_not_shared():
    assert not workers.is_large(numbers=workers.LARGE_NUMBERS - 1, products=workers.LARGE_PRODUCTS - 1)
    assert workers.is_large(numbers=workers.LARGE_NUMBERS)
    assert workers.is_large(products=workers.LARGE_PRODUCTS)


def test_each_slice_on_a_thread_of_its_own_and_the_blas_held(two_threads):
    both, seen = threading.Barrier(2, timeout=60), {}

    def work(i, part):
        both.wait()  # passes only if the two run at the same time
        blas = {info["num_threads"] for info in threadpoolctl.threadpool_info() if info["user_api"] == "blas"}
        seen[i] = (part, threading.get_ident(), blas, workers.blas_threads())

    workers.share(work, workers.parts(10))
    assert [seen[i][0] for i in range(2)] == [slice(0, 5), slice(5, 10)]
    assert seen[0][1] == threading.get_ident() != seen[1][1]
    assert [entry[2:] for entry in seen.values()] == [({1}, 2)] * 2
    assert workers.blas_threads() == 2


@pytest.mark.parametrize("where", [0, 1])
def test_an_error_comes_through_and_leaves_everything_as_it_was(two_threads, where):
    done = []

    def work(i, part):
        if i == where:
            raise ZeroDivisionError
        done.append(i)

    with pytest.raises(ZeroDivisionError):
        workers.share(work, workers.parts(4))
    assert done == [1 - where]
    assert workers.blas_threads() == 2
    workers.share(lambda i, part: done.append(part), workers.parts(4))
    assert len(done) == 3


def test_while_the_pool_is_busy_others_work_alone(two_threads):
    alone = []

    def inner(i, part):
        alone.append((part, threading.get_ident()))

    def outer(i, part):
        if i == 0:
            workers.share(inner, workers.parts(6))

    workers.share(outer, workers.parts(2))
    assert alone == [(slice(0, 3), threading.get_ident()), (slice(3, 6), threading.get_ident())]


def test_a_shared_kernel_slices_its_arrays_alone(two_threads, monkeypatch):
    monkeypatch.setattr(workers, "LARGE_NUMBERS", 0)
    calls = []

    @workers.shared
    def kernel(x, y, factor, nothing):
        calls.append(len(x))
        y[...] = factor * x

    x, y = np.arange(14.0).reshape(7, 2), np.zeros((7, 2))
    kernel(x, y, 3, None)
    assert sorted(calls) == [3, 4]
    np.testing.assert_array_equal(y, 3 * x)


def train():
    """Return what a small convolutional network learns in a few steps."""
    tinynet.set_seed(3)
    model = tinynet.Sequential([
        layers.Conv2D(5, 3, padding="same", activation="relu", input_shape=(9, 8, 2)), layers.MaxPooling2D(),
        layers.Conv2D(4, 2, groups=1, strides=2), layers.BatchNormalization(), layers.Activation("relu"),
        layers.Flatten(), layers.Dropout(0.3), layers.Dense(20, activation="relu"),
        layers.Dense(3, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(33, 9, 8, 2)), rng.integers(0, 3, 33)
    for _ in range(4):
        model.train_on_batch(x, y)
    return model.get_weights()


def test_training_shared_is_training_alone_and_always_the_same(two_threads, monkeypatch):
    with tinynet.use_backend("numba"):
        wanted = train()
        monkeypatch.setattr(workers, "LARGE_NUMBERS", 0)
        monkeypatch.setattr(workers, "LARGE_PRODUCTS", 0)
        shared, again = train(), train()
    for a, b, c in zip(wanted, shared, again, strict=True):
        np.testing.assert_allclose(b, a, rtol=1e-3, atol=1e-4)
        np.testing.assert_array_equal(b, c)


@pytest.mark.parametrize(("n", "numbers", "wanted"), [
    (10, 1, [[slice(0, 10)]]), (0, 9, [[slice(0, 0)]]), (5, 400, [[slice(0, 2)], [slice(2, 4), slice(4, 5)]]),
    (3, 5000, [[slice(0, 1)], [slice(1, 2), slice(2, 3)]]),
])
def test_lanes_take_a_few_samples_at_a_time(two_threads, monkeypatch, n, numbers, wanted):
    monkeypatch.setattr(workers, "LARGE_NUMBERS", 2000)
    monkeypatch.setattr(workers, "CACHED_NUMBERS", 800)
    assert workers.lanes(n, numbers) == wanted


def test_the_readable_wing_has_one_lane():
    done = []
    assert readable.lanes(7, 10**9) == [[slice(0, 7)]]
    readable.share(lambda i, task: done.append((i, task)), ["a", "b"])
    assert done == [(0, "a"), (1, "b")]
