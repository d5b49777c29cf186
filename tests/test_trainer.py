"""The training step: what `compile` pairs, what a step changes, and what it costs."""

import math
import tracemalloc

import numpy as np
import pytest

import tinynet
from tinynet import Sequential, activations, callbacks, layers, losses, metrics, optimizers
from tinynet.data import Dataset, one_hot

N, CLASSES = 12, 3


@pytest.fixture
def data(rng):
    return rng.normal(size=(N, 4)).astype(np.float32), rng.integers(0, CLASSES, N)


def network(*last, **first):
    first = {"activation": "tanh"} | first
    return Sequential([layers.Dense(5, input_shape=(4,), **first), *last])


def classifier():
    return network(layers.Dense(CLASSES, activation="softmax"))


def assert_same_weights(one, two, rtol=0.0):
    for weight, same in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_allclose(weight, same, rtol=rtol, atol=rtol / 10)


# Each of the losses, with a last layer that it is paired with and one that it is not.
ENDS = {
    "sparse": (lambda: layers.Dense(CLASSES, activation="softmax"), losses.SparseCategoricalCrossentropy),
    "sparse, softmax apart": (layers.Softmax, losses.SparseCategoricalCrossentropy),
    "categorical": (lambda: layers.Dense(CLASSES, activation="softmax"), losses.CategoricalCrossentropy),
    "smoothed": (lambda: layers.Dense(CLASSES, activation="softmax"),
                 lambda **k: losses.CategoricalCrossentropy(label_smoothing=0.1, **k)),
    "logits": (lambda: layers.Dense(CLASSES), lambda **k: losses.CategoricalCrossentropy(from_logits=True, **k)),
    "binary": (lambda: layers.Dense(CLASSES, activation="sigmoid"), losses.BinaryCrossentropy),
    "squared": (lambda: layers.Dense(CLASSES), losses.MeanSquaredError),
    "squared softmax": (lambda: layers.Dense(CLASSES, activation="softmax"), losses.MeanSquaredError),
    "huber": (lambda: layers.Dense(CLASSES, activation="gelu"), losses.Huber),
}


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("name", ENDS)
def test_fit_train_on_batch_and_the_open_loop_make_the_same_step(backend, name, reduction, data):
    tinynet.set_floatx("float64")
    last, make_loss = ENDS[name]
    loss = make_loss(reduction=reduction)
    x, y = data
    y = y if loss.labels == "sparse" else one_hot(y, CLASSES)
    start, ways = None, []
    for _ in range(3):
        model = network(layers.Dense(CLASSES), last())
        start = start or model.get_weights()
        model.set_weights(start)
        model.compile(optimizers.SGD(0.3, momentum=0.5), loss)
        ways.append(model)
    fitted, batched, opened = ways
    history = fitted.fit(x, y, epochs=3, batch_size=N, shuffle=False, verbose=0).history["loss"]
    optimizer = optimizers.SGD(0.3, momentum=0.5)
    for value in history:
        assert batched.train_on_batch(x, y) == pytest.approx(value, rel=1e-14)  # a mean over one batch
        p = opened.forward(x, training=True)
        assert loss(y, p) == pytest.approx(value, rel=1e-10)
        opened.backward(loss.gradient(y, p))
        optimizer.step(opened)
    assert_same_weights(fitted, batched)
    assert_same_weights(fitted, opened, rtol=1e-9)
    assert not np.array_equal(start[0], fitted.get_weights()[0])


def test_where_nothing_is_paired_the_open_loop_has_the_same_bits(backend, data):
    model, opened = network(layers.Dense(CLASSES)), network(layers.Dense(CLASSES))
    opened.set_weights(model.get_weights())
    loss, optimizer = losses.SparseCategoricalCrossentropy(from_logits=True), optimizers.Adam(0.05)
    model.compile(optimizers.Adam(0.05), loss)
    model.fit(*data, epochs=4, batch_size=N, shuffle=False, verbose=0)
    for _ in range(4):
        opened.backward(loss.gradient(data[1], opened.forward(data[0], training=True)))
        optimizer.step(opened)
    assert_same_weights(model, opened)


@pytest.mark.parametrize("sparse", [True, False])
@pytest.mark.parametrize("end", [[layers.Softmax], [], [lambda: layers.Activation("softmax")]])
def test_logits_0_and_150_with_the_wrong_label_cost_150_and_the_weights_stay_finite(backend, end, sparse):
    """exp(-150) is 0 in float32: "NaN???", says the codelab."""
    dense = layers.Dense(2, kernel_initializer="zeros", bias_initializer=lambda shape, generator: np.array([0.0, 150]),
                         input_shape=(1,))
    model = Sequential([dense, *[make() for make in end]])
    kind = losses.SparseCategoricalCrossentropy if sparse else losses.CategoricalCrossentropy
    model.compile(optimizers.SGD(0.5), kind(from_logits=not end))
    y = np.array([0]) if sparse else np.array([[1, 0]])
    history = model.fit(np.ones((1, 1)), y, epochs=2, verbose=0)
    assert history.history["loss"] == [150, 148]
    np.testing.assert_array_equal(model.get_weights()[1], [1, 149])


def test_a_sigmoids_logit_of_150_with_the_wrong_label_costs_150(backend):
    model = Sequential([layers.Dense(1, activation="sigmoid", kernel_initializer=lambda s, g: np.full(s, 150.0),
                                     input_shape=(1,))])
    model.compile(optimizers.SGD(1.0), "binary_crossentropy")
    assert model.train_on_batch(np.ones((1, 1)), np.zeros((1, 1))) == 150
    np.testing.assert_array_equal(model.get_weights()[0], 149)


@pytest.mark.parametrize(("activation", "loss"), [("softmax", "categorical_crossentropy"),
                                                  ("sigmoid", "binary_crossentropy")])
def test_metrics_see_probabilities_where_the_loss_sees_logits(backend, activation, loss, data):
    model = network(layers.Dense(CLASSES, activation=activation, bias_initializer="ones"))
    model.compile("sgd", loss, metrics=["accuracy", "mse", "mae"])
    y = one_hot(data[1], CLASSES)
    p = model.predict(data[0])
    right = (p.argmax(1) == data[1]).mean() if activation == "softmax" else ((p > 0.5) == (y > 0.5)).mean()
    expected = [right, ((p - y) ** 2).mean(), np.abs(p - y).mean()]
    assert model.evaluate(data[0], y, verbose=0)[1:] == pytest.approx(expected, rel=1e-5)
    assert model.train_on_batch(data[0], y)[1:] == pytest.approx(expected, rel=1e-5)


def test_from_logits_before_a_softmax_is_remarked_on(data):
    model, plain = classifier(), classifier()
    plain.set_weights(model.get_weights())
    model.compile("sgd", losses.SparseCategoricalCrossentropy(from_logits=True))
    plain.compile("sgd", "sparse_categorical_crossentropy")
    with pytest.warns(UserWarning, match="from_logits=True, but the model ends in a softmax"):
        value = model.train_on_batch(*data)
    assert value == plain.train_on_batch(*data)


def test_what_is_compiled_before_the_model_is_built_or_grows(data):
    model = Sequential([layers.Dense(CLASSES, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy"])
    assert len(model.train_on_batch(*data)) == 2
    model.add(layers.Dense(2))
    model.add(layers.Softmax())
    loss, accuracy = model.test_on_batch(data[0], data[1] % 2)
    p = model.predict(data[0])
    assert loss == pytest.approx(-np.log(p[np.arange(N), data[1] % 2]).mean(), rel=1e-5)
    assert accuracy == pytest.approx((p.argmax(1) == data[1] % 2).mean())


def test_a_batch_at_a_time(backend, data):
    model = classifier()
    model.compile("sgd", "sparse_categorical_crossentropy")
    before, loss = model.get_weights(), model.test_on_batch(*data)
    assert isinstance(loss, float)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))
    assert model.train_on_batch(*data) == loss
    assert model.test_on_batch(*data) < loss
    model.compile("sgd", "sparse_categorical_crossentropy", metrics=["accuracy", "top_k_accuracy"])
    p = model.predict(data[0])
    expected = [-np.log(p[np.arange(N), data[1]]).mean(), (p.argmax(1) == data[1]).mean(), 1.0]
    assert model.train_on_batch(*data) == pytest.approx(expected, rel=1e-5)
    assert len(model.train_on_batch(data[0][:5], data[1][:5])) == 3  # a smaller batch


OPTIMIZERS = {"adamw": lambda: optimizers.AdamW(0.05, weight_decay=0.5),
              "clipnorm": lambda: optimizers.SGD(0.5, clipnorm=0.01),
              "global_clipnorm": lambda: optimizers.SGD(0.5, momentum=0.9, global_clipnorm=0.01)}


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_trainable_counts_from_the_next_step_on(backend, name, place, data):
    model = network(layers.Dense(4, activation="relu"), layers.Dense(CLASSES, activation="softmax"))
    model.layers[place].trainable = False  # before compile
    model.compile(OPTIMIZERS[name](), "sparse_categorical_crossentropy")

    def changed():
        before = model.get_weights()
        model.fit(*data, verbose=0)
        return [not np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]

    frozen = [index // 2 != place for index in range(6)]
    assert changed() == frozen
    model.layers[place].trainable = True
    assert changed() == [True] * 6
    model.layers[place].trainable = False  # after compile
    assert changed() == frozen
    model.trainable = False
    assert changed() == [False] * 6


def test_a_frozen_layer_still_hands_the_gradient_down(backend, data):
    model, free = [network(layers.Dense(4, activation="relu"), layers.Dense(CLASSES, activation="softmax"))
                   for _ in range(2)]
    free.set_weights(model.get_weights())
    model.layers[1].trainable = False
    for one in (model, free):
        one.compile("sgd", "sparse_categorical_crossentropy")
        one.train_on_batch(*data)
    np.testing.assert_array_equal(model.get_weights()[0], free.get_weights()[0])
    np.testing.assert_array_equal(model.get_weights()[4], free.get_weights()[4])


def test_frozen_gradients_do_not_count_in_the_norm(backend, data):
    model, alone = classifier(), classifier()
    alone.set_weights(model.get_weights())
    model.layers[0].trainable = False
    model.compile(optimizers.SGD(1.0, global_clipnorm=0.1), "sparse_categorical_crossentropy")
    alone.compile(optimizers.SGD(1.0), "sparse_categorical_crossentropy")
    before = model.get_weights()
    model.train_on_batch(*data)
    alone.train_on_batch(*data)
    steps = [a - b for a, b in zip(before, model.get_weights(), strict=True)][2:]
    assert math.sqrt(sum((step**2).sum() for step in steps)) == pytest.approx(0.1, rel=1e-3)
    ratio = (before[2] - alone.get_weights()[2]) / steps[0]
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-2)


class Note(layers.Dense):
    """A dense layer that notes how it is called backward."""

    asked = None

    def logits_backward(self, dz, *, need_dx=True):
        self.asked = need_dx
        return super().logits_backward(dz, need_dx=need_dx)


def test_nothing_is_computed_below_the_first_trainable_layer(data):
    notes = [Note(4, input_shape=(4,)), Note(4), Note(4)]
    model = Sequential([*notes, layers.Dense(CLASSES, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.train_on_batch(*data)
    assert [note.asked for note in notes] == [False, True, True]
    for note, frozen in zip(notes, (True, False, True), strict=True):
        note.asked, note.trainable = None, not frozen
    model.train_on_batch(*data)
    assert [note.asked for note in notes] == [None, False, True]


COSTS = {
    "sparse": ("softmax", "sparse_categorical_crossentropy", ["accuracy", "top_k_accuracy"]),
    "categorical": ("softmax", "categorical_crossentropy", ["accuracy"]),
    "binary": ("sigmoid", "binary_crossentropy", ["accuracy"]),
    "regression": (None, "mse", ["mae"]),
    "no metric": ("softmax", "huber", []),
}


@pytest.mark.parametrize("name", COSTS)
def test_a_step_after_the_first_allocates_nothing_of_the_batchs_size(name, rng):
    batch, (activation, loss, metrics) = 4000, COSTS[name]
    with tinynet.use_backend("numba"):
        model = Sequential([layers.Flatten(input_shape=(3, 2)), layers.Dense(8, activation="relu"),
                            layers.Dropout(0.5), layers.Dense(CLASSES, activation=activation)])
    model.compile("adam", loss, metrics)
    labels = rng.integers(0, CLASSES, 4 * batch)
    y = labels if name == "sparse" else one_hot(labels, CLASSES)
    peaks = []

    def note(_, logs):
        current, peak = tracemalloc.get_traced_memory()
        peaks.append(peak - current)
        tracemalloc.reset_peak()

    watch = callbacks.LambdaCallback(on_train_batch_end=note)
    tracemalloc.start()
    try:
        model.fit(rng.normal(size=(4 * batch, 3, 2)), y, batch_size=batch, epochs=2, verbose=0, callbacks=[watch])
    finally:
        tracemalloc.stop()
    assert max(peaks[1:4] + peaks[5:]) < batch  # bytes: less than one for each sample


@pytest.mark.parametrize("as_dataset", [False, True])
def test_a_metric_object_starts_from_nothing(as_dataset, data):
    metric = metrics.SparseCategoricalAccuracy()
    metric.total, metric.count = 1000.0, 1
    model = Sequential([layers.Dense(CLASSES, activation="softmax")])  # not built before its first batch
    model.compile(optimizers.SGD(0.0), "sparse_categorical_crossentropy", [metric])
    given = [Dataset.from_tensor_slices(data).batch(N)] if as_dataset else data
    history = model.fit(*given, verbose=0).history
    right = np.mean(model.predict(data[0]).argmax(axis=1) == data[1])
    assert history["sparse_categorical_accuracy"][0] == pytest.approx(right)


def test_a_metric_cannot_take_the_losss_place_in_history():
    metric = metrics.MeanSquaredError()
    metric.name = "loss"
    with pytest.raises(ValueError, match=r"A metric cannot be named 'loss'.* Received: \['mae', 'loss'\]$"):
        network().compile("sgd", "mse", ["mae", metric])


class Halved(layers.Dense):
    """A user's layer: logits, which it inherits, know nothing of its own forward and backward."""

    def forward(self, x, *, training=False):
        return super().forward(x, training=training) / 2

    def backward(self, dy, *, need_dx=True):
        return super().backward(dy / 2, need_dx=need_dx)


class Named(layers.Layer):
    """A user's layer that calls its activation by its name."""

    def __init__(self):
        super().__init__()
        self.activation = "softmax"

    def forward(self, x, *, training=False):
        y = activations.softmax(x)
        self.keep(training, y)
        return y

    def backward(self, dy, *, need_dx=True):
        dy, y = self.recall(dy)
        return y * (dy - (dy * y).sum(axis=-1, keepdims=True))


class Owning(layers.Layer):
    """A user's layer that owns an activation, and has no logits."""

    def build(self, input_shape):
        super().build(input_shape)
        self.activation = layers.Activation("softmax")
        return self.activation.build(input_shape)

    def forward(self, x, *, training=False):
        return self.activation.forward(x, training=training)

    def backward(self, dy, *, need_dx=True):
        return self.activation.backward(dy)


@pytest.mark.parametrize("last", [lambda: Halved(CLASSES, activation="softmax"), Named, Owning])
def test_a_layer_of_ones_own_is_trained_through_its_own_forward(last, data):
    model = network(layers.Dense(CLASSES), last())
    twin = network(layers.Dense(CLASSES), last())
    twin.set_weights(model.get_weights())
    model.compile(optimizers.SGD(0.5), "sparse_categorical_crossentropy", ["accuracy"])
    model.fit(*data, batch_size=N, verbose=0)
    x, y = data
    loss, optimizer = losses.SparseCategoricalCrossentropy(), optimizers.SGD(0.5)
    twin.backward(loss.gradient(y, twin.forward(x, training=True)))
    optimizer.step(twin)
    assert model.activation is None
    assert_same_weights(model, twin, rtol=1e-5)


def test_what_fit_would_never_call_is_refused():
    class Resulting(metrics.MeanSquaredError):
        def result(self):
            return 0.0

    class Adding(metrics.MeanSquaredError):
        def add(self, ops, y, p):
            return 0.0

    class Stepping(optimizers.SGD):
        def step(self, model):
            return None

    for metric in (Resulting(), Adding()):
        with pytest.raises(TypeError, match="one's own defines measure.* fit calls neither add nor result. Received"):
            network().compile("sgd", "mse", [metric])
    with pytest.raises(TypeError, match="defines update, or extends begin_step or apply; fit does not call step."):
        network().compile(Stepping(), "mse")


def test_a_regularizer_given_later_counts(data):
    model = classifier()
    model.compile(optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    before = model.evaluate(*data, verbose=0)
    model.layers[0].kernel.regularizer = tinynet.regularizers.L2(1.0)
    assert model.evaluate(*data, verbose=0) == pytest.approx(before + model.penalty(), rel=1e-6)
    assert model.train_on_batch(*data) == pytest.approx(before + model.penalty(), rel=1e-6)


def test_a_step_that_fails_does_not_count(backend, data):
    failing, other = classifier(), classifier()
    other.set_weights(failing.get_weights())
    for model in (failing, other):
        model.compile("adam", "sparse_categorical_crossentropy")
    head = failing.layers[-1]
    logits = head.logits
    for error in (KeyboardInterrupt, MemoryError, ValueError):
        def broken(*_, error=error, **__):
            raise error

        head.logits = broken
        with pytest.raises(error):
            failing.train_on_batch(*data)
    head.logits = logits
    for model in (failing, other):
        model.train_on_batch(*data)
    assert failing.optimizer.iterations == 1
    assert_same_weights(failing, other)
