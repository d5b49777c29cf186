"""A model in a file: what is written of it, and what is made of that again.

The file's arrays are the weights, called "layer/parameter" (in a model inside, "model/layer/parameter"), what the
optimizer knows, "optimizer/layer/parameter/slot", and what callbacks keep, "training/...". All else is a dictionary:
the architecture, how the model was compiled, how far `fit` came, and where all randomness stands.
"""

import contextlib
import math
import os
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from tinynet import config, random
from tinynet.architecture import difference, from_config, to_config
from tinynet.layers import Layer, Parameter
from tinynet.layers.base import with_sublayers
from tinynet.layers.chain import Composite
from tinynet.layers.parameters import blank
from tinynet.optimizers.base import check_rate
from tinynet.serialization import Reader, write
from tinynet.version import __version__

FORMAT = 1
"""The format of the dictionary. A file of a higher one is refused; one of a lower one must stay readable."""

_OPTIMIZER = "optimizer/"
_TRAINING = "training/"
_SHOWN = 8


def save(model: Layer, path: str | os.PathLike) -> None:
    """Write a model to a file; see :meth:`tinynet.Sequential.save`."""
    _check_built(model, "save")
    arrays = weights(model)
    trainer = model._trainer
    tree = _heading(model) | {
        "input_shape": list(model.input_shape), "architecture": to_config(model),
        "compiled": None if trainer is None else compiled(trainer),
        "generators": {name: lift(random.generator_state(generator), f"{_TRAINING}generators/{name}", arrays)
                       for name, generator in _generators(model).items()},
        "training": None if trainer is None else lift(trainer.position(), _TRAINING + "fit", arrays)}
    if trainer is not None and trainer.optimizer.iterations:
        for (name, _), slots in zip(named_parameters(model), trainer.optimizer.slot_values(model), strict=True):
            start = trainer.optimizer.slot_start
            # A frozen layer's are as they began, and need no room.
            arrays |= {f"{_OPTIMIZER}{name}/{slot}": model.ops.to_numpy(value) for slot, value in slots.items()
                       if model.ops.to_numpy(value).tobytes() != np.full(value.shape, start, value.dtype).tobytes()}
    write(path, tree, arrays)


def save_weights(model: Layer, path: str | os.PathLike) -> None:
    """Write the weights alone; see :meth:`tinynet.Sequential.save_weights`."""
    _check_built(model, "save_weights")
    write(path, _heading(model), weights(model))


def load(path: str | os.PathLike, compile: bool) -> Layer:
    """Return the model of a file; see :func:`tinynet.load_model`."""
    with reading(path) as file:
        check_whole(file)
        floatx = config.floatx()
        with random.kept(), blank(count_floats(file)):
            config.set_floatx(file.tree["floatx"])
            try:
                model = from_config(file.tree["architecture"])
                if not isinstance(model, Layer) or not hasattr(model, "compile"):
                    raise ValueError(f"Its architecture is no model. Received: {model!r}")
                if not model.built:
                    model.build(file.tree["input_shape"])
            finally:
                config.set_floatx(floatx)
        fill(model, file)
        set_generators(model, file)
        said = file.tree["compiled"]
        if compile and said is not None:
            model.compile(from_config(said["optimizer"]), from_config(said["loss"]), from_config(said["metrics"]))
            set_optimizer(model, file)
            state = lower(file.tree["training"], file)
            model.trainer.position = lambda: state
    return model


def load_weights(model: Layer, path: str | os.PathLike) -> None:
    """Read weights into a model; see :meth:`tinynet.Sequential.load_weights`."""
    _check_built(model, "load_weights")
    with reading(path) as file:
        fill(model, file)


@contextlib.contextmanager
def reading(path: str | os.PathLike) -> Iterator[Reader]:
    """Open a model's file, of a format that is known; errors inside are as :func:`explained`."""
    with Reader(path) as file, explained(path):
        if file.tree is not None:
            _check_format(file.tree)
        yield file


@contextlib.contextmanager
def explained(path: str | os.PathLike) -> Iterator[None]:
    """Let whatever is wrong with what a file says become a ValueError that names the file.

    What comes from a file is used as it comes, so any error may arise from it, and each means the same.
    """
    try:
        yield
    except (OSError, MemoryError, Warning):  # a warning is one where the user wants warnings to be errors
        raise
    except ValueError as error:
        raise ValueError(f"{os.fspath(path)}: {error}") from error
    except Exception as error:
        raise ValueError(f"{os.fspath(path)} is damaged. Received: {type(error).__name__}: {error}") from error


def _check_format(tree: dict[str, Any]) -> None:
    written = tree.get("format")
    if type(written) is not int or not 0 < written <= FORMAT:
        raise ValueError(f"this file is of a format that tinynet {__version__} does not read, which knows those up to "
                         f"{FORMAT}; a newer tinynet may. Received: format {written!r:.100}, written by tinynet "
                         f"{tree.get('tinynet')!r:.100}")


def check_whole(file: Reader) -> None:
    """Raise a ValueError if a file holds weights only."""
    if file.tree is None or "architecture" not in file.tree:
        raise ValueError("it holds weights, but no architecture: make the model, and call "
                         "model.load_weights(path). Received: a file of weights")


def _check_built(model: Layer, method: str) -> None:
    if not model.built:
        raise ValueError(f"Model {model.name!r} must be built before {method}: give its first layer an input_shape, "
                         "call build(input_shape), or show it data. Received: a model that is not built")


def _heading(model: Layer) -> dict[str, Any]:
    return {"format": FORMAT, "tinynet": __version__, "floatx": np.dtype(model.dtype).name}


# Names.

def _named_layers(layers, prefix: str = "") -> Iterator[tuple[str, Layer]]:
    for layer in layers:
        name = prefix + layer.name
        if isinstance(layer, Composite):
            yield from _named_layers(layer.layers, name + "/")
        yield name, layer


def named_parameters(model: Layer) -> list[tuple[str, Parameter]]:
    """Return every parameter of a model, in its order, with its name in a file.

    Raises
    ------
    ValueError
        If two would have the same.
    """
    names: dict[Parameter, str] = {}
    for path, layer in _named_layers(model.layers):  # a layer's own come before those of what it lies in
        for parameter in layer.parameters:
            names.setdefault(parameter, f"{path}/{parameter.name}")
    taken: set[str] = set()
    for name in names.values():
        if name in taken or not _is_weight(name):
            raise ValueError("The weights of a file need names of their own, and none that begins with "
                             f"{_OPTIMIZER!r} or {_TRAINING!r}: give layers and parameters other names. "
                             f"Received: {name!r}")
        taken.add(name)
    return [(names[parameter], parameter) for parameter in model.parameters]


def _generators(model: Layer) -> dict[str, np.random.Generator]:
    """Return the generators of all layers, as those of dropout, by name."""
    found = {}
    for path, layer in _named_layers(model.layers):
        if isinstance(layer, Composite):
            continue
        for i, inner in enumerate(with_sublayers(layer)):
            found |= {"/".join([path, *([str(i)] if i else []), key]): value for key, value in vars(inner).items()
                      if hasattr(value, "bit_generator")}
    return found


def _is_weight(name: str) -> bool:
    return not name.startswith((_OPTIMIZER, _TRAINING))


# What a file holds, piece by piece.

def weights(model: Layer) -> dict[str, np.ndarray]:
    """Return every parameter's value by name, as copies."""
    return {name: model.ops.to_numpy(parameter.value) for name, parameter in named_parameters(model)}


def fill(model: Layer, file: Reader) -> None:
    """Set every parameter from a file, or none after an error that lists all that does not fit."""
    wanted = dict(named_parameters(model))
    there = {name for name in file.arrays if file.tree is None or _is_weight(name)}
    wrong = [f"{name} {file.arrays[name][1]} instead of {parameter.shape}" for name, parameter in wanted.items()
             if name in there and file.arrays[name][1] != parameter.shape]
    wrong += [f"{name} of {file.arrays[name][0]}" for name in wanted
              if name in there and file.arrays[name][0].kind != "f"]
    said = [(f"{len(names)} {what}: {', '.join(names[:_SHOWN])}{', ...' if len(names) > _SHOWN else ''}")
            for what, names in (("missing", [name for name in wanted if name not in there]),
                                ("unexpected", [name for name in file.arrays if name in there and name not in wanted]),
                                ("of another shape or type", wrong)) if names]
    if said:
        raise ValueError(f"its weights are not those of the model {model.name!r}, which has {len(wanted)}. "
                         f"Received: {'; '.join(said)}")
    for name, parameter in wanted.items():
        parameter.value[...] = model.ops.asarray(file.read(name), parameter.value.dtype)


def count_floats(file: Reader) -> int:
    """Return how many numbers a file has that can be weights, or what an optimizer knows of them."""
    return sum(math.prod(shape) for dtype, shape in file.arrays.values() if dtype.kind == "f")


def compiled(trainer) -> dict[str, Any]:
    """Return how a model was compiled, and what the optimizer counted since."""
    optimizer = to_config(trainer.optimizer)
    if "learning_rate" in optimizer["config"]:
        optimizer["config"]["learning_rate"] = to_config(trainer.first_rate)
    return {"optimizer": optimizer, "loss": to_config(trainer.loss), "metrics": to_config(trainer.metric_names),
            "learning_rate": to_config(trainer.optimizer.learning_rate), "iterations": trainer.optimizer.iterations}


def check_same(model: Layer, file: Reader) -> None:
    """Raise a ValueError unless a file is of a model like this one, compiled alike."""
    here = {"architecture": to_config(model), "compiled": compiled(model.trainer)}
    for key, advice in (("architecture", "make the model as it was, or take what there is by load_model"),
                        ("compiled", "compile as it was, or take the weights alone by load_weights")):
        there = file.tree[key]
        if not isinstance(there, dict):
            raise ValueError(f"it holds no {key} model; only one that fit has trained can go on. Received: {there!r}")
        said = difference(*({name: value for name, value in side.items() if name not in _COUNTED}
                            for side in (there, here[key])))
        if said:
            raise ValueError(f"training can only go on with the same model; {advice}. Received: {said}")


_COUNTED = ("learning_rate", "iterations")


def set_optimizer(model: Layer, file: Reader) -> None:
    """Put a compiled model's optimizer where the file's was."""
    optimizer, said = model.trainer.optimizer, file.tree["compiled"]
    if type(said["iterations"]) is not int or said["iterations"] < 0:
        raise ValueError(f"an optimizer's iterations are an integer of at least 0. Received: {said['iterations']!r}")
    rate = from_config(said["learning_rate"])
    check_rate(type(optimizer).__name__, rate)
    if to_config(optimizer.learning_rate) != said["learning_rate"]:
        optimizer.learning_rate = rate
    optimizer.iterations = said["iterations"]
    expected = {f"{_OPTIMIZER}{name}/{slot}" for name, _ in named_parameters(model) for slot in optimizer.slots}
    unexpected = [name for name in file.arrays if name.startswith(_OPTIMIZER) and name not in expected]
    if unexpected:
        raise ValueError(f"{type(optimizer).__name__} keeps {', '.join(optimizer.slots) or 'nothing'} of each "
                         f"parameter. Received: {', '.join(unexpected[:_SHOWN])}")
    for (name, _), slots in zip(named_parameters(model), optimizer.slot_values(model), strict=True):
        for slot, value in slots.items():
            key = f"{_OPTIMIZER}{name}/{slot}"
            if key not in file.arrays:
                value[...] = optimizer.slot_start
                continue
            dtype, shape = file.arrays[key]
            if dtype != value.dtype or shape != value.shape:
                raise ValueError(f"{key} must be {value.dtype} of shape {value.shape}. Received: {dtype}, {shape}")
            value[...] = model.ops.asarray(file.read(key), value.dtype)


def set_generators(model: Layer, file: Reader) -> None:
    """Put the layers' generators where the file's were."""
    states, here = file.tree["generators"], _generators(model)
    if not isinstance(states, dict) or states.keys() != here.keys():
        raise ValueError(f"the model's generators are {', '.join(here) or 'none'}. Received: {list(states)!r:.200}")
    for name, generator in here.items():
        random.set_generator_state(generator, lower(states[name], file))


def lift(value: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    """Return a state as JSON knows it: arrays go into `arrays`, under a name that stands in their place.

    Raises
    ------
    ValueError
        If it holds anything but dictionaries, lists, texts, numbers and arrays.
    """
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        arrays[name] = value
        return {"array": name}
    if isinstance(value, Mapping):
        return {"dict": {str(key): lift(part, f"{name}/{key}", arrays) for key, part in value.items()}}
    if isinstance(value, list | tuple):
        return [lift(part, f"{name}/{i}", arrays) for i, part in enumerate(value)]
    return to_config(value)


def lower(value: Any, file: Reader) -> Any:
    """Return the state that :func:`lift` made plain, its arrays read from the file."""
    if isinstance(value, list):
        return [lower(part, file) for part in value]
    if isinstance(value, dict) and value.keys() == {"array"}:
        return file.read(value["array"])
    if isinstance(value, dict) and value.keys() == {"dict"}:
        return {key: lower(part, file) for key, part in value["dict"].items()}
    return from_config(value)
