"""The CUDA sources: NVIDIA's compiler takes them, every kernel is launched, and threads meet where they must."""

import ast
import ctypes
import importlib
import importlib.metadata
import itertools
import pathlib
import re
import sys

import numpy as np
import pytest
from emulated_cuda import kernels, races

import tinynet

WING = pathlib.Path(tinynet.__file__).parent / "backends" / "cupy"
COMMON = (WING / "common.cuh").read_text("utf-8")
OWN = {path.stem: path.read_text("utf-8") for path in sorted(WING.glob("*.cu"))}  # of a room, without COMMON
REALS = {"float32": "float", "float64": "double"}
ARCHITECTURES = [70, 75, 80, 86, 89, 90]
BARRIER = "__syncthreads();"
WAITS = re.compile(r"\b(__syncthreads|__syncwarp|__shfl(_up|_down|_xor)?_sync)\b")


def names_of_kernels(source):
    return re.findall(r"__global__ void (\w+)\(", source)


# ------------------------------------------------------------------------------------------------ NVIDIA's compiler


@pytest.fixture(scope="module")
def nvrtc():
    """Return NVRTC, which compiles without a GPU."""
    try:
        files = importlib.metadata.files("nvidia-cuda-nvrtc-cu12")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("NVRTC is not installed: pip install 'tinynet[cuda-check]'")
    return ctypes.CDLL(str(next(file.locate() for file in files if file.name.startswith("libnvrtc.so"))))


def compiled(nvrtc, code, *options):
    """Return whether NVRTC took the code, and what it said."""
    program, size, options = ctypes.c_void_p(), ctypes.c_size_t(), [option.encode() for option in options]
    assert nvrtc.nvrtcCreateProgram(ctypes.byref(program), code.encode(), b"room.cu", 0, None, None) == 0
    status = nvrtc.nvrtcCompileProgram(program, len(options), (ctypes.c_char_p * len(options))(*options))
    nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
    log = ctypes.create_string_buffer(size.value)
    nvrtc.nvrtcGetProgramLog(program, log)
    nvrtc.nvrtcDestroyProgram(ctypes.byref(program))
    return status == 0, log.value.decode()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("room", OWN)
def test_nvidias_compiler_takes_it_without_a_warning(nvrtc, room, architecture):
    for real in REALS.values():
        done, log = compiled(nvrtc, COMMON + OWN[room], f"--gpu-architecture=sm_{architecture}", "--std=c++17",
                             "-ftz=true", "--device-as-default-execution-space", f"-DREAL={real}")  # as CuPy does
        said = [line for line in log.splitlines() if line and "Architectures prior to" not in line]
        assert done and not said, log


def test_warnings_are_seen(nvrtc):
    done, log = compiled(nvrtc, COMMON + 'extern "C" __global__ void f(real* x) { int unused = 1; }',
                         "--gpu-architecture=sm_90", "-DREAL=float")
    assert done
    assert "never referenced" in log


# ---------------------------------------------------------------------------------------- names in .cu and in .py


def launched_by(tree):
    """Return the names that calls of something like `launch`, `each_row` and `add_up` begin with."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            callee = ast.unparse(node.func).rpartition(".")[2].strip("_")
            if re.match("launch|each|by_rows|add_up", callee):
                yield from (a.value for a in node.args[:2] if isinstance(a, ast.Constant) and isinstance(a.value, str))


@pytest.mark.parametrize("room", OWN)
def test_every_kernel_is_launched_by_its_room_and_there_are_no_others(room):
    tree = ast.parse((WING / f"{room}.py").read_text("utf-8"))
    texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    names = names_of_kernels(OWN[room])
    assert len(names) == len(set(names)) > 0
    assert [name for name in names if name not in texts] == []
    assert [name for name in launched_by(tree) if name not in names] == []


def test_every_source_is_its_rooms_own():
    assert all((WING / f"{room}.py").exists() for room in OWN)
    for path in WING.glob("*.py"):
        assert set(re.findall(r'\bSource\("(\w+)"\)', path.read_text("utf-8"))) <= {path.stem}


# ------------------------------------------------------------------------------------------ threads that wait


def kernels_that_wait(source):
    """Return the kernels in which threads wait for each other, in themselves or in functions that they call."""
    bodies = {match[1]: body(source, match.end()) for match in re.finditer(r"\b(\w+)\s*\([^()]*\)\s*\{", source)
              if match[1] not in ("if", "for", "while", "switch")}
    waiting = set()
    while more := {name for name, text in bodies.items() if name not in waiting and (
            WAITS.search(text) or any(re.search(rf"\b{other}\s*[(<]", text) for other in waiting))}:
        waiting |= more
    return waiting & set(names_of_kernels(source))


def body(source, begin):
    depth, end = 1, begin
    while depth:
        depth += {"{": 1, "}": -1}.get(source[end], 0)
        end += 1
    return source[begin:end]


def call_all_that_wait(wing):
    """Call them all, on arrays so small that a block does it alone and so large that several share the work."""
    rng = np.random.default_rng(0)

    def floats(*shape):
        return wing.asarray(rng.uniform(0.1, 0.9, shape), "float32")

    def buffer(name, shape):
        return wing.empty(shape, "float32")

    for n, c in ((3, 5), (40, 70)):
        y, p, weight, found = floats(n, c), floats(n, c), floats(n), floats(n, c)
        labels = wing.asarray(rng.integers(0, c, n), "int32")
        wing.softmax(p, found)
        wing.softmax_backward(y, p, p, found)
        for loss in ("mean_squared_error", "mean_absolute_error", "huber", "binary_crossentropy",
                     "logistic_crossentropy", "categorical_crossentropy", "softmax_crossentropy"):
            getattr(wing, loss)(y, p, weight, found, *((0.3,) if loss == "huber" else ()))
        wing.sparse_categorical_crossentropy(labels, p, weight, found)
        wing.sparse_softmax_crossentropy(labels, p, weight, found)
        wing.count_hits(labels, p, 2)
        wing.count_one_hot_hits(y, p, 2)
        wing.count_same_side(y.reshape(n * c), p.reshape(n * c), 0.5)
    for m, c in ((5, 3), (600, 32), (3, 1030)):
        x, dy, dx, rows, other_rows = floats(m, c), floats(m, c), floats(m, c), floats(m), floats(m)
        mean, variance, gamma, beta, dgamma, dbeta = (floats(c) for _ in range(6))
        wing.moments(x, mean, variance)
        for of_batch, bounds in ((True, None), (False, (0.0, np.inf))):
            wing.batch_norm_backward(x, mean, variance, gamma, beta, dy, dx, dgamma, dbeta, of_batch, bounds)
        wing.layer_norm(x, gamma, beta, dx, rows, other_rows, 1e-3)
        wing.layer_norm_backward(x, rows, other_rows, gamma, dy, dx, dgamma, dbeta)
    x, y = floats(2, 5, 7, 40), floats(2, 40)
    wing.global_average_pool(x, y)
    wing.global_max_pool(x, y)
    wing.global_max_pool_backward(floats(2, 40), x, y, floats(2, 5, 7, 40))
    for size in (7, 3000):
        wing.penalty(floats(size), 0.3, 0.2)
        wing.shorten([floats(size), floats(3)], 0.5)
    for places in (3, 30):
        wing.sum_bias(floats(2, 20, places, 9), floats(9))
    for n in (5, 1500):
        wing.dense_backward(floats(n, 4), floats(4, 9), floats(n, 9), None, None, floats(9), buffer, floats(n, 9))


@pytest.fixture(scope="module")
def jobs():
    """Return for each room the launches of its kernels that wait, with the memory before and after them."""
    cupy = sys.modules.get("cupy")
    if cupy is None or cupy.RawModule is not kernels.RawModule:
        pytest.skip("only the stand-in can write launches down")
    wing = importlib.import_module("tinynet.backends.cupy")
    with kernels.writing_down() as written:
        call_all_that_wait(wing)
    found = {}
    for room, own in OWN.items():
        waiting = kernels_that_wait(COMMON + own)
        launches = [job for job in written if job.code == COMMON + own and job.name in waiting]
        found[room] = list({(job.name, job.grid, job.block): job for job in launches}.values())
        missing = waiting - {job.name for job in launches}
        assert not missing, f"call_all_that_wait does not call {missing} of {room}"
    return found


ROOMS_THAT_WAIT = [room for room, own in OWN.items() if kernels_that_wait(COMMON + own)]


@pytest.fixture
def sanitizer():
    if races.driver(sanitized=True) is None:
        pytest.skip("no ThreadSanitizer here")


@pytest.mark.gpu
@pytest.mark.parametrize("room", ROOMS_THAT_WAIT)
def test_threads_that_run_at_once_do_not_race_and_write_the_same_bits(jobs, room):
    assert races.run_as_threads(jobs[room], sanitized=races.driver(sanitized=True) is not None) == ""


def without(text, number):
    """Return a source with one of its barriers taken out."""
    parts = text.split(BARRIER)
    return BARRIER.join(parts[: number + 1]) + BARRIER.join(parts[number + 1 :])


BARRIERS = [(room, number) for room, own in OWN.items() for number in range(own.count(BARRIER))]


@pytest.mark.gpu
@pytest.mark.parametrize(("room", "number"), BARRIERS)
def test_every_barrier_is_needed_and_missed(jobs, sanitizer, room, number):
    assert goes_wrong(jobs[room], COMMON + without(OWN[room], number))


def goes_wrong(jobs, code):
    """Return whether threads race or write other numbers. Not every time they do, so there are three attempts."""
    for _ in range(3):
        if said := races.run_as_threads(jobs, code):
            assert "data race" in said or "other numbers" in said, said
            return True
    return False


TWO_SUMS = """
extern "C" __global__ void two_sums(const real* x, real* y) {
    real first = block_sum(x[threadIdx.x]);
    y[threadIdx.x] = first + block_sum(x[threadIdx.x] * first);
}
"""


@pytest.mark.gpu
@pytest.mark.parametrize("number", [None, *range(COMMON.count(BARRIER))])
def test_every_barrier_of_the_block_sum(jobs, sanitizer, number):
    cupy = sys.modules["cupy"]
    x, y = cupy.ones((96,), np.float32), cupy.empty((96,), np.float32)
    with kernels.writing_down() as written:
        module = cupy.RawModule(code=COMMON + TWO_SUMS, options=("-DREAL=float",))
        module.get_function("two_sums")((1,), (96,), (x, y))
    assert set(y.get()) == {96 + 96 * 96}
    if number is None:
        assert races.run_as_threads(written) == ""
    else:
        assert goes_wrong(written, without(COMMON, number) + TWO_SUMS)


def test_kernels_that_wait_are_found():
    source = COMMON + 'extern "C" __global__ void waits(real* x) { if (x) { x[0] = block_sum(x[1]); } }\n' \
        'extern "C" __global__ void does_not(real* x) { x[0] = 1; }\n' \
        'extern "C" __global__ void waits_too(real* x) { __syncthreads(); }\n'
    assert kernels_that_wait(source) == {"waits", "waits_too"}
    assert len(list(itertools.chain(*map(kernels_that_wait, (COMMON + own for own in OWN.values()))))) > 20
