"""What all examples share: their options, where pictures and models go, and the data of the two codelabs."""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

import tinynet as tn
from tinynet import plotting
from tinynet.applications.mobilenet_v2 import preprocess_input


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
        parser.add_argument("--save-model", action="store_true", help="write what was trained, too")
    parser.add_argument("--seed", type=int, default=0, help="for weights, shuffling and dropout (0)")
    parser.add_argument("--backend", choices=["numba", "numpy", "cupy"],
                        help="what computes (what TINYNET_BACKEND says, else numba)")
    parser.add_argument("--output-dir", type=Path, default=Path("output"), help="folder for what is written (output)")
    if more:
        more(parser)
    options = parser.parse_args()
    tn.set_seed(options.seed)
    try:
        if options.backend:
            tn.set_backend(options.backend)
        tn.backends.get_backend()  # what is missing for it is said before the data is loaded
    except (ImportError, ValueError) as error:
        parser.error(str(error))
    return options


def save(figure, options: argparse.Namespace, name: str) -> None:
    """Write a picture and say where it is."""
    print("wrote", plotting.save(figure, options.output_dir / name))


def save_model(model: tn.Sequential, options: argparse.Namespace, name: str) -> None:
    """Write a model to a file for `tn.load_model`, if the options ask for it, and say where it is."""
    if options.save_model:
        path = options.output_dir / f"{name}.safetensors"
        path.parent.mkdir(parents=True, exist_ok=True)
        model.save(path)
        print("wrote", path)


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


# The codelab "Your first Keras model, with transfer learning": photos of flowers, the same in every step.


def add_flower_options(parser: argparse.ArgumentParser) -> None:
    """Add what scripts about flowers have of their own."""
    parser.add_argument("--image-size", type=int, default=192, help="side of the photos in pixels (192)")


def add_network_options(parser: argparse.ArgumentParser) -> None:
    """Add what scripts with a MobileNetV2 have of their own."""
    add_flower_options(parser)
    parser.add_argument("--weights", default="imagenet", help="of MobileNetV2: imagenet, none (drawn at random) or a "
                        "file (imagenet)")
    parser.add_argument("--alpha", type=float, default=1.0, help="width of MobileNetV2 (1.0)")


def load_front(options: argparse.Namespace, **keywords) -> tn.Sequential:
    """Return MobileNetV2 without its top, as the options want it."""
    weights = None if options.weights == "none" else options.weights
    return tn.applications.MobileNetV2(input_shape=(options.image_size, options.image_size, 3), alpha=options.alpha,
                                       include_top=False, weights=weights, data_dir=options.data_dir, **keywords)


def load_flowers(options: argparse.Namespace) -> tuple[tn.data.Dataset, tn.data.Dataset]:
    """Return the photos as pipelines, for training and for tests: pixels (H, W, 3) from -1 to 1, one-hot labels.

    They are decoded once, and kept as bytes.
    """
    size = options.image_size, options.image_size
    parts = tn.datasets.flowers.as_datasets(options.data_dir, image_size=size, one_hot=True)
    train, test = (part.cache().map(lambda photo, label: (preprocess_input(photo), label)) for part in parts)
    return train, test


def as_batches(examples: tn.data.Dataset, batch_size: int, shuffle: bool = False) -> tn.data.Dataset:
    """Return batches, prepared while others train; with `shuffle` each epoch has a new order."""
    if shuffle:
        examples = examples.shuffle(len(examples))
    return examples.batch(batch_size).prefetch(tn.data.AUTOTUNE)


def show_training_flowers(train: tn.data.Dataset, options: argparse.Namespace) -> None:
    """Draw some training photos with their labels."""
    photos, labels = next(iter(train.shuffle(len(train), seed=options.seed).batch(15)))
    names = tn.datasets.flowers.class_names
    figure = plotting.plot_images(photos, labels, class_names=names, title="training photos and their labels")
    save(figure, options, "flowers_training.png")


def show_flower_predictions(
    probabilities: np.ndarray, test: tn.data.Dataset, options: argparse.Namespace, name: str
) -> None:
    """Draw test photos with what was predicted for them, the surest of the mistakes, and what is taken for what."""
    names = tn.datasets.flowers.class_names
    photos, labels = next(iter(test.batch(len(test))))
    truth = labels.argmax(axis=1)
    wrong = probabilities.argmax(axis=1) != truth
    some = np.random.default_rng(options.seed).permutation(len(photos))[:15]
    surest = np.argsort(-probabilities.max(axis=1) * wrong, kind="stable")[: min(15, wrong.sum())]
    for chosen, what, title in (
        (some, "predictions", "predictions, and the truth in brackets (blue: right, red: wrong)"),
        (surest, "mistakes", f"the surest of {wrong.sum()} mistakes in {len(photos)} photos"),
    ):
        if len(chosen):
            figure = plotting.plot_predictions(photos[chosen], truth[chosen], probabilities[chosen],
                                               class_names=names, title=title)
            save(figure, options, f"{name}_{what}.png")
    matrix = tn.metrics.confusion_matrix(truth, probabilities)
    save(plotting.plot_confusion_matrix(matrix, class_names=names, title="what was taken for what"), options,
         f"{name}_confusion.png")
