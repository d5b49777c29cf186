import argparse
import os
import subprocess
import sys

import pytest

from benchmarks.gpu import frameworks
from benchmarks.gpu.frameworks import Stopwatch, best, described
from benchmarks.models import MODELS
from benchmarks.processes import ROOT, WorkerError

OPTIONS = argparse.Namespace(peers=["torch", "compiled"], peer_python="other/python", threads=2)


class Started:
    """A worker process; those of the `lacking` modules cannot run."""

    lacking = ()
    log = []

    def __init__(self, module, python, threads, precision):
        self.module = module
        self.version = "1.0"
        self.missing = "no GPU" if module in self.lacking else None
        self.log.append((module, python, threads, precision))

    def close(self):
        self.log.append((self.module, "closed"))


@pytest.fixture
def started(monkeypatch):
    monkeypatch.setattr(frameworks, "Worker", Started)
    monkeypatch.setattr(Started, "log", [])
    monkeypatch.setattr(frameworks, "_nvidia_smi", lambda: None)
    return monkeypatch


def test_every_module_is_there():
    folder = ROOT / "benchmarks" / "workers"
    assert all((folder / f"{module}.py").exists() for module in frameworks.MODULES.values())
    assert [name for names in frameworks.PEERS.values() for name in names] == list(frameworks.MODULES)[1:]


def test_the_ways_of_a_peer_are_found_by_its_first(started):
    there, said = frameworks.find(OPTIONS)
    assert there == list(frameworks.MODULES)
    assert said[1:] == ["tinynet 1.0", "torch 1.0", "compiled 1.0"]
    assert [entry[0] for entry in Started.log if entry[1] == "closed"] == [
        "tinynet_gpu", "torch_gpu", "torch_gpu_compiled",
    ]  # fmt: skip


def test_a_peer_that_cannot_run_is_left_out(started):
    started.setattr(Started, "lacking", ("torch_gpu",))
    there, said = frameworks.find(OPTIONS)
    assert there == ["tinynet", *frameworks.PEERS["compiled"]]
    assert "torch cannot run here (no GPU)" in said


def test_without_a_gpu_there_is_nothing_to_measure(started):
    started.setattr(Started, "lacking", ("tinynet_gpu",))
    with pytest.raises(WorkerError, match="need an NVIDIA GPU.*CuPy.*tinynet says: no GPU"):
        frameworks.find(OPTIONS)


def test_processes_have_their_python_and_precision_and_end_with_the_block(started):
    with frameworks.running(["tinynet", "torch"], OPTIONS, "high") as workers:
        assert list(workers) == ["tinynet", "torch"]
        assert Started.log == [("tinynet_gpu", sys.executable, 2, "high"), ("torch_gpu", "other/python", 2, "high")]
    assert Started.log[2:] == [("torch_gpu", "closed"), ("tinynet_gpu", "closed")]


def test_they_end_where_one_cannot_run(started):
    started.setattr(Started, "lacking", ("torch_gpu",))
    with pytest.raises(WorkerError, match="torch cannot run any more: no GPU"):
        frameworks.running(["tinynet", "torch"], OPTIONS, "high").__enter__()
    assert [entry[0] for entry in Started.log if entry[1] == "closed"] == ["torch_gpu", "tinynet_gpu"]


def test_the_gpus_are_described_by_nvidias_tool():
    assert described("NVIDIA A, 1.2.3, 1000 MiB, 4 MiB, 0 %\nNVIDIA B, 1.2.3, 2000 MiB, 5 MiB, 90 %\n") == [
        "GPU 0: NVIDIA A, driver 1.2.3, 1000 MiB; before the run 4 MiB of it in use, 0 % busy",
        "GPU 1: NVIDIA B, driver 1.2.3, 2000 MiB; before the run 5 MiB of it in use, 90 % busy",
    ]
    (line,) = described(None)
    assert "not known" in line


def test_the_best_way_of_a_peer_has_the_smallest_median():
    seconds = {"tinynet": [1.0], "torch": [5.0, 5.0, 1.0], "torch_channels_last": [4.0, 4.0, 9.0]}
    assert best("torch", seconds) == "torch_channels_last"
    assert best("compiled", seconds) is None


def test_a_stopwatch_tells_the_devices_time_and_notes_the_walls():
    class Worker:
        def device_time(self, model, steps):
            return {"device": 0.5, "wall": 0.75}

    watch = Stopwatch(Worker())
    assert watch.time("m", 3) == 0.5
    assert watch.walls == [0.75]


def test_orders_of_images_run_models_of_images_alone():
    names = [name for name in frameworks.MODULES if not frameworks.runs(name, MODELS["softmax_b128"])]
    assert names == ["torch_channels_last", "compiled_channels_last"]
    assert all(frameworks.runs(name, MODELS["phd_bn_b64"]) for name in frameworks.MODULES)


def test_without_a_gpu_the_command_says_so_and_fails_and_writes_nothing(tmp_path):
    output = tmp_path / "gpu.md"
    # An environment in which even a machine with a GPU shows none.
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "-1"}
    command = [sys.executable, "-m", "benchmarks", "gpu", "--threads", "1", "--output", str(output)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    assert "need an NVIDIA GPU" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert not output.exists()
