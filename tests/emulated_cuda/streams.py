"""Streams, events and graphs.

A stream that captures writes its work down. All others do theirs at once; but inside of :func:`putting_off` some do it
as late as they may: when they are waited for. So whoever forgot to wait finds old numbers, or NaN.
"""

import collections
import contextlib
import itertools
import threading
import time
import weakref

from emulated_cuda.errors import CUDARuntimeError

UNSUPPORTED, INVALIDATED, OUTSIDE = 900, 901, 905  # cudaErrorStreamCapture...
NOT_CAPTURING = 401  # cudaErrorIllegalState
_numbers = itertools.count(0x1000, 0x10)
_here = threading.local()
_by_ptr: weakref.WeakValueDictionary = weakref.WeakValueDictionary()


class _Queue:
    """Work in its order. `begun` of the `given` works are done, or are being done."""

    def __init__(self):
        self.waiting = collections.deque()
        self.given = self.begun = 0

    def do(self, work, at_once):
        with _lock:
            self.waiting.append(work)
            self.given += 1
            if at_once:
                self.catch_up(self.given)

    def catch_up(self, goal):
        with _lock:
            while self.begun < goal:
                self.begun += 1
                self.waiting.popleft()()


_lock = threading.RLock()
_late = None  # whose work is put off: None, "null" or "others"
_shared = _Queue()  # of all streams that wait for the null stream, and it for them


@contextlib.contextmanager
def putting_off(which: str):
    """Let the null stream ("null"), or the streams that do not wait for it ("others"), be late; a helper for tests."""
    global _late
    _late = which
    try:
        yield
        synchronize_all()
    finally:
        _late = None
        for queue in _queues():
            queue.waiting.clear()
            queue.begun = queue.given


def _queues():
    return [_shared, *(stream._queue for stream in list(_by_ptr.values()) if stream._queue is not _shared)]


def synchronize_all():
    """Wait for the work of all streams."""
    for queue in _queues():
        queue.catch_up(queue.given)


class Stream:
    """As CuPy's."""

    null: "Stream"
    ptds: "Stream"

    def __init__(self, null=False, non_blocking=False, ptds=False, priority=None):
        self.ptr = 0 if null else 2 if ptds else next(_numbers)
        self.device_id = -1 if null or ptds else 0
        self._queue = _Queue() if non_blocking and not null and not ptds else _shared
        self._recorded = None  # while capturing: what to do
        self._is_spoiled = False
        _by_ptr.setdefault(self.ptr, self)

    def _do(self, work):
        """Do some work in its turn, or write it down."""
        if self._recorded is None:
            self._queue.do(work, not self._is_late)
        elif self._is_spoiled:
            raise CUDARuntimeError(INVALIDATED)
        else:
            self._recorded.append(work)

    @property
    def _is_late(self):
        return _late is not None and (_late == "null") == (self._queue is _shared)

    def _refuse(self, status=UNSUPPORTED):
        """Raise for what cannot be captured, and spoil the capture."""
        self._is_spoiled = True
        raise CUDARuntimeError(status)

    def __eq__(self, other):
        return isinstance(other, Stream) and self.ptr == other.ptr

    def __hash__(self):
        return self.ptr

    def __enter__(self):
        _stack().append(self)
        return self

    def __exit__(self, *args):
        _stack().pop()

    def use(self):
        """Make this stream current."""
        _stack()[-1] = self
        return self

    @property
    def done(self):
        """Say whether all work is done."""
        if self.is_capturing():
            self._refuse()
        return self._queue.begun == self._queue.given

    def synchronize(self):
        """Wait for all work."""
        if self.is_capturing():
            self._refuse()
        self._queue.catch_up(self._queue.given)

    def record(self, event=None):
        """Record an event; return it."""
        event = Event() if event is None else event
        event.record(self)
        return event

    def wait_event(self, event):
        """Let work from now on wait for an event."""
        if self.is_capturing():
            self._refuse(OUTSIDE)
        self._do(lambda queue=event._queue, place=event._place: queue.catch_up(place))

    def launch_host_func(self, callback, arg):
        """Call a function of the host in its turn."""
        self._do(lambda: callback(arg))

    def begin_capture(self, mode=None):
        """Write work down from now on, instead of doing it."""
        if self.ptr in (0, 1):
            raise RuntimeError("cannot capture on the default (legacy) stream")
        if self._recorded is not None:
            raise CUDARuntimeError(UNSUPPORTED)
        self._recorded, self._is_spoiled = [], False

    def end_capture(self):
        """Return what was written down."""
        if self._recorded is None:
            raise CUDARuntimeError(NOT_CAPTURING)
        recorded, self._recorded = self._recorded, None
        if self._is_spoiled:
            raise CUDARuntimeError(INVALIDATED)
        graph = Graph.__new__(Graph)
        graph._recorded = recorded
        return graph

    def is_capturing(self):
        """Say whether work is written down."""
        return self._recorded is not None


Stream.null = Stream(null=True)
Stream.ptds = Stream(ptds=True)


def _stack():
    if not hasattr(_here, "stack"):
        _here.stack = [Stream.null]
    return _here.stack


def current() -> Stream:
    """Return the stream that is current in this thread."""
    return _stack()[-1]


def get_current_stream(device_id=-1):
    """Return the stream that is current in this thread."""
    return current()


def of_ptr(ptr) -> Stream:
    """Return the stream of a handle."""
    return _by_ptr[ptr or 0]


class Graph:
    """As CuPy's: what a stream wrote down, to be done again and again."""

    def __init__(self, *args, **kwargs):
        raise NotImplementedError("currently this class cannot be initiated by the user and must be created via "
                                  "stream capture")

    def launch(self, stream=None):
        """Do it all."""
        stream = current() if stream is None else stream
        for work in self._recorded:
            stream._do(work)

    def upload(self, stream=None):
        """Prepare the first launch."""


class Event:
    """As CuPy's."""

    def __init__(self, block=False, disable_timing=False, interprocess=False):
        self.ptr = next(_numbers)
        self._timed = not disable_timing
        self._time = None
        self._queue, self._place = _shared, 0

    @property
    def done(self):
        """Say whether the work before the event is done."""
        return self._queue.begun >= self._place

    def record(self, stream=None):
        """Put the event behind the work of a stream."""
        stream = current() if stream is None else stream
        if not stream.is_capturing():
            self._time = time.perf_counter()
            self._queue, self._place = stream._queue, stream._queue.given

    def synchronize(self):
        """Wait for the work before the event."""
        self._queue.catch_up(self._place)


def get_elapsed_time(start_event, end_event):
    """Return the milliseconds between two events."""
    if not (start_event._timed and end_event._timed) or start_event._time is None or end_event._time is None:
        raise CUDARuntimeError(400)
    return 1000 * (end_event._time - start_event._time)
