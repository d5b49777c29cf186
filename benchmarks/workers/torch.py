"""PyTorch, eager: fused optimizers, gradients set to None, inference mode, tensors made once.

Images are (N, C, H, W), in the order in memory that PyTorch has by default; `torch_channels_last` is the other one.
"""

import math

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from benchmarks.models import BETA_1, BETA_2, EPSILON, Model, Network, inputs, labels
from benchmarks.workers import torch_networks


def prepare(threads: int) -> str:
    """Set the number of threads and return PyTorch's version."""
    torch.set_num_threads(threads)
    return torch.__version__


class ForwardRunner:
    device = "cpu"
    layout = torch.contiguous_format

    def __init__(self, model: Network):
        self.model = model
        self.turned = torch_networks.is_turned(model)
        self.channels_last = self.layout == torch.channels_last
        self.network = torch_networks.build(model, self.channels_last, self.turned)
        self.network.to(self.device, memory_format=self.layout)
        self.network.eval()
        x = torch.from_numpy(inputs(model, model.batch))
        if model.has_images:
            x = (x.flip(1, 2) if self.turned else x).permute(0, 3, 1, 2).contiguous(memory_format=self.layout)
        self.x = x.to(self.device)

    def restart(self) -> None:
        weights = torch_networks.weights(self.model, self.channels_last, self.turned)
        with torch.no_grad():
            for tensor, array in zip(torch_networks.tensors(self.network), weights, strict=True):
                tensor.copy_(torch.from_numpy(array))

    def run(self, steps: int) -> np.ndarray:
        with torch.inference_mode():
            for _ in range(steps):
                y = self.network(self.x)
            y = y.permute(0, 2, 3, 1)
            return (y.flip(1, 2) if self.turned else y).cpu().numpy()


class Runner(ForwardRunner):
    def __init__(self, model: Model):
        super().__init__(model)
        self.network.train()
        self.y = torch.from_numpy(labels(model, model.batch)).to(self.device)

    def restart(self) -> None:
        super().restart()
        self.optimizer = make_optimizer(self.model, self.network)
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


def make_optimizer(model: Model, network: nn.Module, **other) -> torch.optim.Optimizer:
    """Return the fused optimizer of a model; `other` goes to Adam."""
    rate = model.optimizer.learning_rate
    if model.optimizer.name == "sgd":
        return torch.optim.SGD(network.parameters(), lr=rate, fused=True)
    return torch.optim.Adam(network.parameters(), lr=rate, betas=(BETA_1, BETA_2), fused=True, **other)
