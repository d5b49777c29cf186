"""What all tests share: how many examples hypothesis tries, the backends, and a known start for each test."""

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
    """Run the test once on each backend; the name is the fixture's value."""
    if request.param == "cupy":
        pytest.importorskip("cupy", exc_type=ImportError)
        if not _devices():
            pytest.skip("no NVIDIA GPU")
        pytest.importorskip("tinynet.backends.cupy", exc_type=ImportError)
    with tinynet.use_backend(request.param):
        yield request.param


def _devices() -> int:
    import cupy

    try:
        return cupy.cuda.runtime.getDeviceCount()
    except cupy.cuda.runtime.CUDARuntimeError:
        return 0


@pytest.fixture
def rng():
    """A generator for the test's own data."""
    return np.random.default_rng(0)
