"""The described networks as PyTorch's modules, and their weights in PyTorch's layouts."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import nn

from benchmarks import mobilenet, models
from benchmarks.models import Network, Shape, parts, weights_of_layers
from tinynet.shapes import window_pads


def is_turned(model: Network) -> bool:
    """Whether photos and kernels are turned upside down and left to right, to spare PyTorch copies of padded images.

    A 3×3 convolution of stride 2 pads an even number of rows, by TensorFlow's rule, with 0 before and 1 behind. PyTorch
    needs a layer of its own for that, and a copy. Turned, it is 1 before and 0 behind: the same as PyTorch's 1 on both
    sides, as no window reaches the row behind. All of MobileNetV2's windows are of such a kind, or padded alike on both
    sides; and a network of them, all turned, makes the same numbers, turned.
    """
    return any(isinstance(layer, mobilenet.MobileNetV2) for layer in model.layers)


def build(model: Network, channels_last: bool, turned: bool) -> nn.Sequential:
    """Return the network without its weights, in training mode; a softmax at its end is left to the loss."""
    return nn.Sequential(*_modules(model.layers, model.input_shape, channels_last, turned))


def tensors(network: nn.Sequential) -> Iterator[torch.Tensor]:
    """Yield parameters and moving statistics, layer by layer; the counters of batches are no part of the model."""
    for module in network.modules():
        for tensor in [*module.parameters(recurse=False), *module.buffers(recurse=False)]:
            if tensor.ndim:
                yield tensor


def weights(model: Network, channels_last: bool, turned: bool) -> list[np.ndarray]:
    """Return the initial weights of these tensors."""
    converted = []
    image = None  # the shape that the last Flatten flattened, for the kernel behind it
    for (layer, shape), arrays in zip(parts(model), weights_of_layers(model), strict=True):
        if isinstance(layer, models.Flatten):
            image = shape
        elif isinstance(layer, models.Conv | mobilenet.DepthwiseConv):
            kernel = arrays[0][::-1, ::-1].copy() if turned else arrays[0]
            order = (3, 2, 0, 1) if isinstance(layer, models.Conv) else (2, 3, 0, 1)
            arrays = [kernel.transpose(order), *arrays[1:]]
        elif isinstance(layer, models.Dense):
            kernel = arrays[0]
            if image and not channels_last:
                kernel = kernel.reshape(*image, layer.units).transpose(2, 0, 1, 3).reshape(-1, layer.units)
            arrays, image = [kernel.T, *arrays[1:]], None
        converted += arrays
    return converted


class FlattenChannelsLast(nn.Module):
    """Flatten (N, C, H, W) to (N, H W C), which copies nothing where the channels lie last in memory."""

    def forward(self, x):
        return x.permute(0, 2, 3, 1).flatten(1)


class GlobalAverage(nn.Module):
    """Average (N, C, H, W) over H and W."""

    def forward(self, x):
        return x.mean((2, 3))


class Residual(nn.Sequential):
    """Add the input to what the modules make of it: in place, as no gradient needs the output of a normalisation."""

    def forward(self, x):
        return super().forward(x).add_(x)


def _modules(layers: Sequence[models.Layer], shape: Shape, channels_last: bool, turned: bool) -> list[nn.Module]:
    modules: list[nn.Module] = []
    for layer in layers:
        if isinstance(layer, mobilenet.Row):
            inner = _modules(layer.layers, shape, channels_last, turned)
            modules.append((Residual if isinstance(layer, mobilenet.Residual) else nn.Sequential)(*inner))
        elif isinstance(layer, models.Dense):
            modules.append(nn.Linear(shape[-1], layer.units, bias=layer.use_bias))
        elif isinstance(layer, models.Conv):
            modules += _convolution(layer, shape, turned, out_channels=layer.filters, bias=layer.use_bias)
        elif isinstance(layer, mobilenet.DepthwiseConv):
            modules += _convolution(layer, shape, turned, out_channels=shape[-1], groups=shape[-1], bias=False)
        elif isinstance(layer, models.MaxPool):
            modules.append(nn.MaxPool2d(layer.size))
        elif isinstance(layer, mobilenet.GlobalAverage):
            modules.append(GlobalAverage())
        elif isinstance(layer, models.Flatten):
            modules.append(FlattenChannelsLast() if channels_last else nn.Flatten())
        elif isinstance(layer, models.BatchNorm):
            modules.append(_batch_norm(layer, shape))
        elif isinstance(layer, mobilenet.Relu6):
            modules.append(nn.ReLU6(inplace=True))
        elif isinstance(layer, models.Dropout):
            modules.append(nn.Dropout(layer.rate))
        if isinstance(layer, models.Relu) or getattr(layer, "activation", None) == "relu":
            modules.append(nn.ReLU(inplace=True))
        shape = layer.output_shape(shape)
    return modules


def _convolution(layer: models.Conv | mobilenet.DepthwiseConv, shape: Shape, turned: bool, **other) -> list[nn.Module]:
    """Pad by TensorFlow's rule: inside the convolution where it is the same all around, else by a layer before it."""
    top, bottom = window_pads(shape[0], layer.size, layer.strides, "same")
    left, right = window_pads(shape[1], layer.size, layer.strides, "same")
    other |= {"in_channels": shape[-1], "kernel_size": layer.size, "stride": layer.strides}
    if turned or (top, left) == (bottom, right):
        return [nn.Conv2d(padding=(bottom, right), **other)]
    return [nn.ZeroPad2d((left, right, top, bottom)), nn.Conv2d(**other)]


def _batch_norm(layer: models.BatchNorm, shape: Shape) -> nn.Module:
    kind = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
    module = kind(shape[-1], eps=layer.epsilon, momentum=1 - layer.momentum)
    if not isinstance(layer, mobilenet.ScaledBatchNorm):
        module.weight = None  # not scaled
    return module
