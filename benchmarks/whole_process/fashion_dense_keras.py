"""examples/fashion_mnist_dense.py, written for Keras on JAX; `python -m benchmarks start` times the whole process."""

import os

os.environ["KERAS_BACKEND"] = "jax"

import common
import keras

options = common.options()
(x_train, y_train), (x_test, y_test) = common.load_data(options.data_dir)
common.draw_data(x_train, y_train, options.output_dir)

model = keras.Sequential(
    [
        keras.Input((28, 28, 1)),
        keras.layers.Flatten(),
        keras.layers.Dense(128, activation="relu"),
        keras.layers.Dense(10, activation="softmax"),
    ]
)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.fit(x_train, y_train, epochs=options.epochs, batch_size=options.batch_size, verbose=2)
loss, accuracy = model.evaluate(x_test, y_test, verbose=0)
predictions = model.predict(x_test[:32], verbose=0)
common.draw_predictions(x_test, y_test, predictions, options.output_dir)
print(f"test accuracy {accuracy:.4f}")
