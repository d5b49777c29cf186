"""PyTorch on a GPU by torch.compile: forward and loss, backward, and the optimizer, each compiled into CUDA graphs.

That is what mode="reduce-overhead" makes. Whatever a graph has once read it must find in its place again: so the
optimizer is made once, and starting again puts back the numbers in its state.
"""

import math

import torch
from torch.nn import functional

from benchmarks.models import BETA_1, BETA_2, EPSILON, Model
from benchmarks.workers import torch_gpu
from benchmarks.workers.torch_gpu import forget, prepare

__all__ = ["Runner", "forget", "prepare"]


class Runner(torch_gpu.Runner):
    compiler = {"mode": "reduce-overhead"}

    def __init__(self, model: Model):
        super().__init__(model)
        # Without this, and dynamic=False, a second model would be one more shape of the first one's program, compiled
        # for batches of any size, and a ninth would not be compiled at all. An earlier model is not run again.
        torch.compiler.reset()
        self.optimizer = _optimizer(model, self.network)
        self.loss_of = torch.compile(self._loss_of, dynamic=False, **self.compiler)
        self.update = torch.compile(self._update, dynamic=False, **self.compiler)

    def _loss_of(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return functional.cross_entropy(self.network(x), y)

    def _update(self) -> None:
        self.optimizer.step()

    def restart(self) -> None:
        torch_gpu.eager.ForwardRunner.restart(self)
        for state in self.optimizer.state.values():
            for tensor in state.values():
                tensor.zero_()

    def run(self, steps: int) -> float:
        optimizer, loss_of, update, x, y = self.optimizer, self.loss_of, self.update, self.x, self.y
        for _ in range(steps):
            optimizer.zero_grad(set_to_none=True)
            torch.compiler.cudagraph_mark_step_begin()
            loss = loss_of(x, y)
            loss.backward()
            update()
        return loss.item()


def _optimizer(model: Model, network: torch.nn.Module) -> torch.optim.Optimizer:
    rate = model.optimizer.learning_rate
    if model.optimizer.name == "sgd":
        return torch.optim.SGD(network.parameters(), lr=rate)
    return torch.optim.Adam(network.parameters(), lr=rate, betas=(BETA_1, BETA_2), eps=epsilon(), capturable=True)


def epsilon() -> float:
    """Return Keras' epsilon for the first step (see workers/torch.py); one for each would be as many programs."""
    return EPSILON / math.sqrt(1 - BETA_2)
