"""The wing's one way to compile a kernel.

:func:`jit` is ``numba.njit`` with three things mended. Numba keys its cache by the file that holds the kernel, so an
edited helper in another file would be served stale: here the key is a hash of all sources that kernels are made of, and
of numba's version. Where no folder can be written numba raises: here kernels are then compiled for the process only. A
truncated cache file makes numba raise: here it is thrown away and the kernel compiled again.
"""

import functools
import hashlib
import os
import pathlib
import sys
import tempfile
from collections.abc import Callable

import numba
from numba.core.caching import CompileResultCacheImpl, FunctionCache, NullCache, _CacheLocator
from numba.core.dispatcher import Dispatcher

# Reordering sums is what lets LLVM vectorise them. NaN and infinity keep their meaning: "fast" would let the compiler
# assume that there are none, and then nobody sees a training run diverge.
FAST = {"contract", "reassoc", "nsz", "arcp"}


def jit(kernel: Callable) -> Callable:
    """Compile `kernel` when it is first called, serial and without the GIL, or load it from the wing's cache."""
    compiled = numba.njit(kernel, nogil=True, fastmath=FAST, error_model="numpy")
    if isinstance(compiled, Dispatcher):  # under NUMBA_DISABLE_JIT=1 it is the plain function
        compiled._cache = _cache_for(kernel)
    return compiled


def _cache_for(kernel: Callable):
    if cache_folder() is None:
        return _NoCache()
    return _WingCache(kernel)


@functools.cache
def wing_hash() -> str:
    """Hash numba's version and every source of this wing and of the numpy wing, whose constants kernels take in."""
    digest = hashlib.sha256(f"{numba.__version__} {sys.version}".encode())
    for source in sorted(pathlib.Path(__file__).parents[1].glob("num*/*.py")):
        digest.update(source.name.encode() + source.read_bytes())
    return digest.hexdigest()[:16]


@functools.cache
def cache_folder() -> pathlib.Path | None:
    """Return the folder of the compiled kernels, made if need be, or None where it cannot be written."""
    folder = _cache_home() / "tinynet" / "kernels" / wing_hash()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return None
    return folder


def _cache_home() -> pathlib.Path:
    if numba.config.CACHE_DIR:  # NUMBA_CACHE_DIR
        return pathlib.Path(numba.config.CACHE_DIR)
    import platformdirs  # comes with pooch

    return pathlib.Path(platformdirs.user_cache_dir())


@functools.cache
def _say_compiling(reason: str) -> None:
    print(f"tinynet: compiling its kernels for this machine, {reason} ...", file=sys.stderr, flush=True)


class _WingLocator(_CacheLocator):
    def __init__(self, kernel: Callable, path: str):
        self._py_file = path
        self._line = kernel.__code__.co_firstlineno

    @classmethod
    def from_function(cls, py_func: Callable, py_file: str):
        return cls(py_func, py_file)

    def get_cache_path(self) -> str:
        return os.fspath(cache_folder())

    def get_source_stamp(self) -> str:
        return wing_hash()

    def get_disambiguator(self) -> str:
        return str(self._line)


class _WingCacheImpl(CompileResultCacheImpl):
    _locator_classes = (_WingLocator,)


class _WingCache(FunctionCache):
    _impl_class = _WingCacheImpl

    def load_overload(self, sig, target_context):
        try:
            found = super().load_overload(sig, target_context)
        except Exception:  # a damaged pickle may raise nearly anything
            found = None
            self._throw_away()
        if found is None:
            _say_compiling("once; about ten seconds in all")
        return found

    def save_overload(self, sig, data):
        try:
            super().save_overload(sig, data)
        except Exception:  # a damaged index or a full disk: the kernel is compiled, only not kept
            self._throw_away()

    def _throw_away(self) -> None:
        try:
            self.flush()
        except OSError:
            self.disable()


class _NoCache(NullCache):
    def load_overload(self, sig, target_context):
        _say_compiling("at every start, as no cache folder can be written; NUMBA_CACHE_DIR names another one")
