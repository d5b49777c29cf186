import pytest

from tinynet import Sequential, layers


def table(model, capsys):
    model.summary()
    return capsys.readouterr().out.splitlines()


def test_the_tutorials_model(capsys):
    model = Sequential([layers.Flatten(input_shape=(28, 28, 1)), layers.Dense(128, activation="relu"),
                        layers.Dropout(0.5), layers.Dense(10, activation="softmax", name="answer")], name="fashion")
    assert table(model, capsys) == [
        'Model: "fashion"',
        "========================================",
        "Layer (type)       Output Shape  Param #",
        "========================================",
        "flatten (Flatten)  (None, 784)         0",
        "dense (Dense)      (None, 128)   100,480",
        "dropout (Dropout)  (None, 128)         0",
        "answer (Dense)     (None, 10)      1,290",
        "========================================",
        "Total params: 101,770",
        "Trainable params: 101,770",
        "Non-trainable params: 0",
    ]


def test_frozen_and_nested(capsys):
    inner = Sequential([layers.Dense(4, input_shape=(3,)), layers.Reshape((2, 2))], name="inner")
    model = Sequential([inner, layers.Dense(5)])
    inner.trainable = False
    lines = table(model, capsys)
    assert lines[0] == 'Model: "sequential"'
    assert [line.split() for line in lines[4:6]] == [
        ["inner", "(Sequential)", "(None,", "2,", "2)", "16"], ["dense_1", "(Dense)", "(None,", "2,", "5)", "15"]]
    assert lines[-3:] == ["Total params: 31", "Trainable params: 15", "Non-trainable params: 16"]
    inner.trainable = True
    assert table(model, capsys)[-1] == "Non-trainable params: 0"


def test_columns_are_as_wide_as_their_longest_entry(capsys):
    model = Sequential([layers.Dense(3, name="a_layer_with_quite_a_long_name", input_shape=(1000, 2000)),
                        layers.Dense(1)])
    lines = table(model, capsys)
    assert {len(line) for line in lines[1:-3]} == {len(lines[1])}
    assert "(None, 1000, 3)" in lines[4]


def test_a_model_that_is_not_built_has_no_shapes_yet():
    with pytest.raises(ValueError, match=r"built model: give the first layer an input_shape, or call "
                                         r"model.build\(input_shape\). Received: layer 'dense', not built$"):
        Sequential([layers.Dense(3)]).summary()
