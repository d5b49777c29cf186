"""MNIST in five steps, 02: more layers, and why the first try fails.

From the codelab "TensorFlow, Keras and deep learning, without a PhD". Three layers of 200, 60 and 10 neurons have
twenty times the parameters of step 01. With sigmoid activations and plain gradient descent they do *worse*.

What to see: the first network's loss stays at 2.3, that of guessing, for thousands of batches, and after ten epochs it
reads fewer digits than the single layer did. A sigmoid's slope is at most a quarter, so the gradient fades from layer
to layer on its way back (it vanishes), and where the loss is flat, as on a saddle point, plain gradient descent crawls.
The second network differs in two words, relu and adam: ReLU passes a gradient on unchanged wherever it is not 0, and
Adam takes steps of a size of its own, with momentum, however small the gradient. About 97 %.
"""

from common import (
    load_mnist,
    parse,
    report,
    save_model,
    show_predictions,
    show_training_digits,
    training_dataset,
    validation_dataset,
)

import tinynet as tn

options = parse(__doc__, epochs=10, batch_size=128)

(x, y), (x_test, y_test) = load_mnist(options)
validation = validation_dataset(x_test, y_test)
show_training_digits(x, y, options)

for activation, optimizer in (("sigmoid", "sgd"), ("relu", "adam")):
    name = f"mnist_02_{activation}_{optimizer}"
    tn.set_seed(options.seed)
    model = tn.Sequential([
        tn.layers.Input(shape=(28 * 28,)),
        tn.layers.Dense(200, activation=activation),
        tn.layers.Dense(60, activation=activation),
        tn.layers.Dense(10, activation="softmax"),
    ])
    model.compile(optimizer=optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
    model.summary()
    plot_training = tn.callbacks.PlotTraining(sample_rate=10, zoom=1, path=options.output_dir / f"{name}.png")
    model.fit(training_dataset(x, y, options.batch_size), steps_per_epoch=len(x) // options.batch_size,
              epochs=options.epochs, validation_data=validation, validation_steps=1, callbacks=[plot_training])
    print("wrote", plot_training.path)
    save_model(model, options, name)
    show_predictions(model, x_test, y_test, options, name)
    loss, accuracy = model.evaluate(validation, steps=1, verbose=0)
    print(f"{activation} and {optimizer}: validation loss {loss:.4f}, test accuracy {accuracy:.4f}")

report(accuracy, "about 0.97")
