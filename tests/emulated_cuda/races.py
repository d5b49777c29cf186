"""Kernels under ThreadSanitizer, which sees when two threads touch the same memory and nothing orders them."""

import contextlib
import functools
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
from dataclasses import dataclass

from emulated_cuda import kernels

SANITIZER = ("-fsanitize=thread", "-g")
DRIVER = pathlib.Path(__file__).with_name("driver.cpp")


@dataclass
class Job:
    """A launch that was made, with the memory before it and after it."""

    name: str
    code: str
    options: tuple[str, ...]
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    arguments: list[tuple[int, bytes]]  # the number of a block of memory, or -1, and what is added to its address
    before: list[bytes]
    after: list[bytes]


def written_down(kernel, source, grid, block, packed, touched):
    """Return a launch as a :class:`Job`, whose memory after it is not known yet."""
    blocks = list({id(each): each for each in touched}.values())
    arguments = []
    for i in range(0, len(packed), 8):
        address, = struct.unpack_from("q", packed, i)
        inside = [n for n, each in enumerate(blocks) if each.ptr <= address <= each.ptr + each.size]
        is_pointer = kernel.parameters[i // 8][1] and address
        arguments.append((inside[0], address - blocks[inside[0]].ptr) if is_pointer else (-1, address))
    return Job(kernel.name, *source, grid, block, arguments, [each.content() for each in blocks], []), blocks


@functools.cache
def driver(sanitized: bool) -> list | None:
    """Return how to run the driver, under ThreadSanitizer or not, or None where that does not work."""
    program = kernels.folder() / f"driver-{kernels.key(DRIVER.read_text('utf-8'), str(sanitized))}"
    if not program.exists():
        own = program.with_suffix(f".{os.getpid()}")
        done = subprocess.run([kernels.compiler(), "-std=c++20", "-O1", *(SANITIZER if sanitized else ()), DRIVER,
                               "-o", own, "-ldl"], capture_output=True)
        if done.returncode:
            return None
        os.replace(own, program)
    if not sanitized:
        return [program]
    # Some systems spread memory wider than ThreadSanitizer expects; setarch takes that back.
    for before in ([], ["setarch", "-R"]):
        if not before or shutil.which(before[0]):
            with contextlib.suppress(RuntimeError):
                _run([*before, program], _library("", (), True), [])
                return [*before, program]
    return None


def _library(code, options, sanitized):
    return kernels.build(code, options, ("-DEMULATED_THREADS", "-pthread", *(SANITIZER if sanitized else ())))


def run_as_threads(jobs: list[Job], code: str | None = None, sanitized: bool = True) -> str:
    """Make launches of one source again, by threads; return what is wrong with them, or nothing.

    With `code` its kernels are launched instead.
    """
    try:
        found = _run(driver(sanitized), _library(code or jobs[0].code, jobs[0].options, sanitized), jobs)
    except RuntimeError as error:
        return str(error)
    for job in jobs:
        for number, wanted in enumerate(job.after):
            if found[: len(wanted)] != wanted:
                return f"{job.name}: other numbers in memory block {number}"
            found = found[len(wanted) :]
    return ""


def _run(command, library, jobs):
    """Return what is in the memory of the jobs after them; raise a RuntimeError with what the process has to say."""
    with tempfile.TemporaryDirectory() as folder:
        place, results = pathlib.Path(folder) / "jobs", pathlib.Path(folder) / "results"
        place.write_bytes(_number(len(jobs)) + b"".join(map(_as_bytes, jobs)))
        done = subprocess.run([*command, library, place, results], capture_output=True, text=True, timeout=300,
                              env={**os.environ, "TSAN_OPTIONS": "halt_on_error=1"})
        if done.returncode:
            raise RuntimeError(done.stderr)
        return results.read_bytes()


def _as_bytes(job):
    parts = [_number(len(job.name)), job.name.encode(), *map(_number, (*job.grid, *job.block)),
             _number(len(job.before))]
    for block in job.before:
        parts += [_number(len(block)), block]
    parts.append(_number(len(job.arguments)))
    for block, value in job.arguments:
        parts += [_number(block), _number(value)]
    return b"".join(parts)


def _number(value):
    return struct.pack("q", value)
