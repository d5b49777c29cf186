"""Sequential: layers in a row, trained by `fit` or in an open loop."""

import os
from collections.abc import Iterable

import numpy as np

from tinynet import architecture, checkpoint, inputs, regularizers
from tinynet.backends import get_backend, use_backend
from tinynet.errors import as_array, explain_keywords
from tinynet.layers import Activation, Input, Layer
from tinynet.layers.base import splits_at_activation
from tinynet.layers.chain import all_or_none
from tinynet.layers.parameters import settle
from tinynet.model_base import Model
from tinynet.out_of_memory import Room
from tinynet.shapes import as_shape


class Sequential(Model):
    """Layers in a row: the output of each is the input of the next. A Sequential is a layer itself, and nests.

    Backpropagation can be watched in the open loop, which is what `fit` does inside::

        p = model.forward(x, training=True)    # predictions; every layer saves what its backward needs
        value = loss(y, p)                     # one number
        dp = loss.gradient(y, p)               # how it changes with each prediction
        dx = model.backward(dp)                # the chain rule, last layer first; fills every Parameter.grad
        value += model.penalize()              # what regularizers add to the loss, and to the gradients
        optimizer.step(model)                  # value -= rate · grad, in the simplest case

    Parameters
    ----------
    layers : iterable of Layer, optional
        The layers; an :class:`~tinynet.layers.Input` may come first. The model is built at once if the first layer
        knows its input_shape, else by `build` or by the first data it sees.
    name : str, optional
        Name of the model.

    Raises
    ------
    ValueError
        If a layer object appears twice, or the shapes do not fit.
    """

    @explain_keywords
    def __init__(self, layers: Iterable[Layer] | None = None, name: str | None = None):
        super().__init__(name)
        if isinstance(layers, Layer):
            raise TypeError(f"layers of a Sequential is a list, such as [Dense(10)]. Received: {layers!r}")
        for layer in layers or ():
            self._append(layer)
        if self.layers and self.input_shape:
            self.build(self.input_shape)
        self.claim()

    def add(self, layer: Layer | Input) -> None:
        """Append a layer; where the shape so far is known, build it. After an error the model is as it was."""
        before, count = dict(vars(self)), len(self.layers)
        self._append(layer)
        try:
            with all_or_none(self.layers):
                if self.built:
                    with use_backend(self.ops.name):
                        self._build_layers(self.input_shape)
                    self._join()
                elif self.layers and self.input_shape:
                    self.build(self.input_shape)
        except Exception:
            vars(self).update(before)
            del self.layers[count:]
            raise
        self.claim()

    def _append(self, layer: Layer | Input) -> None:
        if self._inside is not None:
            raise ValueError(f"Model {self.name!r} is a part of {self._inside!r} and cannot grow any more. "
                             f"Received: {layer!r}")
        if isinstance(layer, Input):
            if self.layers or self.input_shape:
                before = len(self.layers) or 1  # an Input alone has left its shape
                raise ValueError("Input must be the first entry of a Sequential. "
                                 f"Received: it as entry {before + 1}")
            self.input_shape = layer.shape
            return
        self.take_in(layer, self.layers, "A Sequential")
        if len(self.layers) == 1 and self.input_shape is None:
            self.input_shape = layer.input_shape

    def build(self, input_shape) -> tuple[int, ...]:
        """Build every layer for inputs of `input_shape`, without the batch axis, and return the output's shape.

        A model that is built already stays as it is.
        """
        input_shape = as_shape(input_shape)
        if not self.layers:
            raise ValueError(f"Model {self.name!r} has no layers to build. Received: input_shape={input_shape}")
        if self.built and input_shape != self.input_shape:
            raise ValueError(f"Model {self.name!r} was built for inputs of shape {self.input_shape} and cannot change. "
                             f"Received: {input_shape}")
        if self.built:
            return self.output_shape
        get_backend()  # where it is missing, that is no matter of shapes
        super().build(input_shape)
        if self.parameters:
            settle(self.parameters, self.ops)
        return self.output_shape

    @property
    def activation(self) -> Activation | None:
        """The activation that the model ends in, where :meth:`logits` is all that comes before it; else None."""
        last = self._chain[-1] if self._chain else None
        head = getattr(last, "activation", None)
        return head if isinstance(head, Activation) and splits_at_activation(last) else None

    # The open loop.

    def forward(self, x, *, training: bool = False) -> np.ndarray:
        """Return the predictions (N, *output_shape) for x (N, *input_shape), as an array of the caller's own.

        Raises
        ------
        ValueError
            If x does not have the shape; the message lists the shapes of the layers.
        """
        x = inputs.check_inputs(self, x)
        with Room(self, lambda: len(x), holds_batch=False):
            y = self.propagate(self.ops.asarray(inputs.as_floats(self, x), self.dtype), training=training)
            return self.ops.to_numpy(y)

    def backward(self, dy, *, need_dx: bool = True) -> np.ndarray | None:
        """Fill every `Parameter.grad` from dy, the gradient by the last training forward's output, and return dx.

        Raises
        ------
        RuntimeError
            Without a training forward since the last backward.
        """
        if not self.built:
            raise RuntimeError(f"Model {self.name!r}: backward needs a forward(x, training=True) before it. "
                               "Received: backward of a model that is not built")
        dy = as_array("dy", dy)
        with Room(self, lambda: len(dy), holds_batch=False):
            dx = self.backpropagate(self.ops.asarray(dy, self.dtype), need_dx=need_dx)
            return None if dx is None else self.ops.to_numpy(dx)

    def logits(self, x, *, training: bool = False, need_dx: bool = True):
        """Return what goes into the activation that the model ends in; see :meth:`propagate`."""
        x = self._propagate(x, len(self._chain) - 1, training, need_dx)
        return self._chain[-1].logits(x, training=training)

    def logits_backward(self, dz, *, need_dx: bool = True):
        """Do what :meth:`backpropagate` does from the gradient of :meth:`logits`."""
        last = len(self._chain) - 1
        first = 0 if need_dx else self._first_trainable()
        dx = self._chain[last].logits_backward(dz, need_dx=last > first or need_dx)
        return self._backpropagate(dx, last, need_dx)

    def penalty(self) -> float:
        """Return what the regularizers of all parameters add to the loss, those of frozen layers too."""
        total = regularizers.total_penalty(self.parameters, self.ops)
        return float(np.sum(self.ops.to_numpy(total)))

    def penalize(self) -> float:
        """Add the regularizers' gradients to those that :meth:`backward` has filled, and return the penalty.

        A training step calls it once, after backward. A frozen layer's gradients stay as they are.
        """
        regularizers.add_gradients(self.parameters, self.ops)
        return self.penalty()

    def accept(self, x):
        """Return x as the layers take it, building the model if it is not; see :func:`tinynet.inputs.accept`."""
        return inputs.accept(self, x)

    def get_config(self) -> dict:
        """Return what the model was made with; see :mod:`tinynet.architecture`."""
        first = [] if self.input_shape is None else [Input(self.input_shape)]
        return {"layers": [*first, *self.layers], "name": self.name}


architecture.KNOWN["Sequential"] = Sequential


@explain_keywords
def load_model(path: str | os.PathLike, compile: bool = True) -> Sequential:
    """Return the model that :meth:`Sequential.save` wrote to a file, as it was then.

    It predicts what it predicted, and can be trained on: compiled as it was, its optimizer knows what it knew. (To go
    on with a `fit` that was stopped, its order of the data too, see `resume_from` there.) Nothing in the file is
    executed: its classes are the library's, or yours that :func:`tinynet.register_serializable` has made known.

    Parameters
    ----------
    path : str or path
        Of the file.
    compile : bool
        Whether to compile the model, if it was.

    Raises
    ------
    ValueError
        If the file is damaged, of a newer format, or holds weights only; if a class is not known, with the known ones.
    OSError
        If it cannot be read.
    """
    return checkpoint.load(path, compile)


__all__ = ["Sequential", "load_model"]
