"""What both twins of examples/fashion_mnist_dense.py share: the command line, the files and the pictures."""

import argparse
import gzip
from pathlib import Path

import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def options() -> argparse.Namespace:
    """Parse the command line, and make the folder for the pictures."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--output-dir", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--batch-size", type=int, default=32)
    parsed = parser.parse_args()
    parsed.output_dir.mkdir(parents=True, exist_ok=True)
    return parsed


def load_data(data_dir: Path) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return the training and the test split: float32 images (n, 28, 28, 1) from 0 to 1, int64 labels (n,)."""
    return _load_split(data_dir / "fashion-mnist", "train"), _load_split(data_dir / "fashion-mnist", "t10k")


def _load_split(folder: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    with gzip.open(folder / f"{split}-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 28, 28, 1)
    with gzip.open(folder / f"{split}-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read(), np.uint8, offset=8)
    return images.astype(np.float32) / 255, labels.astype(np.int64)


def draw_data(images: np.ndarray, labels: np.ndarray, folder: Path) -> None:
    """Draw one image with a colour bar, and 25 images with their class names."""
    plt.figure()
    plt.imshow(images[0, :, :, 0], cmap="binary")
    plt.colorbar()
    _save(folder / "image.png")

    plt.figure(figsize=(10, 10))
    for i in range(25):
        plt.subplot(5, 5, i + 1)
        plt.xticks([])
        plt.yticks([])
        plt.imshow(images[i, :, :, 0], cmap="binary")
        plt.xlabel(CLASS_NAMES[labels[i]])
    _save(folder / "images.png")


def draw_predictions(images: np.ndarray, labels: np.ndarray, predictions: np.ndarray, folder: Path) -> None:
    """Draw images 0 and 12 beside their bars, 15 such pairs, and one prediction with the class names on its axis."""
    for i in (0, 12):
        plt.figure(figsize=(6, 3))
        plt.subplot(1, 2, 1)
        _draw_image(images[i], labels[i], predictions[i])
        plt.subplot(1, 2, 2)
        _draw_bars(labels[i], predictions[i])
        _save(folder / f"prediction_{i}.png")

    plt.figure(figsize=(12, 10))
    for i in range(15):
        plt.subplot(5, 6, 2 * i + 1)
        _draw_image(images[i], labels[i], predictions[i])
        plt.subplot(5, 6, 2 * i + 2)
        _draw_bars(labels[i], predictions[i])
    _save(folder / "predictions.png")

    plt.figure()
    _draw_bars(labels[0], predictions[0])
    plt.xticks(range(10), CLASS_NAMES, rotation=45)
    _save(folder / "single.png")


def _draw_image(image: np.ndarray, label: int, prediction: np.ndarray) -> None:
    plt.xticks([])
    plt.yticks([])
    plt.imshow(image[:, :, 0], cmap="binary")
    guess = int(np.argmax(prediction))
    text = f"{CLASS_NAMES[guess]} {100 * prediction[guess]:.0f}% ({CLASS_NAMES[label]})"
    plt.xlabel(text, color="blue" if guess == label else "red")


def _draw_bars(label: int, prediction: np.ndarray) -> None:
    plt.xticks([])
    plt.yticks([])
    bars = plt.bar(range(10), prediction, color="#777777")
    plt.ylim(0, 1)
    bars[int(np.argmax(prediction))].set_color("red")
    bars[label].set_color("blue")


def _save(path: Path) -> None:
    plt.savefig(path)
    plt.close()
