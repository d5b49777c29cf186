"""Objects as data: the name of a class that is known, and the arguments that it was made with.

``Dense(10, activation="relu")`` becomes ``{"class": "layers.Dense", "name": "dense", "config": {"units": 10, ...}}``,
which a file can hold, and from which it is made again. Only classes of a list are, so that nothing in a file can make
anything else happen: the library's own, and those of yours that you have registered.

The arguments are those of the class' `__init__`, and each is looked up in the object under its own name:
``self.units = units``. A class that keeps them otherwise has a method `get_config`, which returns them by name.
"""

import inspect
import math
import types
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinynet import initializers, layers, losses, metrics, optimizers, regularizers, schedules
from tinynet.layers import Activation, Layer
from tinynet.layers.chain import Composite, Row, rename

_BASES = {layers.Layer, layers.Parameter, losses.Loss, metrics.Metric, optimizers.Optimizer, initializers.Initializer,
          regularizers.Regularizer}


def _own_classes() -> Iterator[tuple[str, type]]:
    for module in (initializers, layers, losses, metrics, optimizers, regularizers, schedules):
        for thing in vars(module).values():
            is_class = isinstance(thing, type) and not thing.__name__.startswith("_")
            if is_class and thing.__module__.startswith(module.__name__) and thing not in _BASES:
                yield f"{module.__name__.removeprefix('tinynet.')}.{thing.__name__}", thing


KNOWN: dict[str, Any] = dict(_own_classes())
"""What files may name: the library's classes (models add theirs), and classes and functions that were registered."""


def register_serializable(thing: Callable) -> Callable:
    """Let files hold objects of a class of your own, or a function: decorate it.

    A file holds the name and, of an object, its arguments; the class itself has to be there, and registered, where the
    file is read. A function can be an initializer or a schedule.

    Parameters
    ----------
    thing : class or function
        A class keeps each argument of its `__init__` under the argument's name, or has a method `get_config` that
        returns them by name. A second class of one name takes the place of the first: a notebook's cell may run again.

    Raises
    ------
    TypeError
        If it is neither.
    ValueError
        If it has no name, or one of the library's.

    Examples
    --------
    >>> @tinynet.register_serializable
    ... class Scale(tinynet.layers.Layer):
    ...     def __init__(self, factor, name=None, input_shape=None):
    ...         super().__init__(name, input_shape)
    ...         self.factor = factor
    """
    if not isinstance(thing, type | types.FunctionType):
        raise TypeError(f"register_serializable takes a class or a function. Received: {thing!r}")
    name = thing.__name__
    if not name.isidentifier() or name == "Sequential":
        raise ValueError("register_serializable needs a class or function that has a name, other than that of the "
                         f"library's Sequential. Received: {name!r}")
    KNOWN[name] = thing
    return thing


def to_config(thing: Any) -> Any:
    """Return an object as plain data: dictionaries, lists, texts and numbers.

    Raises
    ------
    ValueError
        If it, or something that it was made with, is not known; the message says which.
    """
    return _encode(thing, type(thing).__name__)


def from_config(config: Any) -> Any:
    """Make again what :func:`to_config` returned.

    Raises
    ------
    ValueError
        If a class or function is not known, with the known ones; or if it cannot be made so.
    """
    if isinstance(config, list):
        return [from_config(part) for part in config]
    if not isinstance(config, dict):
        return config
    if config.keys() == {"float"}:
        return float(config["float"])
    if config.keys() == {"dict"} and isinstance(config["dict"], dict):
        return {name: from_config(part) for name, part in config["dict"].items()}
    if config.keys() == {"function"}:
        return _look_up(config["function"], "function")
    if not {"class", "config"} <= config.keys() <= {"class", "config", "name", "trainable"}:
        raise ValueError(f"An object is a dictionary of class and config. Received: {list(config)!r:.200}")
    return _make(config)


def difference(there: Any, here: Any, path: str = "") -> str | None:
    """Return where two configs differ first, as `layers.1.config.units is 10 there and 20 here`; None if nowhere."""
    if isinstance(there, dict) and isinstance(here, dict):
        pairs = [(key, there.get(key), here.get(key)) for key in [*there, *(key for key in here if key not in there)]]
    elif isinstance(there, list) and isinstance(here, list) and len(there) == len(here):
        pairs = list(zip(range(len(there)), there, here, strict=True))
    elif isinstance(there, list) and isinstance(here, list):
        return f"{path} has {len(there)} entries there and {len(here)} here"
    else:
        return None if there == here else f"{path} is {_short(there)} there and {_short(here)} here"
    found = (difference(a, b, f"{path}.{key}" if path else str(key)) for key, a, b in pairs)
    return next((said for said in found if said), None)


def _encode(value: Any, what: str) -> Any:
    if isinstance(value, np.bool_ | np.integer | np.floating):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, list | tuple):
        return [_encode(part, what) for part in value]
    if type(value) is Row:  # a branch
        return _encode(value.layers, what)
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):
        return {"dict": {name: _encode(part, f"{what}[{name!r}]") for name, part in value.items()}}
    name = next((name for name, known in KNOWN.items() if known is value or known is type(value)), None)
    if name is None or isinstance(value, type):
        thing = "lambda" if getattr(value, "__name__", "") == "<lambda>" else getattr(
            value, "__name__", type(value).__name__)
        raise ValueError(f"{what} cannot be saved: a file holds plain values, and objects of known classes. One of "
                         "your own, or a function, becomes known by decorating it with "
                         f"@tinynet.register_serializable, and must have a name. Received: {thing}, {value!r:.200}")
    if isinstance(value, types.FunctionType):
        return {"function": name}
    return _encode_object(value, name)


def _encode_object(thing: Any, name: str) -> dict[str, Any]:
    owner = f"{thing.kind} {thing.name!r}" if isinstance(thing, Layer) else name
    arguments = _arguments(thing, owner)
    said: dict[str, Any] = {"class": name}
    if isinstance(thing, Layer):
        if not thing.named:
            arguments.pop("name", None)
            said["name"] = thing.name  # beside the arguments: nobody chose it
        if not isinstance(thing, Composite) and not thing.trainable:
            said["trainable"] = False
    return said | {"config": {key: _encode(value, f"{owner}: {key}") for key, value in arguments.items()}}


def _arguments(thing: Any, owner: str) -> dict[str, Any]:
    """Return the arguments that an object was made with, by name."""
    cls = type(thing)
    if _depth(cls, "get_config") <= _depth(cls, "__init__") and hasattr(cls, "get_config"):
        return dict(thing.get_config())
    found = {}
    for name in _names(cls):
        if not hasattr(thing, name):
            raise ValueError(f"{owner} cannot be saved: {cls.__name__} must keep its argument under that name, "
                             f"self.{name} = {name}, or have a method get_config that returns all of its arguments by "
                             f"name. Received: no {name!r}")
        value = getattr(thing, name)
        is_own = name == "activation" and isinstance(value, Activation)
        found[name] = value.function if is_own else value
    return found


def _names(cls: type) -> list[str]:
    """Return the names of the arguments of `__init__`; where that takes others, for its base, those of the base too."""
    found: list[str] = []
    for base in cls.__mro__:
        if "__init__" not in vars(base) or base is object:
            continue
        parameters = list(inspect.signature(base.__init__).parameters.values())[1:]
        found += [p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return list(dict.fromkeys(found))


def _depth(cls: type, method: str) -> float:
    return next((i for i, owner in enumerate(cls.__mro__) if method in vars(owner)), math.inf)


def _look_up(name: Any, what: str) -> Any:
    is_function = what == "function"
    known = {key: thing for key, thing in KNOWN.items() if isinstance(thing, type) != is_function}
    if not isinstance(name, str) or name not in known:
        raise ValueError(f"Unknown {what}. Known are {', '.join(sorted(known)) or 'none'}. One of your own becomes "
                         "known by decorating it with @tinynet.register_serializable before the file is read. "
                         f"Received: {name!r:.200}")
    return known[name]


def _make(said: dict[str, Any]) -> Any:
    cls, config = _look_up(said["class"], "class"), said["config"]
    if not isinstance(config, dict):
        raise ValueError(f"The config of {said['class']} is a dictionary of its arguments. Received: {config!r:.200}")
    arguments = {key: from_config(value) for key, value in config.items()}
    for name in (said.get("name"), arguments.get("name")):
        if not isinstance(name, str | None):
            raise ValueError(f"The name of a {said['class']} is a text. Received: {name!r:.200}")
    try:
        made = cls(**arguments)
    except (ValueError, MemoryError, Warning):
        raise
    except Exception as error:  # whatever a constructor says to arguments that are not its own
        raise ValueError(f"{said['class']} cannot be made from its arguments: {error}. "
                         f"Received: {config!r:.200}") from error
    if isinstance(made, Layer):
        if said.get("name") is not None:
            rename(made, said["name"])
        if said.get("trainable") is False:
            made.trainable = False
    return made


def _short(value: Any) -> str:
    return value["class"] if isinstance(value, dict) and "class" in value else f"{value!r:.80}"
