"""The tiles of the numba wing against sums written out, and the rows of products that are made of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tinynet.backends.numba import depthwise
from tinynet.backends.numba.jit import jit
from tinynet.backends.numba.products import add_tile, after_sums, columns_of_tile, read_on, write_row, write_tile
from tinynet.backends.numba.tile import ROWS, VECTOR


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("half_vectors", [1, 2, 4])
@pytest.mark.parametrize("rows", [1, ROWS])
@pytest.mark.parametrize("mixes", [True, False])
@pytest.mark.parametrize("writes", [True, False])
@settings(max_examples=5)
@given(counts=st.tuples(*[st.integers(0, 4)] * 3), seed=st.integers(0, 999))
def test_a_tile_has_every_term(rows, half_vectors, dtype, mixes, writes, counts, seed):
    """Steps may overlap and go backwards."""
    rng = np.random.default_rng(seed)
    columns = half_vectors * VECTOR // 2 // np.dtype(dtype).itemsize
    a_steps, b_steps = tuple(rng.integers(-3, 9, 4).tolist()), tuple(rng.integers(-9, 20, 3).tolist())
    A, B = rng.normal(size=300).astype(dtype), rng.normal(size=400).astype(dtype)
    C = rng.normal(size=10 + rows * 100).astype(dtype)
    scale, shift = rng.normal(size=(2, columns + 3)).astype(dtype)
    a, b, c, c_row = 60, 120, 5, columns + 3
    wanted = C.astype(float)
    for r in range(rows):
        total = np.zeros(columns)
        for i, j, k in np.ndindex(*counts):
            at = a + r * a_steps[0] + i * a_steps[1] + j * a_steps[2] + k * a_steps[3]
            left = A[at] if mixes else A[at : at + columns]
            start = b + i * b_steps[0] + j * b_steps[1] + k * b_steps[2]
            total += left.astype(float) * B[start : start + columns]
        place = slice(c + r * c_row, c + r * c_row + columns)
        wanted[place] = np.clip(total * scale[3:] + shift[3:], -1, 2) if writes else wanted[place] + total
    if mixes and writes:
        write_tile(rows, columns, A, a, a_steps, B, b, b_steps, C, c, c_row, counts, 3,
                   (scale, shift, np.array([-1, 2], dtype)))
    elif mixes:
        add_tile(rows, columns, A, a, a_steps, B, b, b_steps, C, c, c_row, counts)
    elif writes:
        depthwise.write_tile(rows, columns, A, a, a_steps, B, b, b_steps, C, c, c_row, counts, 3,
                             (scale, shift, np.array([-1, 2], dtype)))
    else:
        rows = depthwise.THREE if rows > 1 else 1
        wanted[c + rows * c_row - 3 :] = C[c + rows * c_row - 3 :]
        depthwise.add_products(rows, columns, A, a, a_steps, B, b, b_steps, C, c, c_row, counts)
    np.testing.assert_allclose(C, wanted, rtol=1e-5 if dtype == np.float32 else 1e-13, atol=1e-5)


@given(left=st.integers(1, 300), itemsize=st.sampled_from([4, 8]))
def test_tiles_cover_the_columns_to_less_than_half_a_vector(left, itemsize):
    half = VECTOR // 2 // itemsize
    covered = 0
    while covered < left:
        covered += columns_of_tile(left - covered, itemsize)
    assert covered == -(-left // half) * half


@jit
def product(A, B, columns, scale, bias, out, sums, bounds):
    write_row(A.ravel(), 0, (A.shape[1], 0, 0, 1), B.ravel(), 0, (0, 0, columns), (1, 1, A.shape[1]), columns,
              out.shape[1], sums, out.ravel(), 0, out.shape[1], A.shape[0], 0,
              after_sums(scale, bias, bounds, read_on(out.shape[1], A.itemsize), A))


@pytest.mark.parametrize("places", [1, 2, ROWS - 1, ROWS, ROWS + 1, 2 * ROWS - 1, 2 * ROWS, 3 * ROWS + 2])
@pytest.mark.parametrize("short", [0, 1])
@pytest.mark.parametrize("bounds", [(), (0, np.inf), (-1, 1)])
@pytest.mark.parametrize("scaled", [False, True])
def test_a_row_of_places(places, short, bounds, scaled):
    """Places that do not fill the last tile; columns of which the last are padding."""
    rng = np.random.default_rng(0)
    columns = VECTOR // 8
    A, B, bias = rng.normal(size=(places, 5)), rng.normal(size=(5, columns)), rng.normal(size=columns - short)
    scale = rng.normal(size=columns - short if scaled else 0)
    out = np.full((places, columns - short), np.nan)
    product(A, B, columns, scale, bias, out, np.full(ROWS * columns, np.nan), np.array(bounds, float))
    wanted = (A @ B)[:, : columns - short] * (scale if scaled else 1) + bias
    np.testing.assert_allclose(out, np.clip(wanted, *bounds) if bounds else wanted, rtol=1e-12, atol=1e-13)
