"""Kernels under test: the backend's own, the arrays they take, and the readable wing beside them."""

import numpy as np
import pytest

from tinynet.backends import get_backend
from tinynet.backends import numpy as readable

BUFFER = "buffer"  # in a list of arguments: the function by which a kernel asks for scratch arrays


def hand_over(wing, arguments):
    """Return the arguments as the wing's own: arrays copied, BUFFER as a function that makes arrays full of NaN."""
    dtype = next(a.dtype for a in arguments if isinstance(a, np.ndarray))

    def buffer(name, shape):
        return wing.asarray(np.full(shape, np.nan, dtype), dtype)

    def own(a):
        if isinstance(a, np.ndarray):
            return wing.asarray(a.copy(), a.dtype)
        return buffer if isinstance(a, str) and a == BUFFER else a

    return [own(a) for a in arguments]


def number(wing, kernel, result):
    """Return what a kernel returned as the host's number, if it is one of the device: there counts are floats too."""
    if wing.name != "cupy" or result is None:
        return result
    result = wing.to_numpy(result)
    assert (result.shape, result.dtype) == ((1,), np.float64)
    if not kernel.startswith("count_"):
        return float(result[0])
    assert result[0] == int(result[0])
    return int(result[0])


@pytest.fixture
def run(backend):
    """Return `run(kernel, *arguments)`: NumPy arrays go to the backend, and what the kernel wrote comes back."""
    wing = get_backend()

    def run(kernel, *arguments):
        held = hand_over(wing, arguments)
        result = number(wing, kernel, getattr(wing, kernel)(*held))
        for ours, theirs in zip(arguments, held, strict=True):
            if isinstance(ours, np.ndarray):
                ours[...] = wing.to_numpy(theirs)
        return result

    return run


@pytest.fixture
def compare(backend):
    """Return `compare(kernel, *arguments)`, which runs both wings on copies and compares all that they hand back."""
    wing = get_backend()

    def compare(kernel, *arguments):
        results = []
        for ops in (readable, wing):
            held = hand_over(ops, arguments)
            value = number(ops, kernel, getattr(ops, kernel)(*held))
            results.append([value, *[ops.to_numpy(a) for a, given in zip(held, arguments, strict=True)
                                     if isinstance(given, np.ndarray)]])
        assert (results[0][0] is None) == (results[1][0] is None)
        for wanted, found in zip(*results, strict=True):
            if wanted is None:
                continue
            scale = np.abs(np.nan_to_num(wanted)).max()
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6 * scale)
            assert np.asarray(found).dtype.kind == np.asarray(wanted).dtype.kind

    return compare
