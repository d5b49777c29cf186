import re

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import tinynet
from tinynet import layers, losses
from tinynet.gradient_check import STEP, numeric_gradient, relative_error, usual_cause
from tinynet.layers.base import with_sublayers


class Broken(layers.Dense):
    """A dense layer whose backward pass is changed by functions of the right gradients."""

    def __init__(self, units, kernel=lambda grad, n: grad, bias=lambda grad, n: grad, dx=lambda dx, n: dx):
        super().__init__(units, name="broken")
        self.changes = {"kernel": kernel, "bias": bias}
        self.change_dx = dx

    def backward(self, dy, *, need_dx=True):
        dx = super().backward(dy, need_dx=need_dx)
        for parameter in self.parameters:
            parameter.grad[...] = self.changes[parameter.name](parameter.grad.copy(), len(dy))
        return self.change_dx(dx, len(dy))


def nowhere_but_at(index):
    def change(grad, n):
        grad[index] *= 1.01
        return grad

    return change


def with_nan(grad, n):
    grad[0, 0] = np.nan
    return grad


WRONG = {
    "the mean over the batch not taken": (lambda g, n: n * g, "a factor of 5, the same everywhere: if that is"),
    "the mean over the batch taken twice": (lambda g, n: g / n, "a factor of 5, the same everywhere: if that is"),
    "twice": (lambda g, n: 2 * g, "a factor of 2: the derivative of a square"),
    "half": (lambda g, n: g / 2, "a factor of 2: the derivative of a square"),
    "sign": (lambda g, n: -g, "the sign is turned round"),
    "zero": (lambda g, n: 0 * g, "backward leaves it zero"),
    "NaN": (with_nan, "backward gives NaN or infinity"),
    "a constant": (lambda g, n: 1.7 * g, r"a factor of 1\.7, the same everywhere: a constant of the forward pass"),
    "transposed": (lambda g, n: g.T, "it is transposed"),
    "one element": (nowhere_but_at((2, 1)), None),
}


@pytest.fixture
def x(rng):
    return rng.normal(0, 1, (5, 4))


def causes(report):
    """Return {name: cause} of what the report says is wrong."""
    return {found.name: found.cause for found in report.comparisons if found.error > report.tolerance}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_parameter_and_its_cause(backend, wrong, x):
    change, cause = WRONG[wrong]
    layer = Broken(4, kernel=change)
    report = tinynet.gradcheck(layer, x)
    assert not report
    found = causes(report)
    assert list(found) == ["kernel"]
    assert re.match(cause, found["kernel"]) if cause else found["kernel"] == ""
    assert report.largest_error > 1e-3
    text = str(report)
    assert text.count("WRONG") == 1
    assert "WRONG broken.kernel: relative error" in text
    assert ("usual cause: " + found["kernel"] in text) == (cause is not None)


@pytest.mark.parametrize("wrong", [wrong for wrong in WRONG if wrong != "transposed"])
def test_a_wrong_input_gradient_and_its_cause(backend, wrong, x):
    change, cause = WRONG[wrong]
    found = causes(tinynet.gradcheck(Broken(4, dx=change), x))
    assert list(found) == ["x"]
    assert re.match(cause, found["x"]) if cause else found["x"] == ""


def test_a_wrong_bias(backend, x):
    assert re.match("a factor of 2", causes(tinynet.gradcheck(Broken(4, bias=lambda g, n: 2 * g), x))["bias"])


def test_the_wrong_element_is_named_with_both_values(backend, x):
    report = tinynet.gradcheck(Broken(4, kernel=nowhere_but_at((2, 1))), x)
    x_found, kernel, bias = report.comparisons
    assert (kernel.layer, kernel.name, kernel.index) == ("broken", "kernel", (2, 1))
    assert kernel.analytic == pytest.approx(1.01 * kernel.numeric, rel=1e-7)
    assert kernel.error == pytest.approx(0.01 / 1.01, rel=1e-3)
    assert (kernel.checked, kernel.size) == (16, 16)
    assert x_found.error <= 1e-7
    assert bias.error <= 1e-7
    assert report.largest_error == kernel.error
    lines = str(report).splitlines()
    assert len(lines) == 3
    assert re.fullmatch(r"ok    broken\.x: relative error \d\.\de-\d\d at \[\d, \d\] \(backward -?[\d.]+, differences "
                        r"-?[\d.]+; 20 of 20 elements\)", lines[0])
    assert lines[1].startswith("WRONG broken.kernel: relative error 9.9e-03 at [2, 1] (backward ")


class Shift(layers.Layer):
    """y[h, w] = the sum of x over the window of 3 × 3 around (h, w); backward goes wrong where `wrong` says."""

    def __init__(self, wrong):
        super().__init__()
        self.wrong = wrong

    def forward(self, x, *, training=False):
        x = self.check_input(x)
        self.keep(training, x)
        return self.around(x)

    def backward(self, dy, *, need_dx=True):
        dy, _ = self.recall(dy)
        return self.wrong(self.around(dy))

    @staticmethod
    def around(x):
        padded = np.pad(x, [(0, 0), (1, 1), (1, 1), (0, 0)])
        h, w = x.shape[1:3]
        return sum(padded[:, i : i + h, j : j + w] for i in range(3) for j in range(3))


def only_the_border(dx):
    dx[:, [0, -1]] *= 1.5
    dx[:, :, [0, -1]] *= 1.5
    return dx


def also_inside(dx):
    only_the_border(dx)
    dx[0, 2, 2, 0] += 1
    return dx


def test_only_the_border_is_wrong(rng):
    x = rng.normal(0, 1, (2, 5, 5, 2))
    assert tinynet.gradcheck(Shift(lambda dx: dx), x)
    assert causes(tinynet.gradcheck(Shift(only_the_border), x))["x"].startswith("only the border is wrong: padding")
    assert causes(tinynet.gradcheck(Shift(also_inside), x)) == {"x": ""}


class Square(layers.Layer):
    """y = x²; backward divides by x, which need not be there."""

    def forward(self, x, *, training=False):
        x = self.check_input(x)
        self.keep(training, x)
        return x * x

    def backward(self, dy, *, need_dx=True):
        dy, x = self.recall(dy)
        with np.errstate(invalid="ignore", divide="ignore"):
            return dy * 2 * x * x / x


def test_a_division_by_zero():
    x = np.array([[1.0, 0.0, 2.0]])
    report = tinynet.gradcheck(Square(), x)
    assert not report
    (found,) = report.comparisons
    assert found.index == (0, 1)
    assert found.error == np.inf
    assert found.cause.startswith("backward gives NaN or infinity")
    assert tinynet.gradcheck(Square(), x + 1)


def test_where_nothing_is_wrong(backend, x):
    report = tinynet.gradcheck(layers.Dense(3, "tanh", name="right"), x)
    assert report
    assert report.largest_error <= 1e-7
    assert [(found.layer, found.name) for found in report.comparisons] == [
        ("right", "x"), ("right", "kernel"), ("right", "bias")]
    assert "WRONG" not in str(report)
    assert "usual cause" not in str(report)
    assert all(found.cause == "" for found in report.comparisons)


def snapshot(layer):
    """Return all that a check might change, by identity and by value."""
    found = {}
    for number, part in enumerate(with_sublayers(layer)):
        found[number, "dtype"] = part.dtype
        found[number, "buffers"] = id(part._buffers), {name: id(held) for name, held in part._buffers.items()}
        if hasattr(part, "generator"):
            found[number, "generator"] = id(part.generator), str(part.generator.bit_generator.state)
        for parameter in part.parameters:
            found[number, parameter.name] = (
                id(parameter), id(parameter.value), id(parameter.grad), id(parameter.arena), parameter.offset,
                parameter.value.dtype, parameter.value.tobytes(), parameter.grad.tobytes())
    return found


def make_model():
    inner = tinynet.Sequential([layers.Dense(6, "tanh", name="middle"), layers.Dropout(0.3)], name="inner")
    first, last = layers.Dense(5, "sigmoid", name="first"), layers.Dense(3, "softmax", name="last")
    model = tinynet.Sequential([first, inner, last])
    model.build((4,))
    return model


@pytest.mark.parametrize("loss", [None, losses.SparseCategoricalCrossentropy()])
@pytest.mark.parametrize("goes_wrong", [False, True])
def test_the_model_is_left_as_it_was(backend, x, loss, goes_wrong):
    model = make_model()
    x32 = x.astype(np.float32)
    model.forward(x32, training=True)
    model.backward(np.ones((5, 3), np.float32))
    before, y_before = snapshot(model), model.predict(x32, verbose=0)
    y = None if loss is None else np.array([0, 1, 2, 0, 1])
    if goes_wrong:
        with pytest.raises(ValueError, match="Received: "):
            tinynet.gradcheck(model, x[:, :2], y, loss)
    else:
        assert tinynet.gradcheck(model, x, y, loss)
    assert snapshot(model) == before
    assert np.array_equal(model.predict(x32, verbose=0), y_before)


def test_a_model_in_training_goes_on_as_if_there_had_been_no_check(backend, x):
    weights = []
    labels = np.array([0, 1, 2, 0, 1])
    for check in (False, True):
        tinynet.set_seed(3)
        model = make_model()
        model.compile(tinynet.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
        for _ in range(3):
            model.train_on_batch(x, labels)
            if check:
                assert tinynet.gradcheck(model, x)
        weights.append(np.concatenate([each.ravel() for each in model.get_weights()]))
    assert np.array_equal(*weights)


def test_what_forward_saved_before_is_gone(x):
    layer = layers.Dense(3)
    layer.build((4,))
    layer.forward(x, training=True)
    tinynet.gradcheck(layer, x)
    with pytest.raises(RuntimeError, match="backward needs a forward"):
        layer.backward(np.ones((5, 3)))


def test_a_dropout_mask_stays_the_same_during_a_check(backend, x):
    layer = layers.Dropout(0.5)
    layer.build((4,))
    report = tinynet.gradcheck(layer, x, most=None)
    assert report
    model = tinynet.Sequential([layers.Dense(8, "tanh"), layers.Dropout(0.5), layers.Dense(2)])
    assert tinynet.gradcheck(model, x, most=None)


class RunningMean(layers.Layer):
    """y = x - the running mean of all inputs before, which each training forward moves."""

    def build(self, input_shape):
        super().build(input_shape)
        zeros = self.ops.zeros(self.input_shape, self.dtype)
        self.moving = self.add_parameter(layers.Parameter("moving_mean", zeros, zeros.copy(), trainable=False))
        return self.output_shape

    def forward(self, x, *, training=False):
        x = self.check_input(x)
        y = x * self.moving.value + x
        if training:
            self.moving.value += 0.5
        self.keep(training, x, self.moving.value - 0.5)
        return y

    def backward(self, dy, *, need_dx=True):
        dy, _, mean = self.recall(dy)
        return dy * (mean + 1)


def test_moving_statistics_are_put_back_and_not_checked(x):
    layer = RunningMean()
    layer.build((4,))
    layer.moving.value[...] = [1, 2, 3, 4]
    report = tinynet.gradcheck(layer, x)
    assert report, str(report)
    assert [found.name for found in report.comparisons] == ["x"]
    assert np.array_equal(layer.moving.value, [1, 2, 3, 4])


def test_a_layer_that_is_not_built_is_built_in_the_library_s_own_float_type(backend, x):
    layer = layers.Dense(3)
    assert tinynet.gradcheck(layer, x)
    assert layer.built
    assert layer.input_shape == (4,)
    assert layer.kernel.value.dtype == np.float32


def test_a_model_names_its_layers(backend, x):
    model = make_model()
    report = tinynet.gradcheck(model, x)
    assert report, str(report)
    assert [found.name for found in report.comparisons] == ["x", *3 * ["kernel", "bias"]]
    owners = [found.layer for found in report.comparisons]
    assert owners == [model.name, "first", "first", "middle", "middle", "last", "last"]


def test_the_wrong_layer_of_a_model_is_named(backend, x):
    inner = tinynet.Sequential([Broken(4, kernel=lambda g, n: -g)], name="inner")
    model = tinynet.Sequential([layers.Dense(4, "tanh"), inner, layers.Dense(2)])
    report = tinynet.gradcheck(model, x)
    wrong = [(found.layer, found.name) for found in report.comparisons if found.error > report.tolerance]
    assert wrong == [("broken", "kernel")]


def test_a_wrong_dx_shows_in_all_layers_before_it(x):
    model = tinynet.Sequential([layers.Dense(4, "tanh", name="first"), Broken(3, dx=lambda dx, n: 2 * dx)])
    report = tinynet.gradcheck(model, x)
    assert {(found.layer, found.name) for found in report.comparisons if found.error > 1e-7} == {
        (model.name, "x"), ("first", "kernel"), ("first", "bias")}


def test_frozen_layers_are_left_out(backend, x):
    model = tinynet.Sequential([layers.Dense(4, "tanh"), layers.Dense(2)])
    model.build((4,))
    model.layers[0].trainable = False
    report = tinynet.gradcheck(model, x)
    assert report
    assert [found.layer for found in report.comparisons[1:]] == 2 * [model.layers[1].name]


@pytest.mark.parametrize("loss, y", [
    (losses.MeanSquaredError(), np.linspace(-1, 1, 15).reshape(5, 3)),
    (losses.SparseCategoricalCrossentropy(from_logits=True), np.array([2, 1, 0, 1, 2])),
    (losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.1), np.eye(3)[[2, 1, 0, 1, 2]]),
    (losses.CategoricalCrossentropy(from_logits=True, reduction="sum"), np.eye(3)[[2, 1, 0, 1, 2]]),
])
def test_with_a_loss(backend, loss, y, x):
    assert tinynet.gradcheck(tinynet.Sequential([layers.Dense(6, "tanh"), layers.Dense(3)]), x, y, loss)


LOSSES = [
    *[losses.SparseCategoricalCrossentropy(from_logits) for from_logits in (False, True)],
    *[kind(from_logits, smoothing) for kind in (losses.CategoricalCrossentropy, losses.BinaryCrossentropy)
      for from_logits in (False, True) for smoothing in (0.0, 0.2)],
    losses.MeanSquaredError(), losses.MeanAbsoluteError(), losses.Huber(), losses.Huber(delta=0.3),
]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@given(rows=st.lists(st.integers(1, 4), min_size=1, max_size=2), columns=st.integers(2, 5), weighted=st.booleans(),
       seed=st.integers(0, 999))
@settings(max_examples=10)
def test_every_loss_by_differences(backend, loss, reduction, rows, columns, weighted, seed):
    rng = np.random.default_rng(seed)
    loss = type(loss)(**{**vars(loss), "reduction": reduction})
    labels = rng.integers(0, columns, rows)
    if loss.paired_activation:
        y = labels if loss.labels == "sparse" else np.eye(columns)[labels]
        p = rng.normal(0, 2, (*rows, columns)) if loss.from_logits else rng.uniform(0.1, 0.9, (*rows, columns))
    else:
        y = rng.normal(0, 1, (*rows, columns))
        p = y + rng.choice([-1.7, -0.2, 0.2, 1.7], y.shape) + rng.uniform(-0.05, 0.05, y.shape)  # off the kinks
    weight = rng.uniform(0.5, 2, rows[0]) if weighted else None
    gradient = loss.gradient(y, p, weight)
    numeric = numeric_gradient(lambda: loss(y, p, weight), p)
    assert relative_error(gradient, numeric).max() <= 1e-7


def test_a_wrong_loss_shows_everywhere(x):
    class Forgetful(losses.MeanSquaredError):
        def gradient(self, y, p, sample_weight=None):
            return len(y) * super().gradient(y, p, sample_weight)

    report = tinynet.gradcheck(layers.Dense(3), x, np.zeros((5, 3)), Forgetful())
    assert {found.cause[:13] for found in report.comparisons} == {"a factor of 5"}


def test_y_and_loss_come_together(x):
    with pytest.raises(ValueError, match="gradcheck needs both y and loss.* Received: y given, loss=None"):
        tinynet.gradcheck(layers.Dense(3), x, np.zeros((5, 3)))
    with pytest.raises(ValueError, match="gradcheck needs both y and loss.* Received: y missing, loss=<"):
        tinynet.gradcheck(layers.Dense(3), x, loss=losses.MeanSquaredError())


def test_an_input_that_does_not_fit(x):
    layer = layers.Dense(3)
    layer.build((7,))
    with pytest.raises(ValueError, match=r"expects inputs of shape \(N, 7\).* Received: \(5, 4\)"):
        tinynet.gradcheck(layer, x)


def test_how_many_elements_are_checked(backend, rng):
    x = rng.normal(0, 1, (3, 20))
    counts = [(found.checked, found.size) for found in tinynet.gradcheck(layers.Dense(30), x, most=7).comparisons]
    assert counts == [(7, 60), (7, 600), (7, 30)]
    counts = [(found.checked, found.size) for found in tinynet.gradcheck(layers.Dense(30), x).comparisons]
    assert counts == [(60, 60), (200, 600), (30, 30)]
    counts = [found.checked for found in tinynet.gradcheck(layers.Dense(30), x, most=None).comparisons]
    assert counts == [60, 600, 30]


def test_the_cause_shows_in_a_sample_of_the_elements_too(rng):
    x = rng.normal(0, 1, (5, 20))
    report = tinynet.gradcheck(Broken(30, kernel=lambda g, n: -g), x, most=20)
    assert causes(report)["kernel"].startswith("the sign is turned round")


def test_the_same_seed_checks_the_same(x):
    layer = layers.Dense(30)
    first, again, other = (str(tinynet.gradcheck(layer, x, most=5, seed=seed)) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def test_a_tolerance_of_ones_own(x):
    layer = Broken(4, kernel=nowhere_but_at((2, 1)))
    assert tinynet.gradcheck(layer, x, tolerance=0.1)
    assert not tinynet.gradcheck(layer, x, tolerance=1e-3)


def test_at_a_kink_the_two_differ():
    assert not tinynet.gradcheck(layers.ReLU(), np.array([[1.0, 0.0]]))
    assert tinynet.gradcheck(layers.ReLU(), np.array([[1.0, 0.01]]))


@pytest.mark.parametrize("layer", [layers.ReLU(), layers.MaxPooling2D(2)])
def test_a_kink_is_called_one(layer):
    x = np.zeros((1, 2, 2, 1))
    assert causes(tinynet.gradcheck(layer, x))["x"].startswith("at a kink")
    x[0, 0, 0, 0] = 0.5 * STEP  # the differences step over it
    assert causes(tinynet.gradcheck(layer, x))["x"].startswith("at a kink")


def test_a_loss_by_its_name(x):
    assert tinynet.gradcheck(layers.Dense(3), x, np.zeros((5, 3)), "mse")
    with pytest.raises(ValueError, match="Unknown loss"):
        tinynet.gradcheck(layers.Dense(3), x, np.zeros((5, 3)), "msq")


def test_the_layer_comes_first(x):
    with pytest.raises(TypeError, match=r"first, then x: gradcheck\(model, x\). Received: ndarray$"):
        tinynet.gradcheck(x, layers.Dense(3))


def test_a_factor_that_is_almost_1_is_no_cause(x):
    report = tinynet.gradcheck(Broken(3, kernel=lambda g, n: 1.00000094 * g), x)
    assert not report and set(causes(report).values()) == {""}


@given(coefficients=st.lists(st.floats(-2, 2), min_size=5, max_size=5), at=st.floats(-2, 2))
def test_differences_of_a_polynomial_of_fourth_degree_are_exact(coefficients, at):
    array = np.array([at])
    found = numeric_gradient(lambda: float(np.polyval(coefficients, array[0])), array, step=0.1)
    assert found[0] == pytest.approx(np.polyval(np.polyder(coefficients), at), rel=1e-9, abs=1e-9)
    assert array[0] == at


def test_differences_at_some_elements():
    array = np.arange(6.0).reshape(2, 3)
    found = numeric_gradient(lambda: float((array**2).sum()), array, [(0, 1), (1, 2)])
    assert found[0, 1] == pytest.approx(2)
    assert found[1, 2] == pytest.approx(10)
    assert np.isnan(found).sum() == 4


def test_relative_errors():
    assert np.allclose(relative_error(np.array([1.0, 2, -4, 0]), np.array([1.0, 1, 4, 0])), [0, 0.5, 2, 0])
    # small ones are measured by a thousandth of the largest
    assert np.allclose(relative_error(np.array([1000.0, 0.5]), np.array([1000.0, 0])), [0, 0.5])
    assert relative_error(np.array([np.nan]), np.array([1.0]))[0] == np.inf
    assert relative_error(np.zeros((0, 3)), np.zeros((0, 3))).shape == (0, 3)


@given(factor=st.floats(0.1, 50), n=st.integers(2, 4), seed=st.integers(0, 1000))
def test_factors(factor, n, seed):
    whole = max(factor, 1 / factor)
    assume(abs(whole - round(whole)) > 1e-3 * whole and abs(factor - 0.5) > 1e-3)
    grad = np.random.default_rng(seed).normal(1, 1, (n, n + 1))
    said = usual_cause(factor * grad, grad, np.full(grad.shape, True), 1e-7)
    found = re.match(r"a factor of (\S+), the same everywhere: a constant of the forward pass is missing", said)
    assert float(found[1]) == pytest.approx(factor, rel=1e-5)


@given(n=st.integers(3, 64), seed=st.integers(0, 1000), multiplied=st.booleans())
def test_whole_factors(n, seed, multiplied):
    grad = np.random.default_rng(seed).normal(1, 1, (3, 4))
    said = usual_cause(grad * n if multiplied else grad / n, grad, np.full(grad.shape, True), 1e-7)
    assert said.startswith(f"a factor of {n}, the same everywhere: if that is the batch's size")


def test_an_exact_border_says_nothing_of_other_shapes(rng):
    right = rng.normal(0, 1, (3, 4, 4))
    wrong = right.copy()
    wrong[:, 0] += 1
    assert usual_cause(wrong, right, np.full(right.shape, True), 1e-7) == ""


def test_a_symmetric_gradient_is_not_called_transposed():
    right = np.array([[1.0, 2.0], [2.0, 3.0]])
    wrong = np.array([[1.0, 2.5], [2.0, 3.0]])
    assert usual_cause(wrong, right, np.full((2, 2), True), 1e-7) == ""


@pytest.mark.parametrize("most", [None, 3])
def test_a_forward_that_gives_no_number_is_wrong(most):
    """NaN in the differences is an element that was looked at, not one that was left out."""
    class Broken(layers.Layer):
        def forward(self, x, *, training=False):
            self.keep(training, x)
            return np.where(x == x.round(), x, np.nan)  # only where nothing is nudged

        def backward(self, dy, *, need_dx=True):
            return self.recall(dy)[0]

    report = tinynet.gradcheck(Broken(), np.ones((2, 3)), most=most)
    assert not report
    found = report.comparisons[0]
    assert (found.error, found.checked) == (np.inf, most or 6)
    assert found.cause.startswith("forward gives NaN or infinity")
