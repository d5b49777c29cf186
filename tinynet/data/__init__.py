"""Data sets as pipelines, with tf.data's verbs.

>>> train = Dataset.from_tensor_slices((images, labels)).map(normalize).shuffle(60000).batch(32)
>>> model.fit(train, epochs=5)

`dataset.py` holds the pipeline, `elements.py` what flows through it, `records.py` reads binary files, and `labels.py`
turns class numbers into one-hot rows.
"""

from types import SimpleNamespace

from tinynet.data.dataset import AUTOTUNE, INFINITE_CARDINALITY, Dataset
from tinynet.data.labels import one_hot
from tinynet.data.records import FixedLengthRecordDataset

# Where older tutorials look for it: tf.data.experimental.AUTOTUNE.
experimental = SimpleNamespace(AUTOTUNE=AUTOTUNE)

__all__ = ["AUTOTUNE", "INFINITE_CARDINALITY", "Dataset", "FixedLengthRecordDataset", "experimental", "one_hot"]
