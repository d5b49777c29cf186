"""MNIST in five steps, 01: one layer of ten neurons.

From the codelab "TensorFlow, Keras and deep learning, without a PhD". Each of the ten neurons adds up all 784 pixels,
each times a weight of its own, and softmax turns the ten sums into probabilities. Gradient descent finds the weights.

What to see: about 90 % are right, which is a thousand wrong digits. Look at them: many are perfectly plain to us. The
curves flatten, the validation curve with the training curve: more of the same training would help little. Ten sums of
pixels never get far; step 02 puts more neurons in front.
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
training = training_dataset(x, y, options.batch_size)
validation = validation_dataset(x_test, y_test)
show_training_digits(x, y, options)

model = tn.Sequential([
    tn.layers.Input(shape=(28 * 28,)),
    tn.layers.Dense(10, activation="softmax"),
])
model.compile(optimizer="sgd", loss="categorical_crossentropy", metrics=["accuracy"])
model.summary()

plot_training = tn.callbacks.PlotTraining(sample_rate=10, zoom=1, path=options.output_dir / "mnist_01_curves.png")
model.fit(training, steps_per_epoch=len(x) // options.batch_size, epochs=options.epochs, validation_data=validation,
          validation_steps=1, callbacks=[plot_training])
print("wrote", plot_training.path)
save_model(model, options, "mnist_01")

show_predictions(model, x_test, y_test, options, "mnist_01")
loss, accuracy = model.evaluate(validation, steps=1, verbose=0)
report(accuracy, "about 0.90")
