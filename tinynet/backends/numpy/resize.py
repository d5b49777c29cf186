"""Padding and upsampling: x (N, H, W, C), y the same images larger. Channels do not mix.

The derivations of the backward passes are in :mod:`tinynet.layers.padding`.
"""

import numpy as np


def zero_pad(x, y, top, left) -> None:
    """Lay x into y, which is larger, `top` rows down and `left` columns in, with zeros around it."""
    _, H, W, _ = x.shape
    y[...] = 0
    y[:, top : top + H, left : left + W] = x


def crop(dy, dx, top, left) -> None:
    """Cut dx out of dy, where zero_pad laid x: what flows to the zeros goes nowhere."""
    _, H, W, _ = dx.shape
    dx[...] = dy[:, top : top + H, left : left + W]


def upsample(x, y, size) -> None:
    """Repeat every pixel size[0] times down and size[1] times across: y (N, H·size[0], W·size[1], C)."""
    blocks(y, size)[...] = x[:, :, np.newaxis, :, np.newaxis]


def upsample_backward(dy, dx, size) -> None:
    """Add up in each pixel what came back to its copies."""
    np.sum(blocks(dy, size), axis=(2, 4), out=dx)


def blocks(y, size):
    """Return a view of y (N, H·size[0], W·size[1], C) as (N, H, size[0], W, size[1], C)."""
    N, OH, OW, C = y.shape
    return y.reshape(N, OH // size[0], size[0], OW // size[1], size[1], C)


def upsample_bilinear(x, y, size) -> None:
    """Blend the four pixels around each place of y (N, H·size[0], W·size[1], C), the nearer the more."""
    y[...] = 0
    for pixels, share in four_around(x, size):
        y += x[pixels] * share


def upsample_bilinear_backward(dy, dx, size) -> None:
    """Give each dy to the four pixels that were blended, by their shares; add up in each pixel."""
    dx[...] = 0
    for pixels, share in four_around(dx, size):
        np.add.at(dx, pixels, dy * share)


def four_around(x, size):
    """Yield for each corner which pixel of x each place of y takes there, and its share in the blend."""
    for rows, row_share in two_around(x.shape[1], size[0], x.dtype):
        for columns, column_share in two_around(x.shape[2], size[1], x.dtype):
            share = row_share[:, np.newaxis] * column_share
            yield (slice(None), rows[:, np.newaxis], columns), share[..., np.newaxis]


def two_around(length, factor, dtype):
    """Return the pixels before and after each place along an axis `factor` times finer, and their shares.

    The centres of both rasters lie half a pixel in, so place i stands at (i + 0.5) / factor - 0.5 among the pixels.
    Beyond the outermost centres the edge pixel stands on both sides.
    """
    position = (np.arange(length * factor) + 0.5) / factor - 0.5
    before = np.floor(position).astype(int)
    share_after = (position - before).astype(dtype)
    return ((before.clip(0), 1 - share_after), ((before + 1).clip(max=length - 1), share_after))
