import numpy as np
import pytest

import tinynet
from tinynet.data import Dataset
from tinynet.layers import BatchNormalization, Conv2D, Dense, Dropout, Flatten, GlobalAveragePooling2D

N = 10


@pytest.fixture
def x(rng):
    return rng.normal(size=(N, 6, 6, 3)).astype("f4")


@pytest.fixture
def front():
    model = tinynet.Sequential([Conv2D(4, 3), BatchNormalization(), Dropout(0.5), GlobalAveragePooling2D()])
    model.build((6, 6, 3))
    model.trainable = False
    return model


def test_arrays(front, x):
    y = np.arange(N)
    before = front.get_weights()
    features, labels = tinynet.precompute_features(front, x, y, batch_size=4)
    assert features.shape == (N, 4)
    np.testing.assert_allclose(features, front.predict(x), rtol=1e-5, atol=1e-6)
    assert np.array_equal(labels, y)
    assert all(np.array_equal(a, b) for a, b in zip(before, front.get_weights(), strict=True))


def test_arrays_without_labels(front, x):
    features, labels = tinynet.precompute_features(front, x)
    np.testing.assert_array_equal(features, front.predict(x))
    assert labels is None


def test_a_dataset_in_its_own_order(front, x):
    """The features of a shuffled dataset belong to the labels that come with them, in that one pass."""
    passes = []
    dataset = Dataset.from_tensor_slices((x, np.arange(N))).map(lambda x, y: (passes.append(1), (x, y))[1])
    features, labels = tinynet.precompute_features(front, dataset.shuffle(N).batch(4))
    assert sorted(labels) == list(range(N))
    np.testing.assert_allclose(features, front.predict(x)[labels], rtol=1e-5, atol=1e-6)
    assert len(passes) == N


def test_a_dataset_of_inputs_alone(front, x):
    features, labels = tinynet.precompute_features(front, Dataset.from_tensor_slices(x).batch(3))
    assert features.shape == (N, 4)
    assert labels is None


def test_an_endless_dataset_with_steps(front, x):
    dataset = Dataset.from_tensor_slices((x, np.arange(N))).repeat().batch(4)
    features, labels = tinynet.precompute_features(front, dataset, steps=5)
    assert labels.tolist() == [*range(N), *range(N)]
    assert len(features) == 20


def test_a_layer_that_is_no_model_and_not_built(x):
    features, _ = tinynet.precompute_features(Flatten(), x)
    np.testing.assert_array_equal(features, x.reshape(N, -1))


def test_then_a_head_is_trained(front, x):
    y = (x.mean((1, 2, 3)) > 0).astype(int)
    features, labels = tinynet.precompute_features(front, x, y)
    head = tinynet.Sequential([Dense(2, activation="softmax", input_shape=features.shape[1:])])
    head.compile("adam", "sparse_categorical_crossentropy")
    head.fit(features, labels, epochs=2, verbose=0)
    model = tinynet.Sequential([front, head])
    np.testing.assert_allclose(model.predict(x), head.predict(features), rtol=1e-5, atol=1e-6)


def test_it_tells_how_far_it_is(front, x, capsys):
    tinynet.precompute_features(front, x, batch_size=5, verbose=1)
    assert capsys.readouterr().out.startswith("2/2 - ")
    tinynet.precompute_features(front, x)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("data", "keywords", "message"), [
    (lambda x: Dataset.from_tensor_slices(x).batch(4).repeat(), {}, r"endless dataset .* Received: steps=None"),
    (lambda x: Dataset.from_tensor_slices(x).batch(4), {"batch_size": 4}, "batch_size beside a Dataset"),
    (lambda x: Dataset.from_tensor_slices(x).batch(4), {"y": [1]}, "y beside a Dataset"),
    (lambda x: Dataset.from_tensor_slices((x, x, x)).batch(4), {}, "pairs .* an element of 3 arrays"),
    (lambda x: Dataset.from_tensor_slices((x, np.arange(N))), {}, r"\.batch\(32\) at its end. Received: a label"),
    (lambda x: Dataset.from_tensor_slices((x[:, :5], np.arange(N))).batch(4), {}, r"takes inputs of shape \(N, 6"),
    (lambda x: x, {"y": np.arange(3)}, r"equally many samples.*\(3,\)"),
    (lambda x: x, {"steps": 2}, "steps are for a Dataset"),
    (lambda x: x[:0], {}, "at least one input. Received: none"),
    (lambda x: x[0], {}, r"np.array\(\[x\]\)"),
    (lambda x: x * np.nan, {}, "must be finite"),
    (lambda x: 3.0, {}, r"array \(N, ...\). Received: a number"),
])
def test_bad_data(front, x, data, keywords, message):
    with pytest.raises(ValueError, match=message):
        tinynet.precompute_features(front, data(x), **keywords)


def test_batches_whose_labels_are_too_few(front, x):
    dataset = Dataset.from_tensor_slices(np.arange(3)).map(lambda i: (x[:4], np.arange(2 + i)))
    with pytest.raises(ValueError, match="equally many samples. Received: 4 inputs and 2 labels"):
        tinynet.precompute_features(front, dataset)


@pytest.mark.parametrize("other", [np.zeros((4, 1), int), np.full((4, 2), 0.5)])
def test_labels_of_another_kind_in_a_later_batch(front, x, other):
    labels = [np.zeros((4, 2), int), other]
    dataset = Dataset.from_tensor_slices(np.arange(2)).map(lambda i: (x[:4], labels[i]))
    with pytest.raises(ValueError, match=r"All batches must hold labels .*Received: \(4, 2\) of int64, then \(4, "):
        tinynet.precompute_features(front, dataset)


def test_a_layer_that_is_no_model_says_what_it_takes(x):
    layer = Flatten(input_shape=(5,))
    with pytest.raises(ValueError, match=r"Layer 'flatten' takes inputs of shape \(N, 5\).*Received: "):
        tinynet.precompute_features(layer, x)


def test_no_front(x):
    with pytest.raises(TypeError, match="the front, a layer or model, and then the data. Received: ndarray"):
        tinynet.precompute_features(x, x)
