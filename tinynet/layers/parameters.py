"""Parameters, and the one buffer in which all parameters of a model lie."""

import contextlib
import contextvars
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from types import ModuleType

import numpy as np

from tinynet.regularizers import Regularizer


class Parameter:
    """An array that a layer owns, and its gradient.

    Attributes
    ----------
    name : str
        Keras' name: kernel, bias, gamma, beta, moving_mean, ...
    value, grad : array
        Both of the parameter's shape. `backward` overwrites `grad`, so there is nothing to zero between steps. Always
        look them up here: they are views into the model's buffers, and those move when a model becomes part of another.
    trainable : bool
        Whether an optimizer may ever change it; False for moving statistics.
    frozen : bool
        Whether its layer was told `trainable = False`.
    regularizer : Regularizer or None
        The penalty on its size; see :mod:`tinynet.regularizers`.
    """

    __slots__ = ("arena", "frozen", "grad", "name", "offset", "regularizer", "trainable", "value")

    def __init__(self, name: str, value, grad, trainable: bool = True, regularizer: Regularizer | None = None):
        self.name = name
        self.value = value
        self.grad = grad
        self.trainable = trainable
        self.frozen = False
        self.regularizer = regularizer
        self.arena: Arena | None = None
        self.offset = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value."""
        return self.value.shape

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.value.shape)

    def __repr__(self) -> str:
        return f"Parameter({self.name!r}, shape={self.shape}, trainable={self.trainable and not self.frozen})"


def move(parameters: Mapping[Parameter, ModuleType], ops: ModuleType) -> None:
    """Move values and gradients, each from its backend, to another; where there is no room for them, none is moved."""
    moved = [[ops.asarray(before.to_numpy(array), array.dtype) for array in (parameter.value, parameter.grad)]
             for parameter, before in parameters.items()]
    for parameter, (value, grad) in zip(parameters, moved, strict=True):
        parameter.value, parameter.grad, parameter.arena = value, grad, None


class Arena:
    """The values of many parameters in one array, end to end, and their gradients in another.

    They lie in their order, but those that are never trained come last: so an optimizer's step is one kernel, a
    gradient's norm one reduction, and the copy of a model one copy.
    """

    def __init__(self, parameters: Sequence[Parameter], ops: ModuleType):
        size = sum(parameter.size for parameter in parameters)
        dtype = parameters[0].value.dtype
        self.values = ops.empty((size,), dtype)
        self.grads = ops.zeros((size,), dtype)
        offset = 0
        for parameter in itertools.chain(*by_use(parameters)):
            end = offset + parameter.size
            value = self.values[offset:end].reshape(parameter.shape)
            grad = self.grads[offset:end].reshape(parameter.shape)
            value[...] = parameter.value
            grad[...] = parameter.grad
            parameter.value, parameter.grad = value, grad
            parameter.arena, parameter.offset = self, offset
            offset = end


def check_one_type(parameters: Sequence[Parameter]) -> None:
    """Raise a ValueError unless all parameters are of one float type."""
    dtypes = {str(parameter.value.dtype) for parameter in parameters}
    if len(dtypes) > 1:
        raise ValueError(f"All layers of a model must be built with the same floatx. Received: {sorted(dtypes)}")


def settle(parameters: Sequence[Parameter], ops: ModuleType) -> Arena:
    """Return the arena in which `parameters` lie as they should, moving them into a new one where they do not yet.

    The parameters of a model inside another already do, in the outer model's arena.
    """
    check_one_type(parameters)
    arena = parameters[0].arena
    for row in by_use(parameters):
        offset = row[0].offset if row else 0
        for parameter in row:
            if arena is None or parameter.arena is not arena or parameter.offset != offset:
                return Arena(parameters, ops)
            offset += parameter.size
    return arena


def by_use(parameters: Sequence[Parameter]) -> tuple[list[Parameter], list[Parameter]]:
    """Return the parameters that may be trained, and the others, as moving statistics are."""
    return ([parameter for parameter in parameters if parameter.trainable],
            [parameter for parameter in parameters if not parameter.trainable])


def stretches(parameters: Sequence[Parameter]) -> list[slice]:
    """Return the slices of the arena that an optimizer may change: neighbours that are trainable are one slice."""
    found: list[slice] = []
    for parameter in parameters:
        if not parameter.trainable or parameter.frozen:
            continue
        start, end = parameter.offset, parameter.offset + parameter.size
        if found and found[-1].stop == start:
            start = found.pop().start
        found.append(slice(start, end))
    return found


_left: contextvars.ContextVar[list[int] | None] = contextvars.ContextVar("tinynet_numbers_left", default=None)


@contextlib.contextmanager
def blank(numbers: int) -> Iterator[None]:
    """Let parameters made inside begin as zeros, for a file to fill, and hold no more numbers than the file does."""
    token = _left.set([numbers])
    try:
        yield
    finally:
        _left.reset(token)


def draw(name: str, shape: tuple[int, ...], dtype: str, ops: ModuleType, initializer, generator,
         regularizer: Regularizer | None = None) -> Parameter:
    """Make a parameter whose value `initializer` draws; inside of :func:`blank` it begins as zeros.

    Raises
    ------
    ValueError
        If the initializer returns another shape.
    """
    left = _left.get()
    if left is not None:
        left[0] -= math.prod(shape)
        if left[0] < 0:
            raise ValueError("The layers need more weights than the file has. "
                             f"Received: {name!r} of shape {shape}, {-left[0]} too many")
        return Parameter(name, ops.zeros(shape, dtype), ops.zeros(shape, dtype), regularizer=regularizer)
    value = np.array(initializer(shape, generator))  # a copy: the initializer may hold on to its own
    if value.shape != shape:
        raise ValueError(f"The initializer of {name!r} must return the shape {shape}. Received: {value.shape}")
    return Parameter(name, ops.asarray(value, dtype), ops.zeros(shape, dtype), regularizer=regularizer)
