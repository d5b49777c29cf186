import types

import numpy as np
import pytest

from tinynet import plotting

HISTORY = {
    "loss": [0.49, 0.37, 0.33],
    "accuracy": [0.83, 0.87, 0.88],
    "val_loss": [0.42, 0.38, 0.36],
    "val_accuracy": [0.84, 0.86, 0.87],
}


def lines(axes):
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in axes.lines}


def test_loss_and_accuracy_side_by_side():
    figure = plotting.plot_history(HISTORY, title="Fashion-MNIST")
    assert [axes.get_title() for axes in figure.axes] == ["loss", "accuracy"]
    for axes, metric in zip(figure.axes, ["loss", "accuracy"], strict=True):
        training, validation = HISTORY[metric], HISTORY["val_" + metric]
        assert lines(axes) == {"training": ([1, 2, 3], training), "validation": ([1, 2, 3], validation)}
        assert axes.get_xlabel() == "epoch"
    assert figure.texts[0].get_text() == "Fashion-MNIST"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["training", "validation"]


def test_what_fit_returns_is_taken_as_it_is():
    figure = plotting.plot_history(types.SimpleNamespace(history=HISTORY))
    assert lines(figure.axes[0])["training"] == ([1, 2, 3], HISTORY["loss"])


def test_only_what_there_is_gets_drawn():
    figure = plotting.plot_history({"loss": [0.5], "learning_rate": [0.1]})
    (axes,) = figure.axes
    assert lines(axes) == {"training": ([1], [0.5])}
    assert axes.lines[0].get_marker() == "."  # a single point makes no line


def test_a_training_that_failed_can_be_looked_at():
    figure = plotting.plot_history({"loss": [1.0, np.inf, np.nan], "val_loss": [np.nan] * 3})
    figure.canvas.draw()


def test_several_runs_stand_side_by_side_on_the_same_scale():
    other = {"loss": [2.0, 1.0], "accuracy": [0.3, 0.5]}
    figure = plotting.plot_history({"decay": HISTORY, "dropout": types.SimpleNamespace(history=other)})
    titles = [axes.get_title() for axes in figure.axes]
    assert sorted(titles) == ["decay, accuracy", "decay, loss", "dropout, accuracy", "dropout, loss"]
    by_title = dict(zip(titles, figure.axes, strict=True))
    for metric in ("loss", "accuracy"):
        first, second = by_title["decay, " + metric], by_title["dropout, " + metric]
        assert first.get_ylim() == second.get_ylim()
        low, high = first.get_ylim()
        assert low < min(HISTORY[metric] + other[metric]) and high > max(HISTORY[metric] + other[metric])
        assert first.get_position().x1 < second.get_position().x0
        assert first.get_position().y0 == second.get_position().y0
        assert lines(second) == {"training": ([1, 2], other[metric])}
    assert by_title["decay, loss"].get_position().y0 > by_title["decay, accuracy"].get_position().y1


def test_a_long_title_is_seen_and_leaves_the_legend_alone():
    title = "How the loss of a single neuron falls, and falls"
    figure = plotting.plot_history({"loss": [1, 2], "val_loss": [1, 2]}, title=title)
    figure.canvas.draw()
    title, legend = figure.texts[0].get_window_extent(), figure.legends[0].get_window_extent()
    assert title.x0 > 0 and title.x1 < legend.x0 and legend.x1 <= figure.canvas.get_width_height()[0]


@pytest.mark.parametrize("history", [{}, [0.5, 0.4], {"loss": 0.5}, {"a": {}}, {"a": {"loss": [1]}, "loss": [1]}, None])
def test_another_history(history):
    with pytest.raises(ValueError, match="history has to be what fit returned.* Received: "):
        plotting.plot_history(history)


def test_the_learning_rate_of_each_epoch():
    (axes,) = plotting.plot_learning_rate(lambda epoch: 0.01 * 0.6**epoch, 10).axes
    x, y = axes.lines[0].get_data()
    assert list(x) == list(range(1, 11))
    np.testing.assert_allclose(y, 0.01 * 0.6 ** np.arange(10))
    assert axes.get_ylim()[0] == 0
    assert "0.01 in the first epoch, 0.000101 in the last" in axes.get_title()


@pytest.mark.parametrize("epochs", [0, 2.5, None])
def test_epochs_of_another_kind(epochs):
    with pytest.raises(ValueError, match=r"epochs has to be a whole number, at least 1\. Received: epochs="):
        plotting.plot_learning_rate(lambda epoch: 0.1, epochs)


STEPS, LOSS, ACCURACY = [0, 10, 20, 30], [1.5, 0.6, 0.3, 0.2], [0.2, 0.7, 0.9, 0.95]


def test_live_curves_hold_the_samples():
    loss, accuracy = plotting.live_curves(STEPS, LOSS, ACCURACY, [20], [0.4], [0.88]).axes
    assert lines(loss) == {"training": (STEPS, LOSS), "validation": ([20], [0.4])}
    assert lines(accuracy) == {"training": (STEPS, ACCURACY), "validation": ([20], [0.88])}
    assert (loss.get_xlabel(), loss.get_title(), accuracy.get_title()) == ("batch", "loss", "accuracy")


@pytest.mark.parametrize(("zoom", "loss_top", "accuracy_bottom"), [(1, 1.2, 0.5), (2, 0.6, 0.75), (0.5, 2.4, 0.0)])
def test_zoom_looks_closer_at_the_end(zoom, loss_top, accuracy_bottom):
    steps, loss, accuracy = range(100), np.full(100, 0.01), np.full(100, 0.99)
    axes = plotting.live_curves(steps, loss, accuracy, [50], [0.02], [0.98], zoom=zoom).axes
    assert axes[0].get_ylim() == (0, loss_top)
    assert axes[1].get_ylim() == (accuracy_bottom, 1 + 0.025 / zoom)


@pytest.mark.parametrize("zoom", [1, 0.5])
def test_without_a_zoom_all_of_the_curves_is_seen(zoom):
    """As of a training that fails at first: its loss of 2.3 would stand above the picture, its accuracy below."""
    loss, accuracy = [2.4] * 300 + [3.1, np.nan] + [0.3] * 100, [0.1] * 300 + [0.05, np.nan] + [0.9] * 100
    axes = plotting.live_curves(range(402), loss, accuracy, [200, 400], [3.5, 0.3], [0.02, 0.9], zoom=zoom).axes
    for panel in axes:
        low, high = panel.get_ylim()
        for line in panel.lines:
            values = line.get_ydata()[np.isfinite(line.get_ydata())]
            assert low < values.min() and values.max() < high
    closer = plotting.live_curves(range(402), loss, accuracy, [400], [0.3], [0.9], zoom=1.01).axes
    assert closer[0].get_ylim()[1] < 1.2 and closer[1].get_ylim()[0] > 0.5


def test_the_newest_values_are_always_seen():
    axes = plotting.live_curves(range(50), [2.3] * 50, [0.1] * 50, [50], [2.5], [0.08], zoom=4).axes
    assert axes[0].get_ylim()[1] == pytest.approx(3.0)
    assert axes[1].get_ylim()[0] == pytest.approx(0.03)


def test_live_curves_before_validation_without_accuracy_and_after_failure():
    assert len(plotting.live_curves([0], [2.3], [0.1], [], [], []).axes) == 2
    (axes,) = plotting.live_curves(STEPS, LOSS, [], [], [], []).axes
    assert lines(axes) == {"training": (STEPS, LOSS)}
    (axes,) = plotting.live_curves([0, 1], [np.nan, np.nan], [], [2], [np.inf], []).axes
    assert axes.get_ylim() == (0, 1.2)
    assert len(plotting.live_curves([], [], [], [], [], []).axes) == 1


def test_live_curves_of_other_lengths_and_zooms():
    with pytest.raises(ValueError, match="steps and accuracy .* Received: 4 and 3 values"):
        plotting.live_curves(STEPS, LOSS, ACCURACY[:3], [], [], [])
    with pytest.raises(ValueError, match="val_steps and val_loss .* Received: 1 and 2 values"):
        plotting.live_curves(STEPS, LOSS, ACCURACY, [20], [0.4, 0.3], [0.9])
    with pytest.raises(ValueError, match=r"zoom has to be a number above 0\. Received: zoom=0"):
        plotting.live_curves(STEPS, LOSS, ACCURACY, [], [], [], zoom=0)
