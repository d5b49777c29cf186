import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import tinynet
from tinynet.data import one_hot


@settings(deadline=None)
@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.int32, np.int64]),
        hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5),
        elements=st.integers(0, 6),
    )
)
def test_rows_are_rows_of_the_identity(labels):
    rows = one_hot(labels, 7)
    assert rows.dtype == np.float32
    np.testing.assert_array_equal(rows, np.eye(7)[labels])


def test_a_list_a_single_number_and_the_float_type():
    assert one_hot([2, 0], 3).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert one_hot(1, num_classes=2).tolist() == [0, 1]
    tinynet.set_floatx("float64")
    try:
        assert one_hot(1, 2).dtype == np.float64
    finally:
        tinynet.set_floatx("float32")


@pytest.mark.parametrize(
    ("labels", "num_classes", "message"),
    [
        ([0, 10], 10, "between 0 and 9.*Received: labels from 0 to 10"),
        ([-1, 3], 10, "Received: labels from -1 to 3"),
        ([0.0, 1.0], 10, "must be integers.*Received: dtype float64"),
        ([True], 10, "Received: dtype bool"),
        ([1], 0, "num_classes.*Received: 0"),
        ([1], 2.0, "num_classes.*Received: 2.0"),
    ],
)
def test_bad_labels(labels, num_classes, message):
    with pytest.raises(ValueError, match=message):
        one_hot(labels, num_classes)


def test_a_misspelt_keyword():
    with pytest.raises(TypeError, match="one_hot has no argument 'depth'"):
        one_hot([1], depth=3)
