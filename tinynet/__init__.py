"""tinynet: a neural-network library written from scratch, to be read and to be fast.

>>> import tinynet as tn
>>> model = tn.Sequential([tn.layers.Flatten(input_shape=(28, 28, 1)),
...                        tn.layers.Dense(128, activation="relu"),
...                        tn.layers.Dense(10, activation="softmax")])
>>> model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
>>> model.fit(images, labels, epochs=5)

Importing the package loads nothing heavy: each name below is imported when it is first used.
"""

import importlib
from typing import TYPE_CHECKING

from tinynet.version import __version__

if TYPE_CHECKING:
    from tinynet import (
        activations,
        applications,
        callbacks,
        data,
        datasets,
        initializers,
        keras,
        layers,
        losses,
        metrics,
        nn,
        optimizers,
        plotting,
        regularizers,
        schedules,
    )
    from tinynet.architecture import register_serializable
    from tinynet.backends import set_backend, set_device, use_backend
    from tinynet.config import set_floatx, set_matmul_precision
    from tinynet.features import precompute_features
    from tinynet.gradient_check import gradcheck
    from tinynet.keras_weights import load_keras_weights
    from tinynet.models import Sequential, load_model
    from tinynet.random import set_seed

_MODULES = {
    "activations", "applications", "callbacks", "data", "datasets", "initializers", "keras", "layers", "losses",
    "metrics", "nn", "optimizers", "plotting", "regularizers", "schedules",
}
_NAMES = {
    "Sequential": "tinynet.models",
    "gradcheck": "tinynet.gradient_check",
    "load_keras_weights": "tinynet.keras_weights",
    "load_model": "tinynet.models",
    "precompute_features": "tinynet.features",
    "register_serializable": "tinynet.architecture",
    "set_backend": "tinynet.backends",
    "set_device": "tinynet.backends",
    "set_matmul_precision": "tinynet.config",
    "use_backend": "tinynet.backends",
    "set_floatx": "tinynet.config",
    "set_seed": "tinynet.random",
}

__all__ = [
    "Sequential",
    "__version__",
    "activations",
    "applications",
    "callbacks",
    "data",
    "datasets",
    "gradcheck",
    "initializers",
    "keras",
    "layers",
    "load_keras_weights",
    "load_model",
    "losses",
    "metrics",
    "nn",
    "optimizers",
    "plotting",
    "precompute_features",
    "register_serializable",
    "regularizers",
    "schedules",
    "set_backend",
    "set_device",
    "set_floatx",
    "set_matmul_precision",
    "set_seed",
    "use_backend",
]


def __getattr__(name: str):
    if name in _MODULES:
        return importlib.import_module("tinynet." + name)
    if name in _NAMES:
        value = getattr(importlib.import_module(_NAMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'tinynet' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
