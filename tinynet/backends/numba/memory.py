"""Arrays of this wing are NumPy's: the room is the numpy wing's own."""

from tinynet.backends.numpy.memory import asarray, draw_uniform, empty, take, to_numpy, zeros

__all__ = ["asarray", "draw_uniform", "empty", "take", "to_numpy", "zeros"]
