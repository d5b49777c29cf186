"""Every kernel of a fast wing against the kernel of the same name in the readable one, in float32."""

import importlib
import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet.backends import get_backend
from tinynet.backends import numpy as readable
from tinynet.backends.numba import workers

BUFFER = "buffer"  # stands for the function that hands out scratch arrays
SHAPES = st.lists(st.integers(1, 6), min_size=1, max_size=4)
ELEMENTWISE = {"relu": (), "clipped_relu": (6.0,), "leaky_relu": (0.2,), "elu": (), "gelu": (), "sigmoid": (),
               "tanh": (), "softplus": (), "softmax": ()}
OPTIMIZERS = {"sgd": (0, (0.1,)), "momentum": (1, (0.1, 0.9, True)), "adam": (2, (0.01, 0.9, 0.999, 1e-7, 0.01)),
              "rmsprop": (1, (0.01, 0.9, 1e-7)), "adagrad": (1, (0.01, 1e-7)),
              "scale": (None, (0.3,)), "penalty": (None, (0.3, 0.2)), "add_penalty_gradient": (0, (0.3, 0.2))}
LOSSES = {"mean_squared_error": (), "mean_absolute_error": (), "huber": (0.7,), "binary_crossentropy": (),
          "logistic_crossentropy": (), "categorical_crossentropy": (), "softmax_crossentropy": (),
          "sparse_categorical_crossentropy": (), "sparse_softmax_crossentropy": ()}
COUNTS = ("count_hits", "count_one_hot_hits", "count_same_side")
ARRAYS = ("asarray", "draw_uniform", "empty", "fits", "free_bytes", "is_array", "make_generator",
          "may_share_memory", "numbers", "take", "tally", "to_numpy", "zeros")  # see test_memory.py
WORK = ("deliver", "lanes", "repeat", "share")  # see test_steps.py and test_workers.py
ELSEWHERE = (  # those of the rooms conv, norm, pool, resize and warp, whose own tests compare them
    "add_bias", "conv2d", "conv2d_backward", "depthwise_conv2d", "depthwise_conv2d_backward",
    "sum_bias", "batch_norm", "batch_norm_as_scale", "batch_norm_backward", "layer_norm", "layer_norm_backward",
    "moments", "moving_averages",
    "average_pool", "average_pool_backward", "max_pool", "max_pool_backward",
    "global_average_pool", "global_average_pool_backward", "global_max_pool", "global_max_pool_backward",
    "crop", "upsample", "upsample_backward", "upsample_bilinear", "upsample_bilinear_backward", "zero_pad",
    "crop_each", "crop_each_backward", "flip", "warp", "warp_backward",
)


def unwritten(shape):
    return np.zeros(shape, np.float32)


def test_every_kernel_is_compared_here():
    backward = [f"{name}_backward" for name in [*ELEMENTWISE, "dropout", "dense"]]
    compared = [*ELEMENTWISE, "add", "dropout", "dense", *backward, *OPTIMIZERS, "shorten", *LOSSES, *COUNTS,
                *ARRAYS, *WORK, *ELSEWHERE]
    assert sorted(compared) == readable.__all__


@pytest.mark.parametrize("name", ELEMENTWISE)
@settings(max_examples=25)
@given(shape=SHAPES, scale=st.sampled_from([0.1, 1.0, 4.0, 200.0]), seed=st.integers(0, 999))
def test_activations(compare, name, shape, scale, seed):
    rng = np.random.default_rng(seed)
    if name in ("softmax", "tanh"):  # where y is nearly 1 its slope is all rounding
        scale = min(scale, 1)
    x, dy = rng.normal(0, scale, shape).astype(np.float32), rng.normal(0, 1, shape).astype(np.float32)
    y = unwritten(shape)
    compare(name, x, y, *ELEMENTWISE[name])
    getattr(readable, name)(x, y, *ELEMENTWISE[name])
    compare(f"{name}_backward", dy, x, y, unwritten(shape), *ELEMENTWISE[name])


@settings(max_examples=25)
@given(shape=SHAPES, rate=st.floats(0, 0.95), seed=st.integers(0, 999))
def test_dropout(compare, shape, rate, seed):
    rng = np.random.default_rng(seed)
    x, noise = rng.normal(0, 1, shape).astype(np.float32), rng.random(shape, np.float32)
    compare("dropout", x, noise, rate, unwritten(shape))
    compare("dropout_backward", x, noise, rate, unwritten(shape))


@settings(max_examples=25)
@given(shape=SHAPES, seed=st.integers(0, 999))
def test_add(compare, shape, seed):
    a, b = np.random.default_rng(seed).normal(0, 1, (2, *shape)).astype(np.float32)
    compare("add", a, b, unwritten(shape))


@settings(max_examples=25)
@given(n=st.integers(1, 40), i=st.integers(1, 40), o=st.integers(1, 40), use_bias=st.booleans(),
       seed=st.integers(0, 999))
def test_dense(compare, n, i, o, use_bias, seed):
    rng = np.random.default_rng(seed)
    x, kernel, bias, dy = (rng.normal(0, 1, shape).astype(np.float32) for shape in ((n, i), (i, o), (o,), (n, o)))
    y = unwritten((n, o))
    for bounds in (None, (0.0, np.inf), (-0.5, 1.0)):
        compare("dense", x, kernel, bias if use_bias else None, y, bounds)
    for made in (None, np.maximum(dy[::-1], 0)):
        compare("dense_backward", x, kernel, dy, unwritten((n, i)), unwritten((i, o)),
                unwritten(o) if use_bias else None, BUFFER, made)


@pytest.mark.parametrize("name", LOSSES)
@settings(max_examples=25)
@given(n=st.integers(1, 40), columns=st.integers(2, 12), scale=st.sampled_from([1.0, 20.0]), seed=st.integers(0, 999))
def test_losses(compare, name, n, columns, scale, seed):
    rng = np.random.default_rng(seed)
    p = rng.normal(0, scale, (n, columns))
    if name in ("binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy"):
        p = rng.uniform(0.01, 0.99, (n, columns))
    y = rng.integers(0, columns, n).astype(np.int32) if "sparse" in name else rng.random((n, columns), np.float32)
    weight = rng.random(n, np.float32)
    compare(name, y, p.astype(np.float32), weight, unwritten((n, columns)), *LOSSES[name])


@pytest.mark.parametrize("name", OPTIMIZERS)
@settings(max_examples=25)
@given(size=st.integers(1, 300), seed=st.integers(0, 999))
def test_optimizers(compare, name, size, seed):
    rng = np.random.default_rng(seed)
    slots, constants = OPTIMIZERS[name]
    arrays = [rng.normal(0, 1, size).astype(np.float32) for _ in range(1 if slots is None else 2)]
    compare(name, *arrays, *[rng.random(size, np.float32) for _ in range(slots or 0)], *constants)


@settings(max_examples=25)
@given(sizes=st.lists(st.integers(1, 300), min_size=1, max_size=4), longest=st.floats(0.1, 40),
       seed=st.integers(0, 999))
def test_shorten(backend, sizes, longest, seed):
    rng = np.random.default_rng(seed)
    grads = [rng.normal(0, 1, size).astype(np.float32) for size in sizes]
    results = []
    for ops in (readable, get_backend()):
        held = [ops.asarray(grad.copy(), grad.dtype) for grad in grads]
        ops.shorten(held, longest)
        results.append(np.concatenate([ops.to_numpy(grad) for grad in held]))
    np.testing.assert_allclose(results[1], results[0], rtol=1e-5)


@settings(max_examples=25)
@given(n=st.integers(1, 20), classes=st.integers(1, 8), k=st.integers(1, 9), seed=st.integers(0, 999))
def test_counts(compare, n, classes, k, seed):
    """Few different scores, so that many are equal, and some that are no numbers."""
    rng = np.random.default_rng(seed)
    p = rng.integers(0, 4, (n, classes)).astype(np.float32)
    p[rng.random((n, classes)) < 0.05] = np.nan
    labels = rng.integers(0, classes, n).astype(np.int32)
    compare("count_hits", labels, p, k)
    compare("count_one_hot_hits", rng.integers(0, 3, (n, classes)).astype(np.float32), p, k)
    compare("count_same_side", rng.integers(0, 2, n * classes).astype(np.float32), p.ravel() / 3, 0.5)


def test_kernels_say_what_they_hand_back(backend):
    for name in readable.__all__:
        ours, theirs = (inspect.signature(getattr(kernel, "py_func", kernel))
                        for kernel in (getattr(readable, name), getattr(get_backend(), name)))
        wing = get_backend()
        own = {np.ndarray: type(wing.empty((1,), "float32")),
               np.random.Generator: type(wing.make_generator(np.random.SeedSequence(0)))}
        if wing.name == "cupy":
            own |= {float: own[np.ndarray], int: own[np.ndarray]}  # numbers, which stay on the GPU
        wanted = ours.return_annotation
        assert theirs.return_annotation == (wanted if name == "to_numpy" else own.get(wanted, wanted)), name
        assert [p.default for p in ours.parameters.values()] == [p.default for p in theirs.parameters.values()], name


@pytest.mark.parametrize("asked", [(), (0,), (1,), (0, 1)])
def test_dense_of_many_rows(compare, monkeypatch, asked):
    """So many that the numba wing shares them, a few at a time."""
    room = importlib.import_module("tinynet.backends.numba.dense")
    monkeypatch.setattr(room, "CACHED", 700)
    monkeypatch.setattr(workers, "LARGE_PRODUCTS", 0)
    n, i, o = 233, 12, 9
    rng = np.random.default_rng(0)
    x, kernel, dy = (rng.normal(0, 1, shape).astype(np.float32) for shape in ((n, i), (i, o), (n, o)))
    assert room.is_tall(x, dy)
    found = [array if place in asked else None for place, array in enumerate((unwritten((n, i)), unwritten((i, o))))]
    compare("dense_backward", x, kernel, dy, *found, unwritten(o), BUFFER)
