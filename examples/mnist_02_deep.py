"""MNIST in five steps, 02: more layers, and why the first try fails.

From the codelab "TensorFlow, Keras and deep learning, without a PhD". Three layers of 200, 60 and 10 neurons have ten
times the parameters of step 01. With sigmoid activations and plain gradient descent they do worse: a sigmoid's slope is
at most a quarter, so the gradient fades from layer to layer on its way back (it vanishes), and the first steps all end
up on the same plateau, where plain gradient descent stays for long (a saddle point).

What to see: the first network hardly leaves its plateau. The second differs in two words, relu and adam: ReLU lets
gradients through unchanged, Adam carries momentum over saddle points. About 97 %.
"""

from common import load_mnist, parse, report, show_predictions, show_training_digits, training_dataset

import tinynet as tn

options = parse(__doc__, epochs=10, batch_size=128)

(x, y), (x_test, y_test) = load_mnist(options)
validation = tn.data.Dataset.from_tensor_slices((x_test, y_test)).batch(10_000).cache()
show_training_digits(x, y, options)

for name, activation, optimizer in (("sigmoid_sgd", "sigmoid", "sgd"), ("relu_adam", "relu", "adam")):
    tn.set_seed(options.seed)
    model = tn.Sequential([
        tn.layers.Input(shape=(28 * 28,)),
        tn.layers.Dense(200, activation=activation),
        tn.layers.Dense(60, activation=activation),
        tn.layers.Dense(10, activation="softmax"),
    ])
    model.compile(optimizer=optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
    model.summary()
    plot_training = tn.callbacks.PlotTraining(sample_rate=10, zoom=1, path=options.output_dir / f"mnist_02_{name}.png")
    model.fit(training_dataset(x, y, options.batch_size), steps_per_epoch=len(x) // options.batch_size,
              epochs=options.epochs, validation_data=validation, validation_steps=1, callbacks=[plot_training])
    loss, accuracy = model.evaluate(validation, steps=1, verbose=0)
    print(f"{activation} and {optimizer}: loss {loss:.4f}, test accuracy {accuracy:.4f}")

show_predictions(model, x_test, y_test, options, "mnist_02")
report(accuracy, "about 0.97")
