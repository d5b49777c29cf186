"""PyTorch, eager: `Sequential`, fused optimizers, gradients set to None, tensors made once.

Images are (N, C, H, W), in the order in memory that PyTorch has by default; `torch_channels_last` is the other one.
"""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks import models
from benchmarks.models import BETA_1, BETA_2, EPSILON, Model, batch, input_shapes, weights_of_layers
from tinynet.shapes import window_pads


def prepare(threads: int) -> str:
    """Set the number of threads and return PyTorch's version."""
    torch.set_num_threads(threads)
    return torch.__version__


class Runner:
    layout = torch.contiguous_format

    def __init__(self, model: Model):
        self.model = model
        x, self.y = (torch.from_numpy(array) for array in batch(model))
        self.x = x.permute(0, 3, 1, 2).contiguous(memory_format=self.layout) if model.has_images else x
        channels_last = self.layout == torch.channels_last
        self.network = nn.Sequential(*_modules(model, channels_last)).to(memory_format=self.layout)
        initial = [torch.from_numpy(array) for array in _weights(model, channels_last)]
        self.initial = list(zip(_tensors(self.network), initial, strict=True))

    def restart(self) -> None:
        with torch.no_grad():
            for tensor, value in self.initial:
                tensor.copy_(value)
        self.optimizer = _optimizer(self.model, self.network)
        self.steps = 0

    def run(self, steps: int) -> float:
        if self.model.optimizer.name == "adam":
            # PyTorch adds epsilon after it has corrected the second moment's bias, Keras before: this is Keras' for the
            # next step. Losses are compared one step a call; for longer calls the speed is what counts.
            self.optimizer.param_groups[0]["eps"] = EPSILON / math.sqrt(1 - BETA_2 ** (self.steps + 1))
        self.steps += steps
        network, optimizer, x, y = self.network, self.optimizer, self.x, self.y
        for _ in range(steps):
            optimizer.zero_grad(set_to_none=True)
            loss = functional.cross_entropy(network(x), y)
            loss.backward()
            optimizer.step()
        return loss.item()


class FlattenChannelsLast(nn.Module):
    """Flatten (N, C, H, W) to (N, H W C), which copies nothing where the channels lie last in memory."""

    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1)


def _modules(model: Model, channels_last: bool) -> list[nn.Module]:
    modules: list[nn.Module] = []
    for layer, shape in zip(model.layers, input_shapes(model), strict=True):
        if isinstance(layer, models.Dense):
            modules.append(nn.Linear(shape[-1], layer.units, bias=layer.use_bias))
        elif isinstance(layer, models.Conv):
            modules += _convolution(layer, shape)
        elif isinstance(layer, models.MaxPool):
            modules.append(nn.MaxPool2d(layer.size))
        elif isinstance(layer, models.Flatten):
            modules.append(FlattenChannelsLast() if channels_last else nn.Flatten())
        elif isinstance(layer, models.BatchNorm):
            modules.append(_batch_norm(layer, shape))
        elif isinstance(layer, models.Dropout):
            modules.append(nn.Dropout(layer.rate))
        # No softmax: cross_entropy takes the logits.
        if isinstance(layer, models.Relu) or getattr(layer, "activation", None) == "relu":
            modules.append(nn.ReLU(inplace=True))
    return modules


def _convolution(layer: models.Conv, shape: models.Shape) -> list[nn.Module]:
    """Pad by TensorFlow's rule: inside the convolution where it is the same all around, else by a layer before it."""
    top, bottom = window_pads(shape[0], layer.size, layer.strides, "same")
    left, right = window_pads(shape[1], layer.size, layer.strides, "same")
    size = {"in_channels": shape[-1], "out_channels": layer.filters, "kernel_size": layer.size, "stride": layer.strides}
    if (top, left) == (bottom, right):
        return [nn.Conv2d(**size, padding=(top, left), bias=layer.use_bias)]
    return [nn.ZeroPad2d((left, right, top, bottom)), nn.Conv2d(**size, bias=layer.use_bias)]


def _batch_norm(layer: models.BatchNorm, shape: models.Shape) -> nn.Module:
    kind = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
    module = kind(shape[-1], eps=layer.epsilon, momentum=1 - layer.momentum)
    module.weight = None  # not scaled
    return module


def _tensors(network: nn.Sequential) -> list[torch.Tensor]:
    """Return parameters and moving statistics, layer by layer; the counters of batches are no part of the model."""
    return [tensor for module in network for tensor in [*module.parameters(), *module.buffers()] if tensor.ndim]


def _weights(model: Model, channels_last: bool) -> list[np.ndarray]:
    """Return the initial weights in PyTorch's layouts."""
    converted = []
    image = None  # the shape that the last Flatten flattened, for the kernel behind it
    for layer, shape, weights in zip(model.layers, input_shapes(model), weights_of_layers(model), strict=True):
        if isinstance(layer, models.Flatten):
            image = shape
        elif isinstance(layer, models.Conv):
            weights = [weights[0].transpose(3, 2, 0, 1), *weights[1:]]
        elif isinstance(layer, models.Dense):
            kernel = weights[0]
            if image and not channels_last:
                kernel = kernel.reshape(*image, layer.units).transpose(2, 0, 1, 3).reshape(-1, layer.units)
            weights, image = [kernel.T, *weights[1:]], None
        converted += weights
    return converted


def _optimizer(model: Model, network: nn.Module) -> torch.optim.Optimizer:
    rate = model.optimizer.learning_rate
    if model.optimizer.name == "sgd":
        return torch.optim.SGD(network.parameters(), lr=rate, fused=True)
    return torch.optim.Adam(network.parameters(), lr=rate, betas=(BETA_1, BETA_2), fused=True)
