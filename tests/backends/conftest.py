"""Kernels under test: the backend's own, and the arrays they take."""

import numpy as np
import pytest

from tinynet.backends import get_backend


@pytest.fixture
def run(backend):
    """Return `run(kernel, *arguments)`: NumPy arrays go to the backend, and what the kernel wrote comes back."""
    wing = get_backend()

    def run(kernel, *arguments):
        held = [wing.asarray(a, a.dtype) if isinstance(a, np.ndarray) else a for a in arguments]
        result = getattr(wing, kernel)(*held)
        for ours, theirs in zip(arguments, held, strict=True):
            if isinstance(ours, np.ndarray):
                ours[...] = wing.to_numpy(theirs)
        return result

    return run
