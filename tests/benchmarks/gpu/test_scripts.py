import pytest

import tinynet
from benchmarks.__main__ import parse
from benchmarks.gpu import scripts
from benchmarks.models import Dense, Model, Optimizer, examples
from benchmarks.processes import WorkerError

TINY = Model("tiny", 8, (6,), (Dense(4, "relu"), Dense(3, "softmax")), Optimizer("adam", 0.01), target=1.0)
OUTPUT = "wrote x.png\n500 steps of 120 images in 0.{} seconds\ntest accuracy 0.99{} (expected: above 0.99)\n"


def test_seconds_have_to_stay_below_their_target():
    assert scripts.below("fit", [0.9, 1.4, 0.8], 1.0) == ["fit", "0.900", "1.400", "1", "met"]
    assert scripts.below("fit", [1.0], 1.0)[-1] == "missed"
    assert scripts.below("fit", [0.1], 1.0, judged=False)[-1] == ""


def test_accuracies_are_held_against_their_target_by_their_mean():
    seconds, accuracy = scripts.fast_rows([0.4, 0.6, 0.3], [0.9912, 0.9890, 0.9901])
    assert seconds[1:] == ["0.400", "0.600", "0.5", "met"]
    assert accuracy[1:] == ["0.9901 (mean)", "0.9890", "0.99", "met"]
    assert scripts.fast_rows([0.4], [0.9899])[1][-1] == "missed"
    assert len(seconds) == len(accuracy) == len(scripts.HEADER)


def test_what_the_fast_script_prints_is_read():
    assert scripts.printed(OUTPUT.format(41, 12)) == (0.41, 0.9912)
    with pytest.raises(WorkerError, match="neither seconds nor accuracy(?s:.*)wrote"):
        scripts.printed("wrote x.png\n")


def test_the_fast_scripts_own_lines_are_those_that_are_read():
    from benchmarks.processes import ROOT

    source = (ROOT / scripts.FAST_SCRIPT).read_text(encoding="utf-8")
    assert '{options.batch_size} images in {seconds:.2f} seconds"' in source
    assert 'print(f"test accuracy {accuracy:.4f}' in source


@pytest.fixture
def no_runs(monkeypatch):
    commands = []

    def timed(command):
        commands.append(command)
        return 9.0, OUTPUT.format(len(commands), 10 + len(commands))

    monkeypatch.setattr(scripts, "timed", timed)
    answer = {"seconds": [0.7, 0.8], "accuracy": 0.89, "is_real": True}
    monkeypatch.setattr(scripts, "answer_of", lambda *arguments: dict(answer, is_real=arguments[2] != ""))
    return commands


def test_every_seed_is_run_on_the_gpu(no_runs, tmp_path):
    facts = []
    (text,) = scripts.measure([], parse(["gpu", "--data-dir", str(tmp_path), "--seeds", "3"]), facts).values()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()[2:]]
    assert [command[3] for command in no_runs] == ["cupy"] * 3
    assert [command[5] for command in no_runs] == ["0", "1", "2"]
    assert no_runs[0][7] == str(tmp_path)
    assert rows[0][1:] == ["0.750", "0.800", "1", "met"]
    assert rows[1][1:] == ["0.200", "0.300", "0.5", "met"]
    assert rows[2][1:] == ["0.9912 (mean)", "0.9911", "0.99", "met"]
    assert "of Fashion-MNIST" in facts[0]
    assert "seeds 0 to 2" in facts[1]


def test_without_data_it_is_made_up_and_not_judged(no_runs, monkeypatch):
    monkeypatch.delenv("TINYNET_DATA", raising=False)
    facts = []
    (text,) = scripts.measure([], parse(["gpu"]), facts).values()
    assert len(text.splitlines()) == 3
    assert text.splitlines()[2].rstrip(" |").endswith("1")
    assert "made up" in facts[0]
    assert "left out" in facts[1]
    assert no_runs == []


def test_fits_are_timed_on_the_gpu_each_with_a_network_of_its_own(on_gpu, monkeypatch):
    fits = []

    def fit(network, x, *arguments, epochs, **options):
        fits.append((network, network.ops.name, len(x), epochs))
        return original(network, x, *arguments, epochs=epochs, **options)

    original = tinynet.Sequential.fit
    monkeypatch.setattr(tinynet.Sequential, "fit", fit)
    x, y = examples(TINY, 80)
    seconds, accuracy = scripts.time_fits(TINY, x, y, epochs=2, repeats=2)
    assert [rest for _, *rest in fits] == [["cupy", 24, 1], ["cupy", 80, 2], ["cupy", 80, 2]]
    assert len({id(network) for network, *_ in fits}) == 3
    assert len(seconds) == 2
    assert all(second > 0 for second in seconds)
    assert 0 <= accuracy <= 1
