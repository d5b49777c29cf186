import pytest

from benchmarks import fit, pipeline, start


def test_what_fit_adds_is_the_median_of_the_differences():
    row = fit.row("m", fit=[120e-6, 900e-6, 130e-6], bare=[91e-6, 300e-6, 101e-6], gather=[2e-6, 3e-6, 40e-6])
    assert row == ["m", "130.0", "101.0", "29.0", "3.0", "30", "met"]
    assert fit.row("m", fit=[131e-6], bare=[100e-6], gather=[1e-6])[-1] == "missed"


def test_what_the_pipeline_adds_is_held_against_its_target():
    assert pipeline.row("m", 1.0, 0.5) == ["m", "1.000", "0.500", "0.500", "0.6", "met"]
    assert pipeline.row("m", 1.2, 0.5)[-1] == "missed"


def test_starting_is_held_against_its_target():
    assert start.row("import tinynet", 0.1, 0.25) == ["import tinynet", "0.100", "0.25", "met"]
    assert start.row("import tinynet", 0.25, 0.25)[-1] == "missed"
    assert len(start.peer_row("keras", [1.0])) == 4


def test_the_import_is_timed_in_fresh_processes(monkeypatch):
    printed = iter(["0.5\n", "0.1\n", "0.2\n"])
    monkeypatch.setattr(start, "timed", lambda command: (9.0, next(printed)))
    assert start.import_row(repeats=1)[1] == "0.200"


def test_the_first_run_has_no_caches_and_the_second_has_its(monkeypatch):
    runs = []

    def timed(command, **variables):
        runs.append(variables)
        return (10.0, "") if len(runs) % 2 else (2.0, "")

    monkeypatch.setattr(start, "timed", timed)
    assert start.first_run_row(repeats=2)[1] == "8.000"
    assert runs[0] == runs[1] != runs[2] == runs[3]


def test_the_tutorials_normalize_scales_pixels():
    import numpy as np

    image, label = pipeline.normalize(np.array([0, 255], np.uint8), 3)
    assert image.dtype == np.float32
    assert image.tolist() == pytest.approx([0, 1])
    assert label == 3
