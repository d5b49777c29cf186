"""The stand-in for CuPy: it computes what CUDA would, and says what a GPU keeps to itself."""

import contextlib
import copy
import ctypes
import sys

import numpy as np
import pytest

import tinynet
from emulated_cuda import cublas, kernels, memory, streams
from emulated_cuda.errors import KernelError


@pytest.fixture
def cp():
    found = sys.modules.get("cupy")
    if found is None or found.RawModule is not kernels.RawModule:
        pytest.skip("the stand-in is not in use here")
    yield found
    memory.check()


@pytest.fixture
def launch(cp):
    """Return `launch(code, grid, block, *arguments)`, which compiles a kernel `f` and runs it."""
    def launch(code, grid, block, *arguments):
        kernel = cp.RawModule(code=code, options=("--std=c++17", "-DREAL=float")).get_function("f")
        kernel((grid,) if isinstance(grid, int) else grid, (block,) if isinstance(block, int) else block, arguments)

    return launch


def kernel(parameters, *lines):
    return 'typedef REAL real;\nextern "C" __global__ void f(' + parameters + ") {\n" + "\n".join(lines) + "\n}\n"


# ------------------------------------------------------------------------------------------------------ arrays


def test_no_number_slips_to_the_host(cp):
    x = cp.zeros((2, 3), np.float32)
    for leave in (np.asarray, lambda x: np.ones(3) + x, lambda x: x + np.ones(3), lambda x: np.dot(x, np.ones(3)),
                  lambda x: np.add(x, 1, out=np.ones(3))):
        with pytest.raises(TypeError):
            leave(x)
    with pytest.raises(ValueError, match="non-scalar"):
        x[...] = np.ones((2, 3))
    with pytest.raises(ValueError, match="ambiguous"):
        bool(x)
    x[...] = np.float64(3)
    assert x.get().tolist() == [[3] * 3] * 2
    assert float(x[0, 0]) == x[1, 2].item() == 3


def test_slices_are_views(cp):
    x = cp.asarray(np.arange(12.0).reshape(3, 4))
    view = x[1:, ::2]
    view[...] = cp.asarray(np.array([-1.0, -2]))
    x[0] = -5
    assert x.get().tolist() == [[-5] * 4, [-1, 5, -2, 7], [-1, 9, -2, 11]]
    assert not view.flags.c_contiguous
    assert cp.ascontiguousarray(view).get().tolist() == [[-1, -2], [-1, -2]]
    assert cp.may_share_memory(x, view)
    assert x[1].data.ptr == x.data.ptr + x.strides[0]
    assert not cp.shares_memory(x, copy.deepcopy(x))
    assert x.T.flags.f_contiguous
    assert cp.asarray(np.asfortranarray(np.ones((2, 3)))).flags.f_contiguous


@pytest.mark.parametrize("work", [lambda x, y: x + y, lambda x, y: 2 * x - y / 3, lambda x, y: (x > y) | (x == 0),
                                  lambda x, y: x.sum(axis=0) * y[0], lambda x, y: np.maximum(x, y).mean(),
                                  lambda x, y: np.concatenate([x, y], axis=1), lambda x, y: np.isfinite(x).all(),
                                  lambda x, y: (x @ y.T).max(), lambda x, y: abs(-x).astype("float64").reshape(-1)])
def test_arithmetic(cp, rng, work):
    x, y = rng.normal(size=(2, 4, 3)).astype(np.float32)
    found, wanted = work(cp.asarray(x), cp.asarray(y)), work(x, y)
    assert isinstance(found, cp.ndarray)
    assert (found.shape, found.dtype) == (np.shape(wanted), wanted.dtype)
    np.testing.assert_allclose(found.get(), wanted, rtol=1e-6)


# ------------------------------------------------------------------------------------------------------ kernels


def test_who_a_thread_is(cp, launch):
    out = cp.empty((2, 3, 2, 5, 4), np.int32)
    launch(kernel("int* out", "unsigned block = blockIdx.x + gridDim.x * blockIdx.y;",
                  "out[(block * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x] =",
                  "    1000 * (threadIdx.x + 10 * threadIdx.y) + blockIdx.x + 10 * blockIdx.y;"), (6, 2), (4, 5), out)
    out = out.get().reshape(12, 5, 4)
    b, j, i = np.indices(out.shape)
    np.testing.assert_array_equal(out, 1000 * (i + 10 * j) + b % 6 + 10 * (b // 6))


def test_shuffles(cp, launch):
    out = cp.empty((5, 64), np.float64)
    launch(kernel("double* out", "int t = threadIdx.x;", "double v = t;",
                  "out[t] = __shfl_down_sync(0xffffffffu, v, 3);", "out[64 + t] = __shfl_up_sync(0xffffffffu, v, 3);",
                  "out[128 + t] = __shfl_xor_sync(0xffffffffu, v, 5);",
                  "out[192 + t] = __shfl_sync(0xffffffffu, v, 7);",
                  "out[256 + t] = __shfl_down_sync(0xffffffffu, v, 1, 4);"), 1, 64, out)
    t = np.arange(64)
    wanted = [np.where(t % 32 < 29, t + 3, t), np.where(t % 32 > 2, t - 3, t), t ^ 5, t // 32 * 32 + 7,
              np.where(t % 4 < 3, t + 1, t)]
    np.testing.assert_array_equal(out.get(), wanted)


def test_least_greatest_and_no_number(cp, launch):
    out = cp.empty((4,), np.float32)
    launch(kernel("float* out", "out[0] = max(NAN, 1.0f); out[1] = min(2.0f, NAN); out[2] = max(3, 4u);",
                  "out[3] = __umulhi(0x80000000u, 10u);"), 1, 1, out)
    assert out.get().tolist() == [1, 2, 4, 5]


@pytest.mark.parametrize("block", [256, 32])
def test_shared_memory_begins_full_of_nan_in_each_block(cp, launch, block):
    code = 'template <typename T> __device__ inline T& other() { __shared__ T held[4]; return held[1]; }\n' + kernel(
        "real* out", "__shared__ real held[300];", "if (threadIdx.x == 0) {",
        "out[2 * blockIdx.x] = held[7]; out[2 * blockIdx.x + 1] = other<real>(); held[7] = other<real>() = 1; }")
    out = cp.zeros((6,), np.float32)
    launch(code, 3, block, out)
    assert np.isnan(out.get()).all()


@pytest.mark.parametrize("line", [
    "if (t == 0) held[0] = 1; {} out[t] = held[0];", "held[t] = t; {} out[t] = held[63 - t];",
    "if (t == 63) held[5] = 1; {} out[t] = held[5];", "held[t] = t; {} out[t] = held[0];",
])
def test_a_forgotten_barrier_shows(cp, launch, line):
    """In a block that goes from first to last, or in one that goes from last to first."""
    found = []
    for between in ("__syncthreads();", ""):
        out = cp.empty((2, 64), np.float32)
        launch(kernel("real* out", "__shared__ real held[64]; int t = threadIdx.x; out += 64 * blockIdx.x;",
                      line.format(between)), 2, 64, out)
        found.append(out.get())
    assert not np.isnan(found[0]).any()
    assert np.isnan(found[1]).any()


@pytest.mark.parametrize(("line", "message"), [
    ("if (threadIdx.x < 40) __syncthreads();", "ended, while others wait"),
    ("if (threadIdx.x < 32) __syncthreads(); else __syncthreads();", "different __syncthreads"),
    ("if (threadIdx.x % 2) __syncwarp();", "not all threads of the warp"),
    ("if (threadIdx.x % 2) __syncwarp(); else __syncwarp();", "different shuffles"),
    ("__syncwarp(0xffffu);", "a mask that leaves out"),
])
def test_barriers_that_not_all_reach(launch, line, message):
    for _ in range(2):
        with pytest.raises(KernelError, match=f"f: .*{message}"):
            launch(kernel("", line), 1, 64)
    launch(kernel("", "__syncthreads(); __syncwarp(); __syncthreads();"), 3, 64)


def test_half_a_warp_has_no_shuffle(launch):
    with pytest.raises(KernelError, match="fewer than 32"):
        launch(kernel("", "__syncwarp();"), 1, 48)


@pytest.mark.parametrize("place", [-1, 10])
def test_writes_outside_of_an_array(cp, launch, place):
    with pytest.raises(KernelError, match="kernel f wrote outside of an array of 40 bytes"):
        launch(kernel("real* x, int place", "x[place] = 1;"), 1, 1, cp.zeros((10,), np.float32), np.int32(place))


def test_what_is_read_outside_of_an_array_is_no_number(cp, launch):
    x, out = cp.zeros((10,), np.float32), cp.zeros((2,), np.float32)
    launch(kernel("const real* x, real* out", "out[0] = x[10]; out[1] = x[-1];"), 1, 1, x, out)
    assert np.isnan(out.get()).all()


SIX = kernel("const float* a, real* b, const bool* c, int d, double e, const int* __restrict__ g", "")


def six(cp, **changes):
    given = {"a": cp.zeros(4, "f4"), "b": None, "c": cp.zeros(4, "?"), "d": np.int32(1), "e": np.float64(1),
             "g": cp.zeros(4, "i4")}
    return list((given | changes).values())


def test_arguments_that_fit(cp, launch):
    launch(SIX, 1, 1, *six(cp))
    launch(SIX, 1, 1, *six(cp, e=1.0, a=cp.zeros((8,), "f4")[4:]))


@pytest.mark.parametrize(("name", "value", "message"), [
    ("a", lambda cp: cp.zeros(4), "argument 0 of f must be an array of float. Received: one of float64"),
    ("a", lambda cp: cp.zeros((4, 4), "f4")[:, 0], "must be contiguous"),
    ("a", lambda cp: cp.zeros((4, 4), "f4").T, "must be contiguous"),
    ("a", lambda cp: np.zeros(4, np.float32), "must be an array of float or None"),
    ("c", lambda cp: cp.zeros(4, "u1"), "an array of bool. Received: one of uint8"),
    ("d", lambda cp: 1, r"one int. Received: 1 \(int64\)"), ("d", lambda cp: True, "one int"),
    ("d", lambda cp: None, "one int"), ("d", lambda cp: cp.zeros(1, "i4"), "one int"),
    ("e", lambda cp: np.float32(1), "one double"), ("g", lambda cp: cp.zeros(4, "i8"), "one of int64"),
    ("g", lambda cp: 0, "an array of int or None"),
])
def test_arguments_that_do_not(cp, launch, name, value, message):
    with pytest.raises(KernelError, match=message):
        launch(SIX, 1, 1, *six(cp, **{name: value(cp)}))


def test_their_number(cp, launch):
    with pytest.raises(KernelError, match="f has 6 parameters. Received: 5"):
        launch(SIX, 1, 1, *six(cp)[:5])


def test_sizes_of_launches(cp, launch):
    for grid, block in ((1, 1025), ((1, 65536), 1)):
        with pytest.raises(cp.cuda.driver.CUDADriverError):
            launch(kernel("", ""), grid, block)


def test_sources_with_errors(cp, launch):
    with pytest.raises(KernelError, match=r"does not compile:(.|\n)*nonsense"):
        launch(kernel("", "nonsense;"), 1, 1)
    with pytest.raises(KernelError, match="sums of floats by atomicAdd"):
        launch(kernel("float* x", "atomicAdd(x, 1.0f);"), 1, 1, cp.zeros(1, "f4"))
    with pytest.raises(cp.cuda.driver.CUDADriverError):
        cp.RawModule(code=kernel("", ""), options=("-DREAL=float",)).get_function("g")


def test_whole_numbers_may_be_added_by_all(cp, launch):
    x = cp.zeros((1,), np.int32)
    launch(kernel("int* x", "atomicAdd(x, 2);"), 3, 70, x)
    assert x.item() == 420


# ---------------------------------------------------------------------------------------------- memory and streams


ADD_ONE = kernel("int* x, int n", "int i = blockIdx.x * blockDim.x + threadIdx.x;", "if (i < n) x[i] += 1;")


@pytest.fixture
def recorded(cp, launch):
    """Return `recorded(work)`: a graph of what it launches."""
    def recorded(work):
        stream = cp.cuda.Stream(non_blocking=True)
        with stream:
            stream.begin_capture()
            work()
            return stream.end_capture()

    return recorded


def test_new_memory_is_no_number(cp):
    assert np.isnan(cp.empty((3, 3), np.float32).get()).all()
    assert cp.empty((2,), np.int32).get().tolist() == [-1, -1]


def test_a_graph_does_it_again(cp, launch, recorded):
    x, y = cp.zeros((4,), np.int32), cp.zeros((4,), np.int32)

    def work():
        launch(ADD_ONE, 1, 32, x, np.int32(4))
        np.multiply(x, 2, out=y)

    graph = recorded(work)
    assert not x.get().any()
    for i in (1, 2, 3):
        graph.launch()
        assert x.get().tolist() == [i] * 4
        assert y.get().tolist() == [2 * i] * 4


@pytest.mark.parametrize("read", [lambda cp, x: x.get(), lambda cp, x: float(x[0]), lambda cp, x: bool(x[0]),
                                  lambda cp, x: cp.asarray(np.ones(3)), lambda cp, x: x.set(np.ones(3)),
                                  lambda cp, x: cp.cuda.get_current_stream().synchronize(),
                                  lambda cp, x: cp.cuda.runtime.deviceSynchronize()])
def test_while_recording_nothing_comes_from_the_host_or_goes_there(cp, read):
    x, stream = cp.zeros((3,)), cp.cuda.Stream(non_blocking=True)
    with stream:
        stream.begin_capture()
        with pytest.raises(cp.cuda.runtime.CUDARuntimeError) as error:
            read(cp, x)
        assert error.value.status == 900
        with pytest.raises(cp.cuda.runtime.CUDARuntimeError) as error:
            x += 1
        assert error.value.status == 901
        with pytest.raises(cp.cuda.runtime.CUDARuntimeError) as error:
            stream.end_capture()
        assert error.value.status == 901
    assert not stream.is_capturing()
    assert x.get().tolist() == [0, 0, 0]


def test_the_null_stream_cannot_record(cp):
    with pytest.raises(RuntimeError, match="default"):
        cp.cuda.Stream.null.begin_capture()


def test_a_graph_that_reads_freed_memory_gets_no_numbers(cp, recorded):
    y = cp.zeros((4,), np.float32)

    def record():
        x = cp.zeros((4,), np.float32)
        graph = recorded(lambda: y.__setitem__(slice(None), x))
        graph.launch()
        assert not y.get().any()
        return graph

    record().launch()
    assert np.isnan(y.get()).all()


@pytest.mark.parametrize("work", [lambda launch, x: x.fill(7),
                                  lambda launch, x: launch(ADD_ONE, 1, 32, x.view(np.int32), np.int32(4))])
def test_a_graph_that_writes_to_freed_memory_is_found_out(cp, launch, recorded, work):
    def record():
        x = cp.zeros((4,), np.float32)
        return recorded(lambda: work(launch, x))

    graph = record()
    graph.launch()
    with pytest.raises(KernelError, match="after they were freed"):
        memory.check()


def test_but_it_may_in_a_pool_of_its_own(cp, recorded):
    pool, y = cp.cuda.MemoryPool(), cp.zeros((4,), np.float32)

    def work():
        scratch = cp.ones((4,), np.float32)
        scratch += 1
        y[...] = scratch

    with cp.cuda.using_allocator(pool.malloc):
        graph = recorded(work)
    for _ in range(2):
        graph.launch()
        assert y.get().tolist() == [2] * 4
    assert pool.used_bytes() == 0
    memory.check()


def test_memory_runs_out(cp, monkeypatch):
    monkeypatch.setattr(memory, "limit", memory.bytes_in_use() + 1000)
    held = cp.zeros((200,), np.float32)
    assert cp.cuda.runtime.memGetInfo()[0] == 200
    with pytest.raises(cp.cuda.memory.OutOfMemoryError):
        cp.zeros((200,), np.float32)
    del held
    cp.zeros((200,), np.float32)


@pytest.mark.parametrize("late", ["null", "others"])
@pytest.mark.parametrize("forgotten", [None, "event", "wait"])
def test_a_stream_that_does_not_wait_for_another(cp, late, forgotten):
    """What one stream copies, the other adds to; then the first copies over it."""
    other, x, sums = cp.cuda.Stream(non_blocking=True), cp.empty((3,)), cp.zeros((3,))
    pinned = [np.frombuffer(cp.cuda.alloc_pinned_memory(24), np.float64, 3) for _ in range(2)]
    copied, used = cp.cuda.Event(disable_timing=True), cp.cuda.Event(disable_timing=True)
    with streams.putting_off(late):
        for number, held in enumerate(pinned):
            held[...] = number + 1
            if forgotten != "wait":
                other.wait_event(used)
            x.set(held, stream=other)
            other.record(copied)
            if forgotten != "event":
                cp.cuda.get_current_stream().wait_event(copied)
            sums += x
            used.record()
        found = sums.get().tolist()
    right = forgotten is None or (forgotten == "event") == (late == "null")
    assert (found == [3] * 3) == right


def test_pinned_memory_is_read_late_and_other_memory_at_once(cp):
    x, y = cp.empty((3,)), cp.empty((3,))
    pinned, plain = np.frombuffer(cp.cuda.alloc_pinned_memory(24), np.float64, 3), np.ones(3)
    pinned[...] = 1
    with streams.putting_off("null"):
        x.set(pinned)
        y.set(plain)
        pinned[...] = plain[...] = 2
        assert (x.get().tolist(), y.get().tolist()) == ([2] * 3, [1] * 3)


def test_what_was_freed_is_used_anew_by_its_own_stream_only(cp):
    """An array that another stream still reads must live on; one that its own stream reads need not."""
    for reader, wanted in ((cp.cuda.Stream.null, [1] * 3), (cp.cuda.Stream(non_blocking=True), None)):
        x, y = cp.ones((3,)), cp.empty((3,))
        with streams.putting_off("null" if wanted else "others"):
            with reader:
                y[...] = x
            del x
            reader.synchronize()
            found = y.get()
        assert found.tolist() == wanted if wanted else np.isnan(found).all()


def losses_of_training(late):
    """Train on batches that are copied while a step is recorded and replayed; return the loss of each epoch."""
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(160, 6)).astype(np.float32), rng.integers(0, 3, 160)
    tinynet.set_seed(0)
    with tinynet.use_backend("cupy"), streams.putting_off(late) if late else contextlib.nullcontext():
        model = tinynet.Sequential([tinynet.layers.Dense(8, activation="relu", input_shape=(6,)),
                                    tinynet.layers.Dropout(0.2), tinynet.layers.Dense(3, activation="softmax")])
        model.compile("adam", "sparse_categorical_crossentropy")
        batches = tinynet.data.Dataset.from_tensor_slices((x, y)).batch(16)
        return model.fit(batches, epochs=2, verbose=0).history["loss"]


@pytest.mark.gpu
@pytest.mark.parametrize("late", ["null", "others"])
def test_training_waits_where_it_must(cp, on_gpu, late):
    assert losses_of_training(late) == losses_of_training(None)


@pytest.mark.gpu
def test_and_would_be_wrong_without(cp, on_gpu, monkeypatch):
    right = losses_of_training(None)
    monkeypatch.setattr(cp.cuda.Stream, "wait_event", lambda stream, event: None)
    assert [losses_of_training(late) == right for late in ("null", "others")] == [False, False]


# ------------------------------------------------------------------------------------------------------ products


@pytest.fixture
def product(cp):
    """Return `product(a, b, c, m, n, k, **options)`, which calls cublasGemmEx and returns the status."""
    library, handle = cublas.library(), ctypes.c_void_p()
    assert library.cublasCreate_v2(ctypes.addressof(handle)) == 0

    def product(a, b, c, m, n, k, lda, ldb, ldc, transa=0, transb=0, alpha=1.0, beta=0.0, compute=None):
        number = ctypes.c_float if c.dtype == np.float32 else ctypes.c_double
        alpha, beta, kind = number(alpha), number(beta), int(c.dtype == np.float64)
        assert library.cublasSetStream_v2(handle.value, cp.cuda.get_current_stream().ptr) == 0
        return library.cublasGemmEx(
            handle.value, transa, transb, m, n, k, ctypes.addressof(alpha), a.data.ptr, kind, lda, b.data.ptr, kind,
            ldb, ctypes.addressof(beta), c.data.ptr, kind, ldc, compute or (70 if kind else 68), -1)

    return product


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("transb", [0, 1])
@pytest.mark.parametrize("transa", [0, 1])
def test_products_touch_nothing_else(cp, product, rng, transa, transb, dtype):
    m, n, k = 3, 4, 5
    a, b, c = (rng.normal(size=shape).astype(dtype) for shape in ((7, 8), (8, 9), (6, 10)))
    left, right = a.T[:k, :m].T if transa else a.T[:m, :k], b.T[:n, :k].T if transb else b.T[:k, :n]
    there = cp.asarray(a), cp.asarray(b), cp.asarray(c)
    assert product(*there, m, n, k, 8, 9, 10, transa, transb, alpha=2.0, beta=0.5) == 0
    wanted = c.copy()
    wanted.T[:m, :n] = 2 * left @ right + 0.5 * c.T[:m, :n]
    np.testing.assert_allclose(there[2].get(), wanted, rtol=1e-5)
    np.testing.assert_array_equal(there[2].get()[n:], c[n:])
    np.testing.assert_array_equal(there[2].get()[:, m:], c[:, m:])


def test_products_that_cannot_be(cp, product):
    a, b, c = (cp.zeros((4, 4), np.float32) for _ in range(3))
    assert product(a, b, c, 4, 4, 4, 3, 4, 4) == cublas.INVALID
    assert product(a, b, c, 4, 4, 4, 4, 4, 4, compute=70) == cublas.UNSUPPORTED
    with pytest.raises(KernelError, match="do not lie in memory"):
        product(a, b, c, 4, 4, 4, 4, 4, 5)


def test_rounded_products(cp, product):
    x = np.full((1, 1), 1 + 2**-9 + 2**-15, np.float32)
    a, one, out = cp.asarray(x), cp.ones((1, 1), np.float32), cp.empty((1, 1), np.float32)
    for compute, wanted in ((68, x.item()), (77, 1 + 2**-9), (75, 1)):
        assert product(a, one, out, 1, 1, 1, 1, 1, 1, compute=compute) == 0
        assert out.item() == wanted
    halfway = np.float32([1 + 2**-8, 1 + 3 * 2**-8, np.inf, -np.inf])
    assert cublas.rounded(halfway, 8).tolist() == [1, 1 + 2**-6, np.inf, -np.inf]
    assert np.isnan(cublas.rounded(np.float32([np.nan]), 8)).all()


def test_products_are_recorded(cp, product, recorded):
    a, out = cp.ones((2, 2)), cp.zeros((2, 2))
    graph = recorded(lambda: product(a, a, out, 2, 2, 2, 2, 2, 2))
    assert not out.get().any()
    a += 1
    graph.launch()
    assert out.get().tolist() == [[8, 8], [8, 8]]


def test_many_products_at_once(cp, rng):
    library, handle, one, zero = cublas.library(), ctypes.c_void_p(), ctypes.c_double(1), ctypes.c_double(0)
    library.cublasCreate_v2(ctypes.byref(handle))
    a, b = rng.normal(size=(3, 4, 5)), rng.normal(size=(3, 6, 4))
    there, out = (cp.asarray(a), cp.asarray(b)), cp.empty((3, 6, 5))
    assert library.cublasGemmStridedBatchedEx(
        handle, 0, 0, 5, 6, 4, ctypes.byref(one), there[0].data.ptr, 1, 5, 20, there[1].data.ptr, 1, 4, 24,
        ctypes.byref(zero), out.data.ptr, 1, 5, 30, 3, 70, -1) == 0
    np.testing.assert_allclose(out.get(), b @ a)
