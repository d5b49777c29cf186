"""PyTorch with the channels of images last in memory, which is the faster layout of some convolutions."""

import torch

from benchmarks.workers import torch as contiguous
from benchmarks.workers.torch import prepare

__all__ = ["ForwardRunner", "Runner", "prepare"]


class ForwardRunner(contiguous.ForwardRunner):
    layout = torch.channels_last


class Runner(contiguous.Runner):
    layout = torch.channels_last
