import os
import subprocess
import sys

import pytest

from benchmarks.__main__ import COMMANDS, parse
from benchmarks.models import MODELS
from benchmarks.processes import ROOT


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_threads_and_an_output(command):
    options = parse([command, "--threads", "3", "--output", "results.md"])
    assert (options.threads, str(options.output)) == (3, "results.md")
    assert options.module is COMMANDS[command]


def test_train_takes_all_peers_and_models_by_default():
    options = parse(["train"])
    assert options.peers == ["torch", "jax", "keras"]
    assert options.models == list(MODELS)
    assert (options.threads, options.repeats, options.peer_python) == (2, 9, sys.executable)


def test_an_unknown_peer_is_refused(capsys):
    with pytest.raises(SystemExit):
        parse(["train", "--peers", "torch,mxnet"])
    assert "mxnet" in capsys.readouterr().err


def test_tinynet_alone_is_timed_from_end_to_end(tmp_path):
    output = tmp_path / "train.md"
    command = [sys.executable, "-m", "benchmarks", "train", "--peers", "", "--models", "softmax_b128", "--repeats", "1"]
    done = subprocess.run(
        [*command, "--burst", "0.02", "--output", str(output)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    text = output.read_text(encoding="utf-8")
    assert ": one training step\n" in text
    (row,) = [line for line in text.splitlines() if line.startswith("| softmax_b128")]
    assert float(row.split("|")[2]) > 0
