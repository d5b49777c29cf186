import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinynet import layers
from tinynet.backends import get_backend
from tinynet.layers.parameters import Parameter, blank, draw, settle, stretches


@pytest.fixture
def make(backend):
    """Return a function that makes parameters of given shapes whose values count on from 1."""
    ops = get_backend()

    def make(*shapes, dtype="float32"):
        found, start = [], 1
        for i, shape in enumerate(shapes):
            size = int(np.prod(shape))
            value = np.arange(start, start + size).reshape(shape)
            found.append(Parameter(f"p{i}", ops.asarray(value, dtype), ops.asarray(-value, dtype)))
            start += size
        return found

    return make


def test_an_arena_holds_values_and_gradients_end_to_end(make):
    ops = get_backend()
    parameters = make((2, 3), (3,), (1, 1, 2))
    arena = settle(parameters, ops)
    np.testing.assert_array_equal(ops.to_numpy(arena.values), np.arange(1, 12))
    np.testing.assert_array_equal(ops.to_numpy(arena.grads), -np.arange(1, 12))
    assert [p.shape for p in parameters] == [(2, 3), (3,), (1, 1, 2)]
    assert [p.offset for p in parameters] == [0, 6, 9]
    parameters[1].value[...] = 0
    parameters[2].grad[...] = 5
    assert ops.to_numpy(arena.values)[6:9].tolist() == [0, 0, 0]
    assert ops.to_numpy(arena.grads)[9:].tolist() == [5, 5]


def test_parameters_in_order_stay_where_they_are(make):
    ops = get_backend()
    parameters = make((2,), (3,), (4,))
    arena = settle(parameters, ops)
    assert settle(parameters, ops) is arena
    assert settle(parameters[1:], ops) is arena
    assert settle(parameters[:2], ops) is arena
    other = settle([parameters[0], parameters[2]], ops)
    assert other is not arena
    assert parameters[0].arena is other
    assert ops.to_numpy(other.values).tolist() == [1, 2, 6, 7, 8, 9]


def test_what_is_never_trained_lies_behind_the_others(make):
    ops = get_backend()
    first, second = make((2,), (3,), (1,)), make((4,), (2,))
    first[1].trainable = second[0].trainable = False
    arena = settle(first + second, ops)
    assert ops.to_numpy(arena.values).tolist() == [1, 2, 6, 5, 6, 3, 4, 5, 1, 2, 3, 4]
    assert stretches(first + second) == [slice(0, 5)]
    assert settle(first, ops) is settle(second, ops) is settle(first + second, ops) is arena
    assert stretches(second) == [slice(3, 5)]


def test_a_model_inside_another_moves_into_its_arena(make):
    ops = get_backend()
    first, second = make((2,), (3,)), make((4,))
    settle(first, ops)
    settle(second, ops)
    outer = settle(first + second, ops)
    assert ops.to_numpy(outer.values).tolist() == [1, 2, 3, 4, 5, 1, 2, 3, 4]
    assert settle(first, ops) is settle(second, ops) is outer


def test_one_float_type_for_a_whole_model(make):
    parameters = make((2,)) + make((2,), dtype="float64")
    with pytest.raises(ValueError, match=r"same floatx. Received: \['float32', 'float64'\]$"):
        settle(parameters, get_backend())


@given(st.lists(st.tuples(st.integers(1, 4), st.booleans(), st.booleans()), min_size=1, max_size=8))
def test_stretches_cover_what_is_trainable_and_no_more(plan):
    parameters, offset = [], 0
    for size, trainable, frozen in plan:
        parameter = Parameter("p", np.zeros(size), np.zeros(size), trainable)
        parameter.frozen, parameter.offset = frozen, offset
        parameters.append(parameter)
        offset += size
    found = stretches(parameters)
    wanted = [place for parameter in parameters if parameter.trainable and not parameter.frozen
              for place in range(parameter.offset, parameter.offset + parameter.size)]
    assert [place for part in found for place in range(part.start, part.stop)] == wanted
    assert all(a.stop < b.start for a, b in zip(found, found[1:], strict=False)), "neighbours are one stretch"


def test_draw(backend):
    ops = get_backend()
    parameter = draw("kernel", (2, 3), "float64", ops, lambda shape, generator: generator.normal(size=shape),
                     np.random.default_rng(1))
    np.testing.assert_array_equal(ops.to_numpy(parameter.value), np.random.default_rng(1).normal(size=(2, 3)))
    assert not ops.to_numpy(parameter.grad).any()
    assert parameter.value.dtype == parameter.grad.dtype == np.float64
    with pytest.raises(ValueError, match=r"of 'kernel' must return the shape \(2, 3\). Received: \(3, 2\)$"):
        draw("kernel", (2, 3), "float32", ops, lambda shape, generator: np.zeros((3, 2)), None)


def test_an_initializers_own_array_stays_its_own(backend):
    own = np.ones((2, 3), np.float32)
    parameters = [draw("kernel", (2, 3), "float32", get_backend(), lambda shape, generator: own, None) for _ in "ab"]
    parameters[0].value[...] = 5
    assert (own == 1).all() and (parameters[1].value == 1).all()


def test_how_a_parameter_shows_itself():
    parameter = Parameter("kernel", np.zeros((2, 3)), np.zeros((2, 3)))
    assert repr(parameter) == "Parameter('kernel', shape=(2, 3), trainable=True)"
    assert (parameter.shape, parameter.size) == ((2, 3), 6)
    parameter.frozen = True
    assert repr(parameter).endswith("trainable=False)")


def test_blank_parameters_are_zeros_and_no_more_than_there_is_room_for():
    with blank(3 * 4 + 4):
        dense = layers.Dense(4)
        dense.build((3,))
        assert not dense.kernel.value.any()
        with pytest.raises(ValueError, match="more weights than the file has. Received: 'kernel' of shape .*, 1 too"):
            layers.Dense(1).build((1,))
        with pytest.raises(ValueError, match="more weights"):
            layers.Dense(10**15).build((10**15,))
    layers.Dense(5).build((5,))
