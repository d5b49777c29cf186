"""Model code of the tutorials, as somebody pastes it below `import tinynet as tf`, on small made-up data."""

import inspect
import math

import numpy as np
import pytest

import tinynet as tf
from tinynet import keras, nn

layers = tf.keras.layers
N = 64


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, (N, 28, 28, 1), dtype=np.uint8), rng.integers(0, 10, N)


def normalize(images, labels):
    return images.astype(np.float32) / 255, labels


def test_celsius_to_fahrenheit():
    celsius_q = np.array([-40, -10, 0, 8, 15, 22, 38], dtype=float)
    fahrenheit_a = np.array([-40, 14, 32, 46, 59, 72, 100], dtype=float)
    l0 = tf.keras.layers.Dense(units=1, input_shape=[1])
    model = tf.keras.Sequential([l0])
    model.compile(loss='mean_squared_error', optimizer=tf.keras.optimizers.Adam(0.1))
    history = model.fit(celsius_q.reshape(-1, 1), fahrenheit_a.reshape(-1, 1), epochs=500, verbose=False)
    assert len(history.history['loss']) == 500
    assert model.predict(np.array([[100.0]]))[0, 0] == pytest.approx(212, abs=1)
    weight, bias = model.get_weights()
    assert weight[0, 0] == pytest.approx(1.82, abs=0.03)
    assert bias[0] == pytest.approx(29, abs=1)


def test_fashion_mnist_with_dense_layers(images, capsys):
    num_train_examples, num_test_examples, BATCH_SIZE = N, N // 2, 32
    train_dataset = tf.data.Dataset.from_tensor_slices(images)
    test_dataset = tf.data.Dataset.from_tensor_slices((images[0][:32], images[1][:32]))
    train_dataset = train_dataset.map(normalize)
    test_dataset = test_dataset.map(normalize)
    train_dataset = train_dataset.cache()
    test_dataset = test_dataset.cache()
    assert [image.reshape((28, 28)).max() <= 1 for image, label in test_dataset.take(1)] == [True]

    model = tf.keras.Sequential([
        tf.keras.layers.Flatten(input_shape=(28, 28, 1)),
        tf.keras.layers.Dense(128, activation=tf.nn.relu),
        tf.keras.layers.Dense(10, activation=tf.nn.softmax)
    ])
    model.compile(optimizer='adam',
                  loss='sparse_categorical_crossentropy',
                  metrics=['accuracy'])
    train_dataset = train_dataset.repeat().shuffle(num_train_examples).batch(BATCH_SIZE)
    test_dataset = test_dataset.batch(BATCH_SIZE)
    history = model.fit(train_dataset, epochs=2, steps_per_epoch=math.ceil(num_train_examples / BATCH_SIZE))
    assert list(history.history) == ['loss', 'accuracy']
    test_loss, test_accuracy = model.evaluate(test_dataset, steps=math.ceil(num_test_examples / 32))
    assert 0 <= test_accuracy <= 1
    assert "accuracy: " in capsys.readouterr().out

    for test_images, _test_labels in test_dataset.take(1):
        predictions = model.predict(test_images)
    assert predictions.shape == (32, 10)
    np.argmax(predictions[0])
    img = test_images[0]
    with pytest.raises(ValueError, match=r"np.array\(\[x\]\)"):
        model.predict(img)
    img = np.array([img])
    assert img.shape == (1, 28, 28, 1)
    assert model.predict(img).shape == (1, 10)


def test_the_codelabs_single_layer(images):
    EPOCHS, BATCH_SIZE, steps_per_epoch = 2, 16, N // 16
    x, y = images[0].reshape(N, 28 * 28), tf.data.one_hot(images[1], 10)
    dataset = tf.data.Dataset.zip((tf.data.Dataset.from_tensor_slices(x), tf.data.Dataset.from_tensor_slices(y)))
    training_dataset = dataset.map(lambda x, y: (x / 256.0, y), num_parallel_calls=16).cache()
    training_dataset = training_dataset.shuffle(5000, reshuffle_each_iteration=True)
    training_dataset = training_dataset.repeat().batch(BATCH_SIZE)
    training_dataset = training_dataset.prefetch(tf.data.experimental.AUTOTUNE)
    validation_dataset = dataset.map(lambda x, y: (x / 256.0, y)).cache().batch(N).repeat()

    model = tf.keras.Sequential(
      [
          tf.keras.layers.Input(shape=(28*28,)),
          tf.keras.layers.Dense(10, activation='softmax')
      ])

    model.compile(optimizer='sgd',
                  loss='categorical_crossentropy',
                  metrics=['accuracy'])

    model.summary()

    history = model.fit(training_dataset, steps_per_epoch=steps_per_epoch, epochs=EPOCHS,
                        validation_data=validation_dataset, validation_steps=1, verbose=0)
    assert set(history.history) == {'loss', 'accuracy', 'val_loss', 'val_accuracy'}
    probabilities = model.predict(validation_dataset, steps=1)
    assert np.argmax(probabilities, axis=1).shape == (N,)


def test_the_codelabs_deep_network_with_decay_and_dropout(images, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def lr_decay(epoch):
        return 0.01 * math.pow(0.6, epoch)

    model = tf.keras.Sequential(
      [
          tf.keras.layers.Flatten(input_shape=[28, 28, 1]),
          tf.keras.layers.Dense(200, use_bias=False),
          tf.keras.layers.Activation('relu'),
          tf.keras.layers.Dropout(0.3),
          tf.keras.layers.Reshape(target_shape=(10, 20)),
          tf.keras.layers.Reshape((200,)),
          tf.keras.layers.Dense(units=60, activation='relu', name='hidden'),
          tf.keras.layers.Dense(10),
          tf.keras.layers.Softmax()
      ])
    model.compile(optimizer=tf.keras.optimizers.Adam(learning_rate=0.01), loss='sparse_categorical_crossentropy',
                  metrics=['accuracy'])
    lr_decay_callback = tf.keras.callbacks.LearningRateScheduler(lr_decay, verbose=True)
    plot_training = tf.callbacks.PlotTraining(sample_rate=10, zoom=1)
    history = model.fit(images[0] / 255, images[1], epochs=2, validation_split=0.25, verbose=0,
                        callbacks=[plot_training, lr_decay_callback])
    assert history.history['learning_rate'] == pytest.approx([0.01, 0.006])
    tf.plotting.plot_learning_rate(lr_decay, 2)


def test_other_ways_to_write_the_same():
    model = tf.Sequential()
    model.add(tf.keras.Input(shape=[*[4, 4], 3]))
    model.add(layers.Flatten())
    model.add(layers.Dense(activation=tf.keras.activations.relu, units=5,
                           kernel_initializer=tf.keras.initializers.TruncatedNormal(stddev=0.1),
                           bias_initializer=tf.keras.initializers.Constant(0.1)))
    model.add(layers.Reshape(input_shape=(5,), target_shape=(5, 1)))
    model.add(layers.Flatten())
    model.add(layers.ReLU(max_value=6))
    model.add(layers.Dense(1, activation='sigmoid'))
    model.compile(tf.keras.optimizers.SGD(momentum=0.9, nesterov=True, learning_rate=0.1),
                  tf.keras.losses.BinaryCrossentropy(), [tf.keras.metrics.BinaryAccuracy()])
    rate = tf.keras.optimizers.schedules.ExponentialDecay(0.1, decay_steps=10, decay_rate=0.9)
    model.compile(optimizer=tf.keras.optimizers.RMSprop(rate), loss=tf.keras.losses.Huber(delta=0.5), metrics=['mae'])
    x = np.ones((3, 4, 4, 3))
    history = model.fit(x, np.ones((3, 1)), 2, 1, 0, [tf.keras.callbacks.EarlyStopping(monitor='loss', patience=3)])
    assert list(history.history) == ['loss', 'mae']


# Keras 3's own defaults, as far as the names are there.
DEFAULTS = [
    (layers.Dense, {"activation": None, "use_bias": True, "kernel_initializer": "glorot_uniform",
                    "bias_initializer": "zeros"}),
    (layers.ReLU, {"max_value": None, "negative_slope": 0.0}),
    (tf.Sequential.fit, {"x": None, "y": None, "batch_size": None, "epochs": 1, "verbose": "auto", "callbacks": None,
                         "validation_split": 0.0, "validation_data": None, "shuffle": True, "class_weight": None,
                         "sample_weight": None, "initial_epoch": 0, "steps_per_epoch": None,
                         "validation_steps": None}),
    (tf.Sequential.evaluate, {"x": None, "y": None, "batch_size": None, "verbose": "auto", "sample_weight": None,
                              "steps": None}),
    (tf.Sequential.compile, {"optimizer": "rmsprop", "loss": None}),
    (tf.optimizers.SGD, {"learning_rate": 0.01, "momentum": 0.0, "nesterov": False, "clipnorm": None}),
    (tf.optimizers.Adam, {"learning_rate": 0.001, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-7}),
    (tf.optimizers.AdamW, {"learning_rate": 0.001, "weight_decay": 0.004, "beta_1": 0.9, "beta_2": 0.999,
                           "epsilon": 1e-7}),
    (tf.optimizers.RMSprop, {"learning_rate": 0.001, "rho": 0.9, "epsilon": 1e-7}),
    (tf.optimizers.Adagrad, {"learning_rate": 0.001, "initial_accumulator_value": 0.1, "epsilon": 1e-7}),
    (tf.losses.SparseCategoricalCrossentropy, {"from_logits": False}),
    (tf.losses.CategoricalCrossentropy, {"from_logits": False, "label_smoothing": 0.0}),
    (tf.losses.BinaryCrossentropy, {"from_logits": False, "label_smoothing": 0.0}),
    (tf.losses.Huber, {"delta": 1.0}),
    (tf.metrics.BinaryAccuracy, {"threshold": 0.5}),
    (tf.metrics.TopKCategoricalAccuracy, {"k": 5}),
    (tf.initializers.RandomNormal, {"mean": 0.0, "stddev": 0.05}),
    (tf.initializers.RandomUniform, {"minval": -0.05, "maxval": 0.05}),
    (tf.initializers.TruncatedNormal, {"mean": 0.0, "stddev": 0.05}),
    (tf.schedules.ExponentialDecay, {"staircase": False}),
    (tf.schedules.CosineDecay, {"alpha": 0.0, "warmup_target": None, "warmup_steps": 0}),
    (tf.callbacks.EarlyStopping, {"monitor": "val_loss", "min_delta": 0, "patience": 0, "verbose": 0, "mode": "auto",
                                  "restore_best_weights": False}),
    (tf.callbacks.ReduceLROnPlateau, {"monitor": "val_loss", "factor": 0.1, "patience": 10, "verbose": 0,
                                      "mode": "auto", "min_delta": 0.0001, "cooldown": 0, "min_lr": 0.0}),
    (tf.callbacks.LearningRateScheduler, {"verbose": 0}),
    (tf.callbacks.CSVLogger, {"separator": ",", "append": False}),
    (tf.callbacks.PlotTraining, {"sample_rate": 10, "zoom": 1}),  # the codelab's
]


@pytest.mark.parametrize(("what", "defaults"), DEFAULTS, ids=lambda value: getattr(value, "__qualname__", ""))
def test_defaults_are_keras(what, defaults):
    parameters = inspect.signature(what).parameters
    assert {name: parameters[name].default for name in defaults} == defaults
    assert [name for name in parameters if name in defaults] == list(defaults)  # in the same order


def test_the_aliases_are_the_things_themselves():
    for name in ("activations", "callbacks", "datasets", "initializers", "layers", "losses", "metrics", "optimizers",
                 "Sequential"):
        assert getattr(keras, name) is getattr(tf, name)
    assert keras.Input is layers.Input
    for name in nn.__all__:
        assert getattr(nn, name) is getattr(tf.activations, name)
    assert set(nn.__all__) == set(tf.activations.RULES)
