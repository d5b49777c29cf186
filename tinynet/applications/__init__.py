"""Networks of published architectures, with trained weights.

>>> model = MobileNetV2(weights="imagenet")
>>> mobilenet_v2.decode_predictions(model.predict(mobilenet_v2.preprocess_input(images)))

Importing this package loads none of them: each name is imported when it is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tinynet.applications import mobilenet_v2
    from tinynet.applications.mobilenet_v2 import MobileNetV2

__all__ = ["MobileNetV2", "mobilenet_v2"]


def __getattr__(name: str) -> Any:
    if name == "mobilenet_v2":
        return importlib.import_module("tinynet.applications.mobilenet_v2")
    if name == "MobileNetV2":
        return importlib.import_module("tinynet.applications.mobilenet_v2").MobileNetV2
    raise AttributeError(f"module 'tinynet.applications' has no attribute {name!r}; it has {', '.join(__all__)}")


def __dir__() -> list[str]:
    return sorted(__all__)
