"""A convolutional network on MNIST as an open loop: 20,000 steps of backpropagation with nothing hidden.

From "Deep MNIST for experts", second half. Two convolutions of 5x5, with 32 and 64 filters, each followed by a pooling
that halves the sides; 1024 dense neurons, of which dropout keeps every second one in a step; ten outputs. Each line of
the loop is one of the library's public functions.

What to see: the training accuracy, taken every 100 steps on the step's own 50 images before the update, with dropout
off. It is about 0.1 at step 0, as guessing would be, above 0.9 after a few hundred steps, and 1 most of the time at the
end. About 99.2 % of the test digits are read rightly, which is 80 wrong ones instead of the 900 of softmax regression.

Weights begin small and different, drawn from a normal distribution of deviation 0.1 that is cut off at two deviations,
so that neurons are not all alike; biases begin at 0.1, a little above 0, so that few ReLUs begin dead. The last layer
returns logits, and the softmax is within the loss: a probability that is rounded to 0 has no logarithm, and the logits
at the beginning, sums over 1024 neurons, are large enough for that.
"""

import numpy as np
from common import parse, report, save, save_model, show_inside

import tinynet as tn
from tinynet import plotting


def add_options(parser):
    """Add this script's own option."""
    parser.add_argument("--steps", type=int, default=20_000, help="steps in what is called an epoch here (20000)")


options = parse(__doc__, epochs=1, batch_size=50, more=add_options)

(x, y), (x_test, y_test) = tn.datasets.mnist.load_data(options.data_dir, one_hot=True)
x, x_test = x[..., None] / np.float32(255), x_test[..., None] / np.float32(255)
x, y, x_validation, y_validation = x[:-5_000], y[:-5_000], x[-5_000:], y[-5_000:]
batches = iter(tn.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x)).repeat().batch(options.batch_size))

begin = {"kernel_initializer": tn.initializers.TruncatedNormal(stddev=0.1),
         "bias_initializer": tn.initializers.Constant(0.1)}
model = tn.Sequential([
    tn.layers.Conv2D(32, 5, strides=1, padding="same", activation="relu", input_shape=(28, 28, 1), **begin),
    tn.layers.MaxPooling2D(2, strides=2, padding="same"),
    tn.layers.Conv2D(64, 5, strides=1, padding="same", activation="relu", **begin),
    tn.layers.MaxPooling2D(2, strides=2, padding="same"),
    tn.layers.Flatten(),                               # 7 * 7 * 64 = 3136 numbers
    tn.layers.Dense(1024, activation="relu", **begin),
    tn.layers.Dropout(0.5),
    tn.layers.Dense(10, **begin),
])
model.summary()
loss = tn.losses.CategoricalCrossentropy(from_logits=True, reduction="sum")
optimizer = tn.optimizers.Adam(1e-4)


def accuracy_of(z, labels):
    """Return the share of the images whose largest output is the labelled one."""
    return np.mean(z.argmax(axis=1) == labels.argmax(axis=1))


steps, losses, accuracies = [], [], []
for step in range(options.epochs * options.steps):
    images, labels = next(batches)
    if step % 100 == 0:
        z = model.forward(images)                # dropout is off
        steps.append(step)
        losses.append(loss(labels, z) / len(images))
        accuracies.append(accuracy_of(z, labels))
        print(f"step {step}, training accuracy {accuracies[-1]:.2f}", flush=True)
    z = model.forward(images, training=True)     # ten logits for each image; dropout is on
    dz = loss.gradient(labels, z)                # how the loss changes with each of them
    model.backward(dz, need_dx=False)            # and with each weight; how with the pixels, nobody asks
    optimizer.step(model)                        # Adam's step

save_model(model, options, "deep_mnist")
save(plotting.live_curves(steps, losses, accuracies, [], [], [], zoom=5), options, "deep_mnist_curves.png")
show_inside(model, x_test[0], options, "deep_mnist")
print(f"validation accuracy {accuracy_of(model.predict(x_validation, batch_size=500), y_validation):.4f}")
predictions = model.predict(x_test, batch_size=500)
save(plotting.plot_wrong_first(x_test, y_test, predictions), options, "deep_mnist_test_digits.png")
report(accuracy_of(predictions, y_test), "about 0.992")
