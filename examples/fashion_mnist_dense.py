"""Fashion-MNIST with dense layers: photographs of clothes, ten classes.

From TensorFlow's tutorial "Basic classification: classify images of clothing". Flatten turns each image of 28x28
pixels into 784 numbers; 128 neurons look for patterns in them; ten more turn these into ten probabilities.

What to see: about 88 % on test images, less than on training images, as the network has begun to learn its training
images by heart (overfitting). `--exercises` tries what the tutorial asks at its end: one epoch, more or fewer
neurons, more layers, pixels that are not normalised.
"""

import numpy as np
from common import parse, report, save, save_model

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


def train(hidden, x, x_test, epochs, verbose="auto"):
    """Build and train a network; return it with its accuracy on training and on test images."""
    tn.set_seed(options.seed)
    model = tn.Sequential([
        tn.layers.Flatten(input_shape=(28, 28, 1)),
        *[tn.layers.Dense(units, activation=tn.nn.relu) for units in hidden],
        tn.layers.Dense(10, activation=tn.nn.softmax),
    ])
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    history = model.fit(x, labels, epochs=epochs, batch_size=options.batch_size, verbose=verbose)
    loss, accuracy = model.evaluate(x_test, test_labels, verbose=0)
    return model, history.history["accuracy"][-1], accuracy


scale = np.float32(1 if options.no_normalize else 1 / 255)
x, x_test = images * scale, test_images * scale

if options.exercises:
    print(f"{'exercise':34} {'training':>9} {'test':>9}")
    for name, hidden, epochs, pixels in [
        ("as in the tutorial", [128], options.epochs, (x, x_test)),
        ("one epoch", [128], 1, (x, x_test)),
        ("10 hidden units", [10], options.epochs, (x, x_test)),
        ("32 hidden units", [32], options.epochs, (x, x_test)),
        ("512 hidden units", [512], options.epochs, (x, x_test)),
        ("layers of 128 and 64 units", [128, 64], options.epochs, (x, x_test)),
        ("layers of 128, 64 and 32 units", [128, 64, 32], options.epochs, (x, x_test)),
        ("pixels not normalised", [128], options.epochs, (images, test_images)),
    ]:
        _, training_accuracy, accuracy = train(hidden, *pixels, epochs, verbose=0)
        print(f"{name:34} {training_accuracy:9.4f} {accuracy:9.4f}", flush=True)

save(plotting.plot_image(images[0], title=class_names[labels[0]]), options, "fashion_image.png")
save(plotting.plot_images(images[:25], labels[:25], class_names=class_names), options, "fashion_images.png")

model, training_accuracy, accuracy = train(options.hidden, x, x_test, options.epochs)
save_model(model, options, "fashion_mnist_dense")

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

print(f"training accuracy {training_accuracy:.4f} (tutorial: 0.8922)")
report(accuracy, "0.8793")
