"""Arrays of the device: NumPy arrays in a wrapper that lets no number out by itself, as CuPy's."""

import functools
import math
import operator
from typing import NamedTuple

import numpy as np

from emulated_cuda import memory, streams

SCALARS = (bool, int, float, np.generic)


class Flags(NamedTuple):
    """As CuPy's."""

    c_contiguous: bool
    f_contiguous: bool
    owndata: bool

    def __getitem__(self, name):
        return getattr(self, {"C": "c_contiguous", "F": "f_contiguous", "O": "owndata"}[name[0].upper()])


class ndarray:  # noqa: N801
    """As CuPy's. What lies behind is `_np`, a NumPy array in the memory of the stand-in's device."""

    __module__ = "cupy"
    __slots__ = ("data", "dtype", "base", "_np")
    __array_priority__ = 100
    __hash__ = None

    def __init__(self, shape, dtype=float, memptr=None, strides=None, order="C"):
        shape = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
        if any(n < 0 for n in shape):
            raise ValueError("Negative dimensions are not allowed")
        self.dtype, self.base = np.dtype(dtype), None
        if self.dtype.kind not in "biufc":
            raise ValueError(f"Unsupported dtype {self.dtype}")
        size = math.prod(shape) * self.dtype.itemsize
        self.data = memory.alloc(size) if memptr is None else memptr
        held = self.data.mem.bytes
        offset = self.data.ptr - held.ptr
        if strides is None and offset + size > held.size:
            raise ValueError("the array does not fit into its memory")
        self._np = np.ndarray(shape, self.dtype, held.raw, held.first + offset, strides, order or "C")

    @classmethod
    def _view_of(cls, base, view):
        made = cls.__new__(cls)
        made.dtype, made._np = view.dtype, view
        made.base = base if base.base is None else base.base
        address = view.__array_interface__["data"][0] if view.size else base.data.ptr
        made.data = memory.MemoryPointer(base.data.mem, address - base.data.mem.ptr)
        return made

    # What is known without looking at the numbers.

    shape = property(lambda self: self._np.shape)
    strides = property(lambda self: self._np.strides)
    ndim = property(lambda self: self._np.ndim)
    size = property(lambda self: self._np.size)
    nbytes = property(lambda self: self._np.nbytes)
    itemsize = property(lambda self: self.dtype.itemsize)
    T = property(lambda self: self._view(self._np.T))

    @property
    def flags(self):
        """How the numbers lie."""
        flags = self._np.flags
        return Flags(flags.c_contiguous, flags.f_contiguous, self.base is None)

    @property
    def device(self):
        """The one that there is."""
        from emulated_cuda.fake_cupy import Device

        return Device(0)

    def __len__(self):
        if not self.shape:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    # Reads by the host.

    def get(self, stream=None, order="C", out=None, blocking=True):
        """Return a copy for the host."""
        stream = streams.current() if stream is None else stream
        stream.synchronize()
        if out is None:
            return self._np.copy(order)
        if not isinstance(out, np.ndarray) or out.dtype != self.dtype:
            raise TypeError(f"the array cannot be obtained as {out!r}")
        if out.shape != self.shape:
            raise ValueError(f"Shape mismatch. Expected shape: {self.shape}, actual shape: {out.shape}")
        out[...] = self._np
        return out

    def set(self, arr, stream=None):
        """Copy a NumPy array in."""
        if not isinstance(arr, np.ndarray):
            raise TypeError("Only numpy.ndarray can be set to cupy.ndarray")
        if self.dtype != arr.dtype:
            raise TypeError(f"{arr.dtype} array cannot be set to {self.dtype} array")
        if self.shape != arr.shape:
            raise ValueError(f"Shape mismatch. Old shape: {self.shape}, new shape: {arr.shape}")
        if not (self.flags.c_contiguous or self.flags.f_contiguous):
            raise RuntimeError("Cannot set to non-contiguous array")
        arr = np.asarray(arr, order="C" if self.flags.c_contiguous else "F")
        if self.size:
            self.data.copy_from_host_async(arr.__array_interface__["data"][0], self.nbytes, stream)

    def item(self):
        """Return the only number."""
        if self.size != 1:
            raise ValueError("can only convert an array of size 1 to a Python scalar")
        return self.get().item()

    def tolist(self):
        """Return lists of numbers."""
        return self.get().tolist()

    def tobytes(self, order="C"):
        """Return the numbers as bytes."""
        return self.get().tobytes(order)

    def __float__(self):
        return float(self.get())

    def __int__(self):
        return int(self.get())

    def __index__(self):
        return operator.index(self.item())

    def __bool__(self):
        if self.size > 1:
            raise ValueError("The truth value of an array with more than one element is ambiguous. "
                             "Use a.any() or a.all()")
        return bool(self.item())

    def __repr__(self):
        return repr(self.get())

    @property
    def __cuda_array_interface__(self):
        return {"shape": self.shape, "typestr": self.dtype.str, "data": (self.data.ptr, False), "version": 3}

    def __array__(self, dtype=None):
        raise TypeError("Implicit conversion to a NumPy array is not allowed. "
                        "Please use `.get()` to construct a NumPy array explicitly.")

    # Views and copies.

    def _view(self, view):
        return ndarray._view_of(self, view)

    def __iter__(self):
        if not self.shape:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(self.shape[0]))

    def __getitem__(self, slices):
        key = slices if isinstance(slices, tuple) else (slices,)
        if all(_is_basic(k) for k in key):
            return self._view(self._np[key if any(k is Ellipsis for k in key) else (*key, Ellipsis)])
        key = tuple(k if _is_basic(k) else array(k) if not isinstance(k, ndarray) else k for k in key)
        if any(isinstance(k, ndarray) and k.dtype.kind not in "iu" for k in key):
            raise NotImplementedError("the stand-in has no masks")
        like = tuple(np.zeros(k.shape, int) if isinstance(k, ndarray) else k for k in key)
        out = ndarray(np.broadcast_to(np.int8(0), self.shape)[like].shape, self.dtype)
        key = tuple(k._np if isinstance(k, ndarray) else k for k in key)
        _do(lambda to=out._np, of=self._np: np.copyto(to, of[key]))
        return out

    def __setitem__(self, slices, value):
        place = self[slices]
        if place.base is None:
            raise NotImplementedError("the stand-in assigns to slices only")
        if not isinstance(value, ndarray):
            place.fill(value)
            return
        if place.data.ptr == value.data.ptr and place.strides == value.strides and place.shape == value.shape:
            return
        shape = value.shape
        while shape[:1] == (1,):
            shape = shape[1:]
        of = np.broadcast_to(value._np.reshape(shape), place.shape)
        _do(lambda to=place._np: np.copyto(to, of, casting="unsafe"))

    def fill(self, value):
        """Set all numbers to one."""
        value = value._np if isinstance(value, ndarray) else np.asarray(value, self.dtype)[()]
        if np.ndim(value):
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        _do(lambda to=self._np: np.copyto(to, value, casting="unsafe"))

    def reshape(self, *shape, order="C", copy=None):
        """Return the same numbers in another shape, a view where that can be."""
        view = self._np.reshape(*shape, order=order)
        if not copy and (not view.size or np.may_share_memory(view, self._np)):
            return self._view(view)
        return self.copy().reshape(*shape, order=order)

    def ravel(self, order="C"):
        """Return all in one row."""
        return self.reshape(-1, order=order)

    def flatten(self, order="C"):
        """Return a copy of all in one row."""
        return self.copy().reshape(-1, order=order)

    def transpose(self, *axes):
        """Return a view with the axes in another order."""
        return self._view(self._np.transpose(*axes))

    def swapaxes(self, axis1, axis2):
        """Return a view with two axes swapped."""
        return self._view(self._np.swapaxes(axis1, axis2))

    def squeeze(self, axis=None):
        """Return a view without axes of one."""
        return self._view(self._np.squeeze(axis))

    def view(self, dtype=None, type=None):
        """Return the same memory, read as another type."""
        return self._view(self._np.view() if dtype is None else self._np.view(dtype))

    def astype(self, dtype, order="K", casting=None, subok=None, *, copy=True):
        """Return the numbers in another type."""
        if not copy and self.dtype == dtype and (order == "K" or self._np.flags[f"{order}_CONTIGUOUS"]):
            return self
        is_f = order == "F" or (order in "KA" and self.flags.f_contiguous and not self.flags.c_contiguous)
        out = ndarray(self.shape, dtype, order="F" if is_f else "C")
        _do(lambda to=out._np, of=self._np: np.copyto(to, of, casting="unsafe"))
        return out

    def copy(self, order="C"):
        """Return a copy."""
        return self.astype(self.dtype, order)

    __copy__ = copy

    def __deepcopy__(self, memo):
        return self.copy()

    def __reduce__(self):
        return array, (self.get(order="A"),)

    # Arithmetic.

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        if method != "__call__" or ufunc.__name__ not in UFUNCS:
            return NotImplemented
        if "out" in kwargs:
            kwargs["out"], = kwargs["out"]
        return UFUNCS[ufunc.__name__](*inputs, **kwargs)

    def __array_function__(self, func, types, args, kwargs):
        from emulated_cuda import fake_cupy

        own = getattr(fake_cupy.cupy, func.__name__, None)
        return NotImplemented if own is None or func.__module__ != "numpy" else own(*args, **kwargs)

    def _reduced(self, function, axis, dtype, out, keepdims):
        like = function(np.broadcast_to(np.ones((), self.dtype), self.shape), axis=axis, keepdims=keepdims,
                        **({} if dtype is None else {"dtype": dtype}))
        out = ndarray(np.shape(like), like.dtype) if out is None else out
        _do(lambda to=out._np, of=self._np: np.copyto(to, function(of, axis=axis, keepdims=keepdims),
                                                      casting="unsafe"))
        return out

    def sum(self, axis=None, dtype=None, out=None, keepdims=False):
        """As NumPy's."""
        return self._reduced(np.sum, axis, dtype, out, keepdims)

    def mean(self, axis=None, dtype=None, out=None, keepdims=False):
        """As NumPy's."""
        return self._reduced(np.mean, axis, dtype, out, keepdims)

    def max(self, axis=None, out=None, keepdims=False):
        """As NumPy's."""
        return self._reduced(np.max, axis, None, out, keepdims)

    def min(self, axis=None, out=None, keepdims=False):
        """As NumPy's."""
        return self._reduced(np.min, axis, None, out, keepdims)

    def any(self, axis=None, out=None, keepdims=False):
        """As NumPy's."""
        return self._reduced(np.any, axis, None, out, keepdims)

    def all(self, axis=None, out=None, keepdims=False):
        """As NumPy's."""
        return self._reduced(np.all, axis, None, out, keepdims)

    def dot(self, b, out=None):
        """As NumPy's; not while capturing, which CuPy's own products refuse."""
        return matmul(self, b, out=out)


def _is_basic(key):
    return key is None or key is Ellipsis or isinstance(key, slice) or (
        isinstance(key, int | np.integer) and not isinstance(key, bool))


def _do(work):
    streams.current()._do(work)


def _numpy_of(value):
    if isinstance(value, ndarray):
        return value._np
    if isinstance(value, np.ndarray) or not isinstance(value, SCALARS):
        raise TypeError(f"Unsupported type {type(value)}")
    return value


def _ufunc(name):
    function = getattr(np, name)

    @functools.wraps(function, updated=())
    def apply(*args, out=None, dtype=None, casting="same_kind"):
        values = [_numpy_of(a) for a in args[: function.nin]]
        out = args[function.nin] if len(args) > function.nin else out
        if out is None:
            like = function(*[np.ones(1, v.dtype) if isinstance(v, np.ndarray) else v for v in values], dtype=dtype)
            out = ndarray(np.broadcast_shapes(*map(np.shape, values)), like.dtype)
        elif not isinstance(out, ndarray):
            raise TypeError(f"Unsupported type {type(out)}")
        _do(lambda to=out._np: function(*values, out=to, dtype=dtype, casting=casting))
        return out

    apply.nin = function.nin
    return apply


UFUNCS = {name: _ufunc(name) for name in (
    "add", "subtract", "multiply", "divide", "true_divide", "floor_divide", "remainder", "power", "negative",
    "positive", "absolute", "sqrt", "square", "exp", "log", "maximum", "minimum", "sign", "isfinite", "isnan", "isinf",
    "less", "less_equal", "greater", "greater_equal", "equal", "not_equal", "logical_and", "logical_or", "logical_not",
    "bitwise_and", "bitwise_or", "invert")}


def matmul(x1, x2, out=None):
    """As CuPy's, which cannot be captured."""
    if streams.current().is_capturing():
        raise NotImplementedError("calling cuBLAS API during stream capture is currently unsupported")
    streams.current().synchronize()
    product = np.matmul(_numpy_of(x1), _numpy_of(x2))
    out = ndarray(product.shape, product.dtype) if out is None else out
    _do(lambda to=out._np: np.copyto(to, product))
    return out


UFUNCS["matmul"] = matmul


def _operators():
    """Give the class its operators: a + b, b + a, a += b ..."""
    def method(name, swapped=False, in_place=False):
        def apply(self, other):
            if not isinstance(other, (ndarray, np.ndarray, *SCALARS)):
                return NotImplemented
            if in_place:
                return UFUNCS[name](self, other, out=self)
            return UFUNCS[name](other, self) if swapped else UFUNCS[name](self, other)

        return apply

    for sign, name in {"add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide",
                       "floordiv": "floor_divide", "mod": "remainder", "pow": "power", "and": "bitwise_and",
                       "or": "bitwise_or", "matmul": "matmul"}.items():
        setattr(ndarray, f"__{sign}__", method(name))
        setattr(ndarray, f"__r{sign}__", method(name, swapped=True))
        if sign != "matmul":
            setattr(ndarray, f"__i{sign}__", method(name, in_place=True))
    for sign, name in {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal", "eq": "equal",
                       "ne": "not_equal"}.items():
        setattr(ndarray, f"__{sign}__", method(name))
    for sign, name in {"neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert"}.items():
        setattr(ndarray, f"__{sign}__", lambda self, name=name: UFUNCS[name](self))


_operators()


# How arrays are made.

def empty(shape, dtype=float, order="C"):
    """As CuPy's; full of NaN."""
    return ndarray(shape, dtype, order=order)


def full(shape, fill_value, dtype=None, order="C"):
    """As CuPy's."""
    out = ndarray(shape, np.asarray(fill_value).dtype if dtype is None else dtype, order=order)
    out.fill(fill_value)
    return out


def zeros(shape, dtype=float, order="C"):
    """As CuPy's."""
    return full(shape, 0, dtype, order)


def ones(shape, dtype=float, order="C"):
    """As CuPy's."""
    return full(shape, 1, dtype, order)


def empty_like(prototype, dtype=None, order="K", subok=None, shape=None):
    """As CuPy's."""
    return ndarray(prototype.shape if shape is None else shape, dtype or prototype.dtype)


def zeros_like(a, dtype=None, order="K", subok=None, shape=None):
    """As CuPy's."""
    return zeros(a.shape if shape is None else shape, dtype or a.dtype)


def ones_like(a, dtype=None, order="K", subok=None, shape=None):
    """As CuPy's."""
    return ones(a.shape if shape is None else shape, dtype or a.dtype)


def array(obj, dtype=None, copy=True, order="K", subok=False, ndmin=0, *, blocking=False):
    """As CuPy's. Numbers of the host cannot come in while the stream captures, but for a single one."""
    if isinstance(obj, ndarray):
        made = obj.astype(obj.dtype if dtype is None else dtype, order or "K", copy=bool(copy))
        return made if made.ndim >= ndmin else made.reshape((1,) * (ndmin - made.ndim) + made.shape)
    if isinstance(obj, list | tuple) and any(isinstance(each, ndarray) for each in obj):
        raise NotImplementedError("the stand-in makes no arrays of lists of arrays")
    host = np.array(obj, dtype=dtype, ndmin=ndmin)
    is_f = order == "F" or (order in "KA" and host.flags.fnc)
    made = ndarray(host.shape, host.dtype, order="F" if is_f else "C")
    if not host.ndim:
        made.fill(host)
        return made
    if streams.current().is_capturing():
        streams.current()._refuse()
    _do(lambda to=made._np: np.copyto(to, host))
    return made


def asarray(a, dtype=None, order=None, *, copy=None, blocking=False):
    """As CuPy's."""
    return array(a, dtype, bool(copy), order or "K", blocking=blocking)


def ascontiguousarray(a, dtype=None):
    """As CuPy's."""
    return array(a, dtype, False, "C", ndmin=1)


def asnumpy(a, stream=None, order="C", out=None, *, blocking=True):
    """As CuPy's."""
    if isinstance(a, ndarray):
        return a.get(stream=stream, order=order, out=out, blocking=blocking)
    if out is None:
        return np.asarray(a, order=order)
    out[...] = a
    return out


def arange(start, stop=None, step=1, dtype=None):
    """As CuPy's."""
    numbers = np.arange(start, step=step, dtype=dtype) if stop is None else np.arange(start, stop, step, dtype)
    out = ndarray(numbers.shape, numbers.dtype)
    _do(lambda to=out._np: np.copyto(to, numbers))
    return out


def concatenate(tup, axis=0, out=None, *, dtype=None, casting="same_kind"):
    """As CuPy's."""
    if not all(isinstance(each, ndarray) for each in tup):
        raise TypeError("Only cupy arrays can be concatenated")
    parts = [each._np for each in tup]
    like = np.concatenate([np.broadcast_to(np.ones((), p.dtype), p.shape) for p in parts], axis, dtype=dtype)
    out = ndarray(like.shape, like.dtype) if out is None else out
    _do(lambda to=out._np: np.concatenate(parts, axis, out=to, casting=casting))
    return out


def may_share_memory(a, b, max_work=None):
    """As CuPy's."""
    return bool(np.may_share_memory(a._np, b._np))


def shares_memory(a, b, max_work=None):
    """As CuPy's."""
    return bool(np.shares_memory(a._np, b._np))


def copyto(dst, src, casting="same_kind", where=None):
    """As CuPy's."""
    if where is not None:
        raise NotImplementedError("the stand-in copies everywhere")
    dst[...] = src


def isscalar(element):
    """As CuPy's."""
    return np.isscalar(element)


def shape(a):
    """As CuPy's."""
    return a.shape


def ndim(a):
    """As CuPy's."""
    return a.ndim


def size(a, axis=None):
    """As CuPy's."""
    return a.size if axis is None else a.shape[axis]
