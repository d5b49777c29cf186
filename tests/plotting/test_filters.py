import numpy as np
import pytest

import tinynet as tn
from tinynet import plotting
from tinynet.plotting.inputs import as_shades

RANDOM = np.random.default_rng(0)


def mosaics(figure):
    return [np.asarray(axes.images[0].get_array()) for axes in figure.axes]


def titles(figure):
    return [text.get_text() for text in figure.texts]


def holds(mosaic, picture, zoom):
    """Whether a picture is in a mosaic, each of its pixels so many screen pixels large."""
    cell = picture.repeat(zoom, axis=0).repeat(zoom, axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(mosaic, cell.shape)[:, :, 0]
    return (windows == cell).all(axis=(2, 3, 4)).any()


def test_shades_are_white_at_0_dark_above_and_red_below():
    np.testing.assert_array_equal(as_shades([0, 4, 2, -4]), [[255] * 3, [0] * 3, [128] * 3, [255, 0, 0]])
    np.testing.assert_array_equal(as_shades([1, -1], 2), [[128] * 3, [255, 128, 128]])
    assert (as_shades(np.zeros((2, 3))) == 255).all()


def test_filters_of_one_channel_lie_in_rows():
    kernel = RANDOM.standard_normal((3, 5, 1, 12))
    figure = plotting.plot_filters(kernel, title="what they look for")
    (mosaic,) = mosaics(figure)
    shades = as_shades(kernel)
    (frames,) = figure.axes[0].collections
    corners = [path.vertices[0].astype(int) for path in frames.get_paths()]
    assert len(corners) == 12
    assert len({y for _, y in corners}) == 2
    for number, (x, y) in enumerate(corners):
        np.testing.assert_array_equal(mosaic[y : y + 3, x : x + 5], shades[:, :, 0, number])
    assert titles(figure) == ["what they look for"]


def test_filters_over_colours_are_colours():
    kernel = RANDOM.random((3, 3, 3, 2))
    kernel[0, 0, :, 0], kernel[0, 0, :, 1] = 0, 1
    figure = plotting.plot_filters(kernel)
    (mosaic,) = mosaics(figure)
    corners = [path.vertices[0].astype(int) for path in figure.axes[0].collections[0].get_paths()]
    for number, (x, y) in enumerate(corners):
        np.testing.assert_allclose(mosaic[y : y + 3, x : x + 3], 255 * kernel[..., number], atol=0.51)


def test_filters_over_more_channels_have_a_column_each():
    kernel = RANDOM.standard_normal((3, 3, 2, 5))
    figure = plotting.plot_filters(kernel)
    (mosaic,) = mosaics(figure)
    corners = [path.vertices[0].astype(int) for path in figure.axes[0].collections[0].get_paths()]
    assert len({x for x, _ in corners}) == 5 and len({y for _, y in corners}) == 2
    x, y = corners[5 + 3]
    np.testing.assert_array_equal(mosaic[y : y + 3, x : x + 3], as_shades(kernel)[:, :, 1, 3])


@pytest.mark.parametrize("shape", [(3, 3), (3, 3, 1), (3, 3, 1, 0)])
def test_a_kernel_of_another_shape(shape):
    with pytest.raises(ValueError, match=r"kernel has to be .*\(KH, KW, C, F\).*Received: shape \("):
        plotting.plot_filters(np.zeros(shape))


def network():
    return tn.Sequential([
        tn.layers.Reshape((12, 12, 1), input_shape=(144,)),
        tn.Sequential([tn.layers.Conv2D(3, 3, padding="same", activation="relu", name="convolution")]),
        tn.layers.MaxPooling2D(2, name="pooling"),
        tn.layers.Flatten(),
        tn.layers.Dense(10, activation="tanh"),
    ])


def test_activations_are_what_the_layers_return(backend):
    model, image = network(), RANDOM.random(144)
    figure = plotting.plot_activations(model, image, title="one image")
    layers = ["reshape: 12×12×1", "convolution: 12×12×3", "pooling: 6×6×3", "flatten: 108", "dense: 10"]
    assert titles(figure) == ["the image", *layers, "one image"]
    drawn = mosaics(figure)
    x = model.layers[0].forward(model.ops.asarray(image[None], "float32"))
    convolved = model.layers[1].forward(model.ops.to_numpy(x))[0]
    for channel in range(3):
        assert holds(drawn[2], as_shades(convolved[..., channel], convolved.max()), zoom=5)
    prediction = model.forward(image[None])[0]
    assert (prediction < 0).any()
    cell = drawn[5].shape[1] // 10
    np.testing.assert_array_equal(drawn[5][cell // 2, 1 + cell // 2 :: cell], as_shades(prediction))


def test_a_picture_of_activations_draws_no_more_channels_than_asked_for():
    model = tn.Sequential([tn.layers.Conv2D(20, 3, input_shape=(9, 9, 2), name="convolution")])
    figure = plotting.plot_activations(model, RANDOM.random((9, 9, 2)), channels=4)
    assert titles(figure)[1] == "convolution: 7×7×20, the first 4 channels"
    image, convolved = mosaics(figure)
    assert image.shape == (9 * 6 + 6, 2 * (9 * 6 + 6), 3)  # each with a thin line and a gap
    assert convolved.shape == (7 * 8 + 6, 4 * (7 * 8 + 6), 3)


def test_nothing_of_the_activations_is_cut_off():
    figure = plotting.plot_activations(network(), RANDOM.random(144), title="one image")
    figure.canvas.draw()
    width, height = figure.canvas.get_width_height()
    boxes = [text.get_window_extent() for text in figure.texts] + [axes.get_window_extent() for axes in figure.axes]
    assert all(box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height for box in boxes)
    assert not any(one.overlaps(other) for i, one in enumerate(boxes) for other in boxes[:i])


def test_activations_of_an_image_of_another_shape_and_of_no_channels():
    with pytest.raises(ValueError, match=r"takes inputs of shape \(N, 144\)"):
        plotting.plot_activations(network(), np.zeros((12, 12)))
    with pytest.raises(ValueError, match=r"channels has to be .* at least 1\. Received: channels=0"):
        plotting.plot_activations(network(), np.zeros(144), channels=0)


def test_looking_leaves_a_training_forward_of_later_alone():
    model = network()
    plotting.plot_activations(model, np.zeros(144))
    p = model.forward(np.zeros((2, 144)), training=True)
    assert model.backward(np.ones_like(p)).shape == (2, 144)
