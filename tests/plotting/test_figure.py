import os
import pickle
import subprocess
import sys
import types

import pytest

from tinynet import plotting

DRAW_EVERYTHING = """
import sys
import numpy as np
from tinynet import plotting
assert not [name for name in sys.modules if name.startswith("matplotlib")], "matplotlib loaded before anything is drawn"
import matplotlib
def settings():  # all but the backend: looking at it makes matplotlib choose one, for which it imports pyplot
    return {name: matplotlib.rcParams[name] for name in matplotlib.rcParams if name != "backend"}
before = settings()
import tinynet
model = tinynet.Sequential([tinynet.layers.Conv2D(2, 3, input_shape=(28, 28, 1)), tinynet.layers.Flatten()])
images, labels = np.zeros((3, 28, 28)), np.arange(3)
probabilities = np.full((3, 10), 0.1)
figures = [
    plotting.plot_image(images[0]),
    plotting.plot_images(images, labels),
    plotting.plot_digits(images, labels),
    plotting.plot_wrong_first(images, labels, probabilities),
    plotting.plot_predictions(images, labels, probabilities),
    plotting.plot_prediction(images[0], 0, probabilities[0]),
    plotting.plot_prediction_pairs(images, labels, probabilities),
    plotting.plot_answers(images[0], ["one", "two"], [0.6, 0.4]),
    plotting.plot_probabilities(probabilities[0]),
    plotting.plot_confusion_matrix(np.eye(3)),
    plotting.plot_history({"loss": [1.0]}),
    plotting.plot_learning_rate(lambda epoch: 0.1, 3),
    plotting.live_curves([0], [1.0], [0.5], [], [], []),
    plotting.plot_filters(model.get_weights()[0]),
    plotting.plot_activations(model, images[0, ..., None]),
    plotting.plot_receptive_field(model, images[0]),
    plotting.plot_numbers({"one": np.eye(3)}),
]
assert len(figures) + 3 == len(plotting.__all__), "a function is not drawn here"
for number, figure in enumerate(figures):
    assert plotting.save(figure, f"pictures/{number}.png").read_bytes().startswith(b"\\x89PNG")
    assert plotting.show_live(figure) is None and not plotting.in_notebook()
assert "matplotlib.pyplot" not in sys.modules
assert settings() == before
"""


def test_everything_draws_without_a_screen_pyplot_or_global_state(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name not in ("MPLBACKEND", "DISPLAY")}
    command = [sys.executable, "-W", "error", "-c", DRAW_EVERYTHING]
    subprocess.run(command, cwd=tmp_path, env=environment, check=True)


def test_save_makes_folders_and_returns_the_file_it_wrote(tmp_path):
    figure = plotting.plot_learning_rate(lambda epoch: 0.1, 2)
    for name, written in [("a/b/c.svg", "a/b/c.svg"), ("plain", "plain.png")]:
        path = plotting.save(figure, str(tmp_path / name))
        assert path == tmp_path / written
        assert path.stat().st_size > 1000


def test_a_bare_figure_shows_itself_in_a_notebook_and_can_be_pickled():
    figure = plotting.plot_learning_rate(lambda epoch: 0.1, 2)
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert pickle.loads(pickle.dumps(figure))._repr_png_() == figure._repr_png_()


@pytest.fixture
def notebook(monkeypatch):
    """Stand-ins for IPython inside a kernel; returns what was shown, first and later."""
    shown = []
    handle = types.SimpleNamespace(update=lambda figure: shown.append(("update", figure)))

    def display(figure, *, display_id):
        assert display_id is True
        shown.append(("display", figure))
        return handle

    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: types.SimpleNamespace(kernel="a kernel")
    ipython.display = types.ModuleType("IPython.display")
    ipython.display.display = display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", ipython.display)
    return shown


def test_show_live_replaces_its_picture_in_a_notebook(notebook):
    assert plotting.in_notebook()
    handle = plotting.show_live("first")
    assert plotting.show_live("second", handle) is handle
    assert plotting.show_live("third", handle) is handle
    assert notebook == [("display", "first"), ("update", "second"), ("update", "third")]


@pytest.mark.parametrize("shell", [None, types.SimpleNamespace()])
def test_show_live_does_nothing_in_a_terminal_ipython(notebook, monkeypatch, shell):
    monkeypatch.setattr(sys.modules["IPython"], "get_ipython", lambda: shell)
    assert not plotting.in_notebook()
    assert plotting.show_live("first") is None
    assert notebook == []
