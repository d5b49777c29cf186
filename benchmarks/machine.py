"""What the numbers were measured on: processor, versions, thread pools, and how fast the BLAS multiplies here."""

import argparse
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from benchmarks.processes import answer_of

BUSY = 0.05


def pin(threads: int) -> None:
    """Hold this process, and every process it starts, to so many cores, where the system can (Linux).

    Every framework then sees a machine of that size, whatever it goes by when it chooses its number of threads.
    """
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, choose_cores(sorted(os.sched_getaffinity(0)), threads, _siblings))


def choose_cores(usable: list[int], threads: int, siblings: Callable[[int], set[int]]) -> set[int]:
    """Choose `threads` of the usable logical processors, one of each physical core as long as they last."""
    first, second = [], []
    seen: set[int] = set()
    for cpu in usable:
        (second if cpu in seen else first).append(cpu)
        seen |= siblings(cpu)
    return set((first + second)[:threads])


def _siblings(cpu: int) -> set[int]:
    """Return the logical processors that share a physical core with `cpu`, itself too."""
    path = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
    if not path.exists():
        return {cpu}
    return parse_cpus(path.read_text())


def parse_cpus(text: str) -> set[int]:
    """Return the numbers in a list of Linux' kind, such as "0,4-5"."""
    cpus = set()
    for part in text.strip().split(","):
        low, _, high = part.partition("-")
        cpus |= set(range(int(low), int(high or low) + 1))
    return cpus


def processor() -> str:
    """Return the processor's name as the system knows it."""
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    if platform.system() == "Darwin":
        said = subprocess.run(["sysctl", "-n", "machdep.cpu.brand_string"], capture_output=True, text=True)
        return said.stdout.strip() or platform.machine()
    return platform.processor() or platform.machine()


def describe(threads: int) -> list[str]:
    """Return the lines that head a table; measures the BLAS in a process of its own."""
    measured = answer_of("benchmarks.machine", str(threads))
    pools = "; ".join(
        f"{pool['internal_api']} {pool['version']} ({pool.get('architecture', 'unknown kernels')}, "
        f"{pool.get('threading_layer', 'unknown threads')}, {pool['num_threads']} threads)"
        for pool in measured["pools"]
    )
    return [
        f"{processor()}, {os.cpu_count()} cores, {threads} threads; {platform.system()} {platform.machine()}",
        f"float32 products of 1024 × 1024: {measured['gflops']:.0f} GFLOP/s ({pools})",
        f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in ("numpy", "numba")),
    ]


class OtherWork:
    """Watches how much of the processor other programs take meanwhile: a busy machine tells nothing (Linux only)."""

    def __init__(self) -> None:
        self._since = self._clocks()

    def share(self) -> float | None:
        """Return other programs' part of all cores' time since the start; None where the system does not tell.

        Our own processes count from when they have ended.
        """
        if self._since is None:
            return None
        busy, idle, own = (now - then for now, then in zip(self._clocks(), self._since, strict=True))
        return max(0.0, busy - own) / (busy + idle)

    @staticmethod
    def _clocks() -> tuple[float, float, float] | None:
        """Seconds that all cores were busy and idle, and that this process and its ended children took."""
        stat = Path("/proc/stat")
        if not stat.exists():
            return None
        # user nice system idle iowait irq softirq steal; what follows is part of user and nice already.
        ticks = [int(field) / os.sysconf("SC_CLK_TCK") for field in stat.read_text().split("\n")[0].split()[1:9]]
        idle = ticks[3] + ticks[4]
        return sum(ticks) - idle, idle, sum(os.times()[:4])


def sgemm_rate(size: int = 1024, repeats: int = 30) -> float:
    """Return the best rate of a float32 matrix product, in GFLOP/s."""
    import numpy as np

    a = np.random.default_rng(0).random((size, size), dtype=np.float32)
    c = np.empty_like(a)
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        np.matmul(a, a, out=c)
        seconds.append(time.perf_counter() - start)
    return 2 * size**3 / min(seconds) / 1e9


def _measure() -> None:
    import numpy as np  # noqa: F401  (threadpoolctl reports the pools of loaded libraries)
    import threadpoolctl

    parser = argparse.ArgumentParser()
    parser.add_argument("threads", type=int)
    with threadpoolctl.threadpool_limits(parser.parse_args().threads):
        print(json.dumps({"gflops": sgemm_rate(), "pools": threadpoolctl.threadpool_info()}))


if __name__ == "__main__":
    _measure()
