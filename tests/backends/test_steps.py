"""Steps that a wing does by heart, and batches that it copies over: the same numbers as without."""

import contextlib
import gc
import importlib
import logging
import sys

import numpy as np
import pytest

import tinynet
from tinynet import Sequential, layers, optimizers, regularizers
from tinynet.backends import get_backend
from tinynet.data import Dataset


def network():
    return Sequential([
        layers.Conv2D(4, 3, activation="relu", padding="same", input_shape=(6, 6, 2)),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.MaxPooling2D(2),
        layers.Flatten(),
        layers.Dropout(0.3),
        layers.Dense(5, activation="relu", kernel_regularizer=regularizers.L2(0.01)),
        layers.Dense(3, activation="softmax"),
    ])


def trained(backend, data, make=network, optimizer=lambda: optimizers.Adam(0.01), as_dataset=False, **options):
    with tinynet.use_backend(backend):
        tinynet.set_seed(0)
        model = make()
        model.compile(optimizer(), "sparse_categorical_crossentropy", metrics=["accuracy"])
        given = [Dataset.from_tensor_slices(data).batch(8)] if as_dataset else data
        options = options if as_dataset else {"batch_size": 8} | options
        history = model.fit(*given, epochs=4, verbose=0, **options)
        return model, history.history


@pytest.fixture
def data(rng):
    return rng.normal(size=(29, 6, 6, 2)).astype(np.float32), rng.integers(0, 3, 29)


WAYS = {"shuffled": {}, "in order": {"shuffle": False}, "a dataset": {"as_dataset": True},
        "weighted": {"sample_weight": np.linspace(0.5, 1.5, 29)}}


@pytest.mark.parametrize("way", WAYS)
def test_training_is_the_same_on_every_backend(backend, data, way):
    """29 samples by 8 are three whole batches and an odd one; in the fourth epoch both sizes are done by heart."""
    model, history = trained(backend, data, **WAYS[way])
    wanted, told = trained("numpy", data, **WAYS[way])
    for name in told:
        np.testing.assert_allclose(history[name], told[name], rtol=1e-4, atol=1e-6)
    for weight, other in zip(model.get_weights(), wanted.get_weights(), strict=True):
        np.testing.assert_allclose(weight, other, rtol=1e-3, atol=1e-4)


OPTIMIZERS = {
    "schedule": lambda: optimizers.Adam(lambda step: 0.01 / (1 + step)),
    "weight decay": lambda: optimizers.AdamW(0.01, weight_decay=0.1),
    "clipped": lambda: optimizers.SGD(0.1, momentum=0.9, global_clipnorm=0.05),
    "each clipped": lambda: optimizers.RMSprop(0.01, clipnorm=0.05),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_numbers_that_change_from_step_to_step(backend, data, name):
    model, history = trained(backend, data, optimizer=OPTIMIZERS[name])
    wanted, told = trained("numpy", data, optimizer=OPTIMIZERS[name])
    np.testing.assert_allclose(history["loss"], told["loss"], rtol=1e-4)


def test_a_layer_that_draws_on_the_host(backend, data, caplog):
    """Its draws cannot be recorded; the step is run as it comes, and a log says why."""
    def make():
        return Sequential([layers.RandomFlip("horizontal", input_shape=(6, 6, 2)), *network().layers])

    with caplog.at_level(logging.WARNING, "tinynet"):
        _, history = trained(backend, data, make)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == (backend == "cupy")
    assert all("layer 'random_flip' needs numbers from the host" in text for text in said)
    np.testing.assert_allclose(history["loss"], trained("numpy", data, make)[1]["loss"], rtol=1e-4)


@pytest.mark.parametrize("kind", [float, np.float64, np.float32])
def test_what_a_callback_sets_between_two_epochs(backend, data, kind):
    class Drop(tinynet.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.get_layer("dropout").rate = kind(0.1 * epoch)

    found = trained(backend, data, callbacks=[Drop()])[1]["loss"]
    np.testing.assert_allclose(found, trained("numpy", data, callbacks=[Drop()])[1]["loss"], rtol=1e-4)
    assert found != trained(backend, data)[1]["loss"]


def test_a_layer_that_counts_its_steps(backend, data, caplog):
    """What it does is not the same each time, and a graph would not know; the log says why it is run as it comes."""
    class Fading(layers.Dropout):
        steps = 0

        def forward(self, x, *, training=False):
            self.steps += training
            self.rate = 0.5 / (1 + self.steps)
            return super().forward(x, training=training)

    def make():
        return Sequential([Fading(0.5, input_shape=(6, 6, 2)), *network().layers])

    with caplog.at_level(logging.WARNING, "tinynet"):
        _, history = trained(backend, data, make)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == (backend == "cupy")
    assert all("Fading is not the library's, and its Python may do something else in each step" in text
               for text in said)
    np.testing.assert_allclose(history["loss"], trained("numpy", data, make)[1]["loss"], rtol=1e-4)


def test_a_layer_of_ones_own_that_is_the_same_each_time_is_recorded(on_gpu, data, caplog):
    class Plain(layers.Dropout):
        repeatable = True

    def make():
        return Sequential([Plain(0.5, input_shape=(6, 6, 2)), *network().layers])

    with caplog.at_level(logging.WARNING, "tinynet"):
        _, history = trained("cupy", data, make)
    assert not caplog.records
    np.testing.assert_allclose(history["loss"], trained("numpy", data, make)[1]["loss"], rtol=1e-4)


def test_a_layer_frozen_between_two_steps(backend, data):
    class Freeze(tinynet.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.layers[0].trainable = epoch < 2
            self.seen = [*getattr(self, "seen", []), self.model.layers[0].get_weights()[0]]

    freeze = Freeze()
    trained(backend, data, callbacks=[freeze])
    assert not np.array_equal(freeze.seen[1], freeze.seen[2])
    np.testing.assert_array_equal(freeze.seen[2], freeze.seen[3])


def test_an_evaluation_of_larger_batches_between_two_epochs(backend, data):
    """Layers then make larger buffers; a recorded step goes on with those that it knows."""
    class Evaluate(tinynet.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.evaluate(*data, batch_size=29, verbose=0)

    _, history = trained(backend, data, callbacks=[Evaluate()])
    assert history["loss"] == trained(backend, data)[1]["loss"]


def test_bytes_become_floats_batch_by_batch(backend, rng):
    x, y = rng.integers(0, 256, (29, 6, 6, 2), dtype=np.uint8), rng.integers(0, 3, 29)
    for shuffle in (True, False):
        found = trained(backend, (x, y), shuffle=shuffle)[1]["loss"]
        assert found == trained(backend, (x.astype(np.float32), y), shuffle=shuffle)[1]["loss"]


def test_what_is_delivered(backend, rng):
    wing = get_backend()
    given = [(rng.normal(size=(n, 3)).astype(np.float32), np.arange(n, dtype=np.int32)) for n in (4, 4, 5, 2, 4)]
    found = [[wing.to_numpy(array) for array in arrays] for arrays in wing.deliver(iter(given))]
    for wanted, got in zip(given, found, strict=True):
        for one, other in zip(wanted, got, strict=True):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype


def test_on_a_gpu_steps_are_recorded_and_replayed(on_gpu, data, monkeypatch):
    steps = importlib.import_module("tinynet.backends.cupy.steps")
    launched = []
    launch = steps.Graph.launch
    monkeypatch.setattr(steps.Graph, "launch", lambda graph: (launched.append(graph), launch(graph)))
    trained("cupy", data)
    # Of 3 · 4 steps of the whole size the first is run as it comes, and so is the first of the 4 odd ones.
    assert len(launched) == 11 + 3
    assert len(set(launched)) == 2


def reads_a_number(cupy, x):
    cupy.asnumpy(x)


def is_refused(cupy, x):
    if cupy.cuda.get_current_stream().is_capturing():
        raise RuntimeError("the current stream is capturing, so D2H transfers are disallowed")


def spoils_the_recording(cupy, x):
    with contextlib.suppress(RuntimeError):
        cupy.cuda.get_current_stream().synchronize()


@pytest.mark.parametrize("wrong", [reads_a_number, is_refused, spoils_the_recording])
def test_what_no_graph_can_repeat_is_run_as_it_comes(on_gpu, caplog, wrong):
    steps = importlib.import_module("tinynet.backends.cupy.steps")
    x = steps.cp.ones((3,), "float32")
    times = []

    def work(x):
        times.append(1)
        x *= 2
        wrong(steps.cp, x)

    repeated = steps.repeat(work, tuple, None)  # nothing changes
    with caplog.at_level(logging.WARNING, "tinynet"):
        for _ in range(4):
            repeated(x)
    assert x.get().tolist() == [16, 16, 16]
    assert len(times) == 5  # the second call tried to record it, and computed nothing
    said, = caplog.messages
    assert said.startswith("This step is run kernel by kernel, as it cannot be recorded as a CUDA graph: ")


def test_no_garbage_is_collected_while_a_step_is_recorded(on_gpu):
    """What it would free on the GPU has no place there."""
    steps = importlib.import_module("tinynet.backends.cupy.steps")
    x, collects = steps.cp.ones((3,), "float32"), []
    repeated = steps.repeat(lambda x: collects.append(gc.isenabled()), tuple, None)
    for _ in range(3):
        repeated(x)
    assert collects == [True, False] and gc.isenabled()


def test_a_steps_own_error_is_raised(on_gpu):
    steps = importlib.import_module("tinynet.backends.cupy.steps")
    errors = iter([None, RuntimeError("of its own"), RuntimeError("of its own")])

    def work(x):
        if error := next(errors):
            raise error

    repeated = steps.repeat(work, tuple, None)  # nothing changes
    repeated(steps.cp.ones((3,), "float32"))
    with pytest.raises(RuntimeError, match="^of its own$"):
        repeated(steps.cp.ones((3,), "float32"))


@pytest.fixture
def late(on_gpu):
    """Return what makes streams of the stand-in as late as they may be."""
    from emulated_cuda import kernels, streams

    if sys.modules["cupy"].RawModule is not kernels.RawModule:
        pytest.skip("only the stand-in can make streams late")
    return streams.putting_off


def test_pinned_memory_is_read_before_somebody_else_gets_it(late, monkeypatch):
    """CuPy hands out what was freed at once; here it always is the same."""
    steps = importlib.import_module("tinynet.backends.cupy.steps")
    pinned = steps.cp.cuda.alloc_pinned_memory(400)
    monkeypatch.setattr(steps.cp.cuda, "alloc_pinned_memory", lambda size: pinned)
    with late("others"), steps.cp.cuda.Stream(non_blocking=True):
        (first,), (second,) = (list(steps.deliver([(np.full(100, i, np.float32),)])) for i in (1, 2))
        assert set(first[0].get()) == {1}
        assert set(second[0].get()) == {2}


def test_a_slots_memory_is_written_when_nobody_uses_it_any_more(late, monkeypatch):
    """CuPy hands out memory that the current stream has yet to write to: nothing on that stream would be in its way."""
    steps = importlib.import_module("tinynet.backends.cupy.steps")
    used = steps.cp.ones((400,), np.uint8)
    monkeypatch.setattr(steps, "empty", lambda shape, dtype: used)
    with late("null"):
        used[...] = 7
        (given,), = steps.deliver([(np.full(100, 1, np.float32),)])
        assert set(given.get()) == {1}
