"""Where memory does not suffice, an error names the model, the batch, the bytes, and a batch that fits."""

import gc
import re

import numpy as np
import pytest

import tinynet
from tinynet import Sequential, callbacks, layers
from tinynet.data import Dataset

WIDE = 4096


def dense():
    return Sequential([layers.Dense(32, activation="relu", input_shape=(16,)), layers.Dropout(0.5),
                       layers.Dense(3, activation="softmax")], name="small")


def convnet():
    return Sequential([layers.Reshape((4, 4, 1), input_shape=(16,)), layers.Conv2D(8, 3, padding="same"),
                       layers.BatchNormalization(), layers.Activation("tanh"), layers.MaxPooling2D(2), layers.Flatten(),
                       layers.Dense(3, activation="softmax")], name="small")


@pytest.fixture
def data(rng):
    return rng.normal(size=(WIDE, 16)).astype(np.float32), rng.integers(0, 3, WIDE)


@pytest.fixture
def little(on_gpu, monkeypatch):
    """Let the GPU have so many bytes for arrays, beside those that are in use."""
    import cupy

    pool = cupy.cuda.MemoryPool()  # one of its own: in the other lie pieces that earlier tests needed
    monkeypatch.setattr(cupy, "get_default_memory_pool", lambda: pool)

    def limit(size):
        gc.collect()
        pool.free_all_blocks()
        pool.set_limit(size=pool.total_bytes() + size)

    with cupy.cuda.using_allocator(pool.malloc):
        yield limit


def compiled(make):
    with tinynet.use_backend("cupy"):
        model = make()
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def uses(model, data):
    """Every way in which a model meets a batch, given its size."""
    x, y = data
    return {"fit": lambda n: model.fit(x, y, batch_size=n, verbose=0),
            "train_on_batch": lambda n: model.train_on_batch(x[:n], y[:n]),
            "predict": lambda n: model.predict(x, batch_size=n),
            "forward": lambda n: model.forward(x[:n], training=True)}


def message(run):
    """What a batch that is too large is told; nothing is held by the error afterwards."""
    try:
        run(WIDE)
    except MemoryError as error:
        return str(error)
    finally:
        gc.collect()


@pytest.mark.gpu
@pytest.mark.parametrize("make", [dense, convnet])
@pytest.mark.parametrize("use", ["fit", "train_on_batch", "predict", "forward"])
def test_it_says_what_would_fit_and_that_fits(little, data, make, use):
    model = compiled(make)
    run = uses(model, data)[use]
    run(8)  # so that only the batch is too large
    weights = model.get_weights()
    little(320_000 if use in ("predict", "forward") else 640_000)
    said = message(run)
    assert said.startswith("Model 'small' has no room for a batch of 4096 samples; batch_size=")
    asked, free = (int(number.replace(",", "")) for number in
                   re.search(r"it takes ([\d,]+) bytes, and ([\d,]+) are free", said).groups())
    assert asked > free > 0
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    fits = int(re.search(r"batch_size=(\d+) would fit", said)[1])
    assert 8 <= fits < WIDE
    run(fits)


@pytest.mark.gpu
def test_where_nothing_fits_it_says_so(little, data):
    model = compiled(convnet)
    little(100)
    with pytest.raises(MemoryError, match="a batch of 512 samples; not one sample would fit, so make images or layers"):
        model.predict(data[0], batch_size=512)


def test_on_a_cpu_nobody_knows_what_is_free(monkeypatch, data):
    model = dense()
    monkeypatch.setattr(model.layers[0].ops, "empty", lambda shape, dtype: bytearray(2**62))
    with pytest.raises(MemoryError, match="Model 'small' has no room for a batch of 4096 samples; take a smaller "
                                          "batch_size. Received: MemoryError"):
        model.forward(data[0])


def test_the_memory_of_data_and_callbacks_is_another_matter(data):
    def full(*_):
        raise MemoryError("of the host")

    model, rows = dense(), Dataset.from_tensor_slices(np.ones((3, 2)))
    model.compile("adam", "sparse_categorical_crossentropy")
    for run in (lambda: model.fit(*data, verbose=0, callbacks=[callbacks.LambdaCallback(on_epoch_end=full)]),
                lambda: Sequential([layers.Dense(3)]).predict(rows.map(full).batch(2))):
        with pytest.raises(MemoryError, match="^of the host$"):
            run()
