"""What every layer shares: its name, its shapes, its parameters, its buffers and the arrays saved for backward."""

import functools
import re
from collections.abc import Sequence
from types import ModuleType

import numpy as np

from tinynet import config
from tinynet.backends import get_backend
from tinynet.layers.memory import Relay, lane
from tinynet.layers.parameters import Parameter
from tinynet.shapes import as_shape


class Layer:
    """A function of arrays, with its derivative.

    A layer is built once for an input shape, and then called forwards and backwards::

        output_shape = layer.build(input_shape)      # shapes have no batch axis
        y = layer.forward(x, training=True)          # x (N, *input_shape), y (N, *output_shape)
        dx = layer.backward(dy)                      # fills Parameter.grad of each parameter

    The arrays that a layer returns are its own buffers, overwritten by its next call: copy what you keep. Models do
    that for their callers.

    On a GPU `fit` records a step and replays it, which does not run a layer's Python again. A step with a layer of your
    own is therefore run kernel by kernel, unless its class says `repeatable = True`: that it does the same each time.

    Parameters
    ----------
    name : str, optional
        Name in summaries and errors; by default the class' in lower case, numbered where it repeats in a model.
    input_shape : tuple, list or int, optional
        The shape of one input, without the batch axis; for the first layer of a model.
    """

    kind = "Layer"  # how errors call it
    same_in_training = False  # whether forward does in training what it does at inference, but for saving

    def __init__(self, name: str | None = None, input_shape=None):
        self.named = name is not None
        self.name = name or snake_case(type(self).__name__)
        self.input_shape = None if input_shape is None else as_shape(input_shape)
        self.output_shape: tuple[int, ...] | None = None
        self.parameters: list[Parameter] = []
        self.built = False
        self._frozen = False
        self.relay: Relay | None = None  # of the row that it is in
        self._buffers: dict = {}
        self._saved: tuple | None = None

    def build(self, input_shape) -> tuple[int, ...]:
        """Prepare the layer for inputs of `input_shape`, in today's floatx and backend, and return the output's shape.

        Layers with parameters or another output shape extend this. A layer that is built again begins anew.
        """
        if self.built:
            self.parameters = []
            self.release()
        self.input_shape = self.output_shape = as_shape(input_shape)
        self.dtype = np.dtype(config.floatx())
        self.ops: ModuleType = get_backend()
        self.built = True
        return self.output_shape

    def forward(self, x, *, training: bool = False):
        """Return y (N, *output_shape) from x (N, *input_shape); `training` also saves what backward needs."""
        raise TypeError(f"{type(self).__name__} does not define forward")

    def backward(self, dy, *, need_dx: bool = True):
        """Return dx from dy, the gradient of the loss by the last training forward's output; fill every grad."""
        raise TypeError(f"{type(self).__name__} does not define backward")

    @property
    def trainable(self) -> bool:
        """Whether optimizers change this layer's parameters. May be set at any time; the next step heeds it."""
        return not self._frozen

    @trainable.setter
    def trainable(self, trainable: bool) -> None:
        self._frozen = not trainable
        for parameter in self.parameters:
            parameter.frozen = self._frozen

    def add_parameter(self, parameter: Parameter) -> Parameter:
        """Take a parameter into the layer's list, in order; it is frozen if the layer is."""
        parameter.frozen = self._frozen
        self.parameters.append(parameter)
        return parameter

    def get_weights(self) -> list[np.ndarray]:
        """Return a copy of every parameter's value, in order; of a layer that is not built, none."""
        return [self.ops.to_numpy(parameter.value) for parameter in self.parameters]

    def set_weights(self, weights: Sequence[np.ndarray]) -> None:
        """Set every parameter's value, in the order of :meth:`get_weights`.

        Raises
        ------
        ValueError
            If the layer is not built, or the weights' number or a shape differs.
        """
        if not self.built:
            raise ValueError(f"{self.kind} {self.name!r} must be built before set_weights: call build(input_shape). "
                             f"Received: a list of {len(weights)} arrays")
        shapes = [np.shape(weight) for weight in weights]
        wanted = [parameter.shape for parameter in self.parameters]
        if shapes != wanted:
            raise ValueError(f"{self.kind} {self.name!r} takes weights of the shapes {wanted}. Received: {shapes}")
        for parameter, weight in zip(self.parameters, weights, strict=True):
            parameter.value[...] = self.ops.asarray(weight, parameter.value.dtype)

    def buffer(self, name: str, shape: tuple[int, ...]):
        """Return the scratch array of that name, made once for the largest batch; a smaller batch gets a view of it."""
        held = self._buffers.get((name, lane()))
        if held is None or held.shape[0] < shape[0] or held.shape[1:] != shape[1:]:
            held = self._buffers[name, lane()] = self.ops.empty(shape, self.dtype)
        return held if held.shape[0] == shape[0] else held[: shape[0]]

    def use_relay(self, relay: Relay) -> None:
        """Become a part of the row that has this relay."""
        self.relay = relay

    def output(self, name: str, shape: tuple[int, ...], reads, *, kept: bool = False):
        """Return the array for what this layer makes of the array `reads`, y or dx.

        It is the layer's own buffer if it is `kept` for backward, or if the layer runs by itself; else the relay's.
        """
        if kept or self.relay is None or not self.relay.is_running:
            return self.buffer(name, shape)
        return self.relay.take(shape, reads, self.dtype, self.ops)

    def check_input(self, x):
        """Return x as forward may use it: of the layer's shape and float type, contiguous.

        Raises
        ------
        ValueError
            If the layer is not built, or x has another shape.
        """
        if not self.built:
            raise ValueError(f"Layer {self.name!r} must be built before forward: call build(input_shape). "
                             f"Received: an input of shape {x.shape}")
        self._check_wing(x)
        if x.shape[1:] != self.input_shape or not x.ndim:
            raise ValueError(f"Layer {self.name!r} expects inputs of shape {('N', *self.input_shape)}, N being the "
                             f"batch. Received: {x.shape}".replace("'N'", "N"))
        if x.dtype != self.dtype or not x.flags.c_contiguous:
            return self.ops.asarray(x, self.dtype)
        return x

    def keep(self, training: bool, *arrays) -> None:
        """Save what backward will need, the first array having the batch's length; only in training.

        Any other forward drops what an earlier one saved, as it writes over the same buffers.
        """
        self._saved = arrays if training else None

    def recall(self, dy):
        """Return dy, checked, and what the last training forward saved, which is taken away with that.

        Raises
        ------
        RuntimeError
            If there was no training forward since the last backward.
        ValueError
            If dy has not the shape of forward's output.
        """
        if self._saved is None:
            raise RuntimeError(f"Layer {self.name!r}: backward needs a forward(x, training=True) before it, and each "
                               "such forward serves one backward. Received: backward without one")
        saved = self._saved
        self._check_wing(dy)
        if dy.shape != (len(saved[0]), *self.output_shape):
            raise ValueError(f"Layer {self.name!r}: dy must have the shape of the output, "
                             f"{(len(saved[0]), *self.output_shape)}. Received: {dy.shape}")
        self._saved = None
        if dy.dtype != self.dtype or not dy.flags.c_contiguous:
            dy = self.ops.asarray(dy, self.dtype)
        return dy, *saved

    def _check_wing(self, x) -> None:
        if not self.ops.is_array(x):
            raise TypeError(f"Layer {self.name!r} was built for the backend {self.ops.name!r} and takes its arrays: "
                            "layer.ops.asarray(x, layer.dtype) makes one of NumPy's, and x.get() one of NumPy's of a "
                            "CuPy array; a model's own forward, fit and predict take NumPy arrays. "
                            f"Received: {type(x).__module__.split('.')[0]}.{type(x).__name__}")

    def forget(self) -> None:
        """Drop what forward saved, where no backward will come for it."""
        self._saved = None

    def release(self) -> None:
        """Give back the memory of the layer's buffers, which the next call makes anew."""
        self._buffers, self._saved = {}, None

    def move_to(self, ops: ModuleType) -> None:
        """Go over to another backend; the model moves the parameters. See :meth:`tinynet.Sequential.to`.

        A layer that holds other arrays or generators of its backend extends this.
        """
        self.release()
        self.ops = ops

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.name!r}, {self.input_shape} -> {self.output_shape}>"


def splits_at_activation(layer: Layer) -> bool:
    """Return whether forward is `logits` and then `layer.activation`, and backward the same way back.

    Not so for a subclass of Dense with a forward of its own: the logits that it inherits know nothing of that.
    """
    return (_depth(type(layer), "logits") <= _depth(type(layer), "forward")
            and _depth(type(layer), "logits_backward") <= _depth(type(layer), "backward"))


def keeps(layer: Layer, owner: type, *methods: str) -> bool:
    """Return whether a layer's class has these methods from `owner`, and has replaced none of them."""
    return all(getattr(type(layer), name) is getattr(owner, name) for name in methods)


def is_same_in_training(layer: Layer) -> bool:
    """Return what `layer.same_in_training` says; no, for a subclass with a forward of its own that says nothing."""
    return layer.same_in_training and _depth(type(layer), "same_in_training") <= _depth(type(layer), "forward")


@functools.cache
def _depth(kind: type[Layer], name: str) -> float:
    """Return how far up a layer's classes that name is found. Each step asks for it."""
    return next((i for i, owner in enumerate(kind.__mro__) if name in vars(owner)), np.inf)


def with_sublayers(layer: Layer) -> list[Layer]:
    """Return a layer and, after it, every layer that it holds, as a Dense layer's activation; each once."""
    found: dict[int, Layer] = {}

    def find(layer: Layer) -> None:
        if id(layer) in found:
            return
        found[id(layer)] = layer
        for held in vars(layer).values():
            for inner in held if isinstance(held, list) else [held]:
                if isinstance(inner, Layer):
                    find(inner)

    find(layer)
    return list(found.values())


def rename(layer: Layer, name: str) -> None:
    """Give a layer another name; what it owns, as its activation, is called the same in errors."""
    layer.name = name
    for inner in vars(layer).values():
        if isinstance(inner, Layer):
            rename(inner, name)


def snake_case(name: str) -> str:
    """Return a class name as Keras writes it for a layer: BatchNormalization becomes batch_normalization."""
    return re.sub(r"(?<=.)(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", "_", name).lower()
