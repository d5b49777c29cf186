"""MNIST: 70,000 handwritten digits, 28x28 pixels in shades of grey.

Y. LeCun, C. Cortes, C. J. C. Burges: The MNIST database of handwritten digits, http://yann.lecun.com/exdb/mnist/.
Licence: CC BY-SA 3.0.
"""

import os

import numpy as np

from tinynet.datasets import download, idx
from tinynet.errors import explain_keywords

class_names = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9")


@explain_keywords
def load_data(
    data_dir: str | os.PathLike | None = None, one_hot: bool = False
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Load the handwritten digits.

    Parameters
    ----------
    data_dir : path, optional
        A folder that holds the four files, or holds a folder "mnist" that does. Looked at next: the folder "mnist" in
        the place that the environment variable TINYNET_DATA names, and the user's cache; then the files are
        downloaded into the cache.
    one_hot : bool
        Whether labels are one-hot rows, as `categorical_crossentropy` wants them.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        x: uint8, (60000, 28, 28) and (10000, 28, 28), 0 (paper) to 255 (ink); y: uint8, (60000,) and (10000,), the
        digit. With `one_hot`, y is of :func:`tinynet.config.floatx`, (n, 10).

    Raises
    ------
    ValueError
        If a file is damaged, or is another data set's.
    FileNotFoundError
        If `data_dir` is given, and no folder.
    ConnectionError
        If files have to be downloaded, and no mirror can be reached.
    """
    return idx.load_splits(download.MNIST, data_dir, one_hot)
