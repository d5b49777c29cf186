"""Softmax and cross-entropy on the GPU. Shapes as in the numpy wing's room.

Where a row's classes need each other (a maximum, a sum), a team of threads takes a row. Of few classes that is one
thread, so that one block often takes all rows of a batch; of more it is a warp of 32 threads, each with every 32nd
class. Labels come to one kernel in both forms, the one that is not there as None.
"""

import cupy as cp

from tinynet.backends.cupy.launch import BLOCKS, THREADS, Source
from tinynet.backends.cupy.totals import add_up, blocks_for
from tinynet.backends.numpy.softmax import CLIP

FEW = 32
"""Classes up to which one thread takes a row."""

_source = Source("softmax")


def softmax(z, p) -> None:
    """Equals numpy.softmax.softmax."""
    _each_row("softmax", z, p)


def softmax_backward(dp, z, p, dz) -> None:
    """Equals numpy.softmax.softmax_backward."""
    _each_row("softmax_backward", dp, p, dz)


def _each_row(kernel, *arrays):
    classes = arrays[0].shape[-1]
    rows, team = arrays[0].size // classes, _team(classes)
    _source.launch(kernel, min(BLOCKS, -(-rows * team // THREADS)), THREADS, *arrays, rows, classes, team)


def _team(classes):
    return 1 if classes <= FEW else 32


def categorical_crossentropy(y, p, weight, dp) -> cp.ndarray:
    """Equals numpy.softmax.categorical_crossentropy. A thread for each number."""
    return _crossentropy(y, None, p, weight, dp)


def sparse_categorical_crossentropy(labels, p, weight, dp) -> cp.ndarray:
    """Equals numpy.softmax.sparse_categorical_crossentropy. A thread for each number."""
    return _crossentropy(None, labels, p, weight, dp)


def _crossentropy(y, labels, p, weight, dp):
    return add_up(_source, "categorical_crossentropy", blocks_for(p.size), y, labels, p, weight, dp, CLIP, p.size,
                  p.shape[-1])


def softmax_crossentropy(y, z, weight, dz) -> cp.ndarray:
    """Equals numpy.softmax.softmax_crossentropy. A team for each row."""
    return _crossentropy_of_logits(y, None, z, weight, dz)


def sparse_softmax_crossentropy(labels, z, weight, dz) -> cp.ndarray:
    """Equals numpy.softmax.sparse_softmax_crossentropy. A team for each row."""
    return _crossentropy_of_logits(None, labels, z, weight, dz)


def _crossentropy_of_logits(y, labels, z, weight, dz):
    return _add_up_rows("softmax_crossentropy", z, y, labels, z, weight, dz)


def count_one_hot_hits(y, p, k) -> cp.ndarray:
    """Equals numpy.softmax.count_one_hot_hits. A team for each row."""
    return _count(y, None, p, k)


def count_same_side(y, p, threshold) -> cp.ndarray:
    """Equals numpy.softmax.count_same_side. A thread for each answer."""
    return add_up(_source, "count_same_side", blocks_for(p.size), y, p, float(threshold), p.size)


def count_hits(labels, p, k) -> cp.ndarray:
    """Equals numpy.softmax.count_hits. A team for each row."""
    return _count(None, labels, p, k)


def _count(y, labels, p, k):
    return _add_up_rows("count_hits", p, y, labels, p, int(k))


def _add_up_rows(kernel, scores, *arguments):
    rows, classes = scores.shape
    team = _team(classes)
    return add_up(_source, kernel, blocks_for(rows, THREADS // team), *arguments, rows, classes, team)
