"""PyTorch on a GPU with forward, loss and backward compiled, and the optimizer as PyTorch has it fused already."""

from benchmarks.models import Model
from benchmarks.workers import torch_gpu_compiled as compiled
from benchmarks.workers.torch import make_optimizer
from benchmarks.workers.torch_gpu_compiled import forget, prepare

__all__ = ["Runner", "forget", "prepare"]


class Runner(compiled.Runner):
    def __init__(self, model: Model):
        super().__init__(model)
        self.optimizer = make_optimizer(model, self.network, eps=compiled.epsilon())
        self.update = self.optimizer.step
