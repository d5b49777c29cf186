"""The modules of the stand-in: `cupy`, `cupy.cuda` and those below."""

import ctypes
import types

import numpy as np

from emulated_cuda import arrays, errors, kernels, memory, streams

TOTAL = 8 * 2**30  # bytes of the device, where no test says less
CAPABILITY = "90"
PROPERTIES = {"name": b"no GPU, a stand-in", "totalGlobalMem": TOTAL, "major": 9, "minor": 0,
              "multiProcessorCount": 132, "maxThreadsPerBlock": 1024, "sharedMemPerBlock": 48 * 1024, "warpSize": 32}


class Device:
    """As CuPy's."""

    def __init__(self, device=None):
        self.id = 0 if device is None else int(device)

    def __int__(self):
        return self.id

    def __eq__(self, other):
        return isinstance(other, Device) and self.id == other.id

    def __hash__(self):
        return self.id

    def __enter__(self):
        set_device(self.id)
        return self

    def __exit__(self, *args):
        pass

    def use(self):
        """Make this the current device."""
        set_device(self.id)

    def synchronize(self):
        """Wait for all work."""
        synchronize()

    @property
    def compute_capability(self):
        """What the device can."""
        return CAPABILITY

    @property
    def mem_info(self):
        """How many bytes are free, and how many there are."""
        return mem_get_info()

    @property
    def attributes(self):
        """What is to be known."""
        return {"MultiProcessorCount": 132, "WarpSize": 32, "MaxThreadsPerBlock": 1024}


def set_device(device):
    """Choose the only device."""
    if device != 0:
        raise errors.CUDARuntimeError(101)


def synchronize():
    """Wait for all work."""
    if streams.current().is_capturing():
        streams.current()._refuse()
    streams.synchronize_all()


def mem_get_info():
    """Return how many bytes are free, and how many there are."""
    total = TOTAL if memory.limit is None else memory.limit
    return max(0, total - memory.bytes_in_use()), total


def memcpy_async(dst, src, size, kind, stream):
    """Copy in a stream's turn: 1 from the host, 2 to it, 3 on the device."""
    stream = streams.of_ptr(stream)
    if kind == 1:
        memory.copy(dst, src, size, memory.around(dst, size), src, stream)
    elif kind == 2:
        memory.copy(dst, src, size, memory.around(src, size), dst, stream)
    else:
        memory.copy(dst, src, size, (memory.around(dst, size), memory.around(src, size)), None, stream)


def memset_async(ptr, value, size, stream):
    """Fill memory in a stream's turn."""
    held = memory.around(ptr, size)
    streams.of_ptr(stream)._do(lambda held=held: ctypes.memset(ptr, value, size))


def _stream_synchronize(stream):
    streams.of_ptr(stream).synchronize()


runtime = types.ModuleType("cupy.cuda.runtime")
runtime.__dict__.update(
    CUDARuntimeError=errors.CUDARuntimeError, getDeviceCount=lambda: 1, getDevice=lambda: 0, setDevice=set_device,
    runtimeGetVersion=lambda: 12090, driverGetVersion=lambda: 12090, memGetInfo=mem_get_info,
    getDeviceProperties=lambda device: set_device(device) or dict(PROPERTIES),
    deviceSynchronize=synchronize, streamSynchronize=_stream_synchronize,
    memcpyAsync=memcpy_async, memsetAsync=memset_async,
    streamIsCapturing=lambda stream: streams.of_ptr(stream).is_capturing(),
    memcpyHostToDevice=1, memcpyDeviceToHost=2, memcpyDeviceToDevice=3, memcpyDefault=4,
    streamCaptureModeGlobal=0, streamCaptureModeThreadLocal=1, streamCaptureModeRelaxed=2,
    streamDefault=0, streamNonBlocking=1, is_hip=False)

driver = types.ModuleType("cupy.cuda.driver")
driver.CUDADriverError = errors.CUDADriverError

device = types.ModuleType("cupy.cuda.device")
device.__dict__.update(Device=Device, get_compute_capability=lambda: CAPABILITY, get_device_id=lambda: 0)

def _module_of(name, source, names):
    """Return a module with some names of another: those that CuPy has."""
    made = types.ModuleType(name)
    made.__dict__.update({each: getattr(source, each) for each in names})
    return made


memory_module = _module_of("cupy.cuda.memory", memory, (
    "OutOfMemoryError", "BaseMemory", "Memory", "MemoryPointer", "MemoryPool", "alloc", "set_allocator",
    "get_allocator"))
stream_module = _module_of("cupy.cuda.stream", streams, ("Stream", "Event", "get_current_stream", "get_elapsed_time"))

cuda = types.ModuleType("cupy.cuda")
cuda.__path__ = []
cuda.__dict__.update(
    runtime=runtime, driver=driver, device=device, memory=memory_module, stream=stream_module, Device=Device,
    Stream=streams.Stream, Event=streams.Event, Graph=streams.Graph, get_current_stream=streams.get_current_stream,
    get_elapsed_time=streams.get_elapsed_time, MemoryPool=memory.MemoryPool, MemoryPointer=memory.MemoryPointer,
    Memory=memory.Memory, BaseMemory=memory.BaseMemory, alloc=memory.alloc, set_allocator=memory.set_allocator,
    get_allocator=memory.get_allocator, using_allocator=memory.using_allocator,
    alloc_pinned_memory=memory.alloc_pinned_memory, get_device_id=lambda: 0, is_available=lambda: True)

cupy = types.ModuleType("cupy")
cupy.__path__ = []
cupy.__version__ = "14.0.0"
cupy.cuda = cuda
cupy.RawModule = kernels.RawModule
cupy.is_available = cuda.is_available
cupy.get_default_memory_pool = lambda: memory.default_pool
for _name in ("ndarray", "empty", "full", "zeros", "ones", "empty_like", "zeros_like", "ones_like", "array", "asarray",
              "ascontiguousarray", "asnumpy", "arange", "concatenate", "may_share_memory", "shares_memory", "copyto",
              "isscalar", "shape", "ndim", "size", "matmul"):
    setattr(cupy, _name, getattr(arrays, _name))
for _name, _function in arrays.UFUNCS.items():
    setattr(cupy, _name, _function)
for _name in ("sum", "mean", "max", "min", "any", "all"):
    setattr(cupy, _name, getattr(arrays.ndarray, _name))
for _name in ("bool_", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float16", "float32",
              "float64", "dtype", "newaxis", "inf", "nan", "pi"):
    setattr(cupy, _name, getattr(np, _name))
cupy.abs = arrays.UFUNCS["absolute"]


def modules():
    """Return the modules by the names under which they are imported."""
    return {"cupy": cupy, "cupy.cuda": cuda, "cupy.cuda.device": device, "cupy.cuda.memory": memory_module,
            "cupy.cuda.stream": stream_module}
