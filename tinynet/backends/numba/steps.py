"""Steps run as in the numpy wing: the room is its own."""

from tinynet.backends.numpy.steps import deliver, repeat

__all__ = ["deliver", "repeat"]
