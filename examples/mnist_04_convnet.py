"""MNIST in five steps, 04: convolutions.

From the codelab "TensorFlow, Keras and deep learning, without a PhD". The flat row of pixels becomes an image again.
Three convolutions look at it, 12 filters of 3x3, then 24 and 32 of 6x6 that move by two pixels and so halve the sides:
28, 14, 7. What they find goes into a dense layer of 200 neurons, and into softmax.

What to see: close to 99 %, about 110 wrong digits of 10,000, where step 03 had about 180. And the validation loss
climbs again at the end: the network overfits. Step 05 does something about it. Of its 354,000 weights nine tenths are
in the dense head. Two other heads, tried with `--head`, do with far fewer:

dense     Flatten, Dense(200, relu), Dense(10, softmax): the codelab's, and the figure's
flatten   the same convolutions without padding, whose result is only 3x3 then, and Flatten straight into
          Dense(10, softmax)
gap       a last convolution of 1x1 with ten channels, one for each class, and GlobalAveragePooling2D takes each one's
          mean over the image: a head that has no weights at all
"""

import math

from common import (
    load_mnist,
    parse,
    report,
    save,
    save_model,
    show_inside,
    show_predictions,
    show_training_digits,
    training_dataset,
    validation_dataset,
)

import tinynet as tn
from tinynet import plotting

HEADS = ("dense", "flatten", "gap")


def add_options(parser):
    """Add this script's own option."""
    parser.add_argument("--head", choices=HEADS, default="dense", help="what comes after the convolutions (dense)")


options = parse(__doc__, epochs=10, batch_size=128, more=add_options)

(x, y), (x_test, y_test) = load_mnist(options)
validation = validation_dataset(x_test, y_test)
show_training_digits(x, y, options)


def convolutions(padding):
    """Return the layers that all heads share."""
    return [
        tn.layers.Reshape(input_shape=(28 * 28,), target_shape=(28, 28, 1)),
        tn.layers.Conv2D(kernel_size=3, filters=12, padding=padding, activation="relu"),
        tn.layers.Conv2D(kernel_size=6, filters=24, padding=padding, activation="relu", strides=2),
        tn.layers.Conv2D(kernel_size=6, filters=32, padding=padding, activation="relu", strides=2),
    ]


def build(head):
    """Return the network with one of the heads."""
    if head == "dense":
        return tn.Sequential([
            *convolutions("same"),
            tn.layers.Flatten(),
            tn.layers.Dense(200, activation="relu"),
            tn.layers.Dense(10, activation="softmax"),
        ])
    if head == "flatten":
        return tn.Sequential([
            *convolutions("valid"),
            tn.layers.Flatten(),
            tn.layers.Dense(10, activation="softmax"),
        ])
    return tn.Sequential([
        *convolutions("same"),
        tn.layers.Conv2D(kernel_size=1, filters=10),
        tn.layers.GlobalAveragePooling2D(),
        tn.layers.Activation("softmax"),
    ])


def lr_decay(epoch):
    """Return the rate of an epoch."""
    return 0.01 * math.pow(0.6, epoch)


print(f"{'head':8} {'convolutions':>13} {'after them':>11} {'all parameters':>15}")
for head in HEADS:
    model = build(head)
    sizes = {True: 0, False: 0}
    for layer in model.layers:
        sizes[isinstance(layer, tn.layers.Conv2D)] += sum(parameter.size for parameter in layer.parameters)
    print(f"{head:8} {sizes[True]:13,} {sizes[False]:11,} {sum(sizes.values()):15,}")

tn.set_seed(options.seed)
model = build(options.head)
model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
model.summary()

save(plotting.plot_learning_rate(lr_decay, options.epochs), options, "mnist_04_learning_rate.png")
plot_training = tn.callbacks.PlotTraining(sample_rate=10, zoom=10, path=options.output_dir / "mnist_04_curves.png")
model.fit(training_dataset(x, y, options.batch_size), steps_per_epoch=len(x) // options.batch_size,
          epochs=options.epochs, validation_data=validation, validation_steps=1,
          callbacks=[plot_training, tn.callbacks.LearningRateScheduler(lr_decay, verbose=True)])
print("wrote", plot_training.path)
save_model(model, options, f"mnist_04_{options.head}")

show_predictions(model, x_test, y_test, options, "mnist_04")
show_inside(model, x_test[0], options, "mnist_04")
loss, accuracy = model.evaluate(validation, steps=1, verbose=0)
print(f"head {options.head}: validation loss {loss:.4f}, {round((1 - accuracy) * len(x_test))} wrong of {len(x_test)}")
report(accuracy, "about 0.989" if options.head == "dense" else "none for this head")
