"""PyTorch on a GPU with the channels of images last in memory, the order in which tensor cores take them."""

import torch

from benchmarks.workers import torch_gpu as contiguous
from benchmarks.workers.torch_gpu import forget, prepare

__all__ = ["LayerRunner", "Runner", "forget", "prepare"]


class Runner(contiguous.Runner):
    layout = torch.channels_last


class LayerRunner(contiguous.LayerRunner):
    layout = torch.channels_last
