"""What the cupy wing says where something is missing: what that is, and what to do."""

import importlib
import os
import subprocess
import sys

import pytest

import tinynet


@pytest.fixture
def device(on_gpu):
    return importlib.import_module("tinynet.backends.cupy.device")


def broken(device, monkeypatch, count=None, status=None, driver=12090, runtime=12090, version="14.2.0"):
    """Let CuPy's runtime count so many GPUs, or fail with that status."""
    cupy = device.cp

    def devices():
        if status is not None:
            raise cupy.cuda.runtime.CUDARuntimeError(status)
        return count

    monkeypatch.setattr(cupy.cuda.runtime, "getDeviceCount", devices)
    monkeypatch.setattr(cupy.cuda.runtime, "driverGetVersion", lambda: driver)
    monkeypatch.setattr(cupy.cuda.runtime, "runtimeGetVersion", lambda: runtime)
    monkeypatch.setattr(cupy, "__version__", version)


BROKEN = {
    "no GPU": ({"count": 0}, "CuPy finds no NVIDIA GPU here"),
    "no GPU that is seen": (
        {"status": 100},
        r"finds no NVIDIA GPU here \(cudaError.*\)\. If there is one, see whether nvidia-smi lists it, and whether the "
        "variable CUDA_VISIBLE_DEVICES hides it"),
    "no driver": (
        {"status": 35, "driver": 0},
        "there is no NVIDIA driver here, or none that works. A GPU needs one for CUDA 12; a container gets the "
        "machine's by docker run --gpus all"),
    "an old driver": (
        {"status": 35, "driver": 12040, "runtime": 13000},
        r"the NVIDIA driver here is for CUDA 12\.4 and older, and this CuPy was made for CUDA 13\.0: install a newer "
        r"driver, or this driver's CuPy: pip uninstall cupy-cuda13x; pip install 'cupy-cuda12x\[ctk\]'$"),
    "a very old driver": (
        {"status": 35, "driver": 11080},
        r"for CUDA 11\.8 and older, and this CuPy was made for CUDA 12\.9: install a newer driver$"),
    "an old CuPy": (
        {"count": 1, "version": "13.6.0"},
        r"it needs CuPy 14 or newer, and this is CuPy 13\.6\.0: pip install --upgrade cupy-cuda12x$"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_is_missing(device, monkeypatch, name):
    how, said = BROKEN[name]
    broken(device, monkeypatch, **how)
    with pytest.raises(ImportError, match=said):
        device.require()


@pytest.mark.parametrize("version", ["14.0.0rc1", "15.0.0a1"])
def test_nothing_is_missing(device, monkeypatch, version):
    broken(device, monkeypatch, count=2, version=version)
    device.require()


def test_a_device_beyond_the_last(device):
    count = device.cp.cuda.runtime.getDeviceCount()
    with pytest.raises(ValueError, match=rf"number of a GPU; here are 0 \(.*\)\. Received: {count + 6}$"):
        tinynet.set_device(count + 6)


WITHOUT_CUPY = """
import sys
sys.modules["cupy"] = None  # as where it is not installed
import tinynet
try:
    tinynet.set_backend("cupy")
except ImportError as error:
    print(error)
"""


def test_without_cupy():
    environment = {key: value for key, value in os.environ.items() if key != "TINYNET_BACKEND"}
    said = subprocess.run([sys.executable, "-c", WITHOUT_CUPY], capture_output=True, text=True, check=True, timeout=120,
                          env=environment).stdout
    assert "The backend 'cupy' cannot be loaded here: it needs CuPy: pip install 'cupy-cuda12x[ctk]' or" in said
    assert "whichever the driver is for (nvidia-smi says)" in said
    assert said.endswith("tinynet.set_backend('numba') computes. Received: 'cupy'\n")


def test_without_nvidias_compiler(device, monkeypatch):
    launch = importlib.import_module("tinynet.backends.cupy.launch")

    class RawModule:
        def __init__(self, **_):
            pass

        def get_function(self, name):
            raise RuntimeError('Failure finding "libnvrtc.so.12"')

    monkeypatch.setattr(device.cp, "RawModule", RawModule)
    monkeypatch.setattr(launch, "_module", launch._module.__wrapped__)
    with pytest.raises(RuntimeError, match=r"cannot load the kernels of pool\.cu; NVIDIA's compiler and libraries come "
                                           r"with pip install 'cupy-cuda1.x\[ctk\]'\. Received: Failure finding"):
        launch.compiled.__wrapped__("pool", "max_pool", "float32")


def test_without_cublas(device, monkeypatch):
    blas = importlib.import_module("tinynet.backends.cupy.blas")
    place = importlib.util.spec_from_file_location("blas_anew", blas.__file__)  # whose products nobody has replaced
    anew = importlib.util.module_from_spec(place)
    place.loader.exec_module(anew)
    monkeypatch.setitem(sys.modules, "cupy_backends.cuda.libs", None)
    with pytest.raises(ImportError, match=r"CuPy cannot load cuBLAS; NVIDIA's compiler and libraries come with pip "
                                          r"install 'cupy-cuda1.x\[ctk\]'\. Received"):
        anew.load_library()
