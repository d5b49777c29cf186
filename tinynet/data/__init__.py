"""Data sets as pipelines, with tf.data's verbs.

>>> train = Dataset.from_tensor_slices((images, labels)).map(normalize).shuffle(60000).batch(32)
>>> model.fit(train, epochs=5)

`dataset.py` holds the pipeline, `series.py` what it rests on, and `elements.py` what flows through it. `passes.py`
does the work of a pass, `orders.py` keeps the orders of shuffling, and `store.py` what is cached. `records.py` reads
binary files, `images.py` photos, and `labels.py` turns class numbers into one-hot rows.
"""

from types import SimpleNamespace

from tinynet.data.dataset import AUTOTUNE, Dataset
from tinynet.data.images import decode_image, resize_and_crop
from tinynet.data.labels import one_hot
from tinynet.data.records import FixedLengthRecordDataset
from tinynet.data.series import INFINITE_CARDINALITY

# Where older tutorials look for it: tf.data.experimental.AUTOTUNE.
experimental = SimpleNamespace(AUTOTUNE=AUTOTUNE)

__all__ = [
    "AUTOTUNE",
    "INFINITE_CARDINALITY",
    "Dataset",
    "FixedLengthRecordDataset",
    "decode_image",
    "experimental",
    "one_hot",
    "resize_and_crop",
]
