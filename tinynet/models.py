"""Sequential: layers in a row, trained by `fit` or in an open loop."""

from collections.abc import Iterable, Sequence

import numpy as np

from tinynet import feed, summary, training
from tinynet.callbacks import History
from tinynet.errors import explain_keywords
from tinynet.layers import Activation, Input, Layer
from tinynet.layers.base import splits_at_activation
from tinynet.layers.chain import Row, all_or_none
from tinynet.layers.parameters import settle
from tinynet.shapes import as_shape
from tinynet.trainer import Trainer


class Sequential(Row):
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

    kind = "Model"

    @explain_keywords
    def __init__(self, layers: Iterable[Layer] | None = None, name: str | None = None):
        super().__init__(name)
        self.stop_training = False
        self._trainer: Trainer | None = None
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
        x = self.accept(x)
        return self.ops.to_numpy(self.propagate(x, training=training))

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
        dy = self.ops.asarray(np.asarray(dy), self.dtype)
        dx = self.backpropagate(dy, need_dx=need_dx)
        return None if dx is None else self.ops.to_numpy(dx)

    def logits(self, x, *, training: bool = False):
        """Return what goes into the activation that the model ends in."""
        for layer in self._chain[:-1]:
            x = layer.forward(x, training=training)
        return self._chain[-1].logits(x, training=training)

    def logits_backward(self, dz, *, need_dx: bool = True):
        """Do what :meth:`backpropagate` does from the gradient of :meth:`logits`."""
        last = len(self._chain) - 1
        first = 0 if need_dx else self._first_trainable()
        dx = self._chain[last].logits_backward(dz, need_dx=last > first or need_dx)
        return self._backpropagate(dx, last, need_dx)

    def penalty(self) -> float:
        """Return what the regularizers of all parameters add to the loss, those of frozen layers too."""
        total = 0.0
        for parameter in self.parameters:
            if parameter.regularizer is not None:
                total += parameter.regularizer.penalty(self.ops, parameter.value)
        return total

    def penalize(self) -> float:
        """Add the regularizers' gradients to those that :meth:`backward` has filled, and return the penalty.

        A training step calls it once, after backward. A frozen layer's gradients stay as they are.
        """
        for parameter in self.parameters:
            if parameter.regularizer is not None and parameter.trainable and not parameter.frozen:
                parameter.regularizer.add_gradient(self.ops, parameter.value, parameter.grad)
        return self.penalty()

    def accept(self, x):
        """Return x as the layers take it, building the model if it is not; see :func:`tinynet.feed.accept`."""
        return feed.accept(self, x)

    # Training, as in Keras.

    @explain_keywords
    def compile(self, optimizer="rmsprop", loss=None, metrics: Sequence = ()) -> None:
        """Say how to train: an optimizer, a loss, and the metrics to print.

        A model that ends in a softmax is paired with a cross-entropy into one function of the logits (a sigmoid with
        the binary one), which stays exact where probabilities reach 0 or 1.

        Parameters
        ----------
        optimizer : str or Optimizer
            See :mod:`tinynet.optimizers`.
        loss : str or Loss
            See :mod:`tinynet.losses`.
        metrics : sequence of str or Metric
            See :mod:`tinynet.metrics`.
        """
        self._trainer = Trainer(self, optimizer, loss, metrics)

    @property
    def trainer(self) -> Trainer:
        """What :meth:`compile` made: `trainer.optimizer`, `trainer.loss`, `trainer.metrics`."""
        if self._trainer is None:
            raise RuntimeError(f"Model {self.name!r} must be compiled first: model.compile(optimizer='adam', "
                               "loss=...). Received: a model that is not compiled")
        return self._trainer

    @property
    def optimizer(self):
        """The optimizer given to :meth:`compile`."""
        return self.trainer.optimizer

    @explain_keywords
    def fit(self, x=None, y=None, batch_size=None, epochs=1, verbose="auto", callbacks=None, validation_split=0.0,
            validation_data=None, shuffle=True, class_weight=None, sample_weight=None, initial_epoch=0,
            steps_per_epoch=None, validation_steps=None) -> History:
        """Train for a number of epochs and return the History.

        Parameters
        ----------
        x : array or Dataset
            Inputs (N, *input_shape); or a Dataset of batches (x, y) or (x, y, sample weights).
        y : array, optional
            The truth; its shape and type depend on the loss.
        batch_size : int, optional
            Samples in a batch, 32 by default.
        epochs : int
            Number of the last epoch.
        verbose : "auto", 0, 1 or 2
            Silent (0), a progress bar (1), one line an epoch (2); "auto" is 1 at a terminal or notebook, else 2.
        callbacks : list of Callback, optional
            See :mod:`tinynet.callbacks`.
        validation_split : float
            Share of the arrays, from their end, that is held out for validation.
        validation_data : tuple or Dataset, optional
            (x, y), (x, y, sample weights) or a Dataset, evaluated after each epoch.
        shuffle : bool
            Whether arrays are shuffled anew for each epoch; a Dataset has its own `shuffle`.
        class_weight : dict, optional
            What each class counts in the loss.
        sample_weight : array (N,), optional
            What each sample counts in the loss.
        initial_epoch : int
            Epochs already done.
        steps_per_epoch : int, optional
            Batches in an epoch. One iterator then runs through the whole fit. An endless Dataset needs it.
        validation_steps : int, optional
            Batches of a validation Dataset.

        Raises
        ------
        ValueError
            If data, labels or numbers do not fit; the message says which and what would. Arrays are checked for NaN
            and infinity once, a Dataset batch by batch.
        """
        return training.fit(
            self.trainer, x, y, batch_size=batch_size, epochs=epochs, verbose=verbose, callbacks=callbacks,
            validation_split=validation_split, validation_data=validation_data, shuffle=shuffle,
            class_weight=class_weight, sample_weight=sample_weight, initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch, validation_steps=validation_steps)

    @explain_keywords
    def evaluate(self, x=None, y=None, batch_size: int | None = None, verbose="auto", sample_weight=None,
                 steps: int | None = None) -> float | list[float]:
        """Return the loss, or the list [loss, metric, ...] where there are metrics; arguments as for :meth:`fit`.

        A Dataset is read to its end, or for `steps` batches.
        """
        return training.evaluate(self.trainer, x, y, batch_size=batch_size, verbose=verbose,
                                 sample_weight=sample_weight, steps=steps)

    @explain_keywords
    def predict(self, x, batch_size: int | None = None, verbose=0, steps: int | None = None) -> np.ndarray:
        """Return the predictions (N, *output_shape), computed batch by batch, as an array of the caller's own.

        Parameters
        ----------
        x : array (N, *input_shape) or Dataset
            Inputs, always a batch: one image is `np.array([image])`. Of a Dataset of pairs the first is taken.
        batch_size : int, optional
            Samples computed at once, 32 by default.
        verbose : 0, 1, 2 or "auto"
            As for :meth:`fit`; silent by default.
        steps : int, optional
            Number of batches; an endless Dataset needs it.
        """
        return training.predict(self, x, batch_size=batch_size, verbose=verbose, steps=steps)

    @explain_keywords
    def train_on_batch(self, x, y, sample_weight=None, class_weight=None) -> float | list[float]:
        """Make one update from one batch; return its loss, or [loss, metric, ...] where there are metrics."""
        return training.train_on_batch(self.trainer, x, y, sample_weight, class_weight)

    @explain_keywords
    def test_on_batch(self, x, y, sample_weight=None) -> float | list[float]:
        """Return the loss of one batch, or [loss, metric, ...] where there are metrics, without training."""
        return training.test_on_batch(self.trainer, x, y, sample_weight)

    def predict_on_batch(self, x) -> np.ndarray:
        """Return the predictions for one batch."""
        return self.forward(x)

    # Looking in.

    def summary(self) -> None:
        """Print the layers, their output shapes and how many parameters they have."""
        print(summary.table(self.name, self.layers))
