"""Compile CUDA sources as C++ and launch their kernels, with a look at the arguments that CUDA does not take."""

import contextlib
import ctypes
import functools
import hashlib
import os
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import threading

import numpy as np

from emulated_cuda import streams
from emulated_cuda.errors import CUDADriverError, KernelError

HEADER = pathlib.Path(__file__).with_name("emulated.h")
FLAGS = ["-std=c++20", "-O1", "-shared", "-fPIC", "-fvisibility=hidden", "-ffp-contract=off", "-U_FORTIFY_SOURCE", "-w"]
MOST_THREADS = 1024  # a block
MOST_BLOCKS = (2**31 - 1, 65535, 65535)
# Of C's types: NumPy's name, and the letter of module struct with which a single one is handed over.
TYPES = {"float": ("float32", "f"), "double": ("float64", "d"), "int": ("int32", "i"), "unsigned": ("uint32", "I"),
         "unsigned int": ("uint32", "I"), "bool": ("bool", "?"), "char": ("int8", "b"), "signed char": ("int8", "b"),
         "unsigned char": ("uint8", "B"), "short": ("int16", "h"), "unsigned short": ("uint16", "H"),
         "long long": ("int64", "q"), "unsigned long long": ("uint64", "Q"),
         "float2": ("float32", None), "float4": ("float32", None), "double2": ("float64", None),
         "int2": ("int32", None), "int4": ("int32", None)}
_launching = threading.Lock()  # a library has one shared memory
_written_down: list | None = None


@contextlib.contextmanager
def writing_down():
    """Yield a list that gets all launches as :class:`emulated_cuda.races.Job`; a helper for tests."""
    global _written_down
    before, _written_down = _written_down, []
    try:
        yield _written_down
    finally:
        _written_down = before


@functools.cache
def compiler() -> str | None:
    """Return the C++ compiler that is here; shared memory is found by what linkers of Linux do."""
    if sys.platform != "linux":
        return None
    return next((found for name in ("g++", "clang++") if (found := shutil.which(name))), None)


class RawModule:
    """A source and its compiler options, as in CuPy."""

    def __init__(self, code=None, *, path=None, options=(), backend="nvrtc", translate_cucomplex=False,
                 enable_cooperative_groups=False, name_expressions=None, jitify=None):
        if path is not None or name_expressions is not None or enable_cooperative_groups or translate_cucomplex:
            raise NotImplementedError("the stand-in compiles plain sources only")
        if not isinstance(code, str) or not isinstance(options, tuple):
            raise TypeError("code must be a str, options a tuple")
        self.code, self.options = code, options
        self._functions = None

    def get_function(self, name):
        """Return a kernel, compiled."""
        if self._functions is None:
            self._functions = load(self.code, defines(self.options))
        if name not in self._functions:
            raise CUDADriverError(500)
        return self._functions[name]


def defines(options) -> tuple[str, ...]:
    """Return those of the compiler's options that have a meaning for C++ too."""
    return tuple(option for option in options if option.startswith(("-D", "-U")))


@functools.cache
def load(code: str, options: tuple[str, ...]):
    """Return the kernels of a source by their names."""
    parameters = signatures(code, options)
    library = ctypes.CDLL(str(build(code, options)))
    return {name: RawKernel(name, kinds, getattr(library, f"launch_{name}"), (code, options))
            for name, kinds in parameters.items()}


def build(code: str, options: tuple[str, ...], flags: tuple[str, ...] = ()) -> pathlib.Path:
    """Return the shared library of a source; it is compiled once on a machine."""
    text = program(code, options)
    library = folder() / f"{key(*FLAGS, *options, *flags, text)}.so"
    if not library.exists():
        own = library.with_suffix(f".{os.getpid()}.{threading.get_ident()}")
        done = subprocess.run([compiler(), *FLAGS, *options, *flags, "-x", "c++", "-", "-o", own], input=text,
                              capture_output=True, text=True)
        if done.returncode:
            raise KernelError(f"the source does not compile:\n{done.stderr}")
        os.replace(own, library)
    return library


def folder() -> pathlib.Path:
    """Return where compiled sources are kept."""
    found = pathlib.Path(tempfile.gettempdir()) / f"emulated_cuda-{os.getuid()}"
    found.mkdir(mode=0o700, exist_ok=True)
    if found.stat().st_uid != os.getuid():
        raise PermissionError(f"{found} is somebody else's")
    return found


def key(*texts) -> str:
    """Return a name for what is made of these texts."""
    return hashlib.sha256("\0".join([compiler(), *texts]).encode()).hexdigest()[:24]


def program(code: str, options: tuple[str, ...]) -> str:
    """Return a source with the words of CUDA C++ before it, and behind it a function for each kernel to launch it."""
    source = re.sub(r'extern\s+"C"', "", code)  # in a namespace of their own kernels may be called like C's functions
    launchers = "".join(
        f'extern "C" __attribute__((visibility("default"))) const char* launch_{name}(void** arguments, '
        f"unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz) {{\n"
        f"    return emulated::run([](void** a) {{ emulated::call(room::{name}, a); }}, arguments, "
        f"{{gx, gy, gz}}, {{bx, by, bz}});\n}}\n" for name in signatures(code, options))
    return (f'{HEADER.read_text("utf-8")}\nnamespace room {{\n#line 1 "kernels"\n{source}\n}}\n'
            f'#line 1 "launchers"\n{launchers}')


@functools.cache
def signatures(code: str, options: tuple[str, ...]) -> dict[str, list[tuple[str, bool]]]:
    """Return for each kernel of a source its parameters, as a C type and whether it is a pointer to that."""
    expanded = subprocess.run([compiler(), "-E", "-P", *options, "-x", "c++", "-"], input=code, check=True,
                              capture_output=True, text=True).stdout
    aliases = dict(re.findall(r"\btypedef\s+([\w ]+?)\s+(\w+)\s*;", expanded))
    aliases = {alias: kind for kind, alias in aliases.items()}
    found = re.findall(r'extern\s+"C"\s+__global__\s+void\s+(?:__launch_bounds__\s*\([^)]*\)\s*)?(\w+)\s*\(([^)]*)\)',
                       expanded)
    if len(found) != expanded.count("__global__"):
        raise KernelError(f'only `extern "C" __global__ void name(...)` is understood; found {[n for n, _ in found]}')
    return {name: [_parameter(text, aliases) for text in parameters.split(",") if text.strip()]
            for name, parameters in found}


def _parameter(text, aliases):
    words = re.sub(r"\b(const|volatile|__restrict__|__restrict|__grid_constant__)\b", " ", text.replace("*", " * "))
    words = words.split()[:-1]  # without the name
    kind = " ".join(word for word in words if word != "*")
    kind = aliases.get(kind, kind)
    if words.count("*") > 1 or kind not in TYPES:
        raise KernelError(f"a parameter of a kernel that the stand-in does not know: {text.strip()}")
    return kind, "*" in words


class RawKernel:
    """A compiled kernel, to be called with the grid, the block and the arguments, as in CuPy."""

    def __init__(self, name, parameters, function, source):
        self.name, self.parameters = name, parameters
        self._source = source
        self._function = function
        function.restype = ctypes.c_char_p
        function.argtypes = [ctypes.c_void_p] + [ctypes.c_uint] * 6
        # Each argument lies in a cell of 8 bytes of its own, and CUDA gets the cells' addresses.
        self._cells = ctypes.create_string_buffer(8 * len(parameters) + 8)
        at = ctypes.addressof(self._cells)
        self._addresses = (ctypes.c_void_p * (len(parameters) + 1))(*[at + 8 * i for i in range(len(parameters))])

    def __call__(self, grid, block, args, *, shared_mem=0, stream=None):
        """Launch the kernel, or record it where the stream captures."""
        if not (isinstance(grid, tuple) and isinstance(block, tuple)):
            raise TypeError("grid and block must be tuples")
        grid, block = ((*(max(1, int(n)) for n in size), 1, 1)[:3] for size in (grid, block))
        if block[0] * block[1] * block[2] > MOST_THREADS or any(n > m for n, m in zip(grid, MOST_BLOCKS, strict=True)):
            raise CUDADriverError(1)
        if shared_mem:
            raise NotImplementedError("the stand-in has static shared memory only")
        if len(args) != len(self.parameters):
            raise KernelError(f"{self.name} has {len(self.parameters)} parameters. Received: {len(args)}")
        cells, touched = [], []
        for place, (argument, (kind, is_pointer)) in enumerate(zip(args, self.parameters, strict=True)):
            check = self._pointer if is_pointer else self._number
            cells.append(check(argument, kind, place, touched))
        packed = b"".join(cells)
        stream = streams.current() if stream is None else stream
        stream._do(lambda: self._run(grid, block, packed, touched))

    def _run(self, grid, block, packed, buffers):
        if _written_down is not None:
            from emulated_cuda import races

            job, blocks = races.written_down(self, self._source, grid, block, packed, buffers)
            _written_down.append(job)
        with _launching:
            ctypes.memmove(self._cells, packed, len(packed))
            mistake = self._function(self._addresses, *grid, *block)
        if mistake:
            raise KernelError(f"{self.name}: {mistake.decode()}")
        for buffer in buffers:
            buffer.check(f"the kernel {self.name}")
        if _written_down is not None:
            job.after = [each.content() for each in blocks]

    def _pointer(self, argument, kind, place, touched):
        from emulated_cuda.arrays import ndarray

        if argument is None:
            return bytes(8)
        where = f"argument {place} of {self.name}"
        if not isinstance(argument, ndarray):
            raise KernelError(f"{where} must be an array of {kind} or None. Received: {argument!r}")
        if argument.dtype.name != TYPES[kind][0]:
            raise KernelError(f"{where} must be an array of {kind}. Received: one of {argument.dtype}")
        if not argument.flags.c_contiguous:
            raise KernelError(f"{where} must be contiguous. Received: shape {argument.shape}, "
                              f"strides {argument.strides}")
        touched.append(argument.data.mem.bytes)
        return struct.pack("Q", argument.data.ptr)

    def _number(self, argument, kind, place, touched):
        letter = TYPES[kind][1]
        given = _type_of(argument)
        if letter is None or TYPES[kind][0] != given:
            raise KernelError(f"argument {place} of {self.name} must be one {kind}. Received: {argument!r} ({given})")
        return struct.pack(letter, argument).ljust(8, b"\0")


def _type_of(argument):
    """Return the type that CuPy hands to a kernel for a number, or None for what is none."""
    if isinstance(argument, np.generic) or (isinstance(argument, np.ndarray) and argument.size == 1):
        return argument.dtype.name
    return {bool: "bool", int: "int64", float: "float64"}.get(type(argument))
