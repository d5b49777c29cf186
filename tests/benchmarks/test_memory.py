import os
import subprocess
import sys

import pytest

from benchmarks import memory, processes
from benchmarks.models import MODELS
from benchmarks.processes import ROOT

MB = 1_000_000
CNN = MODELS["fashion_cnn_b32"]
BATCH = 32 * 784 * 4


def test_the_peak_is_held_against_the_leanest_peer():
    workers = ["tinynet", "torch", "torch_channels_last"]
    peaks = {
        "tinynet": [150 * MB, 160 * MB, 900 * MB],
        "torch": [400 * MB] * 3,
        "torch_channels_last": [320 * MB] * 3,
    }
    row = memory.row(CNN, workers, peaks)
    assert row == ["fashion_cnn_b32", "160.0", "400.0", "320.0", "0.50 (torch_channels_last)", "1", "met"]
    assert len(row) == len(memory.header(workers))
    assert memory.row(CNN, workers, peaks | {"tinynet": [321 * MB]})[-1] == "missed"


def test_what_grows_with_the_batch_is_missed():
    assert memory.later(CNN, [80_000, 80_500]) == ["100.4", "80.0", "80.5", "met"]
    assert len(memory.later(CNN, [0, 0])) == len(memory.LATER)
    assert memory.later(CNN, [BATCH, BATCH + 1000])[-1] == "met"
    assert memory.later(CNN, [BATCH, 2 * BATCH])[-1] == "missed"


def test_a_worker_that_did_not_run_the_model_has_an_empty_cell():
    workers = ["tinynet", "torch", "torch_channels_last"]
    row = memory.row(MODELS["softmax_b128"], workers, {"tinynet": [MB], "torch": [2 * MB]})
    assert row[1:] == ["1.0", "2.0", "", "0.50 (torch)", "1", "met"]


def test_a_system_that_does_not_tell_is_said_to():
    row = memory.row(CNN, ["tinynet", "torch"], {"tinynet": [None], "torch": [None]})
    assert row[1:] == ["not measured", "not measured", "", "1", ""]


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="the system does not tell")
def test_a_process_knows_its_own_peak_after_the_memory_is_given_back():
    code = "from benchmarks.processes import peak_memory; a = b'x' * 200_000_000; del a; print(peak_memory())"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert 200 * MB < int(done.stdout) < 300 * MB


@pytest.mark.skipif(sys.platform != "linux", reason="reads Linux' /proc")
def test_the_parents_peak_is_not_the_childs():
    code = (
        "import subprocess, sys; a = b'x' * 300_000_000; "
        "child = 'from benchmarks.processes import peak_memory; print(peak_memory())'; "
        "print(subprocess.run([sys.executable, '-c', child], capture_output=True, text=True, check=True).stdout)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert 0 < int(done.stdout) < 200 * MB


def test_where_no_system_tells_the_peak_is_none(monkeypatch):
    monkeypatch.setattr(processes.Path, "exists", lambda self: False)
    monkeypatch.setattr(processes.sys, "platform", "win32")
    assert processes.peak_memory() is None


def test_growth_sees_what_a_step_makes_anew(monkeypatch):
    from benchmarks.workers import tinynet as worker

    needed = memory.growth(MODELS["softmax_b128"])
    assert needed >= 0

    class Wasteful(worker.Runner):
        def run(self, steps):
            copies = [self.x.copy() for _ in range(steps)]
            return super().run(steps) + 0 * len(copies)

    monkeypatch.setattr(worker, "Runner", Wasteful)
    assert memory.growth(MODELS["softmax_b128"]) == pytest.approx(needed + 128 * 784 * 4, abs=20_000)


def test_tinynet_alone_is_measured_from_end_to_end():
    command = [sys.executable, "-m", "benchmarks", "memory", "--peers", "", "--models", "softmax_b128"]
    done = subprocess.run(
        [*command, "--repeats", "1", "--steps", "2"],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (row,) = [line for line in done.stdout.splitlines() if line.startswith("| softmax_b128")]
    assert row.rstrip(" |").endswith("met")
