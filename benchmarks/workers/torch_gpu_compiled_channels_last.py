"""PyTorch on a GPU by torch.compile, with the channels of images last in memory."""

import torch

from benchmarks.workers import torch_gpu_compiled as contiguous
from benchmarks.workers.torch_gpu_compiled import forget, prepare

__all__ = ["Runner", "forget", "prepare"]


class Runner(contiguous.Runner):
    layout = torch.channels_last
