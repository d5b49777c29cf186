import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinynet
from tinynet import layers

IMAGES = st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5), st.integers(1, 2))
MODES = ["horizontal", "vertical", "horizontal_and_vertical"]
FILL_MODES = ["reflect", "wrap", "constant", "nearest"]
ALL = {"flip": lambda **more: layers.RandomFlip(**more), "crop": lambda **more: layers.RandomCrop(2, 3, **more),
       "rotation": lambda **more: layers.RandomRotation(0.3, **more)}


@pytest.fixture(params=ALL)
def make(request):
    """Return a function that makes one of the three layers."""
    return ALL[request.param]


def build(layer, shape):
    layer.build(shape)
    return layer


def train(layer, x):
    return layer.ops.to_numpy(layer.forward(layer.ops.asarray(x, x.dtype), training=True))


def with_same_draws(layer):
    """Let every forward of the layer draw the same, so that the harness can compare calls."""
    forward = layer.forward

    def forward_again(x, *, training=False):
        if layer.built:
            layer.generator.bit_generator.state = np.random.default_rng(3).bit_generator.state
        return forward(x, training=training)

    layer.forward = forward_again
    return layer


def check_contract(harness, make, x):
    ready = harness(lambda: with_same_draws(make()), x)
    ready.check_gradients()
    ready.check_memory()
    ready.check_errors()


@pytest.mark.parametrize("mode", MODES)
@settings(max_examples=10)
@given(shape=IMAGES, seed=st.integers(0, 999))
def test_contract_of_flips(harness, mode, shape, seed):
    check_contract(harness, lambda: layers.RandomFlip(mode, seed=seed), np.random.default_rng(seed).normal(size=shape))


@settings(max_examples=15)
@given(shape=IMAGES, spare=st.tuples(st.integers(0, 3), st.integers(0, 3)), seed=st.integers(0, 999))
def test_contract_of_crops(harness, shape, spare, seed):
    N, h, w, C = shape
    x = np.random.default_rng(seed).normal(size=(N, h + spare[0], w + spare[1], C))
    check_contract(harness, lambda: layers.RandomCrop(h, w), x)


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("fill_mode", FILL_MODES)
@settings(max_examples=5)
@given(shape=IMAGES, seed=st.integers(0, 999))
def test_contract_of_rotations(harness, fill_mode, interpolation, shape, seed):
    x = np.random.default_rng(seed).normal(size=shape)
    check_contract(harness, lambda: layers.RandomRotation(1, fill_mode, interpolation, fill_value=0.4), x)


@given(shape=IMAGES, seed=st.integers(0, 999))
@settings(max_examples=10)
def test_inference_is_the_identity_and_draws_nothing(run, shape, seed):
    x = np.random.default_rng(seed).normal(size=shape).astype(np.float32)
    for layer in (layers.RandomFlip(), layers.RandomRotation(0.5), layers.RandomCrop(*shape[1:3])):
        build(layer, shape[1:])
        before = layer.generator.bit_generator.state
        assert np.array_equal(run(layer.forward, x), x)
        assert layer.generator.bit_generator.state == before


@pytest.mark.parametrize("mode", MODES)
def test_flips_turn_each_image_by_a_draw_of_its_own(run, rng, mode):
    x = rng.normal(size=(400, 3, 4, 2)).astype(np.float32)
    layer = build(layers.RandomFlip(mode, seed=0), x.shape[1:])
    y, dx = train(layer, x), run(layer.backward, x)
    ways = {"vertical": 0, "horizontal": 0, "both": 0, "neither": 0}
    for image, flipped, back in zip(x, y, dx, strict=True):
        turned = {"neither": image, "vertical": np.flip(image, 0), "horizontal": np.flip(image, 1),
                  "both": np.flip(image, (0, 1))}
        way = next(way for way, wanted in turned.items() if np.array_equal(flipped, wanted))
        assert np.array_equal(back, turned[way])
        ways[way] += 1
    likely = ways if mode == "horizontal_and_vertical" else {mode: 0, "neither": 0}
    for way, count in ways.items():  # within four standard deviations
        chance = 1 / len(likely) if way in likely else 0
        assert abs(count - 400 * chance) <= 4 * math.sqrt(400 * chance * (1 - chance)), ways


def test_crops_come_from_everywhere_and_are_as_likely(run):
    """Every pixel says where it stands, so each crop tells its corner."""
    h, w = np.mgrid[:5, :4]
    x = np.broadcast_to(np.stack([h, w], -1), (1200, 5, 4, 2)).astype(np.float32)
    layer = build(layers.RandomCrop(3, 3, seed=1), x.shape[1:])
    y = train(layer, x)
    corners = y[:, 0, 0]
    assert np.array_equal(y, corners[:, None, None] + np.stack(np.mgrid[:3, :3], -1))
    _, counts = np.unique(corners, axis=0, return_counts=True)
    assert len(counts) == 3 * 2
    assert np.abs(counts - 200).max() < 4 * math.sqrt(200)
    dx = run(layer.backward, np.ones(y.shape))
    for got, (top, left) in zip(dx, corners.astype(int), strict=True):
        assert got.sum() == 3 * 3 * 2
        assert got[top : top + 3, left : left + 3].all()


@pytest.mark.parametrize("size, wanted", [((1, 2), [[5, 6]]), ((3, 1), [[1], [5], [9]]), ((3, 4), None)])
def test_the_middle_is_cut_out_at_inference(run, size, wanted):
    x = np.arange(12, dtype=np.float32).reshape(1, 3, 4, 1)
    layer = build(layers.RandomCrop(*size), x.shape[1:])
    y = run(layer.forward, x)
    assert np.array_equal(y[0, ..., 0], x[0, ..., 0] if wanted is None else wanted)


@pytest.mark.parametrize("interpolation", ["bilinear", "nearest"])
@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize("size", [1, 4, 5])
def test_quarter_turns_are_exact(run, rng, interpolation, fill_mode, size):
    """Counterclockwise, as Keras and np.rot90 have it."""
    x = rng.normal(size=(2, size, size, 3)).astype(np.float32)
    for quarters in (-4, -3, -1, 0, 1, 2, 3):
        factor = quarters / 4
        layer = build(layers.RandomRotation((factor, factor), fill_mode, interpolation), x.shape[1:])
        assert np.array_equal(train(layer, x), np.rot90(x, quarters, (1, 2)))
        assert np.array_equal(run(layer.backward, x), np.rot90(x, -quarters, (1, 2)))


def outside(position, length, fill_mode):
    """Return the pixel at a whole place of an axis that goes on for ever, or None for the fill value."""
    if fill_mode == "constant":
        return position if 0 <= position < length else None
    if fill_mode == "nearest":
        return min(max(position, 0), length - 1)
    forth = list(range(length))
    period = forth + forth[::-1] if fill_mode == "reflect" else forth
    return period[position % len(period)]


def rotated(x, turn, fill_mode, fill_value):
    """Blend for each pixel the four around the point that it came from, the angle measured from the middle."""
    _, H, W, _ = x.shape
    y = np.zeros(x.shape)
    for n, i, j, c in np.ndindex(x.shape):
        up, right = (H - 1) / 2 - i, j - (W - 1) / 2
        angle, radius = math.atan2(up, right) - 2 * math.pi * turn, math.hypot(up, right)
        u, v = (H - 1) / 2 - radius * math.sin(angle), (W - 1) / 2 + radius * math.cos(angle)
        for h in (math.floor(u), math.floor(u) + 1):
            for w in (math.floor(v), math.floor(v) + 1):
                row, column = outside(h, H, fill_mode), outside(w, W, fill_mode)
                pixel = fill_value if row is None or column is None else x[n, row, column, c]
                y[n, i, j, c] += (1 - abs(u - h)) * (1 - abs(v - w)) * pixel
    return y


@pytest.mark.parametrize("fill_mode", FILL_MODES)
@pytest.mark.parametrize("shape", [(2, 5, 4, 2), (1, 1, 6, 1), (1, 6, 1, 1), (1, 7, 2, 1)])
@pytest.mark.parametrize("turn", [0.07, -0.31, 0.5, 0.9])
def test_rotations_against_plain_loops(harness, rng, fill_mode, shape, turn):
    ready = harness(lambda: layers.RandomRotation((turn, turn), fill_mode, fill_value=0.4), rng.normal(size=shape))
    y = ready.run(ready.layer(), ready.x, training=True)
    np.testing.assert_allclose(y, rotated(ready.x, turn, fill_mode, 0.4), rtol=1e-11, atol=1e-12)


def test_known_rotation_by_an_eighth(backend):
    """The corners look √2 from the middle, so the pixel beside it gets √2 - 1 of what stands outside."""
    x = np.array([[0, 1, 0], [0, 1, 0], [0, 1, 0]], np.float32).reshape(1, 3, 3, 1)
    layer = build(layers.RandomRotation((0.125, 0.125), "constant"), x.shape[1:])
    y = train(layer, x)[0, ..., 0]
    a, b = 2 - math.sqrt(2), (1 - math.sqrt(0.5))
    np.testing.assert_allclose(y, [[a, b, 0], [b, 1, b], [0, b, a]], atol=1e-6)


def test_angles_lie_between_the_bounds_and_are_as_likely(backend):
    """A bright pixel right of the middle shows by how much its image was rotated."""
    x = np.zeros((1500, 41, 41, 1), np.float32)
    x[:, 20, 38] = 1
    layer = build(layers.RandomRotation((-0.1, 0.3), "constant", seed=0), x.shape[1:])
    y = train(layer, x)[..., 0]
    h, w = np.mgrid[:41, :41]
    turns = np.arctan2((y * (20 - h)).sum((1, 2)), (y * (w - 20)).sum((1, 2))) / (2 * np.pi)
    assert -0.102 < turns.min() < turns.max() < 0.302
    counts, _ = np.histogram(turns, 6, (-0.102, 0.302))
    assert np.abs(counts - 250).max() < 4 * math.sqrt(250)


def test_the_same_seed_draws_the_same_on_both_wings_and_in_both_float_types(make):
    x = np.random.default_rng(0).normal(size=(20, 5, 6, 2))
    found = []
    for name in ("numpy", "numba"):
        for floatx in ("float32", "float64"):
            tinynet.set_floatx(floatx)
            with tinynet.use_backend(name):
                found.append(train(build(make(seed=5), x.shape[1:]), x))
    for y in found:
        np.testing.assert_allclose(y, found[0], rtol=1e-5, atol=1e-5)
    assert not np.allclose(train(build(make(seed=6), x.shape[1:]), x), found[0])


def test_draws_follow_set_seed_and_go_on_from_step_to_step(make, backend):
    x = np.random.default_rng(0).normal(size=(20, 5, 6, 2)).astype(np.float32)

    def two_steps(seed):
        tinynet.set_seed(seed)
        layer = build(make(), x.shape[1:])
        return train(layer, x), train(layer, x)

    first, second = two_steps(0)
    assert not np.array_equal(first, second)
    assert np.array_equal(two_steps(0), (first, second))
    assert not np.array_equal(two_steps(1)[0], first)
    tinynet.set_seed(0)
    layer = build(make(), x.shape[1:])
    state = layer.generator.bit_generator.state
    train(layer, x)
    layer.generator.bit_generator.state = state  # as a saved model resumes
    assert np.array_equal(train(layer, x), first)


def test_any_type_of_image_comes_out_in_floatx(make, run):
    x = np.random.default_rng(0).integers(0, 256, (4, 5, 6, 3), np.uint8)
    layer = build(make(seed=0), x.shape[1:])
    for training in (False, True):
        assert run(layer.forward, x, training=training).dtype == np.float32
    wanted = train(build(make(seed=0), x.shape[1:]), x.astype(np.float32))
    assert np.array_equal(train(build(make(seed=0), x.shape[1:]), x), wanted)


def test_in_a_model_only_training_draws(make, backend):
    model = tinynet.Sequential([make(input_shape=(5, 6, 1)), layers.Flatten(), layers.Dense(2, activation="softmax")])
    model.compile("sgd", "sparse_categorical_crossentropy")
    x, y = np.random.default_rng(0).normal(size=(8, 5, 6, 1)), np.arange(8) % 2
    assert np.array_equal(model.predict(x), model.predict(x))
    losses = {model.evaluate(x, y) for _ in range(2)}
    assert len(losses) == 1
    before = model.layers[0].generator.bit_generator.state
    model.fit(x, y, epochs=1, verbose=0)
    assert model.layers[0].generator.bit_generator.state != before
    assert tinynet.gradcheck(model, x, y, "sparse_categorical_crossentropy")


def test_by_position_and_keyword_as_keras_has_them():
    rotation = layers.RandomRotation(0.1, "wrap", "nearest", 7, 0.5)
    assert (rotation.factor, rotation.fill_mode, rotation.interpolation) == ((-0.1, 0.1), "wrap", "nearest")
    assert (rotation.seed, rotation.fill_value) == (7, 0.5)
    flip = layers.RandomFlip("vertical", 3)
    assert (flip.mode, flip.seed) == ("vertical", 3)
    crop = layers.RandomCrop(24, 20, 3, "channels_last", "cut")
    assert (crop.height, crop.width, crop.seed, crop.data_format, crop.name) == (24, 20, 3, "channels_last", "cut")
    assert crop.build((32, 32, 3)) == (24, 20, 3)
    assert [layer().name for layer in (layers.RandomFlip, lambda: layers.RandomRotation(0))] == [
        "random_flip", "random_rotation"]


@pytest.mark.parametrize("factor, wanted", [
    (0.2, (-0.2, 0.2)), (-0.2, (-0.2, 0.2)), ((-0.2, 0.3), (-0.2, 0.3)), ([0.3, -0.2], (-0.2, 0.3)), (1, (-1, 1)),
    (0, (0, 0)), ((0.25, 0.25), (0.25, 0.25)), (np.float32(0.5), (-0.5, 0.5)),
])
def test_forms_of_factor(factor, wanted):
    assert layers.RandomRotation(factor).factor == wanted


@pytest.mark.parametrize("factor", [1.5, -1.1, (0, 3.0), (-2, 0), (0.1, 0.2, 0.3), (0.1,), "0.1", None, True,
                                    float("nan"), (0.1, None), float("inf")])
def test_bad_factors(factor):
    with pytest.raises(ValueError, match="^factor of RandomRotation must be .*Received: ") as caught:
        layers.RandomRotation(factor)
    assert str(caught.value).endswith(f"Received: {factor!r}")


@pytest.mark.parametrize("fill_value", [None, "0", float("nan"), True])
def test_bad_fill_values(fill_value):
    with pytest.raises(ValueError, match="^fill_value of RandomRotation must be a finite number. Received: "):
        layers.RandomRotation(0.1, "constant", fill_value=fill_value)


def test_unknown_names():
    with pytest.raises(ValueError, match="mode of RandomFlip .did you mean 'horizontal'.*Received: 'horizontl'"):
        layers.RandomFlip("horizontl")
    with pytest.raises(ValueError, match="fill_mode of RandomRotation; known are constant, .*Received: 'zeros'"):
        layers.RandomRotation(0.1, "zeros")
    with pytest.raises(ValueError, match="interpolation of RandomRotation; known are bilinear, .*Received: 'cubic'"):
        layers.RandomRotation(0.1, interpolation="cubic")


def test_bad_crops():
    for height, width, name in ((0, 3, "height"), (3, 2.5, "width"), (None, 3, "height")):
        with pytest.raises(ValueError, match=f"^{name} of RandomCrop must be .*Received: "):
            layers.RandomCrop(height, width)
    for size in ((6, 2), (2, 5)):
        with pytest.raises(ValueError, match=r"^Layer 'cut' cannot cut .* of 5 × 4: .*Received: input_shape=\(5, 4"):
            layers.RandomCrop(*size, name="cut").build((5, 4, 3))


@pytest.mark.parametrize("seed", [-1, 1.5, "1", True])
def test_bad_seeds(make, seed):
    with pytest.raises(ValueError, match="^seed of Random.* must be None or an integer of at least 0. Received: "):
        make(seed=seed)


def test_what_all_refuse(make):
    with pytest.raises(ValueError, match=r"expects images of shape \(H, W, C\), one channel too.*Received: "):
        make().build((28, 28))
    with pytest.raises(ValueError, match="data_format of Random.* must be .*Received: 'channels_first'"):
        make(data_format="channels_first")
    with pytest.raises(TypeError, match="has no argument 'sed' .did you mean 'seed'.*Received: "):
        make(sed=1)
