import json

import numpy as np
import pytest

from benchmarks import kernels
from benchmarks.kernel_cases import Case, cases
from benchmarks.models import MODELS, Conv, Dense, Model, Optimizer
from tinynet.backends import numpy as readable

LAYERS = (Conv(3, 3, activation="relu"), Dense(10, "softmax"))
TINY = Model("tiny", 2, (4, 4, 1), LAYERS, Optimizer("sgd", 0.1), target=1.0)


def test_every_kernel_of_the_models_has_its_shapes_once():
    found = cases(list(MODELS.values()))
    names = [(case.kernel, case.shape) for case in found]
    assert len(set(names)) == len(names)
    assert {kernel for kernel, _ in names} >= {
        "adam", "batch_norm", "batch_norm_backward", "conv2d", "conv2d_backward", "dense", "dense_backward", "dropout",
        "max_pool", "max_pool_backward", "relu", "relu_backward", "sgd", "softmax",
    }  # fmt: skip
    assert ("conv2d", "64×28×28×12 * 6×6×12×24 / 2") in names
    assert ("conv2d", "1×28×28×12 * 6×6×12×24 / 2") in names
    assert ("max_pool", "50×14×14×64 by 2×2") in names
    assert ("conv2d_backward", "32×28×28×1 * 3×3×1×32, no dx") in names
    assert ("batch_norm", "50176×12") in names
    assert ("adam", "421642") in names


def test_moving_statistics_are_none_of_the_optimizers():
    (adam,) = [case for case in cases([MODELS["phd_bn_b64"]]) if case.kernel == "adam"]
    normed = 12 + 24 + 32 + 200
    assert adam.shape == str(9 * 12 + 36 * 12 * 24 + 36 * 24 * 32 + 1568 * 200 + normed + 2010)


@pytest.mark.parametrize("case", cases(list(MODELS.values())), ids=lambda case: f"{case.kernel} {case.shape}")
def test_arguments_are_the_kernels_own(case):
    import inspect

    parameters = inspect.signature(getattr(readable, case.kernel)).parameters.values()
    assert len(case.arguments()) == len([p for p in parameters if p.default is p.empty])
    for a, b in zip(case.arguments(), case.arguments(), strict=True):
        assert np.array_equal(a, b) if isinstance(a, np.ndarray) else a == b


def test_the_seven_loops_stand_beside_the_wing_where_they_are_fast_enough():
    convolutions = [case for case in cases([TINY]) if case.kernel == "conv2d"]
    assert [case.products for case in convolutions] == [16 * 3 * 9, 2 * 16 * 3 * 9]
    for case in convolutions:
        found = kernels.measure(case, {"numpy": readable}, repeats=1)
        assert list(found["seconds"]) == ["naive", "numpy"]
        assert 0 <= found["difference"] < 1e-5
        json.dumps(found)


def test_a_wing_that_computes_something_else_shows():
    class Wrong:
        asarray, to_numpy = readable.asarray, readable.to_numpy

        @staticmethod
        def relu(x, y):
            y[...] = np.maximum(x, 0) + 0.5

    case = Case("relu", "2", lambda: [np.array([-1, 2], np.float32), np.zeros(2, np.float32)])
    assert kernels.measure(case, {"numpy": readable, "wrong": Wrong}, repeats=1)["difference"] == 0.25


def test_differences_are_held_against_the_largest_number():
    assert kernels.largest_difference([np.array([1.0, 8.0])], [np.array([1.5, 8.0])]) == 0.0625
    assert kernels.largest_difference([np.zeros(2), np.ones(2)], [np.zeros(2), np.ones(2)]) == 0


def test_scratch_arrays_are_made_once():
    buffer, array = kernels.hand_over(readable, ["buffer", np.ones(2, np.float32)])
    assert buffer("columns", (3, 2)) is buffer("columns", (3, 2))
    assert buffer("columns", (3, 2)).shape == (3, 2)
    assert array.tolist() == [1, 1]


def test_a_row_leaves_out_who_did_not_run():
    row = kernels.row(["naive", "numpy", "numba"], "relu", "2×3", {"numpy": 0.001, "numba": 0.0005}, 1.5e-7)
    assert row == ["relu", "2×3", "", "1.000", "0.500", "1.5e-07"]


def test_a_wing_that_cannot_be_loaded_is_left_out_and_said():
    wings, missing = kernels._wings()
    assert set(wings) | set(missing) == set(kernels.WINGS)
    assert "numpy" in wings
    assert all(isinstance(why, str) for why in missing.values())
