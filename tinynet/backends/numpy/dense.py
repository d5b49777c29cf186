"""The affine map of a dense layer: x (N, I), kernel (I, O), bias (O,) or None, y (N, O)."""

import numpy as np


def dense(x, kernel, bias, y, bounds=None) -> None:
    """Compute y = x @ kernel + bias.

    With `bounds`, the lowest and the highest value, y is then clipped to them: (0, inf) is a ReLU.
    """
    np.matmul(x, kernel, out=y)
    if bias is not None:
        y += bias
    if bounds is not None:
        np.clip(y, *bounds, out=y)


def dense_backward(x, kernel, dy, dx, dkernel, dbias, buffer, y=None) -> None:
    """Fill the gradients of :func:`dense`, each unless it is None.

    y[n, o] = Σ_i x[n, i] kernel[i, o] + bias[o], so each gradient is the sum of dy over all the paths it went:
    dx = dy @ kernel.T, dkernel = x.T @ dy, dbias = Σ_n dy[n].
    With `y`, what :func:`dense` made with a ReLU, dy first goes back through that: it counts where y > 0.
    """
    if y is not None:
        dy = np.multiply(dy, y > 0, out=buffer("dz", dy.shape))
    if dkernel is not None:
        np.matmul(x.T, dy, out=dkernel)
    if dbias is not None:
        np.sum(dy, axis=0, out=dbias)
    if dx is not None:
        np.matmul(dy, kernel.T, out=dx)
