"""The tiles of the numba wing against sums written out, and the rows of products that are made of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet.backends.numba.jit import jit
from tinynet.backends.numba.products import add_tile, columns_of_tile, write_row
from tinynet.backends.numba.tile import ROWS, VECTOR


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("half_vectors", [1, 2, 4])
@pytest.mark.parametrize("rows", [1, ROWS])
@settings(max_examples=10)
@given(counts=st.tuples(*[st.integers(0, 4)] * 3), seed=st.integers(0, 999))
def test_a_tile_adds_every_term(rows, half_vectors, dtype, counts, seed):
    """Steps may overlap and go backwards."""
    rng = np.random.default_rng(seed)
    columns = half_vectors * VECTOR // 2 // np.dtype(dtype).itemsize
    a_steps, b_steps = tuple(rng.integers(-3, 9, 4).tolist()), tuple(rng.integers(-9, 20, 3).tolist())
    A, B = rng.normal(size=200).astype(dtype), rng.normal(size=400).astype(dtype)
    C = rng.normal(size=10 + rows * 100).astype(dtype)
    a, b, c, c_row = 60, 120, 5, columns + 3
    wanted = C.astype(float)
    for r in range(rows):
        for i, j, k in np.ndindex(*counts):
            left = A[a + r * a_steps[0] + i * a_steps[1] + j * a_steps[2] + k * a_steps[3]]
            start = b + i * b_steps[0] + j * b_steps[1] + k * b_steps[2]
            wanted[c + r * c_row : c + r * c_row + columns] += float(left) * B[start : start + columns]
    add_tile(rows, columns, A, a, a_steps, B, b, b_steps, C, c, c_row, counts)
    np.testing.assert_allclose(C, wanted, rtol=1e-5 if dtype == np.float32 else 1e-13, atol=1e-5)


@given(left=st.integers(1, 300), itemsize=st.sampled_from([4, 8]))
def test_tiles_cover_the_columns_to_less_than_half_a_vector(left, itemsize):
    half = VECTOR // 2 // itemsize
    covered = 0
    while covered < left:
        covered += columns_of_tile(left - covered, itemsize)
    assert covered == -(-left // half) * half


@jit
def product(A, B, columns, bias, out, sums, relu):
    write_row(A.ravel(), 0, (A.shape[1], 0, 0, 1), B.ravel(), 0, (0, 0, columns), (1, 1, A.shape[1]), columns, sums,
              out.ravel(), 0, out.shape[1], A.shape[0], bias, relu)


@pytest.mark.parametrize("places", [1, 2, ROWS - 1, ROWS, ROWS + 1, 2 * ROWS - 1, 2 * ROWS, 3 * ROWS + 2])
@pytest.mark.parametrize("short", [0, 1])
@pytest.mark.parametrize("relu", [False, True])
def test_a_row_of_places(places, short, relu):
    """Places that do not fill the last tile; columns of which the last are padding."""
    rng = np.random.default_rng(0)
    columns = VECTOR // 8
    A, B, bias = rng.normal(size=(places, 5)), rng.normal(size=(5, columns)), rng.normal(size=columns - short)
    out = np.full((places, columns - short), np.nan)
    product(A, B, columns, bias, out, np.full(ROWS * columns, np.nan), relu)
    wanted = (A @ B)[:, : columns - short] + bias
    np.testing.assert_allclose(out, np.maximum(wanted, 0) if relu else wanted, rtol=1e-12, atol=1e-13)
