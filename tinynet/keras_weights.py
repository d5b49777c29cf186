"""Weights that Keras has saved, put into a model of this library.

Three layouts are read. Files of `save_weights("x.h5")` list their layers, and each layer's arrays, in attributes::

    /                       layer_names = ["conv", "bn", ...]
    /conv                   weight_names = ["conv/kernel:0", "conv/bias:0"]
    /conv/conv/kernel:0     the array

`save("x.h5")` puts the same under /model_weights. Keras 3's `save_weights("x.weights.h5")` numbers the layers of each
class, and the arrays of each layer, and notes the layer's own name beside them::

    /layers/conv2d/vars     name = "conv"
    /layers/conv2d/vars/0   the array
    /layers/conv2d_1/vars   ...

Models in models are groups in groups, but no such nesting is asked for here: layers are found by their names, whatever
they lie in.
"""

import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from tinynet.errors import explain_keywords
from tinynet.hdf5 import Array, Group, open_hdf5
from tinynet.layers import Layer, Parameter
from tinynet.layers.base import snake_case
from tinynet.layers.chain import Composite, Row

_SHOWN = 8
_ALSO = {"depthwise_kernel": "kernel"}  # as Keras 3 calls it
_NESTED = ("layers", "_layer_checkpoint_dependencies")  # where Keras 3 and Keras 2.12 keep a model's layers


@dataclass
class WeightsReport:
    """What :func:`load_keras_weights` found; print it to read it. Parameters are called "layer/parameter".

    Attributes
    ----------
    path, model : str
        The file, and the model's name.
    loaded : list of str
        The parameters that have values from the file.
    missing : list of str
        Parameters that the file does not have.
    mismatched : dict
        Parameters that have another shape there: (shape in the file, shape in the model).
    unexpected : list of str
        Arrays of the file that belong to no parameter.
    matched_by : str
        "name", or "position" where names differ, but the layers one after another fit.
    """

    path: str = ""
    model: str = ""
    loaded: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    mismatched: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = field(default_factory=dict)
    unexpected: list[str] = field(default_factory=list)
    matched_by: str = "name"

    @property
    def complete(self) -> bool:
        """Whether every parameter of the model has its value from the file."""
        return not self.missing and not self.mismatched

    def __str__(self) -> str:
        shapes = [f"{name} is {there} there and {here} here" for name, (there, here) in self.mismatched.items()]
        lines = [f"Weights of {self.path} for model {self.model!r}:"]
        lines += [f"  {title}: {_some(names)}" for title, names in [
            ("missing in the file", self.missing), ("of another shape", shapes),
            ("in the file, but not in the model", self.unexpected)] if names]
        return "\n".join([*lines, f"Received: {len(self.loaded)} parameters that fit, by {self.matched_by}"])


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


@explain_keywords
def load_keras_weights(model: Layer, path: str | os.PathLike, *, skip_mismatch: bool = False) -> WeightsReport:
    """Put the weights of a file that Keras wrote into a model, and report what was there.

    A layer takes what the file has under its name. Where that leaves parameters without a value, but the layers of the
    file fit the model's one after another, in every shape, they are taken so: names that nobody chose, as `dense_7`,
    differ from session to session, and Keras itself reads such files by position. The file may go on after that, as
    where the model leaves off the classifier.

    Parameters
    ----------
    model : Sequential or Layer
        Built.
    path : path
        A file of `save_weights("x.h5")` or `save("x.h5")` of any Keras, or `save_weights("x.weights.h5")` of Keras 3.
    skip_mismatch : bool
        Whether parameters that the file lacks, or has in another shape, keep their values and are only reported.
        Without it the model is left as it was if anything is missing.

    Returns
    -------
    WeightsReport
        What was loaded, missing, of another shape, and unexpected.

    Raises
    ------
    ValueError
        If a parameter is missing or has another shape, the model is not built, or the file is damaged, or holds links
        out of itself or anything but arrays of numbers.
    FileNotFoundError
        If there is no such file.
    ImportError
        Without h5py (`pip install 'tinynet[keras-weights]'`).
    """
    if not isinstance(model, Layer):
        raise TypeError("load_keras_weights takes the model first, then the path. "
                        f"Received: {type(model).__name__}")
    if not model.built:
        raise ValueError(f"Model {model.name!r} must be built before it is given weights: call build(input_shape). "
                         "Received: a model that is not built")
    wanted = _wanted([model])
    with open_hdf5(path) as root:
        stored = list(_stored(root))
        if not stored:
            raise ValueError(f"{root.file} must hold weights as Keras saves them: save_weights writes 'x.h5' or "
                             f"'x.weights.h5'. Received: an HDF5 file of {_some(root.names()) or 'nothing'}")
        owners = _by_name(stored)
        pairs, report = _match(wanted, lambda layer: owners.get(layer.name))
        if not report.complete:
            places = {entry.place: entry for entry in stored}
            again = _match(wanted, lambda layer: places.get(layer.number) or places.get(layer.place))
            if again[1].complete:
                pairs, report = again
                report.matched_by = "position"
        report.path, report.model = root.file, model.name
        used = {id(array) for _, array in pairs}
        report.unexpected = [f"{entry.name}/{name}" for entry in stored for name, array in entry.arrays.items()
                             if id(array) not in used and f"{entry.name}/{name}" not in report.mismatched]
        if not report.complete and not skip_mismatch:
            raise ValueError(f"{report}; skip_mismatch=True loads them alone")
        values = [(parameter, array.read()) for parameter, array in pairs]
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite
        for parameter, value in values:
            parameter.value[...] = model.ops.asarray(value, parameter.value.dtype)
    return report


@dataclass
class _Wanted:
    """A layer of the model with its parameters in Keras' order, its number, and its place in Keras 3's files."""

    name: str
    number: int
    place: tuple[str, ...]
    parameters: list[Parameter]


@dataclass
class _Stored:
    """A layer of the file. `place` is its number, or in Keras 3's files its path, and there arrays have numbers.

    `inner` is the name that its arrays' names begin with: that of a layer in a model, where `name` is the model's.
    """

    name: str
    inner: str
    place: int | tuple[str, ...]
    arrays: dict[str, Array]

    def find(self, name: str, number: int) -> Array | None:
        """Return the array of a parameter of that name, or else of that number, if there is one."""
        known = (self.arrays.get(key) for key in (name, _ALSO.get(name, name), str(number)))
        return next((array for array in known if array is not None), None)


def _wanted(layers: Sequence[Layer]) -> list[_Wanted]:
    """Return all layers with parameters, counted as Keras 3 does: by class, anew in each model."""
    found: list[_Wanted] = []

    def walk(layers: Sequence[Layer], place: tuple[str, ...], counts: Counter) -> None:
        for layer in layers:
            if isinstance(layer, Composite) and not isinstance(layer, Row):
                walk(layer.layers, place, counts)  # its layers lie beside it in Keras
                continue
            kind = "sequential" if isinstance(layer, Row) else snake_case(type(layer).__name__)
            inner = (*place, f"{kind}_{counts[kind]}" if counts[kind] else kind)
            counts[kind] += 1
            if isinstance(layer, Row):
                walk(layer.layers, inner, Counter())
            elif layer.parameters:
                parameters = sorted(layer.parameters, key=lambda parameter: not parameter.trainable)
                found.append(_Wanted(layer.name, len(found), inner, parameters))

    first = layers[0]
    walk(first.layers if isinstance(first, Row) else layers, (), Counter())
    return found


def _match(wanted: list[_Wanted], find: Callable[[_Wanted], _Stored | None]):
    """Return pairs (parameter, array) of one shape, and the report, `find` saying what is stored for a layer."""
    pairs, report = [], WeightsReport()
    for layer in wanted:
        entry = find(layer)
        for number, parameter in enumerate(layer.parameters):
            label = f"{layer.name}/{parameter.name}"
            array = entry.find(parameter.name, number) if entry else None
            if array is None:
                report.missing.append(label)
            elif array.shape != parameter.shape:
                report.mismatched[label] = (array.shape, parameter.shape)
            else:
                report.loaded.append(label)
                pairs.append((parameter, array))
    return pairs, report


def _by_name(stored: list[_Stored]) -> dict[str, _Stored]:
    """Return the layers of a file by their names; a name that only begins their arrays' names comes second."""
    return {entry.inner: entry for entry in reversed(stored)} | {entry.name: entry for entry in reversed(stored)}


def _stored(root: Group) -> Iterator[_Stored]:
    """Yield the layers of a file that have arrays, in whichever layout it is."""
    if "model_weights" in root:
        root = root.group("model_weights")
    names = _listed(root, "layer_names")
    yield from _numbered(root, ()) if names is None else _named(root, names)


def _named(root: Group, names: list[str]) -> Iterator[_Stored]:
    """Yield the layers of a file that lists them; a model among them lists the arrays of all its layers."""
    number = 0
    for name in names:
        group = root.group(name)
        layers: dict[str, dict[str, Array]] = {}
        for path in _listed(group, "weight_names") or []:
            *_, layer, array = ["", name, *path.split("/")]
            layers.setdefault(layer, {}).setdefault(array.removesuffix(":0"), group.array(path))
        for layer, arrays in layers.items():
            yield _Stored(name if len(layers) == 1 else layer, layer, number, arrays)
            number += 1


def _listed(group: Group, attribute: str) -> list[str] | None:
    """Return a list of names, which Keras cuts in pieces where it is too long for one attribute."""
    whole = group.strings(attribute)
    if whole is not None:
        return whole
    pieces: list[str] = []
    for number in itertools.count():
        piece = group.strings(f"{attribute}{number}")
        if piece is None:
            return pieces if number else None
        pieces += piece
    return pieces


def _numbered(group: Group, place: tuple[str, ...]) -> Iterator[_Stored]:
    """Yield the layers of a file of Keras 3 that lie in this group, which is that of a model."""
    for container in set(group.names()) & set(_NESTED):
        layers = group.group(container)
        names = layers.names()
        # Models are counted together here, whatever their class is in Keras; of two kinds, in one order that is likely.
        models = sorted((name for name in names if name.startswith(("functional", "sequential"))),
                        key=lambda name: (name[0], len(name), name))
        for name in names:
            layer = layers.group(name)
            number = models.index(name) if name in models else 0
            inner = (*place, f"sequential_{number}" if number else "sequential" if name in models else name)
            held = layer.names()
            if "vars" in held:
                arrays = layer.group("vars")
                title = (arrays.strings("name") or ["/".join(inner)])[0]
                numbers = [number for number in arrays.names() if number.isdigit()]
                if numbers:
                    yield _Stored(title, title, inner, {number: arrays.array(number) for number in numbers})
            yield from _numbered(layer, inner)
