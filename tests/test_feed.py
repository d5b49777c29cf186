"""Datasets in fit, evaluate and predict: one iterator, endless ones, and those that run out."""

import numpy as np
import pytest

from tinynet import Sequential, layers, optimizers
from tinynet.data import Dataset

N = 12


@pytest.fixture
def data(rng):
    return rng.normal(size=(N, 4)).astype(np.float32), rng.integers(0, 3, N)


def classifier(optimizer="sgd"):
    model = Sequential([layers.Dense(3, activation="softmax", input_shape=(4,))])
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def counting(data, delivered):
    """A dataset that notes in `delivered` which of its samples are taken."""
    x, y = data

    def note(i):
        delivered.append(int(i))
        return x[i], y[i]

    return Dataset.from_tensor_slices(np.arange(len(x))).map(note)


def test_a_dataset_trains_as_its_arrays_do(backend, data):
    one, two = classifier("adam"), classifier("adam")
    two.set_weights(one.get_weights())
    first = one.fit(*data, batch_size=5, shuffle=False, epochs=3, validation_data=data, verbose=0)
    dataset = Dataset.from_tensor_slices(data).batch(5)
    second = two.fit(dataset, epochs=3, validation_data=dataset, verbose=0)
    for weight, same in zip(one.get_weights(), two.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, same)
    assert first.history["loss"] == second.history["loss"]
    assert first.history["val_loss"] == pytest.approx(second.history["val_loss"])


def test_one_iterator_runs_through_the_whole_fit(data):
    """Were each epoch to begin anew, the end of the data would never be seen."""
    delivered = []
    classifier().fit(counting(data, delivered).repeat().batch(5), steps_per_epoch=2, epochs=3, verbose=0)
    assert delivered == [i % N for i in range(30)]


def test_without_steps_each_epoch_is_one_pass(data):
    delivered = []
    classifier().fit(counting(data, delivered).batch(5), epochs=2, verbose=0)
    assert delivered == [*range(N), *range(N)]


def test_a_dataset_that_runs_out_warns_and_ends_the_fit(data):
    dataset = Dataset.from_tensor_slices(data).batch(5)  # 3 batches
    with pytest.warns(UserWarning, match=r"ran out after 1 of 2 batches.*repeat\(\)"):
        history = classifier().fit(dataset, steps_per_epoch=2, epochs=5, verbose=0)
    assert history.epoch == [0, 1]
    with pytest.warns(UserWarning, match="ran out after 0 of 3 batches"):
        history = classifier().fit(dataset, steps_per_epoch=3, epochs=2, verbose=0)
    assert history.epoch == [0]


def test_other_passes_that_run_out_warn_too(data):
    """Or the numbers would be of less data than was asked for."""
    model, dataset = classifier(), Dataset.from_tensor_slices(data).batch(5)
    with pytest.warns(UserWarning, match="ran out after 3 of 9 batches"):
        model.evaluate(dataset, steps=9, verbose=0)
    with pytest.warns(UserWarning, match="ran out after 3 of 9 batches"):
        model.predict(dataset, steps=9)
    with pytest.warns(UserWarning, match="ran out after 3 of 9 batches"):
        model.fit(dataset, validation_data=dataset, validation_steps=9, verbose=0)


def test_an_endless_dataset_with_steps(data):
    model = classifier(optimizers.SGD(0.0))
    endless = Dataset.from_tensor_slices(data).repeat().batch(5)
    whole = Dataset.from_tensor_slices(data).repeat(5).batch(60)
    expected = model.evaluate(whole, verbose=0)
    assert model.evaluate(endless, steps=12, verbose=0) == pytest.approx(expected)
    history = model.fit(endless, steps_per_epoch=12, validation_data=endless, validation_steps=12, verbose=0).history
    assert [history[key][0] for key in ("loss", "accuracy")] == pytest.approx(expected)
    assert [history[key][0] for key in ("val_loss", "val_accuracy")] == pytest.approx(expected)
    assert model.predict(endless, steps=2).shape == (10, 3)


def test_validation_begins_anew_each_epoch(data):
    delivered = []
    classifier().fit(*data, validation_data=counting(data, delivered).repeat().batch(5), validation_steps=1, epochs=2,
                     verbose=0)
    assert delivered == [*range(5), *range(5)]


def test_an_endless_dataset_without_steps_is_an_error(data):
    model, endless = classifier(), Dataset.from_tensor_slices(data).repeat().batch(5)
    for call, argument in [
        (lambda: model.fit(endless), "steps_per_epoch"),
        (lambda: model.fit(*data, validation_data=endless), "validation_steps"),
        (lambda: model.evaluate(endless), "steps"),
        (lambda: model.predict(endless), "steps"),
    ]:
        with pytest.raises(ValueError, match=f"endless dataset needs {argument}, such as .*Received: {argument}=None$"):
            call()


def test_a_dataset_may_bring_weights(data):
    x, y = data
    weight = np.linspace(0, 2, N)
    model = classifier(optimizers.SGD(0.0))
    expected = model.evaluate(x, y, sample_weight=weight, verbose=0)
    dataset = Dataset.from_tensor_slices((x, y, weight)).batch(5)
    assert model.evaluate(dataset, verbose=0) == pytest.approx(expected)
    assert model.fit(dataset, verbose=0).history["loss"] == pytest.approx(expected[:1])
    table = {0: 0.5, 1: 2.0, 2: 1.0}
    plain = Dataset.from_tensor_slices((x, y)).batch(5)
    assert model.fit(plain, class_weight=table, verbose=0).history["loss"] == pytest.approx(
        model.fit(x, y, class_weight=table, batch_size=N, verbose=0).history["loss"])


def test_predict_takes_inputs_or_pairs(data):
    model = classifier()
    expected = model.predict(data[0])
    pairs = Dataset.from_tensor_slices(data).batch(5)
    inputs = Dataset.from_tensor_slices(data[0]).batch(5)
    np.testing.assert_allclose(model.predict(pairs), expected, rtol=1e-5)
    np.testing.assert_allclose(model.predict(inputs), expected, rtol=1e-5)
    np.testing.assert_allclose(model.predict(inputs, steps=1), expected[:5], rtol=1e-5)


BAD = {
    "unbatched": (lambda x, y: Dataset.from_tensor_slices((x, y)), r"put .batch\(32\) at its end"),
    "inputs alone": (lambda x, y: Dataset.from_tensor_slices(x).batch(5), r"pairs \(x, y\)"),
    "a dict": (lambda x, y: Dataset.from_tensor_slices({"x": x}).batch(5), r"pairs \(x, y\)"),
    "four": (lambda x, y: Dataset.from_tensor_slices((x, y, y, y)).batch(5), r"pairs \(x, y\)"),
    "empty": (lambda x, y: Dataset.from_tensor_slices((x, y)).take(0).batch(5), "dataset is empty"),
    "lengths": (lambda x, y: Dataset.from_tensor_slices((x, y)).batch(5).map(lambda a, b: (a, b[:2])), "equally many"),
    "labels": (lambda x, y: Dataset.from_tensor_slices((x, y + 1)).batch(5), "labels from 0 to 2"),
    "shape": (lambda x, y: Dataset.from_tensor_slices((x[:, :3], y)).batch(5), r"shape \(N, 4\)"),
    "nan": (lambda x, y: Dataset.from_tensor_slices((x * np.nan, y)).batch(5), "x must be finite"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_a_dataset_may_not_hold(name, data):
    make, message = BAD[name]
    with pytest.raises(ValueError, match=rf"{message}.*Received: "):
        classifier().fit(make(*data), verbose=0)


def test_a_model_that_is_not_built_yet_is_not_built_for_a_single_image():
    model = Sequential([layers.Flatten(), layers.Dense(3, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    dataset = Dataset.from_tensor_slices((np.zeros((6, 5, 4)), np.zeros(6, int)))
    with pytest.raises(ValueError, match=r"put .batch\(32\) at its end.*Received: "):
        model.fit(dataset, verbose=0)
    assert not model.built


@pytest.mark.parametrize(("argument", "value"), [("y", np.zeros(N, int)), ("sample_weight", np.ones(N)),
                                                 ("batch_size", 5)])
def test_a_dataset_brings_its_own(argument, value, data):
    dataset = Dataset.from_tensor_slices(data).batch(5)
    for method in (classifier().fit, classifier().evaluate):
        with pytest.raises(ValueError, match=f"brings its own {argument}.*Received: {argument} beside a Dataset$"):
            method(dataset, verbose=0, **{argument: value})
    with pytest.raises(ValueError, match="brings its own batch_size. Received: batch_size=5"):
        classifier().predict(dataset, batch_size=5)
    with pytest.raises(ValueError, match="validation_split needs arrays.*Received: a Dataset$"):
        classifier().fit(dataset, validation_split=0.2)


def test_every_batch_of_a_dataset_is_checked(data):
    """What a dataset delivers may differ from one pass to the next."""
    x, y = data
    passes = []

    def later_nan(batch, labels):
        passes.append(1)
        return (batch, labels) if len(passes) <= 3 else (batch * np.nan, labels)

    dataset = Dataset.from_tensor_slices(data).batch(5).map(later_nan)
    with pytest.raises(ValueError, match="x must be finite.*Received: 20 values"):
        classifier().fit(dataset, epochs=2, verbose=0)


@pytest.mark.parametrize("target", [np.zeros(6, int), np.zeros((6, 10))])
def test_after_a_forgotten_batch_the_corrected_fit_works(target):
    model = Sequential([layers.Flatten(), layers.Dense(10, activation="softmax")])
    sparse = target.ndim == 1
    model.compile("sgd", "sparse_categorical_crossentropy" if sparse else "categorical_crossentropy")
    dataset = Dataset.from_tensor_slices((np.zeros((6, 5, 4)), target))
    with pytest.raises(ValueError, match=r"put .batch\(32\) at .*Received: "):
        model.fit(dataset, verbose=0)
    model.fit(dataset.batch(3), verbose=0)
    assert model.input_shape == (5, 4)


@pytest.mark.parametrize("as_dataset", [False, True])
def test_values_too_large_for_the_float_type_are_not_finite(as_dataset, data):
    x, y = data[0], np.full((N, 1), 1e300)
    model = Sequential([layers.Dense(1, input_shape=(4,))])
    model.compile("sgd", "mse", metrics=["mae"])
    given = [Dataset.from_tensor_slices((x, y)).batch(N)] if as_dataset else [x, y]
    with pytest.raises(ValueError, match=f"y must be finite.*Received: {N} values"):
        model.fit(*given, verbose=0)


def test_images_with_their_channels_first_are_guessed():
    model = Sequential([layers.Flatten(input_shape=(28, 28, 3))])
    with pytest.raises(ValueError, match=r"looks like channels first: np.moveaxis\(x, 1, -1\) would fit.*5, 3, 28"):
        model.predict(np.zeros((5, 3, 28, 28)))
    gray = Sequential([layers.Flatten(input_shape=(28, 28, 1))])
    with pytest.raises(ValueError, match=r"np.moveaxis\(x, 1, -1\)"):
        gray.predict(np.zeros((5, 1, 28, 28)))


@pytest.mark.parametrize("built", [True, False])
@pytest.mark.parametrize("x", [np.zeros(1), np.zeros(7), 100.0])
def test_numbers_without_an_axis_of_their_own(x, built):
    model = Sequential([layers.Dense(1, input_shape=(1,) if built else None)])
    with pytest.raises(ValueError, match=r"x\[..., None\].*np.array\(\[\[100.0\]\]\).* Received: "):
        model.predict(x)
