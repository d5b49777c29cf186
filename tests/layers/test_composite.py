import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinynet
from tinynet import Sequential, layers
from tinynet.feed import Batch
from tinynet.layers import Activation, Add, BatchNormalization, Concatenate, Dense, Dropout, Flatten, Residual

SHAPES = st.lists(st.integers(1, 4), min_size=1, max_size=2)
SIZES = st.lists(st.integers(0, 4), min_size=1, max_size=4)


def drawn(n, shape):
    return np.random.default_rng(0).normal(0, 1, (n, *shape))


def linear(x, kernel, bias):
    """Return x @ kernel + bias over the last axis, number by number."""
    y = np.zeros((*x.shape[:-1], len(bias)))
    for place in np.ndindex(y.shape):
        y[place] = bias[place[-1]] + sum(x[place[:-1]][i] * kernel[i, place[-1]] for i in range(x.shape[-1]))
    return y


@settings(max_examples=15)
@given(shape=SHAPES, n=st.integers(1, 4))
def test_contract_of_residual(check_layer, shape, n):
    def wanted(x, kernel, bias, kernel_1, bias_1):
        return x + linear(np.tanh(linear(x, kernel, bias)), kernel_1, bias_1)

    check_layer(lambda: Residual([Dense(3, activation="tanh"), Dense(shape[-1])]), drawn(n, shape), wanted)


@settings(max_examples=15)
@given(shape=SHAPES, n=st.integers(1, 4), sizes=SIZES)
def test_contract_of_add(check_layer, shape, n, sizes):
    """A size of 0 is an empty branch; of others, that many layers."""
    def wanted(x, *weights):
        weights, total = iter(weights), 0
        for size in sizes:
            branch = x
            for _ in range(size):
                branch = linear(branch, next(weights), next(weights))
            total = total + branch
        return total

    check_layer(lambda: Add([[Dense(shape[-1]) for _ in range(size)] for size in sizes]), drawn(n, shape), wanted)


@settings(max_examples=15)
@given(shape=SHAPES, n=st.integers(1, 4), sizes=SIZES)
def test_contract_of_concatenate(check_layer, shape, n, sizes):
    """A size of 0 is an empty branch; other sizes are of Dense layers."""
    def wanted(x, *weights):
        weights = iter(weights)
        return np.concatenate([linear(x, next(weights), next(weights)) if size else x for size in sizes], axis=-1)

    check_layer(lambda: Concatenate([Dense(size) if size else [] for size in sizes]), drawn(n, shape), wanted)


def test_contract_of_composites_in_composites(check_layer):
    def wanted(x, *weights):
        k0, b0, k1, b1, k2, b2 = weights
        side_by_side = np.concatenate([linear(x, k0, b0), x + linear(x, k1, b1)], axis=-1)
        return x + linear(side_by_side, k2, b2)

    check_layer(lambda: Residual([Concatenate([Dense(2), Residual(Dense(3))]), Dense(3)]), drawn(4, (3,)), wanted)


PASSING = {  # layers that hand on the very array that they were given
    "empty": list,
    "linear": lambda: Activation("linear"),
    "two": lambda: [Activation("linear"), Activation("linear")],
    "flatten": lambda: Flatten(),
    "no dropout": lambda: Dropout(0.0),
    "a model": lambda: Sequential([Activation("linear")]),
}


@pytest.mark.parametrize("name", PASSING)
@pytest.mark.parametrize("make, wanted", [
    (lambda branch: Residual(branch()), lambda x: 2 * x),
    (lambda branch: Add([branch(), [], branch()]), lambda x: 3 * x),
    (lambda branch: Add([branch()]), lambda x: x),
    (lambda branch: Concatenate([branch(), branch()]), lambda x: np.concatenate([x, x], axis=-1)),
    (lambda branch: Concatenate([branch(), Residual(branch())]), lambda x: np.concatenate([x, 2 * x], axis=-1)),
])
def test_branches_that_hand_on_their_input_itself(check_layer, name, make, wanted):
    check_layer(lambda: make(PASSING[name]), drawn(3, (4,)), wanted)


def test_images_in_branches(backend):
    """The pieces of dy are what convolutions and pooling take."""
    x = drawn(2, (6, 5, 3))
    for layer in (
        Concatenate([layers.Conv2D(2, 1), [layers.Conv2D(4, 3, padding="same", activation="tanh"), Dropout(0.3)],
                     [layers.MaxPooling2D(3, 1, padding="same"), layers.Conv2D(1, 1)]]),
        Residual([layers.Conv2D(3, 3, padding="same", use_bias=False), BatchNormalization(), Activation("elu"),
                  layers.Conv2D(3, 3, padding="same")]),
    ):
        report = tinynet.gradcheck(layer, x, most=20)
        assert report, f"\n{report}"
        names = {comparison.layer for comparison in report.comparisons}
        assert names >= {layer.name, "conv2d", "conv2d_1"}


def two_branches():
    return Sequential([
        Dense(4, input_shape=(3,)),
        Add([[Dense(5, activation="tanh"), BatchNormalization(), Dense(4)], Dense(4), Dropout(0.4)]),
        Concatenate([Residual([Dense(4), Dropout(0.5)]), Dense(2)]),
        Dense(2),
    ])


NAMES = ["dense", "add", "dense_1", "batch_normalization", "dense_2", "dense_3", "dropout", "concatenate", "residual",
         "dense_4", "dropout_1", "dense_5", "dense_6"]


def inside(layer):
    yield layer
    for inner in getattr(layer, "layers", []):
        yield from inside(inner)


def test_names_are_apart_in_the_whole_model():
    model = two_branches()
    assert [layer.name for layer in inside(model)][1:] == NAMES
    second = Sequential([two_branches(), Residual(Dense(2))])
    assert [layer.name for layer in inside(second)][-2:] == ["residual_1", "dense_7"]
    with pytest.raises(ValueError, match="Two layers of a model cannot share a name. Received: 'head' again"):
        Sequential([Dense(3, name="head"), Residual(Dense(3, name="head"))])
    with pytest.raises(ValueError, match="Two layers of a model cannot share a name. Received: 'head' again"):
        Add([Dense(3, name="head"), Dense(3, name="head")])


def test_parameters_are_in_order_and_in_one_array(backend):
    model = two_branches()
    by_hand = [parameter for layer in inside(model) if not getattr(layer, "layers", None)
               for parameter in layer.parameters]
    assert [id(parameter) for parameter in model.parameters] == [id(parameter) for parameter in by_hand]
    assert len({id(parameter.arena) for parameter in model.parameters}) == 1
    trained = [parameter for parameter in model.parameters if parameter.trainable]
    first, last = trained[0], trained[-1]
    assert last.offset + last.size - first.offset == sum(parameter.size for parameter in trained)
    assert sum(parameter.size for parameter in model.parameters) == len(first.arena.values)


def test_summary_counts_what_is_inside(capsys):
    model = Sequential([Residual([Dense(5), Dense(3)], input_shape=(3,)), Concatenate([[], Dense(2)])])
    model.layers[1].trainable = False
    model.summary()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[4:6]] == [["residual", "(Residual)", "(None,", "3)", "38"],
                                                     ["concatenate", "(Concatenate)", "(None,", "5)", "8"]]
    assert lines[-3:] == ["Total params: 46", "Trainable params: 38", "Non-trainable params: 8"]


def test_gradients_of_a_whole_model(backend):
    """Dropout masks and moving statistics inside branches are held for the time of the check."""
    model = two_branches()
    moving = [parameter for parameter in model.parameters if parameter.name.startswith("moving")]
    before = [model.ops.to_numpy(parameter.value) for parameter in moving]
    report = tinynet.gradcheck(model, drawn(6, (3,)))
    assert report, f"\n{report}"
    for parameter, value in zip(moving, before, strict=True):
        np.testing.assert_array_equal(model.ops.to_numpy(parameter.value), value)


def test_a_wrong_gradient_is_said_of_the_inner_layer():
    class Wrong(Dense):
        def logits_backward(self, dz, *, need_dx=True):
            dx = super().logits_backward(dz, need_dx=need_dx)
            self.bias.grad *= 2
            return dx

    model = Sequential([Dense(3, input_shape=(3,)), Residual([Concatenate([Dense(2), Wrong(1, name="culprit")])])])
    report = tinynet.gradcheck(model, drawn(4, (3,)))
    wrong = [found for found in report.comparisons if found.error > report.tolerance]
    assert [(found.layer, found.name) for found in wrong] == [("culprit", "bias")]
    assert "a factor of 2" in wrong[0].cause


def test_trainable_goes_in_and_comes_out(backend):
    model, x = two_branches(), drawn(8, (3,))
    add = model.layers[1]
    add.trainable = False
    assert not add.trainable
    assert not any(layer.trainable for layer in add.layers)
    model.compile("sgd", "mse")
    before = model.get_weights()
    model.train_on_batch(x, np.ones((8, 2)))
    after = model.get_weights()
    unchanged = {i for i, (a, b) in enumerate(zip(before, after, strict=True)) if np.array_equal(a, b)}
    assert unchanged == {i for i, parameter in enumerate(model.parameters) if parameter in add.parameters}
    add.branches[1].layers[0].trainable = True
    assert add.trainable
    model.train_on_batch(x, np.ones((8, 2)))
    again = model.get_weights()
    mine = model.parameters.index(add.branches[1].layers[0].kernel)
    assert not np.array_equal(again[mine], after[mine])
    model.trainable = False
    assert not model.layers[2].layers[0].layers[0].trainable


class Note(Dense):
    """A dense layer that notes how it is called backward."""

    asked = None

    def logits_backward(self, dz, *, need_dx=True):
        self.asked = need_dx
        return super().logits_backward(dz, need_dx=need_dx)


def test_nothing_is_computed_below_the_first_layer_that_learns():
    notes = [Note(3) for _ in range(4)]
    front = Add([notes[:2], [notes[2], Activation("relu")], []], input_shape=(3,))
    model = Sequential([front, notes[3]])
    model.compile("sgd", "mse")

    def asked():
        for note in notes:
            note.asked = None
        model.train_on_batch(drawn(4, (3,)), np.ones((4, 3)))
        return [note.asked for note in notes]

    assert asked() == [False, True, False, True]
    notes[0].trainable = False
    assert asked() == [None, False, False, True]
    notes[2].trainable = False
    assert asked() == [None, False, None, True]
    notes[1].trainable = False
    assert asked() == [None, None, None, False]
    with pytest.raises(RuntimeError, match="Layer 'add': backward needs a forward"):
        front.backward(np.ones((4, 3), np.float32))
    notes[0].trainable = True
    assert asked() == [False, True, None, True]
    with pytest.raises(RuntimeError, match="Layer 'note_2': backward needs a forward"):
        notes[2].backward(np.ones((4, 3), np.float32))


def test_forgetting_goes_in(backend):
    layer = Concatenate([Dense(2), Residual(Dense(3))])
    layer.build((3,))
    layer.forward(layer.ops.asarray(drawn(2, (3,)), "float32"), training=True)
    layer.forget()
    for one in (layer, *layer.layers, layer.layers[1].layers[0]):
        with pytest.raises(RuntimeError, match=f"Layer '{one.name}': backward needs a forward"):
            one.backward(layer.ops.zeros((2, *one.output_shape), "float32"))


def test_it_learns(backend, rng):
    """A sum of branches that contains the answer finds it."""
    model = Sequential([Residual([Dense(4, activation="tanh"), Dense(2)], input_shape=(2,))])
    model.compile(tinynet.optimizers.Adam(0.02), "mse")
    x = rng.normal(size=(64, 2))
    y = x + np.tanh(x[:, ::-1])
    losses = model.fit(x, y, epochs=150, verbose=0).history["loss"]
    assert losses[-1] < 0.01 < losses[0]
    np.testing.assert_allclose(model.evaluate(x, y, verbose=0), np.mean((model.predict(x) - y) ** 2), rtol=1e-5)


def test_what_a_model_returns_is_the_callers_own(backend):
    model = Sequential([Residual([], input_shape=(4,))])
    x = drawn(3, (4,)).astype(np.float32)
    p = model.forward(x, training=True)
    dx = model.backward(p)
    np.testing.assert_array_equal(p, 2 * x)
    model.forward(x + 1, training=True)
    model.backward(np.zeros((3, 4)))
    np.testing.assert_array_equal(p, 2 * x)
    np.testing.assert_array_equal(dx, 4 * x)


def test_models_inside(run):
    inner = Sequential([Dense(4, input_shape=(3,)), Dense(3)])
    inner.build((3,))
    weights = inner.get_weights()
    model = Sequential([Residual(inner), Dense(1)])
    x = drawn(5, (3,)).astype(np.float32)
    model.build((3,))
    for kept, mine in zip(weights, model.get_weights(), strict=False):
        np.testing.assert_array_equal(kept, mine)
    np.testing.assert_allclose(run(model.layers[0].forward, x), x + inner.predict(x), rtol=1e-6)
    with pytest.raises(ValueError, match="Model 'sequential' is a part of 'residual' and cannot grow any more"):
        inner.add(Dense(3))
    assert tinynet.gradcheck(model, x)


def test_the_same_layer_twice():
    dense = Dense(3)
    for make in (
        lambda: Residual([dense, dense]), lambda: Add([dense, dense]), lambda: Add([dense, Residual(dense)]),
        lambda: Sequential([dense, Residual(dense)]), lambda: Sequential([Residual(dense), dense]),
        lambda: Sequential([Residual(dense), Concatenate([dense, []])]),
        lambda: Residual([Sequential([dense]), dense]),
    ):
        with pytest.raises(ValueError, match="cannot be used twice in one model; make a second .*Received: .* again"):
            make()
    residual = Residual(Dense(3))
    with pytest.raises(ValueError, match="make a second Residual"):
        Sequential([residual, residual])


@pytest.mark.parametrize("make, message", [
    (lambda: Add(Dense(3)), "Add takes a list of branches, each a layer or a list of layers. Received: <Dense"),
    (lambda: Concatenate([]), r"Concatenate takes a list of branches, .* Received: \[\]"),
    (lambda: Add([3]), "Add: a branch is a layer or a list of layers. Received: 3"),
    (lambda: Add([["relu"]]), "Add is made of layers. Received: 'relu'"),
    (lambda: Residual([layers.Input((3,))]), "Residual is made of layers. Received: "),
    (lambda: Residual("relu"), "Residual: a branch is a layer or a list of layers. Received: 'relu'"),
    (lambda: Concatenate([[]], axes=1), r"no argument 'axes' \(did you mean 'axis'\?\).*Received: axes=1"),
])
def test_what_is_no_list_of_branches(make, message):
    with pytest.raises(TypeError, match=message):
        make()


@pytest.mark.parametrize("make, message", [
    (lambda: Residual([Dense(5), Dense(4)]),
     r"Layer 'residual': f\(x\) must have the shape of x, to be added to it. Its branches go input \(3,\); "
     r"input \(3,\) -> dense \(5,\) -> dense_1 \(4,\). Received: \(3,\) and \(4,\)$"),
    (lambda: Add([Dense(3), Dense(2)]),
     r"Layer 'add': all branches must end in one shape. .* Received: \(3,\) and \(2,\)$"),
    (lambda: Concatenate([[], layers.Reshape((1, 3))]),
     r"'concatenate': the branches' outputs must agree in all axes but the last. .*Received: \(3,\) and \(1, 3\)$"),
    (lambda: Concatenate([[], []], axis=0), r"along the last axis, axis=-1, not axis=0. .*Received: \(3,\) and \(3,\)"),
    (lambda: Concatenate([layers.Reshape((1, 3))], axis=1), r"axis=-1, not axis=1. .*Received: \(1, 3\)"),
    (lambda: Residual([Dense(5), layers.Reshape((2, 2), name="square"), Dense(3)]),
     r"Layer 'residual': shapes go input \(3,\) -> dense \(5,\), and 'square' cannot be built: .*Received: "),
    (lambda: Residual([Dense(5, input_shape=(4,))]),
     r"Layer 'dense' says input_shape=\(4,\), but here shapes go input \(3,\). Received: \(3,\)"),
])
def test_shapes_that_do_not_fit(make, message):
    layer = make()
    with pytest.raises(ValueError, match=message):
        layer.build((3,))
    assert not any(one.built for one in [layer, *layer.layers])
    with pytest.raises(ValueError, match=rf"Model 'sequential': .*'{layer.name}' cannot be built: .*{message}"):
        Sequential([layer, Dense(2)]).build((3,))
    assert not any(one.built or one.parameters for one in [layer, *layer.layers])


def test_errors_while_building_use_the_name_that_the_model_gave():
    bad = Residual([Dense(5), layers.Reshape((2, 2))])
    with pytest.raises(ValueError, match=r"'residual_1' cannot be built: Layer 'residual_1': shapes go input \(3,\) -> "
                                         r"dense_1 \(5,\), and 'reshape' cannot be built"):
        Sequential([Residual(Dense(3), input_shape=(3,)), bad])


def test_after_an_error_it_can_be_built_for_another_shape():
    layer = Residual(Dense(4))
    with pytest.raises(ValueError, match="must have the shape of x"):
        layer.build((3,))
    assert layer.build((4,)) == (4,)
    assert [parameter.shape for parameter in layer.parameters] == [(4, 4), (4,)]


@pytest.mark.parametrize("axis", [-1, 3])
def test_axis_of_concatenate(axis):
    assert Concatenate([[], []], axis=axis).build((4, 5, 2)) == (4, 5, 4)


def test_errors_while_running_name_the_inner_layer(backend):
    layer = Residual([Dense(3, activation="relu", name="inner")])
    layer.build((3,))
    x = layer.ops.asarray(drawn(2, (3,)), "float32")
    layer.forward(x, training=True)
    layer.layers[0].forget()
    with pytest.raises(RuntimeError, match="Layer 'inner': backward needs a forward"):
        layer.backward(x)


def test_a_step_after_the_first_allocates_nothing_of_the_batchs_size(rng):
    batch = 4000
    with tinynet.use_backend("numba"):
        model = Sequential([
            Add([[Dense(8, activation="relu"), Dense(6)], Dense(6), []], input_shape=(6,)),
            Concatenate([Residual(Dense(6)), Dense(3)]), Dense(2)])
    model.compile("adam", "mse")
    x, y = rng.normal(size=(batch, 6)).astype(np.float32), rng.normal(size=(batch, 2)).astype(np.float32)
    model.train_on_batch(x, y)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        model.trainer.step(Batch(x, y, None))
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak < batch  # bytes: less than one for each sample
