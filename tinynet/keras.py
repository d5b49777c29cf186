"""The names that tutorials write as `tf.keras.Sequential`, `tf.keras.layers.Dense` and the like.

With `import tinynet as tf` above it, a tutorial's model code finds tinynet's own objects here.
"""

from tinynet import (
    activations,
    applications,
    callbacks,
    datasets,
    initializers,
    layers,
    losses,
    metrics,
    models,
    optimizers,
    regularizers,
)
from tinynet.layers import Input
from tinynet.models import Sequential

__all__ = [
    "Input",
    "Sequential",
    "activations",
    "applications",
    "callbacks",
    "datasets",
    "initializers",
    "layers",
    "losses",
    "metrics",
    "models",
    "optimizers",
    "regularizers",
]
