"""What is told of an epoch and of a batch: means, scores of one's own, and logs."""

import copy
import math
import pickle

import numpy as np
import pytest

from tinynet import Sequential, callbacks, layers, metrics, optimizers

N, CLASSES = 12, 3


@pytest.fixture
def data(rng):
    return rng.normal(size=(N, 4)).astype(np.float32), rng.integers(0, CLASSES, N)


def classifier():
    return Sequential([layers.Dense(5, activation="tanh", input_shape=(4,)),
                       layers.Dense(CLASSES, activation="softmax")])


class Root(metrics.MeanSquaredError):
    """A user's metric: no mean, but a root of one."""

    def score(self, total, count):
        return math.sqrt(super().score(total, count))


def test_what_a_metric_makes_of_its_sum_is_told_everywhere(backend, data):
    x, y = data[0], data[0][:, :CLASSES]
    model = Sequential([layers.Dense(CLASSES, input_shape=(4,))])
    model.compile(optimizers.SGD(0.0), "mse", [Root()])
    alone = Root()
    alone.update_state(y, model.predict(x))
    wanted = pytest.approx(alone.result(), rel=1e-5)
    assert model.evaluate(x, y, verbose=0)[1] == wanted
    assert model.train_on_batch(x, y)[1] == wanted
    assert model.fit(x, y, verbose=0).history[alone.name] == [wanted]


def test_a_fit_inside_of_another_keeps_its_own_sums(backend, data):
    model = classifier()
    model.compile(optimizers.SGD(0.0), "sparse_categorical_crossentropy")
    wanted = model.evaluate(*data, verbose=0)
    inner = []

    def fit(batch, logs):
        if batch == 1:
            inner.append(model.fit(data[0] * 9, data[1], verbose=0).history["loss"][0])
            with pytest.raises(RuntimeError, match="cannot move while fit trains it"):
                model.to("numpy")

    watch = callbacks.LambdaCallback(on_train_batch_end=fit)
    history = model.fit(*data, batch_size=4, epochs=2, verbose=0, callbacks=[watch]).history
    np.testing.assert_allclose(history["loss"], [wanted, wanted], rtol=1e-5)
    assert len(inner) == 2 and inner[0] != pytest.approx(wanted, rel=1e-3)


def test_logs_of_a_batch_are_like_a_dictionary(backend, data):
    seen = []

    def look(batch, logs):
        logs["batch"] = batch
        seen.append((pickle.loads(pickle.dumps(logs)), logs.copy(), dict(logs), copy.deepcopy(logs), {} | logs))
        del logs["batch"]
        assert list(logs) == ["loss", "accuracy"] and len(logs) == 2

    model = classifier()
    model.compile("sgd", "sparse_categorical_crossentropy", ["accuracy"])
    model.fit(*data, batch_size=6, verbose=0, callbacks=[callbacks.LambdaCallback(on_train_batch_end=look)])
    assert len(seen) == 2
    for batch, (first, *others) in enumerate(seen):
        assert type(first) is dict and list(first) == ["loss", "accuracy", "batch"] and first["batch"] == batch
        assert all(other == first for other in others)
