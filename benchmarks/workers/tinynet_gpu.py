"""tinynet on an NVIDIA GPU: the steps of `fit`, replayed as CUDA graphs, on a batch that lies there already."""

import contextlib

import cupy as cp

import tinynet
from benchmarks.models import Model, batch, initial_weights, inputs
from benchmarks.single_layers import SingleLayer, gradients, sample
from benchmarks.workers import tinynet as worker
from tinynet.backends import use_backend
from tinynet.feed import Batch

_taken_before = 0  # of the device's memory, when this process had its context and nothing more


def prepare(threads: int, precision: str) -> str:
    """Choose how exact products are, make the GPU's context, and return the versions of all that computes there.

    Raises
    ------
    ImportError
        If there is no GPU that CuPy can use.
    """
    global _taken_before
    version = worker.prepare(threads)
    with use_backend("cupy"):
        tinynet.set_matmul_precision(precision)
    cp.cuda.runtime.deviceSynchronize()
    _taken_before = _in_use()
    runtime = cp.cuda.runtime
    gpu = runtime.getDeviceProperties(runtime.getDevice())["name"].decode()
    cuda, driver = map(_as_text, (runtime.runtimeGetVersion(), runtime.driverGetVersion()))
    return f"{version} on {gpu} (CuPy {cp.__version__}, CUDA {cuda}, driver for CUDA {driver})"


def _as_text(version: int) -> str:
    return f"{version // 1000}.{version % 1000 // 10}"


def _in_use() -> int:
    """Return how many bytes of the GPU's memory are in use, by whomever."""
    free, total = cp.cuda.runtime.memGetInfo()
    return total - free


def forget() -> None:
    """Give back the memory of what is no longer there."""
    cp.get_default_memory_pool().free_all_blocks()


class EventTimer:
    """Events on the stream that is current, on which tinynet computes."""

    def mark(self) -> cp.cuda.Event:
        event = cp.cuda.Event()
        event.record()
        return event

    def seconds(self, start: cp.cuda.Event, end: cp.cuda.Event) -> float:
        end.synchronize()
        return cp.cuda.get_elapsed_time(start, end) / 1e3


class _OnDevice:
    def __init__(self):
        self.timer = EventTimer()

    def taken(self) -> int:
        return _in_use() - _taken_before


class Runner(_OnDevice):
    def __init__(self, model: Model):
        super().__init__()
        self.model = model
        with use_backend("cupy"):
            self.network = worker.build(model)
        worker.compile_network(model, self.network)
        self.trainer, ops = self.network.trainer, self.network.ops
        x, y = batch(model)
        y = self.trainer.check_labels(y, len(x))
        self.batch = Batch(ops.asarray(x, self.network.dtype), ops.asarray(y, y.dtype), None)
        # As long as this lives a step is replayed, as it is from the beginning of a fit to its end.
        self._fit = contextlib.ExitStack()
        self._fit.enter_context(self.trainer.repeating())

    def restart(self) -> None:
        """Put numbers back to where they were, in their places: the graph stays as it is."""
        self.network.set_weights(initial_weights(self.model))
        optimizer = self.trainer.optimizer
        for slots in optimizer.slot_values(self.network):
            for slot in slots.values():
                slot[...] = 0
        optimizer.iterations = 0

    def run(self, steps: int) -> float:
        step, batch, tally = self.trainer.step, self.batch, self.trainer.trained
        for left in range(steps, 0, -1):
            if left == 1:
                tally.reset()  # so that the last step's loss is a mean of its own
            step(batch)
        return tally.logs()["loss"]


class LayerRunner(_OnDevice):
    """A layer's kernels as a CUDA graph, so that Python's calls are no part of its time."""

    def __init__(self, single: SingleLayer):
        super().__init__()
        self.single = single
        with use_backend("cupy"):
            self.layer = worker.build_layer(single.layer, single.input_shape)
            self.layer.build(single.input_shape)
        self.layer.set_weights(initial_weights(single))
        ops = self.ops = self.layer.ops
        self._arrays = [ops.asarray(inputs(single, single.batch), "float32")]
        if single.backward:
            self._arrays.append(ops.asarray(gradients(single), "float32"))
        work = self._there_and_back if single.backward else self._there
        self._step = ops.repeat(work, tuple, None)  # nothing changes but the numbers in arrays

    def _there(self, x) -> None:
        self._found = self.layer.forward(x), None

    def _there_and_back(self, x, dy) -> None:
        self._found = self.layer.forward(x, training=True), self.layer.backward(dy, need_dx=self.single.needs_dx)

    def restart(self) -> None:
        """Do nothing: a step changes nothing that the next one reads."""

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self._step(*self._arrays)
        cp.cuda.get_current_stream().synchronize()

    def computed(self) -> list[float]:
        y, dx = self._found
        dkernel = self.layer.parameters[0].grad if self.single.backward else None
        return sample(self.single, *[None if array is None else self.ops.to_numpy(array) for array in (y, dkernel, dx)])
