"""What all tests share: how many examples hypothesis tries, the backends, and a known start for each test."""

import importlib.util
import pathlib
import random
import sys

import numpy as np
import pytest
import threadpoolctl
from hypothesis import HealthCheck, settings

import tinynet

# A backend chosen by a fixture holds for all examples of a test.
_SHARED = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]}
settings.register_profile("ci", max_examples=50, derandomize=True, **_SHARED)
settings.register_profile("thorough", max_examples=2000, **_SHARED)  # pytest --hypothesis-profile=thorough
settings.load_profile("ci")


@pytest.fixture(autouse=True, scope="session")
def one_thread_each():
    """Hold the BLAS to one thread: test processes whose threads wait for one another take many times as long."""
    with threadpoolctl.threadpool_limits(1):
        yield


@pytest.fixture(autouse=True)
def known_start():
    """Seed the library and compute in float32, whatever the test before did."""
    tinynet.set_seed(0)
    tinynet.set_floatx("float32")
    yield
    tinynet.set_floatx("float32")


@pytest.fixture(params=["numpy", "numba", pytest.param("cupy", marks=pytest.mark.gpu)])
def backend(request):
    """Run the test once on each backend; the name is the fixture's value.

    "cupy" is the real one on an NVIDIA GPU, else, where a C++ compiler is, the one of `emulated_cuda`.
    """
    if request.param == "cupy":
        request.getfixturevalue("on_gpu")
    with tinynet.use_backend(request.param):
        yield request.param


@pytest.fixture
def on_gpu():
    """Run the test where the wing "cupy" works, on a GPU or on what stands in for it."""
    if GPU is None:
        pytest.skip("neither an NVIDIA GPU nor a C++ compiler")
    pytest.importorskip("tinynet.backends.cupy", exc_type=ImportError)
    use_emulated_products()
    yield
    if GPU == "emulated":
        import emulated_cuda.memory

        emulated_cuda.memory.check()


def _devices() -> int:
    try:
        import cupy
    except ImportError:
        return 0
    try:
        return cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError:
        return 0


def _load_stand_in():
    folder = pathlib.Path(__file__).with_name("emulated_cuda")
    place = importlib.util.spec_from_file_location("emulated_cuda", folder / "__init__.py",
                                                   submodule_search_locations=[str(folder)])
    package = sys.modules["emulated_cuda"] = importlib.util.module_from_spec(place)
    place.loader.exec_module(package)
    return package


def _find_gpu():
    """Say what the tests of the wing "cupy" run on: "real", "emulated", which takes CuPy's place here, or None."""
    stand_in = _load_stand_in()
    if _devices():
        return "real"
    if not stand_in.available():
        return None
    stand_in.install()
    return "emulated"


GPU = _find_gpu()


def use_emulated_products():
    """Let the wing take the products of matrices from the stand-in, where that is."""
    if GPU == "emulated":
        from emulated_cuda import cublas

        importlib.import_module("tinynet.backends.cupy.blas").load_library = cublas.library


@pytest.fixture
def rng():
    """A generator for the test's own data."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def mutate():
    """Return a function that does something wrong to a safetensors file, given its bytes and a random.Random."""
    return _mutated


def _mutated(content: bytes, generator: random.Random) -> bytes:
    """Return a file with something wrong, or not: bits, bytes, length, or a word of the header."""
    content, header = bytearray(content), int.from_bytes(content[:8], "little")
    kind = generator.randrange(7)
    if kind == 0:
        for _ in range(generator.randrange(1, 9)):
            content[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
    elif kind == 1:
        for _ in range(generator.randrange(1, 5)):
            content[8 + generator.randrange(header)] ^= 1 << generator.randrange(8)
    elif kind == 2:
        del content[generator.randrange(len(content)) :]
    elif kind == 3:
        content[generator.randrange(8)] = generator.randrange(256)
    elif kind == 4:
        at = generator.randrange(8, 8 + header)
        content[at : at + generator.randrange(20)] = generator.randbytes(generator.randrange(20))
    else:
        content = bytearray(_edited(bytes(content), header, generator))
    return bytes(content)


_WORDS = ["0", "-1", "1e999", "99999999999", "4294967296", "null", "true", "[]", "{}", '\\"x\\"', "NaN", "[[[[", "2.5"]


def _edited(content: bytes, header: int, generator: random.Random) -> bytes:
    """Put another value in the place of one in the header, whose length follows."""
    text = content[8 : 8 + header].decode()
    places = [i for i, letter in enumerate(text) if letter in ":,["]
    at = generator.choice(places) + 1
    end = next((i for i in range(at, len(text)) if text[i] in ",]}"), len(text))
    new = (text[:at] + generator.choice(_WORDS) + text[end:]).encode()
    return len(new).to_bytes(8, "little") + new + content[8 + header :]
