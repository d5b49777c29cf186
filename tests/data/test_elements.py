import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from tinynet.data import elements


@settings(deadline=None)
@given(hnp.arrays(st.sampled_from([np.uint8, np.float32, np.int64]), hnp.array_shapes(max_dims=4)))
def test_stacking_all_slices_gives_the_array_back(array):
    one = elements.slicer(array)
    batch = elements.stack([one(i) for i in range(len(array))])
    assert batch.dtype == array.dtype
    np.testing.assert_array_equal(batch, array)
    assert not np.shares_memory(batch, array)


def test_stack_keeps_the_structure():
    batch = elements.stack([(np.full((2,), i), {"a": i, "b": (float(i), [i, i])}) for i in range(3)])
    assert batch[0].tolist() == [[0, 0], [1, 1], [2, 2]]
    assert batch[1]["a"].tolist() == [0, 1, 2]
    assert batch[1]["b"][0].dtype == np.float64
    assert batch[1]["b"][1].tolist() == [[0, 0], [1, 1], [2, 2]]


def test_a_slice_and_a_copy_do_not_share_memory():
    array = np.zeros((3, 2))
    for element in (elements.slicer(array)(0), elements.copy(array), elements.copy({"a": (array,)})["a"][0]):
        element[:] = 1
    assert (array == 0).all()


@settings(deadline=None)
@given(a=hnp.array_shapes(max_dims=3, max_side=3), b=hnp.array_shapes(max_dims=3, max_side=3))
def test_shapes_are_one_or_an_error(a, b):
    if a == b:
        assert elements.stack([np.ones(a), np.ones(b)]).shape == (2, *a)
    else:
        with pytest.raises(ValueError, match="one shape.*Received: shapes"):
            elements.stack([np.ones(a), np.ones(b)])


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([(np.ones(2), 1), (np.ones(3), 1)], r"one shape.*Received: shapes \(2,\), \(3,\) in component \[0\]"),
        ([{"a": np.ones(2)}, {"a": np.ones(3)}], r"in component \['a'\]"),
        ([np.ones((2, 2)), 1.0], r"one shape.*Received: shapes \(\), \(2, 2\)"),
        ([(1, 2), (1, 2, 3)], "tuples of one length. Received: others"),
        ([(1, 2), 3], "tuples of one length"),
        ([{"a": 1}, {"b": 1}], "dicts with the same keys"),
        ([None, None], "does not return its result. Received: NoneType"),
        ([(1, None), (2, None)], r"Received: NoneType in component \[1\]"),
    ],
)
def test_what_cannot_be_stacked(parts, message):
    with pytest.raises(ValueError, match=message):
        elements.stack(parts)
