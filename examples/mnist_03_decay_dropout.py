"""MNIST in five steps, 03: learning-rate decay, overfitting and dropout.

From the codelab "TensorFlow, Keras and deep learning, without a PhD". What to see, in four runs, their
curves side by side:

(a) Adam at a constant rate of 0.01, ten times its default: fast at first, then the curves jump; the steps are too
    long to settle down.
(b) The rate falls, 0.01 times 0.6 to the power of the epoch: the jumps disappear, and the accuracy passes 98 %. This
    is the step's figure.
(c) A deeper network: the accuracy stays, and the validation loss climbs while the training loss goes to nothing. The
    network learns its training digits by heart: overfitting.
(d) The same with dropout, a quarter of each layer's outputs dropped at random in training: the climb stops, the noise
    is back, and the accuracy is no better. That is the lesson: a flat vector of pixels has lost the shapes, and no
    trick brings them back. Step 04 keeps the image an image.
"""

import math

from common import (
    load_mnist,
    parse,
    report,
    save,
    save_model,
    show_predictions,
    show_training_digits,
    training_dataset,
    validation_dataset,
)

import tinynet as tn
from tinynet import plotting

DROPOUT = 0.25
SHALLOW, DEEP = [200, 60], [200, 100, 60, 30]

options = parse(__doc__, epochs=10, batch_size=128)

(x, y), (x_test, y_test) = load_mnist(options)
validation = validation_dataset(x_test, y_test)
show_training_digits(x, y, options)


def lr_decay(epoch):
    """Return the rate of an epoch."""
    return 0.01 * math.pow(0.6, epoch)


def lr_constant(epoch):
    """Return the same rate for every epoch."""
    return 0.01


def run(letter, units, rate, dropout):
    """Train one network and return it, its History, and its test accuracy."""
    tn.set_seed(options.seed)
    model = tn.Sequential([tn.layers.Input(shape=(28 * 28,))])
    for n in units:
        model.add(tn.layers.Dense(n, activation="relu"))
        if dropout:
            model.add(tn.layers.Dropout(dropout))
    model.add(tn.layers.Dense(10, activation="softmax"))
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
    model.summary()
    path = options.output_dir / f"mnist_03_{letter}.png"
    plot_training = tn.callbacks.PlotTraining(sample_rate=10, zoom=5, path=path)
    history = model.fit(training_dataset(x, y, options.batch_size), steps_per_epoch=len(x) // options.batch_size,
                        epochs=options.epochs, validation_data=validation, validation_steps=1,
                        callbacks=[plot_training, tn.callbacks.LearningRateScheduler(rate, verbose=True)])
    print("wrote", path)
    save_model(model, options, f"mnist_03_{letter}")
    loss, accuracy = model.evaluate(validation, steps=1, verbose=0)
    print(f"({letter}) validation loss {loss:.4f}, test accuracy {accuracy:.4f}")
    return model, history, accuracy


save(plotting.plot_learning_rate(lr_decay, options.epochs), options, "mnist_03_learning_rate.png")
runs = {
    "(a) constant rate": run("a", SHALLOW, lr_constant, 0),
    "(b) decay": run("b", SHALLOW, lr_decay, 0),
    "(c) deeper": run("c", DEEP, lr_decay, 0),
    "(d) dropout": run("d", DEEP, lr_decay, DROPOUT),
}
curves = {name: history for name, (_, history, _) in runs.items()}
save(plotting.plot_history(curves, title="four runs"), options, "mnist_03_runs.png")
model, _, accuracy = runs["(b) decay"]
show_predictions(model, x_test, y_test, options, "mnist_03")
for name, (_, _, reached) in runs.items():
    print(f"{name}: test accuracy {reached:.4f}")
report(accuracy, "above 0.98")
