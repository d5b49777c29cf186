"""Fashion-MNIST: 70,000 pictures of clothing of ten kinds, 28x28 pixels in shades of grey.

H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning Algorithms,
arXiv:1708.07747 (2017). Licence: MIT.
"""

import os

import numpy as np

from tinynet.datasets import download, idx
from tinynet.errors import explain_keywords

class_names = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


@explain_keywords
def load_data(
    data_dir: str | os.PathLike | None = None, one_hot: bool = False
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Load the pictures of clothing.

    Parameters
    ----------
    data_dir : path, optional
        A folder that holds the four files, or holds a folder "fashion-mnist" that does. Looked at next: the folder
        "fashion-mnist" in the place that the environment variable TINYNET_DATA names, and the user's cache; then the
        files are downloaded into the cache.
    one_hot : bool
        Whether labels are one-hot rows, as `categorical_crossentropy` wants them.

    Returns
    -------
    (x_train, y_train), (x_test, y_test)
        x: uint8, (60000, 28, 28) and (10000, 28, 28), 0 (black background) to 255; y: uint8, (60000,) and (10000,),
        the number of the class in `class_names`. With `one_hot`, y is of :func:`tinynet.config.floatx`, (n, 10).

    Raises
    ------
    ValueError
        If a file is damaged, or is another data set's.
    FileNotFoundError
        If `data_dir` is given, and no folder.
    ConnectionError
        If files have to be downloaded, and no mirror can be reached.
    """
    return idx.load_splits(download.FASHION_MNIST, data_dir, one_hot)
