"""PyTorch, eager, on an NVIDIA GPU: as `workers/torch.py`, with cuDNN's algorithms chosen by trying them.

Images are (N, C, H, W), in the order in memory that PyTorch has by default; `torch_gpu_channels_last` is the other one.
"""

from collections.abc import Callable

import numpy as np
import torch

from benchmarks.single_layers import SingleLayer, gradients, sample
from benchmarks.workers import torch as eager
from benchmarks.workers.device import Timer

_taken_before = 0  # of the device's memory, when this process had its context and nothing more


def prepare(threads: int, precision: str) -> str:
    """Choose how exact products and convolutions are, make the GPU's context, and return PyTorch's versions.

    Raises
    ------
    ImportError
        If PyTorch has no GPU to compute on.
    """
    global _taken_before
    version = eager.prepare(threads)
    if not torch.cuda.is_available():
        raise ImportError(f"PyTorch {version} finds no GPU")
    set_precision(precision)
    torch.cuda.init()
    torch.cuda.synchronize()
    _taken_before = _in_use()
    return f"{version} (CUDA {torch.version.cuda}, cuDNN {torch.backends.cudnn.version()})"


def set_precision(precision: str) -> None:
    """Let products and convolutions alike use TF32, unless the precision is "highest"; try cuDNN's algorithms."""
    torch.set_float32_matmul_precision(precision)
    torch.backends.cudnn.allow_tf32 = precision != "highest"
    torch.backends.cudnn.benchmark = True


def _in_use() -> int:
    """Return how many bytes of the GPU's memory are in use, by whomever."""
    free, total = torch.cuda.mem_get_info()
    return total - free


def forget() -> None:
    """Give back the memory of what is no longer there."""
    torch.cuda.empty_cache()


class EventTimer:
    """Events on the stream that is current, on which PyTorch computes."""

    def mark(self) -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def seconds(self, start: torch.cuda.Event, end: torch.cuda.Event) -> float:
        end.synchronize()
        return start.elapsed_time(end) / 1e3


class _OnDevice:
    """What runners share; a test runs them on the CPU, with a timer of its own."""

    device = "cuda"
    timer: Timer = EventTimer()

    def taken(self) -> int:
        return _in_use() - _taken_before


class Runner(_OnDevice, eager.Runner):
    """The eager step, its arrays on the GPU."""


class LayerRunner(_OnDevice, eager.ForwardRunner):
    """A layer's kernels as a CUDA graph, so that Python's calls are no part of its time."""

    def __init__(self, single: SingleLayer):
        super().__init__(single)
        super().restart()
        self.x.requires_grad_(single.needs_dx)
        if single.backward:
            dy = torch.from_numpy(gradients(single))
            self.dy = (dy.permute(0, 3, 1, 2) if dy.ndim == 4 else dy).contiguous(
                **({"memory_format": self.layout} if dy.ndim == 4 else {})
            )
            self.dy = self.dy.to(self.device)
        work = self._there_and_back if single.backward else self._there
        self._step = work if self.device == "cpu" else _recorded(work)

    def _there(self) -> None:
        with torch.no_grad():
            self._found = self.network(self.x), None, None

    def _there_and_back(self) -> None:
        y = self.network(self.x)
        weights = list(self.network.parameters())
        wanted = [*weights, self.x] if self.model.needs_dx else weights
        dkernel, *others = torch.autograd.grad(y, wanted, self.dy)
        self._found = y.detach(), dkernel, others[-1] if self.model.needs_dx else None

    def restart(self) -> None:
        """Do nothing: a step changes nothing that the next one reads."""

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self._step()
        if self.device == "cuda":
            torch.cuda.synchronize()

    def computed(self) -> list[float]:
        y, dkernel, dx = [None if tensor is None else tensor.cpu().numpy() for tensor in self._found]
        if y.ndim == 4:
            y, dx = [None if array is None else np.moveaxis(array, 1, -1) for array in (y, dx)]
        return sample(self.model, y, None if dkernel is None else _as_kernel(dkernel), dx)


def _as_kernel(array: np.ndarray) -> np.ndarray:
    """Return PyTorch's kernel (outputs, inputs, ...) as (..., inputs, outputs)."""
    return array.transpose(*range(2, array.ndim), 1, 0)


def _recorded(work: Callable[[], None]) -> Callable[[], None]:
    """Return what does the same by one launch; as PyTorch's manual says, on a stream of its own, after some trials."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            work()
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return graph.replay
