"""PyTorch, eager: `Sequential`, fused optimizers, gradients set to None, tensors made once."""

import math

import torch
from torch.nn import functional

from benchmarks.models import BETA_1, BETA_2, EPSILON, Model, batch, initial_weights


def prepare(threads: int) -> str:
    """Set the number of threads and return PyTorch's version."""
    torch.set_num_threads(threads)
    return torch.__version__


class Runner:
    def __init__(self, model: Model):
        self.model = model
        # Linear keeps its weight as (units, inputs).
        self.initial = [torch.from_numpy(array.T if array.ndim == 2 else array) for array in initial_weights(model)]
        self.x, self.y = (torch.from_numpy(array) for array in batch(model))
        self.network = _build(model)

    def restart(self) -> None:
        with torch.no_grad():
            for parameter, value in zip(self.network.parameters(), self.initial, strict=True):
                parameter.copy_(value)
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


def _build(model: Model) -> torch.nn.Sequential:
    layers: list[torch.nn.Module] = []
    inputs = model.input_shape[-1]
    for layer in model.layers:
        layers.append(torch.nn.Linear(inputs, layer.units))
        if layer.activation == "relu":
            layers.append(torch.nn.ReLU())
        inputs = layer.units
    return torch.nn.Sequential(*layers)  # no softmax: cross_entropy takes the logits


def _optimizer(model: Model, network: torch.nn.Module) -> torch.optim.Optimizer:
    rate = model.optimizer.learning_rate
    if model.optimizer.name == "sgd":
        return torch.optim.SGD(network.parameters(), lr=rate, fused=True)
    return torch.optim.Adam(network.parameters(), lr=rate, betas=(BETA_1, BETA_2), fused=True)
