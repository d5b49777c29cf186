"""How the work on many samples is shared out: the GPU does that itself, so one lane takes all of them."""

from tinynet.backends.numpy.workers import lanes, share

__all__ = ["lanes", "share"]
