"""Softmax and cross-entropy on the GPU. Shapes as in the numpy wing's room.

Where a row's classes need each other (a maximum, a sum), a warp of 32 threads takes a row, each thread every 32nd
class; a block has 8 warps. Labels come to one kernel in both forms, the one that is not there as None.
"""

from tinynet.backends.cupy.launch import THREADS, Source
from tinynet.backends.cupy.totals import add_up, blocks_for
from tinynet.backends.numpy.softmax import CLIP

ROWS = THREADS // 32
"""Rows that a block takes at once."""

_source = Source("softmax")


def softmax(z, p) -> None:
    """Equals numpy.softmax.softmax."""
    classes = z.shape[-1]
    rows = z.size // classes
    _source.launch("softmax", -(-rows // ROWS), THREADS, z, p, rows, classes)


def softmax_backward(dp, z, p, dz) -> None:
    """Equals numpy.softmax.softmax_backward."""
    classes = p.shape[-1]
    rows = p.size // classes
    _source.launch("softmax_backward", -(-rows // ROWS), THREADS, dp, p, dz, rows, classes)


def categorical_crossentropy(y, p, weight, dp) -> float:
    """Equals numpy.softmax.categorical_crossentropy. A thread for each number."""
    return _crossentropy(y, None, p, weight, dp)


def sparse_categorical_crossentropy(labels, p, weight, dp) -> float:
    """Equals numpy.softmax.sparse_categorical_crossentropy. A thread for each number."""
    return _crossentropy(None, labels, p, weight, dp)


def _crossentropy(y, labels, p, weight, dp):
    return add_up(_source, "categorical_crossentropy", blocks_for(p.size), y, labels, p, weight, dp, CLIP, p.size,
                  p.shape[-1])


def softmax_crossentropy(y, z, weight, dz) -> float:
    """Equals numpy.softmax.softmax_crossentropy. A warp for each row."""
    return _crossentropy_of_logits(y, None, z, weight, dz)


def sparse_softmax_crossentropy(labels, z, weight, dz) -> float:
    """Equals numpy.softmax.sparse_softmax_crossentropy. A warp for each row."""
    return _crossentropy_of_logits(None, labels, z, weight, dz)


def _crossentropy_of_logits(y, labels, z, weight, dz):
    return add_up(_source, "softmax_crossentropy", blocks_for(len(z), ROWS), y, labels, z, weight, dz, *z.shape)


def count_one_hot_hits(y, p, k) -> int:
    """Equals numpy.softmax.count_one_hot_hits. A warp for each row."""
    return _count(y, None, p, k)


def count_same_side(y, p, threshold) -> int:
    """Equals numpy.softmax.count_same_side. A thread for each answer."""
    return add_up(_source, "count_same_side", blocks_for(p.size), y, p, float(threshold), p.size)


def count_hits(labels, p, k) -> int:
    """Equals numpy.softmax.count_hits. A warp for each row."""
    return _count(None, labels, p, k)


def _count(y, labels, p, k):
    return add_up(_source, "count_hits", blocks_for(len(p), ROWS), y, labels, p, int(k), *p.shape)
