"""Softmax regression on MNIST as an open loop: backpropagation with nothing hidden.

From "Deep MNIST for experts", first half. One layer, y = softmax(x W + b), W and b beginning at zero; gradient descent
on the cross-entropy summed over the classes and images of a mini-batch of 50; 1000 steps. Each line of the loop is one
of the library's public functions, and `fit` does the same inside.

What to see: about 91 % of the test digits are read correctly by ten weighted sums of pixels. W[:, 3] is drawn as a
picture: where ink speaks for a three, and where against it.
"""

import numpy as np
from common import parse, report, save

import tinynet as tn
from tinynet import plotting


def add_options(parser):
    """Add this script's own option."""
    parser.add_argument("--steps", type=int, default=1000, help="steps in what is called an epoch here (1000)")


options = parse(__doc__, epochs=1, batch_size=50, more=add_options)

(x, y), (x_test, y_test) = tn.datasets.mnist.load_data(options.data_dir, one_hot=True)
x, x_test = x.reshape(-1, 784) / np.float32(255), x_test.reshape(-1, 784) / np.float32(255)
x, y = x[:55_000], y[:55_000]  # the last 5,000 are the tutorial's validation set
batches = iter(tn.data.Dataset.from_tensor_slices((x, y)).shuffle(55_000).repeat().batch(options.batch_size))

layer = tn.layers.Dense(10, activation="softmax", kernel_initializer="zeros", input_shape=(784,))
model = tn.Sequential([layer])
loss = tn.losses.CategoricalCrossentropy(reduction="sum")
optimizer = tn.optimizers.SGD(0.01)

for step in range(options.epochs * options.steps):
    images, labels = next(batches)
    p = model.forward(images, training=True)     # ten probabilities for each image
    if step % 100 == 0:
        accuracy = np.mean(p.argmax(axis=1) == labels.argmax(axis=1))
        print(f"step {step}, training accuracy {accuracy:.2f}, loss {loss(labels, p):.2f}")
    dp = loss.gradient(labels, p)                # how the loss changes with each of them
    model.backward(dp)                           # how it changes with W and b
    optimizer.step(model)                        # W -= 0.01 dW, b -= 0.01 db

weights = layer.kernel.value.T.reshape(10, 28, 28)
save(plotting.plot_images(weights, np.arange(10), title="what each class looks for (dark: ink speaks for it)"),
     options, "softmax_regression_weights.png")
predictions = model.predict(x_test, batch_size=1000)
save(plotting.plot_wrong_first(x_test, y_test, predictions), options, "softmax_regression_test_digits.png")
report(np.mean(predictions.argmax(axis=1) == y_test.argmax(axis=1)), "about 0.91")
