"""Softmax, cross-entropy, and both as one function of the logits. Rows are samples: z, p (N, C).

Labels come sparse, `labels` (N,) integers in range, or as rows of probabilities, `y` (N, C), one-hot as a rule.
`weight` (N,) is what each row counts in the loss (1/N for a mean). A loss returns Σ_n weight[n] · loss[n] and fills the
gradient of that sum.
"""

import numpy as np

# As in Keras: probabilities are kept this far from 0 and 1 before the logarithm.
CLIP = 1e-7


def softmax(z, p) -> None:
    """Compute p[n, c] = exp(z[n, c]) / Σ_k exp(z[n, k]).

    Taking the row's maximum off z first changes nothing, as it cancels, and keeps exp from overflowing.
    """
    np.exp(z - z.max(axis=-1, keepdims=True), out=p)
    p /= p.sum(axis=-1, keepdims=True)


def softmax_backward(dp, z, p, dz) -> None:
    """Compute dz[n, c] = p[n, c] (dp[n, c] - Σ_k dp[n, k] p[n, k]).

    From ∂p_k/∂z_c = p_k (δ_kc - p_c): dz_c = Σ_k dp_k p_k (δ_kc - p_c).
    """
    np.multiply(p, dp - (dp * p).sum(axis=-1, keepdims=True), out=dz)


def categorical_crossentropy(y, p, weight, dp) -> float:
    """Compute loss[n] = -Σ_c y[n, c] log p[n, c], and dp = -y / p; no gradient where p had to be clipped."""
    q = np.clip(p, CLIP, 1 - CLIP)
    np.multiply(-y / q * (q == p), weight[:, None], out=dp)
    return float(weight @ -(y * np.log(q)).sum(axis=-1))


def sparse_categorical_crossentropy(labels, p, weight, dp) -> float:
    """Compute :func:`categorical_crossentropy` for one-hot rows given by their labels."""
    return categorical_crossentropy(np.eye(p.shape[-1], dtype=p.dtype)[labels], p, weight, dp)


def softmax_crossentropy(y, z, weight, dz) -> float:
    """Compute the cross-entropy of softmax(z) from the logits, and its gradient.

    log p[c] = z[c] - log Σ_k exp(z[k]), the logarithm taken as m + log Σ_k exp(z[k] - m) with m = max z: nothing can
    overflow, and no logarithm of 0 is taken. Softmax and cross-entropy chained (their backward kernels above) leave
    dz = p Σ_c y[c] - y, which is p - y, as the rows of y sum to 1.
    """
    shifted = z - z.max(axis=-1, keepdims=True)
    exp = np.exp(shifted)
    total = exp.sum(axis=-1, keepdims=True)
    np.multiply(exp / total * y.sum(axis=-1, keepdims=True) - y, weight[:, None], out=dz)
    # A class of probability 0 counts nothing, even where its logit is -infinity.
    losses = np.multiply(y, shifted - np.log(total), out=np.zeros_like(shifted), where=y != 0)
    return float(weight @ -losses.sum(axis=-1))


def sparse_softmax_crossentropy(labels, z, weight, dz) -> float:
    """Compute :func:`softmax_crossentropy` for one-hot rows given by their labels."""
    return softmax_crossentropy(np.eye(z.shape[-1], dtype=z.dtype)[labels], z, weight, dz)


def count_one_hot_hits(y, p, k) -> int:
    """Compute :func:`count_hits` where the label is the largest entry of each row of y (N, C)."""
    return count_hits(y.argmax(axis=-1), p, k)


def count_same_side(y, p, threshold) -> int:
    """Count the answers p (N,) above `threshold` where y (N,) is above a half, and those not above where it is not."""
    return int(((p > threshold) == (y > 0.5)).sum())


def count_hits(labels, p, k) -> int:
    """Count the rows in which fewer than k scores stand before the label's: higher, or equal and of a smaller class."""
    own = p[np.arange(len(p)), labels][:, None]
    earlier = np.arange(p.shape[-1]) < labels[:, None]
    before = (p > own) | ((p == own) & earlier)
    # A row with NaN has no order and hits nothing.
    return int(((before.sum(axis=-1) < k) & ~np.isnan(p).any(axis=-1)).sum())
