import json
import os
import sys

import pytest

from benchmarks import processes
from benchmarks.processes import Worker, WorkerError


def test_the_environment_is_cleaned_of_threads_and_switches():
    given = {
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "MKL_NUM_THREADS": "1",
        "NUMBA_NUM_THREADS": "1",
        "NUMBA_DISABLE_JIT": "1",
        "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false",
        "KERAS_BACKEND": "torch",
        "TINYNET_BACKEND": "numpy",
        "NVIDIA_TF32_OVERRIDE": "1",
        "CUBLAS_WORKSPACE_CONFIG": ":0:0",
        "CUPY_TF32": "1",
        "CUDA_VISIBLE_DEVICES": "1",
        "CUPY_CACHE_DIR": "cache",
        "PATH": "/bin",
        "HOME": "/home/a",
        "TINYNET_DATA": "data",
        "NUMBA_CACHE_DIR": "cache",
    }
    kept = {"PATH", "HOME", "TINYNET_DATA", "NUMBA_CACHE_DIR", "CUDA_VISIBLE_DEVICES", "CUPY_CACHE_DIR"}
    assert set(processes.clean_environment(given)) == kept
    assert len(given) == 17


def test_a_process_starts_clean_but_for_the_variables_given(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    seconds, output = processes.timed([sys.executable, "-c", code], NUMBA_CACHE_DIR="here")
    seen = json.loads(output)
    assert "OMP_NUM_THREADS" not in seen
    assert seen["NUMBA_CACHE_DIR"] == "here"
    assert seconds > 0
    assert os.environ["OMP_NUM_THREADS"] == "7"


def test_a_process_that_fails_says_why():
    with pytest.raises(WorkerError, match="(?s)ended with 3:.*the reason"):
        processes.timed([sys.executable, "-c", "import sys; print('the reason', file=sys.stderr); sys.exit(3)"])


def test_a_framework_that_is_not_installed_is_reported():
    worker = Worker("nonesuch", sys.executable, threads=1)
    assert worker.version is None
    assert "nonesuch" in worker.missing
    worker.close()


@pytest.mark.skipif(os.name == "nt", reason="a script stands in for Python")
def test_a_worker_reports_the_error_of_a_request(tmp_path):
    script = tmp_path / "python"
    replies = ['{"version": "1.0"}', '{"seconds": 0.25}', '{"outputs": [0.5, 6.0]}', '{"error": "Traceback: it broke"}']
    code = f"import sys\nfor reply in {replies!r}:\n    print(reply, flush=True)\n    sys.stdin.readline()\n"
    script.write_text(f"#!{sys.executable}\n{code}")
    script.chmod(0o755)
    worker = Worker("fake", str(script), threads=1)
    assert (worker.version, worker.missing) == ("1.0", None)
    assert worker.time("softmax_b128", 4) == 0.25
    assert worker.outputs("mobilenet_forward_b1") == [0.5, 6.0]
    with pytest.raises(WorkerError, match="(?s)fake worker failed.*it broke"):
        worker.losses("softmax_b128", 4)
    with pytest.raises(WorkerError, match="fake worker"):
        worker.time("softmax_b128", 4)
    worker.close()
