"""Fashion-MNIST with dense layers: photographs of clothes, ten classes.

From TensorFlow's tutorial "Basic classification: classify images of clothing". Flatten turns each image of 28x28 pixels
into 784 numbers; 128 neurons look for patterns in them; ten more turn these into ten probabilities.

What to see: about 88 % on test images, less than on training images, as the network has begun to learn its training
images by heart (overfitting). `--exercises` tries what the tutorial asks at its end: one epoch, more or fewer neurons,
more layers, pixels that are not normalised.
"""

import numpy as np
from common import parse, report, save

import tinynet as tn
from tinynet import plotting


def add_options(parser):
    """Add this script's own options."""
    parser.add_argument("--hidden", type=int, nargs="*", default=[128], help="units of the hidden layers (128)")
    parser.add_argument("--no-normalize", action="store_true", help="leave pixels as 0 to 255")
    parser.add_argument("--exercises", action="store_true", help="run the tutorial's exercises and print a table")


options = parse(__doc__, epochs=5, batch_size=32, more=add_options)

(images, labels), (test_images, test_labels) = tn.datasets.fashion_mnist.load_data(options.data_dir)
class_names = tn.datasets.fashion_mnist.class_names
images, test_images = images[..., None], test_images[..., None]  # one channel: (28, 28, 1)


def train(hidden, normalize, epochs, verbose="auto"):
    """Build and train a network; return it with its History and what it says of the test images."""
    tn.set_seed(options.seed)
    scale = np.float32(1 / 255 if normalize else 1)
    model = tn.Sequential([
        tn.layers.Flatten(input_shape=(28, 28, 1)),
        *[tn.layers.Dense(units, activation=tn.nn.relu) for units in hidden],
        tn.layers.Dense(10, activation=tn.nn.softmax),
    ])
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(images * scale, labels, epochs=epochs, batch_size=options.batch_size, verbose=verbose)
    loss, accuracy = model.evaluate(test_images * scale, test_labels, verbose=0)
    return model, history, test_images * scale, accuracy


if options.exercises:
    print(f"{'exercise':34} {'training':>9} {'test':>9}")
    for name, hidden, normalize, epochs in [
        ("as in the tutorial", [128], True, options.epochs),
        ("one epoch", [128], True, 1),
        ("10 hidden units", [10], True, options.epochs),
        ("512 hidden units", [512], True, options.epochs),
        ("layers of 256 and 128 units", [256, 128], True, options.epochs),
        ("layers of 128, 64 and 32 units", [128, 64, 32], True, options.epochs),
        ("pixels not normalised", [128], False, options.epochs),
    ]:
        _, history, _, accuracy = train(hidden, normalize, epochs, verbose=0)
        print(f"{name:34} {history.history['accuracy'][-1]:9.4f} {accuracy:9.4f}")

save(plotting.plot_image(images[0], title=class_names[labels[0]]), options, "fashion_image.png")
save(plotting.plot_images(images[:25], labels[:25], class_names=class_names), options, "fashion_images.png")

model, history, x_test, accuracy = train(options.hidden, not options.no_normalize, options.epochs)
print(f"training accuracy {history.history['accuracy'][-1]:.4f} (tutorial: 0.8922)")

predictions = model.predict(x_test[:32])
print("shape of the predictions:", predictions.shape)
print("the first one:", np.array2string(predictions[0], precision=4, suppress_small=True))
print(f"its largest entry: {predictions[0].argmax()}, the true label: {test_labels[0]}")

for i in (0, 12):
    save(plotting.plot_prediction(test_images[i], test_labels[i], predictions[i], class_names=class_names), options,
         f"fashion_prediction_{i}.png")
save(plotting.plot_prediction_pairs(test_images[:15], test_labels[:15], predictions[:15], class_names=class_names),
     options, "fashion_predictions.png")

# A model predicts batches: one image becomes a batch of one.
image = x_test[0]
print(image.shape)
batch = np.array([image])
print(batch.shape)
single = model.predict(batch)
save(plotting.plot_probabilities(single[0], test_labels[0], class_names=class_names), options, "fashion_single.png")
print("the single prediction:", class_names[single[0].argmax()])

report(accuracy, "0.8793")
