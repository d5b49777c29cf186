"""Softmax regression on MNIST as an open loop: backpropagation with nothing hidden.

From "Deep MNIST for experts", first half. One layer, y = softmax(x W + b), W and b beginning at zero; gradient
descent on the cross-entropy summed over the classes and images of a mini-batch of 50; 1000 steps. Each line of the
loop is one of the library's public functions, and `fit` does the same inside.

What to see: about 91 % of the test digits are read correctly by ten weighted sums of pixels. W[:, 3] is drawn as a
picture: where ink speaks for a three, and where against it. The sum over 50 images has gradients 50 times as long as
the mean has: the rate 0.01 stands for 0.5 there. And zeros are a fair beginning for one layer only, whose neurons
differ by their labels: in a hidden layer neurons that begin equal would stay equal.

The training images are split, 55,000 to learn from and 5,000 for validation: whoever tries out rates and numbers of
steps looks at these, and at the test images once, at the end.
"""

import numpy as np
from common import parse, report, save, save_model

import tinynet as tn
from tinynet import plotting


def add_options(parser):
    """Add this script's own option."""
    parser.add_argument("--steps", type=int, default=1000, help="steps in what is called an epoch here (1000)")


options = parse(__doc__, epochs=1, batch_size=50, more=add_options)

(x, y), (x_test, y_test) = tn.datasets.mnist.load_data(options.data_dir, one_hot=True)
x, x_test = x.reshape(-1, 784) / np.float32(255), x_test.reshape(-1, 784) / np.float32(255)
x, y, x_validation, y_validation = x[:-5_000], y[:-5_000], x[-5_000:], y[-5_000:]
batches = iter(tn.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x)).repeat().batch(options.batch_size))

layer = tn.layers.Dense(10, activation="softmax", kernel_initializer="zeros", input_shape=(784,))
model = tn.Sequential([layer])
loss = tn.losses.CategoricalCrossentropy(reduction="sum")
optimizer = tn.optimizers.SGD(0.01)


def accuracy_of(p, labels):
    """Return the share of the images whose most probable class is the labelled one."""
    return np.mean(p.argmax(axis=1) == labels.argmax(axis=1))


for step in range(options.epochs * options.steps):
    images, labels = next(batches)
    p = model.forward(images, training=True)     # ten probabilities for each image
    value = loss(labels, p)                      # one number: how wrong they are
    dp = loss.gradient(labels, p)                # how it changes with each of them
    model.backward(dp)                           # how it changes with W and b
    optimizer.step(model)                        # W -= 0.01 dW, b -= 0.01 db
    if step % 100 == 0:
        print(f"step {step}, training accuracy {accuracy_of(p, labels):.2f}, loss {value:.2f}")

save_model(model, options, "softmax_regression")
print(f"validation accuracy {accuracy_of(model.forward(x_validation), y_validation):.4f}")

weights = layer.get_weights()[0].T.reshape(10, 28, 28)
save(plotting.plot_images(weights, np.arange(10), title="what each class looks for (dark: ink speaks for it)"),
     options, "softmax_regression_weights.png")
predictions = model.forward(x_test)
save(plotting.plot_wrong_first(x_test, y_test, predictions), options, "softmax_regression_test_digits.png")
report(accuracy_of(predictions, y_test), "about 0.91")
