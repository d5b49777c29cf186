"""Bad input gets a clear error, never a wrong number.

Each error names the layer or argument, says what was expected, and ends in what was received. Errors about data-set
files are in tests/datasets.
"""

import math
import re

import numpy as np
import pytest

from tinynet import Sequential, activations, callbacks, initializers, layers, losses, metrics, optimizers
from tinynet.data import Dataset, one_hot

N = 8
X = np.linspace(-1, 1, 4 * N).reshape(N, 4)
Y = np.arange(N) % 3
HOT = np.eye(3)[Y]


def network(loss="sparse_categorical_crossentropy", classes=3, last="softmax", build=True):
    first = {"input_shape": (4,)} if build else {}
    model = Sequential([layers.Dense(5, activation="relu", name="hidden", **first),
                        layers.Dense(classes, activation=last, name="answer")], name="net")
    model.compile("sgd", loss)
    return model


def categorical():
    return network("categorical_crossentropy")


def regression():
    return network("mse", 1, None)


def images():
    model = Sequential([layers.Flatten(input_shape=(28, 28, 1)), layers.Dense(10, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def endless():
    return Dataset.from_tensor_slices((X, Y)).repeat().batch(4)


PATH = r"Its layers: input \(4,\) -> hidden \(5,\) -> answer \(3,\)"
# What is done; the words that name the culprit and what was expected; what was received.
VALUE_ERRORS = {
    # Shapes.
    "wrong width": (lambda: network().fit(X[:, :3], Y), rf"Model 'net' .*\(N, 4\).*{PATH}", r"\(8, 3\)"),
    "wrong rank": (lambda: network().predict(X[..., None]), rf"Model 'net' .*\(N, 4\).*{PATH}", r"\(8, 4, 1\)"),
    "wrong width in evaluate": (lambda: network().evaluate(X.T, Y[:4]), rf"Model 'net' .*{PATH}", r"\(4, 8\)"),
    "wrong width in forward": (lambda: network().forward(X.T), rf"Model 'net' .*{PATH}", r"\(4, 8\)"),
    "wrong width in train_on_batch": (lambda: network().train_on_batch(X.T, Y[:4]), rf"Model 'net' .*{PATH}", ""),
    "wrong width of validation": (lambda: network().fit(X, Y, validation_data=(X.T, Y[:4]), verbose=0), PATH, ""),
    "a layer alone": (lambda: built(layers.Dense(2, name="mine"), (3,)).forward(X), r"Layer 'mine' .*\(N, 3\)",
                      r"\(8, 4\)"),
    "a layer that is not built": (lambda: layers.Dense(2, name="mine").forward(X), r"'mine' must be built", ""),
    "an impossible reshape": (
        lambda: Sequential([layers.Dense(5, input_shape=(4,), name="hidden"), layers.Reshape((2, 2), name="fold")]),
        r"shapes go input \(4,\) -> hidden \(5,\), and 'fold' cannot be built: .*5 numbers to \(2, 2\)", r".*\(5,\)"),
    "a wrong input_shape": (
        lambda: Sequential([layers.Dense(5, input_shape=(4,), name="hidden"), layers.Dense(2, input_shape=(6,))]),
        r"Layer 'dense' says input_shape=\(6,\), but here shapes go input \(4,\) -> hidden \(5,\)", r"\(5,\)"),
    "a shape with its batch axis": (lambda: layers.Input(shape=(None, 28, 28)), "without the batch axis", ".*None.*"),
    # One image.
    "an image without its batch axis": (lambda: images().predict(np.zeros((28, 28, 1))), r"np.array\(\[x\]\)",
                                        r"\(28, 28, 1\)"),
    "an image without batch and channel axis": (lambda: images().predict(np.zeros((28, 28))),
                                                r"inputs of shape \(N, 28, 28, 1\)", r"\(28, 28\)"),
    "images without their channel axis": (lambda: images().predict(np.zeros((5, 28, 28))), r"x\[\.\.\., None\]", ""),
    "images with a channel axis too many": (
        lambda: Sequential([layers.Flatten(input_shape=(28, 28))]).predict(np.zeros((5, 28, 28, 1))),
        r"x\[\.\.\., 0\]", ""),
    "a row without its batch axis": (lambda: network().predict(X[0]), r"np.array\(\[x\]\)", r"\(4,\)"),
    "a row for a model not built yet": (lambda: network(build=False).predict(X[0]), "takes batches", r".*\(4,\)"),
    # Labels.
    "a label too large": (lambda: network().fit(X, Y + 1), "SparseCategoricalCrossentropy: .*3 classes.*from 0 to 2",
                          "labels from 1 to 3"),
    "a negative label": (lambda: network().fit(X, Y - 1), "labels from 0 to 2", "labels from -1 to 1"),
    "labels of a float type": (lambda: network().fit(X, Y * 1.0), r"integers; labels.astype\(int\)", ".*float64"),
    "one-hot where sparse is meant": (lambda: network().fit(X, HOT), "the loss 'categorical_crossentropy'",
                                      r".*\(8, 3\)"),
    "sparse where one-hot is meant": (lambda: categorical().fit(X, Y), "the loss 'sparse_categorical_crossentropy'",
                                      r"\(8,\)"),
    "one-hot of too many classes": (lambda: categorical().fit(X, one_hot(Y, 5)), r"CategoricalCrossentropy: .*\(8, 3\)",
                                    r"\(8, 5\)"),
    "labels that are no probabilities": (lambda: categorical().fit(X, HOT * 2), "probabilities between 0 and 1",
                                         "labels from 0.0 to 2.0"),
    "labels (n, 1)": (lambda: network().fit(X, Y[:, None]), r"class numbers of shape \(8,\)", r".*\(8, 1\)"),
    "labels of validation": (lambda: network().fit(X, Y, validation_data=(X, Y + 1), verbose=0), "from 0 to 2", ""),
    "values (n,) for outputs (n, 1)": (lambda: regression().fit(X, X[:, 0]),
                                       r"MeanSquaredError: .*\(8, 1\).*y.reshape\(-1, 1\)", r"\(8,\)"),
    "values (n, 1) for (n, 3)": (lambda: network("mse", 3, None).fit(X, X[:, :1]), r"predictions of shape \(8, 3\)",
                                 r"\(8, 1\)"),
    "yes or no (n,) for (n, 1)": (lambda: network("binary_crossentropy", 1, "sigmoid").fit(X, Y % 2),
                                  r"y.reshape\(-1, 1\)", r"\(8,\)"),
    "predictions (n,) and labels (n, 1)": (lambda: losses.MeanSquaredError()(X[:, :1], X[:, 0]),
                                           r"predictions of shape \(8,\)", r"\(8, 1\)"),
    "text as values": (lambda: regression().fit(X, np.array([["a"]] * N)), "MeanSquaredError|^y ", ".*"),
    # Lengths, emptiness.
    "x longer than y": (lambda: network().fit(X, Y[:5]), "x and y must hold equally many", r".*\(8, 4\), .*\(5,\)"),
    "y longer than x": (lambda: network().evaluate(X[:5], Y), "x and y must hold equally many", ".*"),
    "y of one sample": (lambda: network().train_on_batch(X, Y[:1]), r"class numbers of shape \(8,\)", r".*\(1,\)"),
    "no samples to fit": (lambda: network().fit(X[:0], Y[:0]), "at least one", r".*\(0, 4\), .*"),
    "no samples to evaluate": (lambda: network().evaluate(X[:0], Y[:0]), "at least one", ".*"),
    "no samples to predict": (lambda: network().predict(X[:0]), "at least one", ".*"),
    "no samples in a batch": (lambda: network().train_on_batch(X[:0], Y[:0]), "at least one", ".*"),
    "no labels": (lambda: network().fit(X), "Arrays need both x and y", "y=None"),
    "no labels, and a split": (lambda: network().fit(X, validation_split=0.5), "both x and y", "y=None"),
    "weights of another length": (lambda: network().fit(X, Y, sample_weight=np.ones(5)), r"sample_weight .*\(8,\)",
                                  r"\(5,\)"),
    "weights of pixels": (lambda: losses.MeanSquaredError()(X, X, X), r"sample_weight .*\(8,\)", r"\(8, 4\)"),
    "weights that are no numbers": (lambda: network().fit(X, Y, sample_weight=["a"] * N), "sample_weight", ".*"),
    "a class without its weight": (lambda: network().fit(X, Y, class_weight={0: 1.0, 2: 1.0}), "class_weight maps",
                                   r".*without \[1\]"),
    "class weights as a list": (lambda: network().fit(X, Y, class_weight=[1.0, 1.0, 1.0]), "class_weight", ".*"),
    "ragged rows": (lambda: network().fit([[1, 2, 3, 4], [1, 2]], [0, 1]), "'net'|x .*", ".*"),
    # Not a number.
    "NaN in x": (lambda: network().fit(poisoned(X, math.nan), Y), "^x must be finite", "1 values.*"),
    "infinity in x": (lambda: network().fit(poisoned(X, math.inf), Y), "^x must be finite", "1 values.*"),
    "a float64 beyond float32": (lambda: network().fit(poisoned(X, 1e300), Y), "x must be finite", ".*"),
    "NaN in y": (lambda: regression().fit(X, poisoned(X, math.nan)[:, :1]), "y must be finite", "1 values.*"),
    "NaN in validation": (lambda: network().fit(X, Y, validation_data=(poisoned(X, math.nan), Y), verbose=0),
                          "x must be finite", "1 values.*"),
    "NaN in the held out part": (lambda: network().fit(poisoned(X[::-1], math.nan)[::-1], Y, validation_split=0.25),
                                 "x must be finite", "1 values.*"),
    "NaN in weights": (lambda: network().fit(X, Y, sample_weight=poisoned(np.ones(N), math.nan)),
                       "sample_weight must be finite", ".*"),
    # Numbers.
    "a batch size of 0": (lambda: network().fit(X, Y, batch_size=0), "batch_size .*integer of at least 1", "0"),
    "a batch size of 2.5": (lambda: network().evaluate(X, Y, batch_size=2.5), "batch_size .*at least 1", "2.5"),
    "a batch size of text": (lambda: network().predict(X, batch_size="32"), "batch_size .*at least 1", "'32'"),
    "a dataset's batch size of 0": (lambda: Dataset.from_tensor_slices(X).batch(0), "batch_size .*at least 1", "0"),
    "no epochs": (lambda: network().fit(X, Y, epochs=0), "epochs must be an integer of at least 1", "0"),
    "no steps": (lambda: network().fit(X, Y, steps_per_epoch=0), "steps_per_epoch must be .*at least 1", "0"),
    "half a step": (lambda: network().evaluate(X, Y, steps=0.5), "steps must be an integer", "0.5"),
    "no steps of predict": (lambda: network().predict(X, steps=0), "steps must be an integer of at least 1", "0"),
    "steps of text": (lambda: network().predict(X, steps="2"), "steps must be an integer of at least 1", "'2'"),
    "negative steps of a dataset": (lambda: network().predict(endless(), steps=-1), "steps must be .*at least 1", "-1"),
    "a split of everything": (lambda: network().fit(X, Y, validation_split=1.0), "validation_split is a share",
                              "1.0 of 8 samples"),
    "a negative split": (lambda: network().fit(X, Y, validation_split=-0.5), "validation_split is a share", "-0.5 .*"),
    "validation without labels": (lambda: network().fit(X, Y, validation_data=X), r"validation_data is \(x, y\)",
                                  "ndarray"),
    "no units": (lambda: layers.Dense(0), "units of Dense must be an integer of at least 1", "0"),
    "two units": (lambda: layers.Dense((2, 3)), "units of Dense must be an integer of at least 1", r"\(2, 3\)"),
    "units of text": (lambda: layers.Dense("ten"), "units of Dense must be an integer of at least 1", "'ten'"),
    "a rate of 1": (lambda: layers.Dropout(1.0), "rate of Dropout .*below 1", "1.0"),
    # Endless data: see tests/test_feed.py for the others.
    "endless": (lambda: network().fit(endless()), "An endless dataset needs steps_per_epoch", "steps_per_epoch=None"),
    "endless evaluation": (lambda: network().evaluate(endless()), "An endless dataset needs steps", "steps=None"),
    "endless prediction": (lambda: network().predict(endless()), "An endless dataset needs steps", "steps=None"),
    # Unknown strings.
    "unknown activation": (lambda: layers.Dense(3, activation="rellu"), "mean 'relu'.*known are elu", "'rellu'"),
    "unknown function": (lambda: activations.get("sigmoyd"), "did you mean 'sigmoid'.*known are elu", "'sigmoyd'"),
    "unknown initializer": (lambda: initializers.get("zeroes"), "did you mean 'zeros'.*known are", "'zeroes'"),
    "unknown loss": (lambda: network("cross_entropy"), "Unknown loss.*known are binary_", "'cross_entropy'"),
    "unknown metric": (lambda: network().compile("sgd", "mse", ["precision"]), "Unknown metric.*known are acc,",
                       "'precision'"),
    "unknown optimizer": (lambda: network().compile("adamm", "mse"), "mean 'adam.*known are adagrad", "'adamm'"),
    "unknown reduction": (lambda: losses.Huber(reduction="none"), "reduction of Huber is 'mean' or 'sum'", "'none'"),
    "no loss": (lambda: network().compile("adam"), "compile needs a loss, such as", "loss=None"),
    "two inputs": (lambda: Sequential([layers.Input((4,)), layers.Input((4,))]), "Input must be the first entry",
                   "it as entry 2"),
    "a model without layers": (lambda: Sequential().predict(X), "has no layers", r".*\(4,\)"),
}


def built(layer, input_shape):
    layer.build(input_shape)
    return layer


def poisoned(array, value):
    array = array.copy()
    array.flat[0] = value
    return array


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", VALUE_ERRORS)
def test_a_value_that_does_not_fit(name):
    act, words, received = VALUE_ERRORS[name]
    with pytest.raises(ValueError, match=words) as caught:
        act()
    assert_received(caught, received)


def assert_received(caught, received):
    said = str(caught.value)
    assert "Received: " in said
    assert re.fullmatch(received or ".+", said.rpartition("Received: ")[2], re.DOTALL), said


TYPE_ERRORS = {
    "text as inputs": (lambda: network().predict([["a"] * 4]), "Model 'net' takes arrays of numbers", "x .*<U1"),
    "nothing as inputs": (lambda: network().predict(None), "Model 'net' takes arrays of numbers", "x of type object"),
    "complex inputs": (lambda: network().predict(X + 1j), "Model 'net' takes arrays of numbers", ".*complex128"),
    "a layer without its list": (lambda: Sequential(layers.Dense(3)), "layers .*list", "<Dense 'dense'.*"),
    "no layer": (lambda: Sequential([layers.Dense]), "A Sequential is made of layers", "<class.*Dense'>"),
    "a metric without its list": (lambda: network().compile("sgd", "mse", "mae"), r"metrics is a list", "'mae'"),
    "no metric": (lambda: network().compile("sgd", "mse", [metrics.BinaryAccuracy]), "A metric is a name", "<class.*"),
    "no optimizer": (lambda: network().compile(optimizers.Adam, "mse"), "An optimizer is a name", "<class.*"),
    "no loss": (lambda: network().compile("sgd", losses.Huber), "A loss is a name", "<class.*"),
    "a function as activation": (lambda: layers.Dense(2, activation=np.tanh), "An activation is one of", "<ufunc.*"),
    "misspelt: layer": (lambda: layers.Dense(3, activaton="relu"), "Dense .*mean 'activation'", "activaton='relu'"),
    "misspelt: another": (lambda: layers.Flatten(inputshape=(4,)), "Flatten .*'input_shape'", r"inputshape=\(4,\)"),
    "misspelt: dropout": (lambda: layers.Dropout(rates=0.5), "Dropout .*did you mean 'rate'", "rates=0.5"),
    "misspelt: Input": (lambda: layers.Input(shap=(4,)), "Input .*did you mean 'shape'", r"shap=\(4,\)"),
    "misspelt: model": (lambda: Sequential(layer=[]), "Sequential .*did you mean 'layers'", r"layer=\[\]"),
    "misspelt: compile": (lambda: network().compile("sgd", lost="mse"), "compile .*did you mean 'loss'", "lost='mse'"),
    "misspelt: fit": (lambda: network().fit(X, Y, epoch=3), "fit .*did you mean 'epochs'", "epoch=3"),
    "misspelt: evaluate": (lambda: network().evaluate(X, Y, step=3), "evaluate .*did you mean 'steps'", "step=3"),
    "misspelt: predict": (lambda: network().predict(X, batchsize=3), "predict .*'batch_size'", "batchsize=3"),
    "misspelt: train_on_batch": (lambda: network().train_on_batch(X, Y, weights=1), "train_on_batch .*are x, y",
                                 "weights=1"),
    "misspelt: test_on_batch": (lambda: network().test_on_batch(X, Y, weights=1), "test_on_batch .*are x, y",
                                "weights=1"),
    "misspelt: optimizer": (lambda: optimizers.Adam(lr=0.1), "Adam .*did you mean 'learning_rate'", "lr=0.1"),
    "misspelt: loss": (lambda: losses.Huber(detla=1), "Huber .*did you mean 'delta'", "detla=1"),
    "misspelt: metric": (lambda: metrics.BinaryAccuracy(treshold=1), "BinaryAccuracy .*'threshold'", "treshold=1"),
    "misspelt: callback": (lambda: callbacks.EarlyStopping(patient=1), "EarlyStopping .*'patience'", "patient=1"),
    "misspelt: initializer": (lambda: initializers.RandomNormal(sttdev=1), "RandomNormal .*'stddev'", "sttdev=1"),
    "misspelt: dataset": (lambda: Dataset.from_tensor_slices(X).batch(4, drop_last=True), "batch_size, drop_remainder",
                          "drop_last=True"),
}


@pytest.mark.parametrize("name", TYPE_ERRORS)
def test_a_thing_of_the_wrong_kind(name):
    act, words, received = TYPE_ERRORS[name]
    with pytest.raises(TypeError, match=words) as caught:
        act()
    assert_received(caught, received)


@pytest.mark.parametrize("method", ["fit", "evaluate", "train_on_batch", "test_on_batch"])
def test_a_model_that_is_not_compiled(method):
    with pytest.raises(RuntimeError, match=r"must be compiled first: model.compile\(.*Received: .+$"):
        getattr(Sequential([layers.Dense(3)], name="net"), method)(X, Y)


def test_backward_without_a_training_forward_or_twice():
    layer = built(layers.Dense(2, name="mine"), (4,))
    with pytest.raises(RuntimeError, match="Layer 'mine': backward needs a forward.*Received: .+$"):
        layer.backward(np.ones((N, 2)))
    layer.forward(X)
    with pytest.raises(RuntimeError, match="Layer 'mine': backward needs a forward.*Received: .+$"):
        layer.backward(np.ones((N, 2)))
    layer.forward(X, training=True)
    layer.backward(np.ones((N, 2)))
    with pytest.raises(RuntimeError, match="Layer 'mine': backward needs a forward.*Received: .+$"):
        layer.backward(np.ones((N, 2)))


def test_a_fit_that_failed_leaves_the_weights_alone():
    model = network()
    before = model.get_weights()
    for bad in (Y + 1, HOT, Y * 1.0, Y[:5]):
        with pytest.raises(ValueError, match="Received: "):
            model.fit(X, bad, verbose=0)
    for old, new in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)
    model.fit(X, Y, verbose=0)
