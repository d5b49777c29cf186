"""Sliding windows, as kernels get them, and the shape of launches over images."""

from tinynet.backends.cupy.launch import THREADS


def as_arguments(window):
    """Return the ten numbers of a :class:`tinynet.shapes.Window`, which kernels take as WINDOW."""
    return [number for pair in window for number in pair]


def each_row(source, kernel, rows, width, *arguments):
    """Launch a kernel of which a block takes a row of images, and a thread one of its `width` tasks.

    What all tasks of a row share, such as its image and its height in it, is worked out once for the block. A row of
    many tasks has several blocks, blockIdx.y of them.
    """
    threads = threads_for(width)
    source.launch(kernel, (rows, -(-width // threads)), threads, *arguments)


def threads_for(width):
    """Return the threads of a block that has `width` tasks to do: whole warps, 32 threads each."""
    return min(THREADS, -(-width // 32) * 32)
