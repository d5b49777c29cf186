"""What can be done with a model, whichever way its layers lie: train it, look in, and keep it."""

import os
from collections.abc import Sequence
from types import ModuleType

import numpy as np

from tinynet import checkpoint, onnx_export, summary, training
from tinynet.backends import use_backend
from tinynet.callbacks import History
from tinynet.errors import explain_keywords, look_up
from tinynet.layers import Layer
from tinynet.layers.base import with_sublayers
from tinynet.layers.chain import Row, members
from tinynet.layers.parameters import move, settle
from tinynet.trainer import Trainer


class Model(Row):
    """Base of the models: all of :class:`tinynet.Sequential` but its layers, and the ways through them."""

    kind = "Model"

    def __init__(self, name: str | None = None):
        super().__init__(name)
        self.stop_training = False
        self._trainer: Trainer | None = None

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
            steps_per_epoch=None, validation_steps=None, resume_from=None) -> History:
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
        resume_from : path, optional
            A file of :meth:`save` or :class:`~tinynet.callbacks.ModelCheckpoint`, to go on where that training was:
            with the same data and arguments the outcome is the same to the last bit as if it had never stopped. The
            History has its epochs too; where none is left, it returns at once.

        Raises
        ------
        ValueError
            If data, labels or numbers do not fit; the message says which and what would. Arrays are checked for NaN
            and infinity once, a Dataset batch by batch. If the file is damaged, or of another model or training.

        Warns
        -----
        UserWarning
            If what was trained so far was trained with another BLAS, backend, number of threads, or size of batches:
            then the outcome will only be close.
        """
        return training.fit(
            self.trainer, x, y, batch_size=batch_size, epochs=epochs, verbose=verbose, callbacks=callbacks,
            validation_split=validation_split, validation_data=validation_data, shuffle=shuffle,
            class_weight=class_weight, sample_weight=sample_weight, initial_epoch=initial_epoch,
            steps_per_epoch=steps_per_epoch, validation_steps=validation_steps, resume_from=resume_from)

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

    @property
    def backend(self) -> str | None:
        """The name of the backend that the model was built for, or has moved to; None before it is built."""
        return self.ops.name if self.built else None

    @explain_keywords
    def to(self, backend: str) -> "Model":
        """Move the model to another backend, and return it: "cupy" is the GPU, "numba" and "numpy" compute on the CPU.

        All that it knows goes with it: weights, what its optimizer knows of their gradients, and where dropout's
        generators stand. So it predicts and learns on as it would have, up to rounding. On "cupy" it is then on the GPU
        that :func:`tinynet.set_device` chose.

        Raises
        ------
        ValueError
            For an unknown backend; if the model is not built, or is a part of another.
        RuntimeError
            While `fit` runs.
        ImportError
            If the backend cannot be loaded here.
        MemoryError
            If the GPU has no room for it; the model stays where it was.
        """
        with use_backend(backend) as ops:
            if not self.built:
                raise ValueError(f"Model {self.name!r} must be built before it can move: give its first layer an "
                                 f"input_shape. Or call tinynet.set_backend({backend!r}) before it is built. Received: "
                                 "a model that is not built")
            if self._inside is not None:
                raise ValueError(f"Model {self.name!r} is a part of {self._inside!r}; move that one. "
                                 f"Received: to({backend!r})")
            if self._trainer is not None and self._trainer.is_repeating:
                raise RuntimeError(f"Model {self.name!r} cannot move while fit trains it. Received: to({backend!r})")
            before = self.ops
            try:
                self._move(ops)
            except MemoryError:
                self._move(before)
                raise
        return self

    def _move(self, ops: ModuleType) -> None:
        layers = with_sublayers(self)
        # Each from its own backend: layers may be another model's too, which has moved.
        move({parameter: layer.ops for layer in layers for parameter in layer.parameters}, ops)
        for layer in layers:
            layer.ops = ops
        for layer in layers:
            layer.move_to(ops)
        if self.parameters:
            settle(self.parameters, ops)
        if self._trainer is not None:
            self._trainer.follow()

    # What outlives the process.

    def save(self, path: str | os.PathLike) -> None:
        """Write all of the model to a file, from which :func:`tinynet.load_model` makes it again.

        Architecture and weights; how it was compiled, and what its optimizer knows; how far `fit` came, and where all
        randomness stands, so that `fit(resume_from=path)` goes on from there. It is a safetensors file, which many
        programs read: the weights are called "dense/kernel", and "model/dense/kernel" in a model inside. The file is in
        its place whole, or not at all: killed at any moment, the old one is there or the new one.

        Parameters
        ----------
        path : str or path
            Of the file, which ends in ".safetensors"; its folder must exist.

        Raises
        ------
        ValueError
            If the model is not built, `path` has another ending, or something that the model or its optimizer was
            made with is not known to :func:`tinynet.register_serializable`, as a lambda.
        OSError
            If the file cannot be written.
        """
        checkpoint.save(self, path)

    def save_weights(self, path: str | os.PathLike) -> None:
        """Write the weights alone, in the same way as :meth:`save`."""
        checkpoint.save_weights(self, path)

    def load_weights(self, path: str | os.PathLike) -> None:
        """Take the weights from a file of :meth:`save` or :meth:`save_weights`, by their names.

        After an error the model's are as they were.

        Raises
        ------
        ValueError
            If the model is not built, the file is damaged, or weights are missing, unexpected or of another shape: the
            message lists them.
        OSError
            If the file cannot be read.
        """
        checkpoint.load_weights(self, path)

    # Looking in.

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """Return a layer by its name, wherever it lies in the model, or by its place in `layers`.

        Raises
        ------
        ValueError
            If there is none, or neither or both are given.
        """
        if (name is None) == (index is None):
            raise ValueError(f"get_layer takes a name or an index. Received: name={name!r}, index={index!r}")
        if not isinstance(name, str | None) or not isinstance(index, int | np.integer | None):
            raise TypeError("get_layer takes a layer's name, or its place in layers as index=0. "
                            f"Received: name={name!r}, index={index!r}")
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ValueError(f"Model {self.name!r} has {len(self.layers)} layers. Received: index={index!r}")
            return self.layers[index]
        known = {layer.name: layer for layer in members(self.layers)}
        return look_up(f"layer of model {self.name!r}", name, known)

    def flatten_layers(self) -> list[Layer]:
        """Return all layers, each followed by those that it is made of: of models inside, of a Residual, of branches.

        `layers` has only the outer ones. To set something on all layers of a kind, walk these::

            for layer in model.flatten_layers():
                if isinstance(layer, BatchNormalization):
                    layer.trainable = False
        """
        return list(members(self.layers))

    def summary(self) -> None:
        """Print the layers, their output shapes and how many parameters they have."""
        print(summary.table(self.name, self.layers))

    def export_onnx(self, path: str | os.PathLike) -> None:
        """Write the model, as it predicts, to an ONNX file, which onnxruntime and many other programs run.

        The graph's `input` is x (N, *input_shape), its `output` what :meth:`predict` returns, for any N. Nodes and
        weights are named after the layers, as "conv2d/Conv" and "conv2d/kernel"; a convolution's kernel is turned into
        ONNX' order. Numbers keep the model's float type, but ONNX has an epsilon or a slope in float32 only. On the
        CPU onnxruntime computes convolutions in float32 only; `onnx.reference` runs them in float64, slowly.

        It needs the package onnx: ``pip install 'tinynet[onnx]'``. The file appears whole, or not at all.

        Parameters
        ----------
        path : str or path
            Of the file, which ends in ".onnx".

        Raises
        ------
        ImportError
            Without the package onnx.
        ValueError
            If the model is not built, or `path` has another ending.
        TypeError
            If a layer is of a class for which there is no recipe; :mod:`tinynet.onnx_export` shows how to write one.
        """
        onnx_export.export(self, path)
