"""Measure how soon a program is there: `import tinynet`, the very first run, and a whole script against the peers'."""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks import report
from benchmarks.processes import ROOT, WorkerError, timed

TITLE = "starting"
IMPORT_TARGET = 0.25
FIRST_RUN_TARGET = 15.0
WHOLE_TARGET = 3.0
PEER_SCRIPTS = {"torch": "fashion_dense_torch.py", "keras": "fashion_dense_keras.py"}
TIMED_IMPORT = "import time; start = time.perf_counter(); import tinynet; print(time.perf_counter() - start)"


def add_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--peer-python", default=sys.executable, metavar="PATH", help="the peers' Python; default: this one")
    add("--data-dir", help="the folder that holds fashion-mnist/; the whole scripts are timed only if it is given")
    add("--repeats", type=int, default=3, help="runs of each script; default 3")


def run(options: argparse.Namespace, facts: list[str]) -> str:
    """Measure, add to the facts about the run, and return the table."""
    facts.append(f"medians of {options.repeats} processes each, of {3 * options.repeats} for the import")
    rows = [import_row(options.repeats), first_run_row(options.repeats)]
    if options.data_dir:
        rows += whole_rows(options.data_dir, options.peer_python, options.repeats, facts)
    else:
        facts.append("the whole scripts need --data-dir, and were left out")
    return report.table(["what", "seconds", "target", ""], rows)


def row(what: str, seconds: float, target: float) -> list[str]:
    """Return a table's row for a time that has to stay below its target."""
    return [what, f"{seconds:.3f}", f"{target:g}", report.verdict(seconds < target)]


def import_row(repeats: int) -> list[str]:
    """Time `import tinynet` inside fresh processes."""
    seconds = [float(timed([sys.executable, "-c", TIMED_IMPORT])[1]) for _ in range(3 * repeats)]
    return row("import tinynet", statistics.median(seconds), IMPORT_TARGET)


def first_run_row(repeats: int) -> list[str]:
    """Time the quickstart without any cache (numba's kernels, matplotlib's fonts), less its second run with them."""
    extra = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            caches = {"NUMBA_CACHE_DIR": f"{folder}/kernels", "MPLCONFIGDIR": f"{folder}/fonts"}
            command = [sys.executable, "examples/quickstart.py", "--output-dir", f"{folder}/pictures"]
            first, second = timed(command, **caches)[0], timed(command, **caches)[0]
            extra.append(first - second)
    return row("examples/quickstart.py, first run less second", statistics.median(extra), FIRST_RUN_TARGET)


def whole_rows(data_dir: str, peer_python: str, repeats: int, facts: list[str]) -> list[list[str]]:
    """Time the Fashion-MNIST script and its twins, taking turns; adds to `facts` what they reached or lack."""
    folder = str(Path(data_dir).resolve())
    commands = {"examples/fashion_mnist_dense.py": [sys.executable, "examples/fashion_mnist_dense.py"]}
    for peer, script in PEER_SCRIPTS.items():
        try:
            timed([peer_python, "-c", f"import matplotlib, {peer}"], KERAS_BACKEND="jax")
        except WorkerError as error:
            facts.append(f"{script} cannot run: {str(error).splitlines()[-1]}")
        else:
            commands[script] = [peer_python, str(ROOT / "benchmarks" / "whole_process" / script)]
    seconds: dict[str, list[float]] = {what: [] for what in commands}
    with tempfile.TemporaryDirectory() as pictures:
        for repeat in range(repeats + 1):
            for what, command in commands.items():
                took, output = timed([*command, "--data-dir", folder, "--output-dir", f"{pictures}/{what}"])
                # The first round only fills the caches, of kernels and of files.
                if repeat:
                    seconds[what].append(took)
                else:
                    facts.append(f"{what}: {output.strip().splitlines()[-1]}")
    own, *peers = seconds
    rows = [row(f"{own}, whole process", statistics.median(seconds[own]), WHOLE_TARGET)]
    return rows + [peer_row(peer, seconds[peer]) for peer in peers]


def peer_row(what: str, seconds: Sequence[float]) -> list[str]:
    """Return a table's row for a script that has no target."""
    return [f"{what}, whole process", f"{statistics.median(seconds):.3f}", "", ""]
