"""What all examples share: their options, where their pictures go, and the data and digits of the MNIST codelab."""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

import tinynet as tn
from tinynet import plotting


def parse(
    lesson: str,
    epochs: int | None = None,
    batch_size: int | None = None,
    more: Callable[[argparse.ArgumentParser], object] | None = None,
) -> argparse.Namespace:
    """Read the options, set seed and backend, and return the options; `more(parser)` adds a script's own.

    A script without `epochs` trains nothing, and has no options for training and data.
    """
    parser = argparse.ArgumentParser(description=lesson, formatter_class=argparse.RawDescriptionHelpFormatter)
    if epochs:
        parser.add_argument("--epochs", type=int, default=epochs, help=f"passes over the data ({epochs})")
        parser.add_argument("--batch-size", type=int, default=batch_size, help=f"samples in a step ({batch_size})")
        parser.add_argument("--data-dir", type=Path, help="folder of the data set, instead of a download")
    parser.add_argument("--seed", type=int, default=0, help="for weights, shuffling and dropout (0)")
    parser.add_argument("--backend", choices=["numba", "numpy", "cupy"], help="what computes (numba)")
    parser.add_argument("--output-dir", type=Path, default=Path("output"), help="folder for pictures (output)")
    if more:
        more(parser)
    options = parser.parse_args()
    tn.set_seed(options.seed)
    if options.backend:
        tn.set_backend(options.backend)
    return options


def save(figure, options: argparse.Namespace, name: str) -> None:
    """Write a picture and say where it is."""
    print("wrote", plotting.save(figure, options.output_dir / name))


def report(accuracy: float, figure: str) -> None:
    """Print the line that every example about classes ends with."""
    print(f"test accuracy {accuracy:.4f} (tutorial: {figure})")


# The codelab "TensorFlow, Keras and deep learning, without a PhD": its data and its pictures, the same in every step.


def load_mnist(options: argparse.Namespace):
    """Return MNIST as the codelab has it: flat pixels / 256, one-hot labels; (x, y) for training, (x, y) for tests."""
    (x, y), (x_test, y_test) = tn.datasets.mnist.load_data(options.data_dir, one_hot=True)
    return (flat(x), y), (flat(x_test), y_test)


def flat(images: np.ndarray) -> np.ndarray:
    """Return images (N, 28, 28) as rows of 784 numbers from 0 to below 1."""
    return images.reshape(len(images), -1) / np.float32(256)


def training_dataset(x: np.ndarray, y: np.ndarray, batch_size: int) -> tn.data.Dataset:
    """Return the codelab's endless pipeline: in new order each time, cut into batches, prepared while others train."""
    dataset = tn.data.Dataset.from_tensor_slices((x, y))
    dataset = dataset.cache()
    dataset = dataset.shuffle(5000, reshuffle_each_iteration=True)
    dataset = dataset.repeat()
    dataset = dataset.batch(batch_size, drop_remainder=True)
    return dataset.prefetch(tn.data.AUTOTUNE)


def validation_dataset(x: np.ndarray, y: np.ndarray) -> tn.data.Dataset:
    """Return the codelab's validation data: one batch of everything, again and again."""
    return tn.data.Dataset.from_tensor_slices((x, y)).batch(len(x)).cache().repeat()


def show_training_digits(x: np.ndarray, y: np.ndarray, options: argparse.Namespace) -> None:
    """Draw some training digits with their labels."""
    save(plotting.plot_digits(x[:24], y[:24], title="training digits and their labels"), options, "training_digits.png")


def show_predictions(
    model: tn.Sequential, x_test: np.ndarray, y_test: np.ndarray, options: argparse.Namespace, name: str
) -> None:
    """Draw what the model reads: digits rendered from fonts, then the test digits, the wrong ones first."""
    images, labels = tn.datasets.font_digits(24, seed=options.seed, augment=False)
    order = np.argsort(labels, kind="stable")
    digits, labels = flat(images[order]), labels[order]
    title = "digits from fonts, and what was read (red: wrong)"
    save(plotting.plot_digits(digits, labels, model.predict(digits), title=title), options, f"{name}_font_digits.png")
    predictions = model.predict(x_test, batch_size=1000)
    save(plotting.plot_wrong_first(x_test, y_test, predictions), options, f"{name}_test_digits.png")


def show_inside(model: tn.Sequential, image: np.ndarray, options: argparse.Namespace, name: str) -> None:
    """Draw the first convolution's filters, what every layer makes of one image, and what its units see of it."""
    title = "the first layer's filters (dark: bright pixels count for it, red: against it)"
    save(plotting.plot_filters(model.get_weights()[0], title=title), options, f"{name}_filters.png")
    save(plotting.plot_activations(model, image, title="what each layer makes of one image"), options,
         f"{name}_activations.png")
    save(plotting.plot_receptive_field(model, image, title="what one unit of each layer sees"), options,
         f"{name}_windows.png")
