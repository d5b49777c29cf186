"""Data sets: MNIST, Fashion-MNIST, photos of flowers, and digits drawn from fonts, which need no download.

>>> (x_train, y_train), (x_test, y_test) = fashion_mnist.load_data()
>>> dataset, metadata = load("fashion_mnist", as_supervised=True, with_info=True)
>>> images, labels = font_digits(1000, seed=0)

Importing this package loads none of them: each name is imported when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tinynet.datasets import fashion_mnist, flowers, mnist
    from tinynet.datasets.catalog import load
    from tinynet.datasets.fonts import font_digits

__all__ = ["fashion_mnist", "flowers", "font_digits", "load", "mnist"]

_MODULES = ("fashion_mnist", "flowers", "mnist")
_NAMES = {"font_digits": "tinynet.datasets.fonts", "load": "tinynet.datasets.catalog"}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module("tinynet.datasets." + name)
    if name in _NAMES:
        return getattr(importlib.import_module(_NAMES[name]), name)
    raise AttributeError(f"module 'tinynet.datasets' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
