"""Arrays of this wing are NumPy's: the room is the numpy wing's own."""

from tinynet.backends.numpy.memory import (
    asarray,
    draw_uniform,
    empty,
    fits,
    free_bytes,
    is_array,
    make_generator,
    may_share_memory,
    numbers,
    take,
    tally,
    to_numpy,
    zeros,
)

__all__ = ["asarray", "draw_uniform", "empty", "fits", "free_bytes", "is_array", "make_generator", "may_share_memory",
           "numbers", "take", "tally", "to_numpy", "zeros"]
