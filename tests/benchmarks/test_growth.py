import csv

import pytest

from benchmarks import growth
from benchmarks.__main__ import parse
from benchmarks.models import Conv, batch, initial_weights
from benchmarks.workers import tinynet as worker


def linear(what):
    return [1e-5 * size for size in growth.sizes_of(what)]


def test_the_power_of_a_line_is_one_and_of_a_square_two():
    assert growth.power([1, 2, 4], [3, 6, 12]) == pytest.approx(1)
    assert growth.power([1, 2, 4], [3, 12, 48]) == pytest.approx(2)


@pytest.mark.parametrize("what", growth.GROWING)
def test_linear_growth_is_met_and_quadratic_is_missed(what):
    sizes = growth.sizes_of(what)
    rows = growth.rows_of(what, linear(what))
    assert len(rows) == len(sizes)
    assert rows[-1][-3:] == ["1.00", "1.15", "met"]
    # Even where as much of the largest step grows linearly.
    squares = [1e-5 * size * (1 + size / sizes[-1] * len(sizes)) for size in sizes]
    assert growth.rows_of(what, squares)[-1][-1] == "missed"


def test_images_count_by_their_area():
    assert growth.sizes_of("image side") == [196, 784, 3136, 12544]
    assert growth.rows_of("image side", [0.01, 0.02, 0.03, 0.03136])[-1][1:4] == ["112", "31.360", "2.5 per pixel"]


def test_the_models_are_as_large_as_they_say():
    for what, (_, values, _, model_of) in growth.GROWING.items():
        model = model_of(values[0])
        x, _ = batch(model)
        shapes = [array.shape for array in initial_weights(model)]
        assert [array.shape for array in worker.build(model).get_weights()] == shapes
        grown = {"batch": len(x), "image side": x.shape[1], "convolutions": [type(e) for e in model.layers].count(Conv)}
        assert grown[what] == values[0]


def test_the_seconds_of_each_size_are_medians_over_its_turns(monkeypatch):
    from benchmarks.workers import loop

    asked = []

    class Runner:
        def __init__(self, model):
            self.size = sum(isinstance(layer, Conv) for layer in model.layers)

    def time_steps(runner, steps):
        asked.append(runner.size)
        return runner.size * 1e-3 * (100 if len(asked) > 15 else 1)  # the last of three turns is disturbed

    monkeypatch.setattr(worker, "Runner", Runner)
    monkeypatch.setattr(loop, "time_steps", time_steps)
    assert growth.measure("convolutions", 3, 0.01) == pytest.approx([0.002, 0.004, 0.008, 0.016, 0.032])
    assert asked == [2, 4, 8, 16, 32] * 4


def test_numbers_and_pictures_lie_beside_the_table(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.setattr(growth, "answer_of", lambda module, what, *rest: {"seconds": linear(what)})
    output = tmp_path / "results" / "growth.md"
    facts = []
    table = growth.run(parse(["growth", "--output", str(output)]), facts)
    assert "| batch " in table
    assert facts[-1] == "drawn in growth.png"
    with (output.parent / "growth.csv").open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert lines[0] == {"growing": "batch", "value": "8", "units": "8", "seconds": "8e-05"}
    assert lines[6]["units"] == "196"
    assert len(lines) == 15
    assert (output.parent / "growth.png").read_bytes().startswith(b"\x89PNG")


def test_without_an_output_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(growth, "answer_of", lambda module, what, *rest: {"seconds": linear(what)})
    growth.run(parse(["growth"]), [])
    assert list(tmp_path.iterdir()) == []
