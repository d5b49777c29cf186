"""The memory of the device that is not there: NumPy's, with an eye on what happens outside of it and after its end."""

import bisect
import collections
import contextlib
import ctypes
import threading
import weakref

import numpy as np

from emulated_cuda import streams
from emulated_cuda.errors import KernelError

GUARD = 128  # bytes before and behind each allocation, in which nobody may write
ALIGNED = 512  # as CUDA's memory is
GRAVEYARD = 64 * 2**20  # so many bytes of freed memory are watched for a while
FULL = 0xFF  # NaN as a float, -1 as an integer

limit = None  # bytes of the device, where a test wants it to run out of them
mistakes: list[str] = []  # what was written where it should not have been; see `check`
_lock = threading.RLock()
_graveyard: collections.deque = collections.deque()
_buried = 0
_starts: list[int] = []  # the addresses of all allocations that live, in order
_living: dict[int, weakref.ref] = {}
_allocated = 0


class OutOfMemoryError(MemoryError):
    """As CuPy's."""

    def __init__(self, size, total, limit=0):
        self._size, self._total, self._limit = size, total, limit
        super().__init__(f"Out of memory allocating {size:,} bytes (allocated so far: {total:,} bytes).")


class Bytes:
    """An allocation with its guards. It may outlive its owner, so that a late write into it hits nothing else."""

    def __init__(self, size):
        self.size = size
        self.raw = np.full(size + 2 * GUARD + ALIGNED, FULL, np.uint8)
        base = self.raw.__array_interface__["data"][0]
        self.first = GUARD + -(base + GUARD) % ALIGNED
        self.ptr = base + self.first
        self.private = False  # freed into a pool of its own: a graph may use it on
        self._guards = [self.raw[self.first - GUARD : self.first],
                        self.raw[self.first + size : self.first + size + GUARD]]

    def content(self):
        """Return a copy of what is in the allocation."""
        return self.raw[self.first : self.first + self.size].tobytes()

    def check(self, who):
        """Raise, if somebody has written before or behind the allocation."""
        if not all(guard.tobytes() == _GUARD for guard in self._guards):
            for guard in self._guards:
                guard[...] = FULL
            raise KernelError(f"{who} wrote outside of an array of {self.size} bytes")

    def bury(self):
        """Fill the memory with NaN, and keep it for a while."""
        global _buried
        self.raw[self.first : self.first + self.size] = FULL
        _graveyard.append(self)
        _buried += self.size
        while _buried > GRAVEYARD:
            _exhume()

    def is_untouched(self):
        """Say whether nobody has written into the memory since it was freed."""
        return bool((self.raw[self.first - GUARD : self.first + self.size + GUARD] == FULL).all())


_GUARD = bytes([FULL]) * GUARD


def _exhume():
    global _buried
    bytes_ = _graveyard.popleft()
    _buried -= bytes_.size
    if not bytes_.private and not bytes_.is_untouched():
        mistakes.append(f"something was written into {bytes_.size} bytes after they were freed")


def check() -> None:
    """Raise, if memory was written to that was freed before; a helper for tests."""
    with _lock:
        while _graveyard:
            _exhume()
        found, mistakes[:] = list(mistakes), []
    if found:
        raise KernelError("; ".join(found))


class BaseMemory:
    """As CuPy's: owns an allocation."""

    ptr, size, device_id = 0, 0, 0


class Memory(BaseMemory):
    """An allocation of the device, freed with its owner."""

    def __init__(self, size):
        global _allocated
        self.bytes = self._pool = None
        with _lock:
            if limit is not None and _allocated + size > limit:
                raise OutOfMemoryError(size, _allocated)
            _allocated += size
            self.bytes, self.size, self.device_id = Bytes(size), size, 0
            self.ptr = self.bytes.ptr
            self._stream = streams.current()
            bisect.insort(_starts, self.ptr)
            _living[self.ptr] = weakref.ref(self)

    def __del__(self):
        global _allocated
        if self.bytes is None or _lock is None:
            return
        with _lock:
            _allocated -= self.size
            if self._pool is not None:
                self._pool.used -= self.size
                self.bytes.private = self._pool is not default_pool
            del _living[self.ptr]
            del _starts[bisect.bisect_left(_starts, self.ptr)]
            if self._stream._is_late:  # new owners of the memory would write to it behind the work that waits there
                self._stream._queue.do(self.bytes.bury, False)
            else:
                self.bytes.bury()


def around(address: int, size: int) -> Bytes:
    """Return the bytes of the living allocation in which `size` bytes from an address on lie, or raise."""
    with _lock:
        at = bisect.bisect_right(_starts, address) - 1
        memory = _living[_starts[at]]() if at >= 0 else None
        if memory is None or address + size > memory.ptr + memory.size:
            raise KernelError(f"{size} bytes at {address:#x} do not lie in memory of the device")
        return memory.bytes


class MemoryPointer:
    """As CuPy's: an allocation and a place in it."""

    def __init__(self, mem, offset):
        self.mem, self.device_id = mem, mem.device_id
        self.ptr = mem.ptr + offset

    def __int__(self):
        return self.ptr

    def __add__(self, offset):
        return MemoryPointer(self.mem, self.ptr - self.mem.ptr + offset)

    def __sub__(self, offset):
        return self + -offset

    def memset_async(self, value, size, stream=None):
        """Fill `size` bytes."""
        _do(stream, lambda ptr=self.ptr: ctypes.memset(ptr, value, size), around(self.ptr, size))

    def copy_from_device_async(self, src, size, stream=None):
        """Copy from another place of the device."""
        _do(stream, lambda to=self.ptr, of=src.ptr: ctypes.memmove(to, of, size), around(self.ptr, size),
            around(src.ptr, size))

    def copy_from_host_async(self, mem, size, stream=None):
        """Copy from the host, which must be pinned memory while the stream captures."""
        address = mem if isinstance(mem, int) else mem.value
        copy(self.ptr, address, size, around(self.ptr, size), address, stream)

    def copy_to_host_async(self, mem, size, stream=None):
        """Copy to the host, which must be pinned memory while the stream captures."""
        address = mem if isinstance(mem, int) else mem.value
        copy(address, self.ptr, size, around(self.ptr, size), address, stream)

    def copy_from_host(self, mem, size):
        """Copy from the host, at once."""
        _refuse_while_capturing()
        self.copy_from_host_async(mem, size, streams.Stream.null)

    def copy_to_host(self, mem, size):
        """Copy to the host, at once."""
        _refuse_while_capturing()
        self.copy_to_host_async(mem, size, streams.Stream.null)


def _refuse_while_capturing():
    if streams.current().is_capturing():
        raise RuntimeError("the current stream is capturing, so synchronous API calls are disallowed")


def copy(to, of, size, bytes_, host, stream):
    """Copy between host and device.

    Pinned memory is read or written in the stream's turn. Other memory of the host is so at once, and cannot be
    captured.
    """
    stream = streams.current() if stream is None else stream
    pinned = None if host is None else _pinned_around(host)
    if host is None or pinned is not None:
        _do(stream, lambda: ctypes.memmove(to, of, size), bytes_, pinned)
        return
    if stream.is_capturing():
        stream._refuse()
    if host == of:
        content = ctypes.string_at(of, size)
        _do(stream, lambda: ctypes.memmove(to, content, size), bytes_)
    else:
        stream.synchronize()
        ctypes.memmove(to, of, size)


def _do(stream, work, *kept):
    stream = streams.current() if stream is None else stream
    stream._do(lambda kept=kept: work())


class MemoryPool:
    """As CuPy's, but that it does not hand freed memory out again."""

    def __init__(self, allocator=None):
        self.used = self.total = self.limit = 0

    def set_limit(self, size=None, fraction=None):
        """Say how many bytes may be in use; 0 is no limit."""
        self.limit = size or 0

    def get_limit(self):
        """Return how many bytes may be in use; 0 is no limit."""
        return self.limit

    def malloc(self, size):
        """Return new memory, full of NaN."""
        if self.limit and self.used + int(size) > self.limit:
            raise OutOfMemoryError(int(size), self.used, self.limit)
        memory = Memory(int(size))
        memory._pool = self
        self.used += memory.size
        self.total = max(self.total, self.used)
        return MemoryPointer(memory, 0)

    def free_all_blocks(self, stream=None):
        """Give back what is not in use."""
        self.total = self.used

    def used_bytes(self):
        """Return how many bytes are in use."""
        return self.used

    def free_bytes(self):
        """Return how many bytes are kept without being in use."""
        return self.total - self.used

    def total_bytes(self):
        """Return how many bytes the pool holds."""
        return self.total


default_pool = MemoryPool()
_allocator = default_pool.malloc
_here = threading.local()


def alloc(size):
    """Return memory of the current allocator."""
    return get_allocator()(size)


def get_allocator():
    """Return the current allocator."""
    return getattr(_here, "allocator", None) or _allocator


def set_allocator(allocator=None):
    """Choose the allocator of all threads."""
    global _allocator
    if getattr(_here, "allocator", None):
        raise ValueError("Can't change the global allocator inside `using_allocator` context manager")
    _allocator = allocator or (lambda size: MemoryPointer(Memory(int(size)), 0))


@contextlib.contextmanager
def using_allocator(allocator=None):
    """Choose the allocator of this thread, inside a `with` block."""
    before = getattr(_here, "allocator", None)
    _here.allocator = allocator or (lambda size: MemoryPointer(Memory(int(size)), 0))
    try:
        yield
    finally:
        _here.allocator = before


_pinned: weakref.WeakValueDictionary = weakref.WeakValueDictionary()


class _Pinned:
    """Memory of the host."""

    def __init__(self, size):
        self.array = np.full(max(size, 1), FULL, np.uint8)
        self.ptr, self.size = self.array.__array_interface__["data"][0], size
        _pinned[self.ptr] = self


def alloc_pinned_memory(size):
    """Return memory of the host from and to which the device copies by itself: an object with a buffer, as CuPy's."""
    held = _Pinned(int(size))
    buffer = (ctypes.c_uint8 * held.size).from_address(held.ptr)
    buffer.ptr = held.ptr
    buffer.mem = held
    return buffer


def _pinned_around(address):
    return next((held for held in list(_pinned.values()) if held.ptr <= address < held.ptr + max(held.size, 1)), None)


def bytes_in_use():
    """Return how many bytes of the device are allocated; a helper for tests."""
    return _allocated
