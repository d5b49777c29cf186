"""The inner loop of the convolutions: a small tile of a matrix product, held in the processor's vector registers.

LLVM turns loops over arrays into vector instructions, but it would store a tile's sums after each of its terms. So
this one kernel is written in LLVM's own language: the sums are vectors in registers from the first term to the last,
and each number of A is multiplied into all columns at once.
"""

import numba
import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features
from numba.extending import intrinsic

VECTOR = 64 if "+avx512f" in get_host_cpu_features() else 32
"""Bytes of a vector; processors without such vectors use several smaller ones."""

ROWS = 7 if VECTOR == 64 else 6
"""Rows of a tile: with two vectors of sums each they fill the registers, and 7 divides the tutorials' 28, 14 and 7."""


def make_tile(rows: int, vectors: int, vector: int):
    """Return `tile(A, a, a_steps, B, b, b_steps, C, c, c_row, counts)`, for `vectors` vectors of `vector` bytes a row.

    For all r < rows and every column v of the vectors it adds up, over i, j and k below the three counts::

        C[c + r·c_row + v] += Σ_i Σ_j Σ_k A[a + r·a_steps[0] + i·a_steps[1] + j·a_steps[2] + k·a_steps[3]]
                                           · B[b + i·b_steps[0] + j·b_steps[1] + k·b_steps[2] + v]

    A, B and C are flat arrays of one float type. Nothing is checked. Where numba is told not to compile, the same is
    done by NumPy.
    """
    def plain(A, a, a_steps, B, b, b_steps, C, c, c_row, counts):
        columns = vectors * vector // A.itemsize
        lie = np.lib.stride_tricks.as_strided
        left = lie(A[a:], (rows, *counts), [step * A.itemsize for step in a_steps])
        right = lie(B[b:], (*counts, columns), [*[step * B.itemsize for step in b_steps], B.itemsize])
        lie(C[c:], (rows, columns), (c_row * C.itemsize, C.itemsize))[...] += np.tensordot(left, right, 3)

    @intrinsic
    def tile(typing, A, a, a_steps, B, b, b_steps, C, c, c_row, counts):
        signature = types.void(A, a, a_steps, B, b, b_steps, C, c, c_row, counts)

        def generate(context, builder, signature, arguments):
            number = context.get_value_type(signature.args[0].dtype)
            size = context.get_abi_sizeof(number)
            wide = ir.VectorType(number, vector // size)
            index = context.get_value_type(types.intp)

            def unpack(place):
                return cgutils.unpack_tuple(builder, arguments[place])

            def address(place):
                """Return where element `place + 1` of the array `place` lies."""
                array = context.make_array(signature.args[place])(context, builder, arguments[place])
                start = builder.ptrtoint(array.data, index)
                return builder.add(start, scaled(arguments[place + 1], size))

            def scaled(value, factor):
                return builder.mul(value, ir.Constant(index, factor))

            def read(at, kind):
                found = builder.load(builder.inttoptr(at, kind.as_pointer()))
                found.align = size
                return found

            def columns(start):
                return [builder.add(start, ir.Constant(index, v * vector)) for v in range(vectors)]

            a_row, *a_steps = [scaled(step, size) for step in unpack(2)]
            b_steps = [scaled(step, size) for step in unpack(5)]
            c_row = scaled(arguments[8], size)
            counts = unpack(9)
            sums = [[cgutils.alloca_once(builder, wide) for _ in range(vectors)] for _ in range(rows)]
            places = [columns(builder.add(address(6), scaled(c_row, r))) for r in range(rows)]
            for row, at in zip(sums, places, strict=True):
                for total, place in zip(row, at, strict=True):
                    builder.store(read(place, wide), total)

            def add_terms(level, a_at, b_at):
                if level < len(counts):
                    with cgutils.for_range(builder, counts[level]) as loop:
                        add_terms(level + 1, builder.add(a_at, builder.mul(loop.index, a_steps[level])),
                                  builder.add(b_at, builder.mul(loop.index, b_steps[level])))
                    return
                right = [read(place, wide) for place in columns(b_at)]
                first = ir.Constant(ir.IntType(32), 0)
                everywhere = ir.Constant(ir.VectorType(ir.IntType(32), wide.count), [0] * wide.count)
                nothing = ir.Constant(wide, ir.Undefined)
                for r, row in enumerate(sums):
                    left = builder.insert_element(nothing, read(builder.add(a_at, scaled(a_row, r)), number), first)
                    left = builder.shuffle_vector(left, nothing, everywhere)
                    for total, other in zip(row, right, strict=True):
                        product = builder.fmul(left, other, flags=["contract"])
                        builder.store(builder.fadd(builder.load(total), product, flags=["contract"]), total)

            add_terms(0, address(0), address(3))
            for row, at in zip(sums, places, strict=True):
                for total, place in zip(row, at, strict=True):
                    builder.store(builder.load(total), builder.inttoptr(place, wide.as_pointer())).align = size
            return context.get_dummy_value()

        return signature, generate

    return plain if numba.config.DISABLE_JIT else tile
