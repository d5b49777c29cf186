"""PyTorch with the channels of images last in memory, which is the faster layout of some convolutions."""

import torch

from benchmarks.workers.torch import Runner as ContiguousRunner
from benchmarks.workers.torch import prepare

__all__ = ["Runner", "prepare"]


class Runner(ContiguousRunner):
    layout = torch.channels_last
