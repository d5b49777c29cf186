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


def make_tile(rows: int, vectors: int, vector: int, mixes: bool = True, writes: bool = False):
    """Return `tile(A, a, a_steps, B, b, b_steps, C, c, c_row, counts)`, for `vectors` vectors of `vector` bytes a row.

    For all r < rows and every column v of the vectors it adds up, over i, j and k below the three counts::

        C[c + r·c_row + v] += Σ_i Σ_j Σ_k A[a + r·a_steps[0] + i·a_steps[1] + j·a_steps[2] + k·a_steps[3]]
                                           · B[b + i·b_steps[0] + j·b_steps[1] + k·b_steps[2] + v]

    That mixes the columns: one number of A is multiplied into all of them. Without `mixes` each column of B meets the
    column of A beside it, as in depthwise convolutions, where a column is a channel: A[… + v] · B[… + v].

    A tile that `writes` takes two more arguments, f and after = (scale, shift, bounds), and does not add to C::

        C[c + r·c_row + v] = min(max(Σ · scale[f + v] + shift[f + v], bounds[0]), bounds[1])

    All are flat arrays of one float type. Nothing is checked; NaN stays NaN. Where numba is told not to compile, the
    same is done by NumPy.
    """
    def plain(A, a, a_steps, B, b, b_steps, C, c, c_row, counts, f=0, after=()):
        columns = vectors * vector // A.itemsize
        lie = np.lib.stride_tricks.as_strided
        right = lie(B[b:], (*counts, columns), [*[step * B.itemsize for step in b_steps], B.itemsize])
        total = lie(C[c:], (rows, columns), (c_row * C.itemsize, C.itemsize))
        if mixes:
            left = lie(A[a:], (rows, *counts), [step * A.itemsize for step in a_steps])
            sums = np.tensordot(left, right, 3)
        else:
            left = lie(A[a:], (rows, *counts, columns), [*[step * A.itemsize for step in a_steps], A.itemsize])
            sums = np.sum(left * right, axis=(1, 2, 3))
        if writes:
            scale, shift, bounds = after
            total[...] = np.clip(sums * scale[f : f + columns] + shift[f : f + columns], *bounds)
        else:
            total += sums

    def generate(context, builder, signature, arguments):
        number = context.get_value_type(signature.args[0].dtype)
        size = context.get_abi_sizeof(number)
        wide = ir.VectorType(number, vector // size)
        index = context.get_value_type(types.intp)

        def unpack(place):
            return cgutils.unpack_tuple(builder, arguments[place])

        def address(kind, array, element):
            """Return where an element of an array lies."""
            start = builder.ptrtoint(context.make_array(kind)(context, builder, array).data, index)
            return builder.add(start, scaled(element, size))

        def argument(place):
            """Return where element `place + 1` of the array `place` lies."""
            return address(signature.args[place], arguments[place], arguments[place + 1])

        def scaled(value, factor):
            return builder.mul(value, ir.Constant(index, factor))

        def read(at, kind):
            found = builder.load(builder.inttoptr(at, kind.as_pointer()))
            found.align = size
            return found

        def spread(value):
            """Return a vector that holds `value` in every place."""
            nothing = ir.Constant(wide, ir.Undefined)
            first = builder.insert_element(nothing, value, ir.Constant(ir.IntType(32), 0))
            everywhere = ir.Constant(ir.VectorType(ir.IntType(32), wide.count), [0] * wide.count)
            return builder.shuffle_vector(first, nothing, everywhere)

        def columns(start):
            return [builder.add(start, ir.Constant(index, v * vector)) for v in range(vectors)]

        def multiply_add(one, other, total):
            return builder.fadd(total, builder.fmul(one, other, flags=["contract"]), flags=["contract"])

        a_row, *a_steps = [scaled(step, size) for step in unpack(2)]
        b_steps = [scaled(step, size) for step in unpack(5)]
        c_row = scaled(arguments[8], size)
        counts = unpack(9)
        sums = [[cgutils.alloca_once(builder, wide) for _ in range(vectors)] for _ in range(rows)]
        places = [columns(builder.add(argument(6), scaled(c_row, r))) for r in range(rows)]
        for row, at in zip(sums, places, strict=True):
            for total, place in zip(row, at, strict=True):
                builder.store(ir.Constant(wide, [0.0] * wide.count) if writes else read(place, wide), total)

        def add_terms(level, a_at, b_at):
            if level < len(counts):
                with cgutils.for_range(builder, counts[level]) as loop:
                    add_terms(level + 1, builder.add(a_at, builder.mul(loop.index, a_steps[level])),
                              builder.add(b_at, builder.mul(loop.index, b_steps[level])))
                return
            right = [read(place, wide) for place in columns(b_at)]
            for r, row in enumerate(sums):
                seen = builder.add(a_at, scaled(a_row, r))
                left = [spread(read(seen, number))] * vectors if mixes else [read(at, wide) for at in columns(seen)]
                for total, ours, theirs in zip(row, left, right, strict=True):
                    builder.store(multiply_add(ours, theirs, builder.load(total)), total)

        add_terms(0, argument(0), argument(3))
        if writes:
            kind = signature.args[11].dtype
            scale, shift, bounds = unpack(11)
            scales, shifts = ([read(place, wide) for place in columns(address(kind, array, arguments[10]))]
                              for array in (scale, shift))
            low, high = (spread(read(address(kind, bounds, ir.Constant(index, i)), number)) for i in range(2))
        for row, at in zip(sums, places, strict=True):
            for v, (total, place) in enumerate(zip(row, at, strict=True)):
                value = builder.load(total)
                if writes:
                    value = multiply_add(value, scales[v], shifts[v])
                    value = builder.select(builder.fcmp_ordered("<=", value, low), low, value)
                    value = builder.select(builder.fcmp_ordered(">=", value, high), high, value)
                builder.store(value, builder.inttoptr(place, wide.as_pointer())).align = size
        return context.get_dummy_value()

    @intrinsic
    def adding(typing, A, a, a_steps, B, b, b_steps, C, c, c_row, counts):
        return types.void(A, a, a_steps, B, b, b_steps, C, c, c_row, counts), generate

    @intrinsic
    def writing(typing, A, a, a_steps, B, b, b_steps, C, c, c_row, counts, f, after):
        return types.void(A, a, a_steps, B, b, b_steps, C, c, c_row, counts, f, after), generate

    if numba.config.DISABLE_JIT:
        return plain
    return writing if writes else adding
