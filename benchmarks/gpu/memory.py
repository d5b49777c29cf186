"""The GPU's memory that training takes, against PyTorch.

The measure is the same in both: what `cudaMemGetInfo` says is in use, of the whole GPU, less what was in use when the
process had its context and had built nothing. So a context's own memory does not count, which is the driver's; all that
is loaded or reserved afterwards does: kernels, cuBLAS' and cuDNN's scratch memory, graphs, and the pools of both, as
large as they have grown. That is what other programs lack meanwhile. Nothing else may run on the GPU.
"""

import argparse
import sys
from collections.abc import Sequence

from benchmarks import memory, report
from benchmarks.gpu.frameworks import PEERS, PRECISIONS, running, runs
from benchmarks.models import MODELS

TITLE = "memory of a training process on the GPU"


def measure(names: Sequence[str], options: argparse.Namespace, facts: list[str]) -> dict[str, str]:
    """Return the table by its title."""
    facts.append(
        f"{TITLE}: medians of {options.processes} processes each, the highest use of {options.steps} steps beyond the "
        "context, by cudaMemGetInfo"
    )
    names = [name for name in names if name == "tinynet" or name in PEERS["torch"]]
    rows = []
    for model in map(MODELS.get, options.models):
        able = [name for name in names if runs(name, model)]
        peaks = {name: [_peak(name, model.name, options) for _ in range(options.processes)] for name in able}
        rows.append(memory.row(model, names, peaks))
        print(" ".join(rows[-1]), file=sys.stderr)
    return {TITLE: report.table(memory.header(names), rows)}


def _peak(name, model, options):
    """Train in a process of its own, the only one that computes on the GPU meanwhile."""
    with running([name], options, PRECISIONS[0]) as workers:
        return workers[name].device_memory(model, options.steps)
