import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tinynet as tn
from tinynet import plotting
from tinynet.plotting.windows import receptive_fields


@pytest.fixture(scope="module")
def codelab():
    return tn.Sequential([
        tn.layers.Reshape((28, 28, 1), input_shape=(784,)),
        tn.layers.Conv2D(2, 3, padding="same", activation="relu", name="first"),
        tn.layers.Conv2D(2, 6, strides=2, padding="same", use_bias=False, name="second"),
        tn.layers.BatchNormalization(),
        tn.layers.Activation("relu"),
        tn.layers.Conv2D(2, 6, strides=2, padding="same", activation="relu", name="third"),
        tn.layers.Flatten(),
        tn.layers.Dense(10),
    ])


def layer_of(kind, size, stride, dilation, padding):
    if kind == "conv":
        return tn.layers.Conv2D(1, size, strides=stride, padding=padding, dilation_rate=dilation,
                                kernel_initializer="ones")
    return tn.layers.AveragePooling2D(size, strides=stride, padding=padding)


@settings(max_examples=25)
@given(st.data())
def test_a_unit_sees_the_pixels_that_its_gradient_reaches(data):
    image = data.draw(st.tuples(st.integers(12, 17), st.integers(12, 17)))
    layers = []
    for _ in range(data.draw(st.integers(1, 3))):
        kind, padding = data.draw(st.sampled_from(["conv", "pool"])), data.draw(st.sampled_from(["same", "valid"]))
        stride = data.draw(st.integers(1, 2))
        dilation = data.draw(st.integers(1, 2)) if kind == "conv" and stride == 1 else 1
        layers.append(layer_of(kind, data.draw(st.integers(1, 2)), stride, dilation, padding))
    model = tn.Sequential([tn.layers.Reshape((*image, 1), input_shape=image), *layers])
    name, rows, columns = receptive_fields(model.layers, image)[-1]
    assert name == layers[-1].name
    places = model.output_shape[:2]
    assert (rows.units, columns.units) == places
    unit = tuple(data.draw(st.integers(0, count - 1)) for count in places)

    dy = np.zeros((1, *model.output_shape))
    dy[0, unit[0], unit[1]] = 1
    model.forward(np.zeros((1, *image)), training=True)
    reached = np.argwhere(model.backward(dy)[0])
    for axis, sight in enumerate((rows, columns)):
        first = sight.first + unit[axis] * sight.step
        last = first + sight.reach - 1
        found = reached[:, axis]
        # The window's corners are reached, unless they lie in the padding.
        assert found.min() == first if first >= 0 else found.min() >= 0
        assert found.max() == last if last < image[axis] else found.max() < image[axis]


def test_the_windows_of_the_codelabs_network(codelab):
    found = receptive_fields(codelab.layers, (28, 28))
    assert [(name, rows.first, rows.step, rows.reach, rows.units) for name, rows, _ in found] == [
        ("first", -1, 1, 3, 28), ("second", -3, 2, 8, 14), ("third", -7, 4, 18, 7)]


def boxes(figure):
    axes = figure.axes[0]
    return {patch.get_label(): (patch.get_y(), patch.get_x(), patch.get_height(), patch.get_width())
            for patch in axes.patches if patch.get_label()}


def test_a_rectangle_for_each_layer(codelab):
    figure = plotting.plot_receptive_field(codelab, np.zeros(784), title="what they see")
    assert boxes(figure) == {
        "first, unit (14, 14): 3×3 pixels": (13, 13, 3, 3),
        "second, unit (7, 7): 8×8 pixels": (11, 11, 8, 8),
        "third, unit (3, 3): 18×18 pixels": (5, 5, 18, 18),
    }
    # The legend goes from the first layer on, the small windows are drawn last.
    assert [text.get_text() for text in figure.legends[0].get_texts()] == list(boxes(figure))[::-1]
    assert figure.texts[0].get_text() == "what they see"


def test_a_window_at_the_border_stands_on_padding(codelab):
    figure = plotting.plot_receptive_field(codelab, np.zeros((28, 28)), at=(0, 27))
    found = boxes(figure)
    assert found["first, unit (0, 27): 3×3 pixels"] == (-1, 26, 3, 3)
    assert found["third, unit (0, 6): 18×18 pixels"] == (-7, 17, 18, 18)
    left, right = figure.axes[0].get_xlim()
    bottom, top = figure.axes[0].get_ylim()
    assert top <= -7 and right >= 35 and left <= 0 and bottom >= 28


def test_nothing_is_cut_off(codelab):
    figure = plotting.plot_receptive_field(codelab, np.zeros(784), title="what they see")
    figure.canvas.draw()
    width, height = figure.canvas.get_width_height()
    texts = [*figure.texts, *figure.legends[0].get_texts()]
    extents = [text.get_window_extent() for text in texts]
    assert all(box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height for box in extents)


@pytest.mark.parametrize("layers", [
    [tn.layers.UpSampling2D(2), tn.layers.Conv2D(1, 3)],
    [tn.layers.Conv2DTranspose(1, 3, strides=2), tn.layers.Conv2D(1, 3)],
    [tn.layers.Residual([tn.layers.Conv2D(1, 3, padding="same")]), tn.layers.Conv2D(1, 3)],
    [tn.layers.GlobalAveragePooling2D(), tn.layers.Dense(2)],
])
def test_it_ends_where_layers_are_no_windows_over_the_image_any_more(layers):
    model = tn.Sequential([tn.layers.Conv2D(1, 3, input_shape=(8, 8, 1)), *layers])
    assert len(receptive_fields(model.layers, (8, 8))) == 1


def test_a_model_without_windows():
    model = tn.Sequential([tn.layers.Flatten(input_shape=(8, 8)), tn.layers.Dense(2)])
    with pytest.raises(ValueError, match=r"over an image of 8×8 pixels\. Received: flatten \(64,\) -> dense \(2,\)"):
        plotting.plot_receptive_field(model, np.zeros((8, 8)))


def test_a_pixel_outside(codelab):
    with pytest.raises(ValueError, match=r"at has to be a pixel .* of 28×28\. Received: \(28, 0\)"):
        plotting.plot_receptive_field(codelab, np.zeros(784), at=(28, 0))


def test_an_image_of_another_size(codelab):
    with pytest.raises(ValueError, match=r"model has to begin with .* 14×14 pixels"):
        plotting.plot_receptive_field(codelab, np.zeros((14, 14)))
