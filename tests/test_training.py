"""fit, evaluate and predict on arrays: what they return, what they weigh, what repeats itself."""

import numpy as np
import pytest

import tinynet
from tinynet import Sequential, callbacks, layers, losses, optimizers, training
from tinynet.data import one_hot

N, CLASSES = 23, 3


@pytest.fixture
def data(rng):
    return rng.normal(size=(N, 4)).astype(np.float32), rng.integers(0, CLASSES, N)


def classifier(optimizer="adam", metrics=("accuracy",), loss="sparse_categorical_crossentropy", rate=0.0):
    model = Sequential([layers.Dense(8, activation="relu", input_shape=(4,)), layers.Dropout(rate),
                        layers.Dense(CLASSES, activation="softmax")])
    model.compile(optimizer, loss, list(metrics))
    return model


def still():
    """A model that does not change, so that what fit says of it can be computed."""
    return classifier(optimizers.SGD(0.0))


class Watch(layers.Layer):
    """A layer that passes everything on, and keeps a copy of each training batch."""

    def __init__(self, **keywords):
        super().__init__(**keywords)
        self.seen = []

    def forward(self, x, *, training=False):
        if training:
            self.seen.append(x.copy())
        return x

    def backward(self, dy, *, need_dx=True):
        return dy


def row_losses(model, x, y):
    return -np.log(model.predict(x)[np.arange(len(x)), y].astype(np.float64))


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "rmsprop"])
def test_the_same_seed_gives_the_same_bits(backend, optimizer, data):
    found = []
    for seed in (1, 1, 2):
        tinynet.set_seed(seed)
        model = classifier(optimizer, rate=0.3)
        history = model.fit(*data, epochs=3, batch_size=5, verbose=0, validation_split=0.2)
        found.append((model.get_weights(), history.history))
    for one, two in zip(found[0][0], found[1][0], strict=True):
        np.testing.assert_array_equal(one, two)
    assert found[0][1] == found[1][1]
    assert not np.array_equal(found[0][0][0], found[2][0][0])


def test_both_backends_learn_the_same(data):
    found = []
    for name in ("numpy", "numba"):
        tinynet.set_seed(1)
        with tinynet.use_backend(name):
            model = classifier(optimizers.SGD(0.1, 0.9), rate=0.3)
        model.fit(*data, epochs=3, batch_size=5, verbose=0)
        found.append(model.get_weights())
    for one, two in zip(*found, strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-5)


def test_a_small_network_learns(backend, rng):
    x = rng.normal(size=(300, 2))
    y = (x[:, 0] * x[:, 1] > 0).astype(int)
    model = Sequential([layers.Dense(16, activation="relu", input_shape=(2,)), layers.Dense(2, activation="softmax")])
    model.compile(optimizers.Adam(0.02), "sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, y, epochs=30, verbose=0).history
    assert history["accuracy"][-1] > 0.95
    assert history["loss"][-1] < 0.5 * history["loss"][0]


def test_history(data):
    history = classifier().fit(*data, epochs=3, verbose=0, validation_data=data)
    assert list(history.history) == ["loss", "accuracy", "val_loss", "val_accuracy"]
    assert history.epoch == [0, 1, 2]
    assert all(len(values) == 3 and all(isinstance(v, float) for v in values) for values in history.history.values())
    assert list(classifier(metrics=()).fit(*data, verbose=0).history) == ["loss"]
    assert list(classifier(metrics=["acc", "top_k_accuracy"]).fit(*data, verbose=0).history) == [
        "loss", "acc", "top_k_accuracy"]


def test_fit_goes_on_from_an_epoch(data):
    seen = []
    watch = callbacks.LambdaCallback(on_epoch_begin=lambda epoch, logs: seen.append(epoch))
    history = classifier().fit(*data, epochs=5, initial_epoch=3, verbose=0, callbacks=[watch])
    assert seen == history.epoch == [3, 4]


@pytest.mark.parametrize("initial_epoch", [-1, "1", 1.5])
def test_an_initial_epoch_is_a_number_of_epochs(initial_epoch, data):
    with pytest.raises(ValueError, match=f"initial_epoch must be .*Received: {initial_epoch!r}$"):
        classifier().fit(*data, initial_epoch=initial_epoch, verbose=0)


@pytest.mark.parametrize("shuffle", [True, False])
def test_an_epochs_numbers_are_means_over_its_samples(backend, shuffle, data):
    """23 samples in batches of 5: a mean of the batches' means would count the last three more."""
    model = still()
    history = model.fit(*data, batch_size=5, shuffle=shuffle, verbose=0).history
    assert history["loss"] == [pytest.approx(row_losses(model, *data).mean(), rel=1e-5)]
    assert history["accuracy"] == [pytest.approx((model.predict(data[0]).argmax(1) == data[1]).mean())]
    scores = model.evaluate(*data, batch_size=5, verbose=0)
    assert isinstance(scores, list)
    assert scores == pytest.approx([history["loss"][0], history["accuracy"][0]], rel=1e-6)
    assert model.evaluate(*data, verbose=0, steps=2, batch_size=3)[0] == pytest.approx(
        row_losses(model, *data)[:6].mean(), rel=1e-5)


def test_without_metrics_an_evaluation_is_a_number(data):
    model = classifier(metrics=())
    loss = model.evaluate(*data, verbose=0)
    assert isinstance(loss, float)
    assert loss == pytest.approx(model.test_on_batch(*data))


def test_a_summed_loss_is_the_mean_of_the_batches_sums(data):
    model = classifier(optimizers.SGD(0.0), loss=losses.SparseCategoricalCrossentropy(reduction="sum"))
    rows = row_losses(model, *data)[:20]
    history = model.fit(data[0][:20], data[1][:20], batch_size=5, verbose=0).history
    assert history["loss"] == [pytest.approx(rows.sum() / 4, rel=1e-5)]


def test_shuffling_sees_each_sample_once_an_epoch_in_a_new_order():
    x, orders = np.arange(20.0)[:, None], []
    watch = Watch(input_shape=(1,))
    model = Sequential([watch, layers.Dense(1)])
    model.compile(optimizers.SGD(0.0), "mse")
    for shuffle in (True, False):
        watch.seen = []
        model.fit(x, x, epochs=2, batch_size=6, shuffle=shuffle, verbose=0)
        assert [len(batch) for batch in watch.seen] == [6, 6, 6, 2] * 2
        orders += [np.concatenate(watch.seen[i:i + 4]).ravel().tolist() for i in (0, 4)]
    assert sorted(orders[0]) == sorted(orders[1]) == orders[2] == orders[3] == x.ravel().tolist()
    assert len({tuple(order) for order in orders}) == 3


def test_validation_split_holds_out_the_end(backend, data):
    x, y = data
    model, short = classifier(optimizers.SGD(0.1)), classifier(optimizers.SGD(0.1))
    short.set_weights(model.get_weights())
    history = model.fit(x, y, validation_split=0.3, shuffle=False, verbose=0).history
    short.fit(x[:16], y[:16], shuffle=False, verbose=0)
    for one, two in zip(model.get_weights(), short.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert short.fit(x[:2], y[:2], validation_split=0.5, verbose=0).epoch == [0]  # a sample on either side is enough
    expected = model.evaluate(x[16:], y[16:], verbose=0)
    assert [history["val_loss"][0], history["val_accuracy"][0]] == pytest.approx(expected)


@pytest.mark.parametrize(("x", "y", "weight", "received"), [
    (100, 120, None, r"x of shape \(100, 4\), y of shape \(120,\)"), (100, 100, 120, r"\(120,\)"),
    (100, 100, 80, r"\(80,\)"),
])
def test_lengths_are_compared_before_the_split(x, y, weight, received):
    with pytest.raises(ValueError, match=f"(equally many|one entry a sample).*Received: {received}$"):
        classifier().fit(np.zeros((x, 4)), np.zeros(y, int), validation_split=0.2, verbose=0,
                         sample_weight=None if weight is None else np.ones(weight))


def test_validation_data_and_weights(data):
    x, y = data
    weight = np.linspace(0, 2, N)
    model = still()
    history = model.fit(x, y, validation_data=(x[:9], y[:9], weight[:9]), batch_size=4, verbose=0).history
    assert history["val_loss"] == [pytest.approx((row_losses(model, x, y) * weight)[:9].mean(), rel=1e-5)]
    history = model.fit(x, y, sample_weight=weight, validation_split=0.3, batch_size=4, verbose=0).history
    rows = row_losses(model, x, y) * weight
    assert history["loss"] == [pytest.approx(rows[:16].mean(), rel=1e-5)]
    assert history["val_loss"] == [pytest.approx(rows[16:].mean(), rel=1e-5)]


def test_validation_data_comes_before_a_split_as_in_keras(data):
    x, y = data
    model = still()
    history = model.fit(x, y, validation_split=0.5, validation_data=(x[:5], y[:5]), verbose=0).history
    assert history["loss"] == [pytest.approx(row_losses(model, x, y).mean(), rel=1e-5)]
    assert history["val_loss"] == [pytest.approx(row_losses(model, x[:5], y[:5]).mean(), rel=1e-5)]


def test_sample_weights(backend, data):
    x, y = data
    weight = np.linspace(0, 2, N)
    model = still()
    expected = (row_losses(model, x, y) * weight).mean()
    history = model.fit(x, y, sample_weight=weight, batch_size=5, verbose=0).history
    assert history["loss"] == [pytest.approx(expected, rel=1e-5)]  # shuffled, weights and all
    assert model.evaluate(x, y, sample_weight=weight.tolist(), verbose=0)[0] == pytest.approx(expected, rel=1e-5)
    assert model.train_on_batch(x, y, sample_weight=weight)[0] == pytest.approx(expected, rel=1e-5)
    assert model.test_on_batch(x, y, sample_weight=weight)[0] == pytest.approx(expected, rel=1e-5)


def test_a_sample_of_weight_0_teaches_nothing(backend, data):
    x, y = data
    weighed, without = [classifier(optimizers.SGD(0.1), loss=losses.SparseCategoricalCrossentropy(reduction="sum"))
                        for _ in range(2)]
    without.set_weights(weighed.get_weights())
    weight = (np.arange(N) < 9).astype(float)
    weighed.fit(x, y, sample_weight=weight, batch_size=N, shuffle=False, verbose=0)
    without.fit(x[:9], y[:9], batch_size=9, shuffle=False, verbose=0)
    for one, two in zip(weighed.get_weights(), without.get_weights(), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("one_hot_labels", [False, True])
def test_class_weights(backend, one_hot_labels, data):
    x, y = data
    model = classifier(optimizers.SGD(0.0), loss="categorical_crossentropy" if one_hot_labels
                       else "sparse_categorical_crossentropy")
    labels = one_hot(y, CLASSES) if one_hot_labels else y
    table = np.array([0.5, 2.0, 1.0])
    expected = (row_losses(model, x, y) * table[y]).mean()
    history = model.fit(x, labels, class_weight=dict(enumerate(table)), batch_size=5, verbose=0).history
    assert history["loss"] == [pytest.approx(expected, rel=1e-5)]
    weight = np.linspace(0, 2, N)
    both = model.train_on_batch(x, labels, sample_weight=weight, class_weight=dict(enumerate(table)))[0]
    assert both == pytest.approx((row_losses(model, x, y) * table[y] * weight).mean(), rel=1e-5)


def test_class_weights_of_a_yes_or_no_question(backend, data):
    """One sigmoid answers; the class is the label itself, 0 or 1."""
    x, y = data[0], (data[1] > 0).astype(float)[:, None]
    model = Sequential([layers.Dense(1, activation="sigmoid", input_shape=(4,))])
    model.compile(optimizers.SGD(0.0), "binary_crossentropy")
    p = model.predict(x).astype(np.float64)
    rows = -(y * np.log(p) + (1 - y) * np.log(1 - p))
    history = model.fit(x, y, class_weight={0: 1.0, 1: 3.0}, verbose=0).history
    assert history["loss"] == [pytest.approx((rows * (1 + 2 * y)).mean(), rel=1e-5)]


def test_the_class_of_a_soft_answer_is_the_nearer_one(backend, data):
    """As in Keras; 0.9 cut down to an integer would be class 0."""
    x, y = data[0], np.where(data[1] > 0, 0.9, 0.1)[:, None]
    model = Sequential([layers.Dense(1, activation="sigmoid", input_shape=(4,))])
    model.compile(optimizers.SGD(0.0), "binary_crossentropy")
    weighed = model.fit(x, y, class_weight={0: 1.0, 1: 3.0}, verbose=0).history["loss"]
    assert weighed == [pytest.approx(model.evaluate(x, y, sample_weight=1 + 2 * (y[:, 0] > 0.5), verbose=0))]


def test_class_weights_are_finite(data):
    with pytest.raises(ValueError, match="class_weight must be finite.*Received: 1 values"):
        classifier().fit(*data, class_weight={0: 1.0, 1: np.nan, 2: 1.0}, verbose=0)


def test_class_weights_need_classes(data):
    model = Sequential([layers.Dense(1, input_shape=(4,))])
    model.compile("sgd", "mse")
    with pytest.raises(ValueError, match="class_weight.*Received: "):
        model.fit(data[0], data[0][:, :1], class_weight={0: 0.0}, verbose=0)


def test_an_answer_for_each_place_of_a_sequence(backend, rng):
    """Outputs (N, T, C): a sample's weight counts for all of its T answers."""
    x, y, weight = rng.normal(size=(6, 5, 4)), rng.integers(0, CLASSES, (6, 5)), np.linspace(0, 2, 6)
    model = Sequential([layers.Dense(CLASSES, activation="softmax", input_shape=(5, 4))])
    model.compile(optimizers.SGD(0.0), "sparse_categorical_crossentropy", metrics=["accuracy"])
    p = model.predict(x).astype(np.float64)
    rows = -np.log(np.take_along_axis(p, y[..., None], axis=-1)[..., 0])
    hits = (p.argmax(axis=-1) == y).mean()
    history = model.fit(x, y, batch_size=4, shuffle=False, verbose=0).history
    assert [history["loss"][0], history["accuracy"][0]] == pytest.approx([rows.mean(), hits], rel=1e-5)
    weighed = (rows * weight[:, None]).mean()
    assert model.evaluate(x, y, sample_weight=weight, verbose=0) == pytest.approx([weighed, hits], rel=1e-5)
    model.compile(optimizers.SGD(0.0), "categorical_crossentropy", metrics=["accuracy", "top_k_accuracy"])
    assert model.evaluate(x, one_hot(y, CLASSES), verbose=0) == pytest.approx([rows.mean(), hits, 1.0], rel=1e-5)
    with pytest.raises(ValueError, match="class_weight .*one class each.*Received: "):
        model.fit(x, one_hot(y, CLASSES), class_weight={0: 1.0, 1: 1.0, 2: 1.0}, verbose=0)


def test_steps_per_epoch_over_arrays_goes_round(data):
    watch = Watch(input_shape=(4,))
    model = Sequential([watch, layers.Dense(CLASSES, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(*data, batch_size=10, shuffle=False, steps_per_epoch=2, epochs=3, verbose=0)
    np.testing.assert_array_equal(np.concatenate(watch.seen), np.concatenate([data[0], data[0]]))


def test_predict(backend, data):
    model = classifier(rate=0.5)  # dropout is off
    x = data[0]
    expected = np.concatenate([model.forward(x[start:start + 5]) for start in range(0, N, 5)])
    np.testing.assert_array_equal(model.predict(x, batch_size=5), expected)
    np.testing.assert_allclose(model.predict(x), expected, rtol=1e-5)
    np.testing.assert_array_equal(model.predict(x, batch_size=5, steps=2), expected[:10])
    assert model.predict_on_batch(x[:1]).shape == (1, CLASSES)


def test_the_callers_arrays_are_left_as_they_were(backend, data):
    x, y, weight = data[0].copy(), data[1].astype(np.int32), np.ones(N, np.float32)
    model = classifier(loss="sparse_categorical_crossentropy")
    model.fit(x, y, sample_weight=weight, class_weight={0: 2.0, 1: 1.0, 2: 1.0}, validation_data=(x, y), verbose=0)
    model.evaluate(x, y, sample_weight=weight, verbose=0)
    np.testing.assert_array_equal(x, data[0])
    np.testing.assert_array_equal(y, data[1])
    np.testing.assert_array_equal(weight, 1)


def test_a_fit_can_be_stopped_within_an_epoch(data):
    model, batches = classifier(), []

    def stop(batch, logs):
        batches.append(batch)
        model.stop_training = batch == 1

    history = model.fit(*data, batch_size=5, epochs=3, verbose=0,
                        callbacks=[callbacks.LambdaCallback(on_train_batch_end=stop)])
    assert batches == [0, 1]
    assert history.epoch == [0]
    assert model.fit(*data, epochs=2, verbose=0).epoch == [0, 1]  # the next fit begins anew


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_large_batch_is_evaluated_in_parts(rng, monkeypatch, weighted, reduction):
    model = classifier(loss=losses.SparseCategoricalCrossentropy(reduction=reduction))
    x, y = rng.normal(size=(57, 4)), rng.integers(0, CLASSES, 57)
    weight = rng.random(57) if weighted else None
    wanted = model.evaluate(x, y, batch_size=57, sample_weight=weight, verbose=0)
    again = classifier(loss=losses.SparseCategoricalCrossentropy(reduction=reduction))
    again.set_weights(model.get_weights())
    monkeypatch.setattr(training, "TESTED_AT_ONCE", 10)
    first, seen = again.layers[0], []
    monkeypatch.setattr(first, "check_input", lambda x: seen.append(len(x)) or x)
    found = again.evaluate(x, y, batch_size=57, sample_weight=weight, verbose=0)
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    assert max(seen) == (10 if reduction == "mean" else 57)
