"""Every example runs, on a few digits or coloured squares in place of its data set, and keeps to the common form."""

import os
import pathlib
import re
import runpy
import subprocess
import sys

import numpy as np
import pytest

import tinynet

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples"
SCRIPTS = (
    "quickstart",
    "celsius_to_fahrenheit",
    "convolution_and_pooling_by_hand",
    "fashion_mnist_dense",
    "fashion_mnist_convnet",
    "mnist_softmax_regression",
    "deep_mnist_convnet",
    "mnist_01_single_layer",
    "mnist_02_deep",
    "mnist_03_decay_dropout",
    "mnist_04_convnet",
    "mnist_05_dropout_batch_norm",
    "mnist_fast",
    "flowers_dense",
    "flowers_transfer_learning",
    "flowers_fine_tuning",
    "classify_photo",
    "resume_training",
)
TRAIN_NOTHING = ("convolution_and_pooling_by_hand", "classify_photo")
FEW_FLOWERS = ("--image-size", "32", "--batch-size", "8")
SMALL_NETWORK = (*FEW_FLOWERS, "--weights", "none", "--alpha", "0.35")


@pytest.fixture(scope="module")
def digits():
    """Six thousand training images and a hundred for tests, as the loaders return them."""
    images, labels = tinynet.datasets.font_digits(6100, seed=0)
    return (images[:6000], labels[:6000]), (images[6000:], labels[6000:])


@pytest.fixture(scope="module")
def flowers(tmp_path_factory):
    """A folder with ten photos of each flower: a square of its colour on noise; two of each are for tests."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("photos")
    generator = np.random.default_rng(0)
    colors = np.array([(250, 250, 250), (250, 220, 0), (220, 0, 60), (120, 60, 0), (200, 0, 250)])
    for name, color in zip(tinynet.datasets.flowers.class_names, colors, strict=True):
        (folder / "flower_photos" / name).mkdir(parents=True)
        for number in range(10):
            pixels = generator.integers(0, 120, (40, 48, 3))
            pixels[8:32, 12:36] = color
            Image.fromarray(pixels.astype(np.uint8)).save(folder / "flower_photos" / name / f"{number}.jpg")
    return folder


@pytest.fixture
def run(monkeypatch, capsys, tmp_path, digits):
    """Run an example in this process, with other data, and return what it printed."""
    taken = {}

    def load_data(data_dir=None, one_hot=False):
        (x, y), (x_test, y_test) = digits
        x, y = x[: taken["images"]], y[: taken["images"]]
        if one_hot:
            y, y_test = tinynet.data.one_hot(y, 10), tinynet.data.one_hot(y_test, 10)
        return (x, y), (x_test, y_test)

    monkeypatch.setattr(tinynet.datasets.mnist, "load_data", load_data)
    monkeypatch.setattr(tinynet.datasets.fashion_mnist, "load_data", load_data)
    monkeypatch.syspath_prepend(EXAMPLES)

    def run_script(name, *options, images=6000):
        taken["images"] = images
        # The benchmarks' scripts share a module of this name too.
        monkeypatch.delitem(sys.modules, "common", raising=False)
        monkeypatch.setattr(sys, "argv", [f"{name}.py", "--output-dir", str(tmp_path), *options])
        runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
        return capsys.readouterr().out

    yield run_script
    sys.modules.pop("common", None)


def run_process(name, *options):
    # The suite's processes share the cores: with one thread each their products do not wait for one another.
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), *options]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(command, check=True, env=environment, stdout=subprocess.PIPE, text=True).stdout


def check_pictures(printed, folder, count):
    """So many pictures were written, and each was said to be."""
    written = sorted(path.name for path in folder.iterdir())
    said = {pathlib.Path(path).name for path in re.findall(r"^wrote (.+)$", printed, re.MULTILINE)}
    assert len(written) == count
    assert sorted(said) == written
    assert all(name.endswith(".png") for name in written)


def final_accuracy(printed, figure):
    """The accuracy in the last line, which holds it against its figure."""
    found = re.fullmatch(rf"test accuracy (\d\.\d{{4}}) \({re.escape(figure)}\)", printed.splitlines()[-1])
    assert found, printed.splitlines()[-1]
    return found[1]


def numbers(pattern, printed):
    return [float(number) for number in re.findall(pattern, printed, re.MULTILINE)]


def test_every_script_is_tested():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == {*SCRIPTS, "common", "measure"}


@pytest.mark.parametrize("name", SCRIPTS)
def test_an_example_tells_its_lesson_and_its_options(run, name, capsys):
    with pytest.raises(SystemExit, match="0"):
        run(name, "--help")
    told = capsys.readouterr().out
    assert "What to see" in told
    for option in ("--seed", "--backend", "--output-dir"):
        assert option in told
    for option in ("--epochs", "--batch-size", "[--save-model]"):
        assert (option in told) == (name not in TRAIN_NOTHING)


def test_the_quickstart_reads_97_of_100(tmp_path):
    printed = run_process("quickstart", "--output-dir", str(tmp_path))
    assert float(final_accuracy(printed, "expected: at least 0.97")) >= 0.97
    check_pictures(printed, tmp_path, 4)


def test_celsius_is_where_the_tutorial_is_and_then_arrives(run, tmp_path):
    printed = run("celsius_to_fahrenheit")
    assert numbers(r"^weight (\S+) \(tutorial: about 1.82\)$", printed) == [pytest.approx(1.82, abs=0.01)]
    assert numbers(r"^bias (\S+) \(tutorial: about 29\)$", printed) == [pytest.approx(29, abs=0.5)]
    last_line = r"^prediction for 100 degrees Celsius (\S+) \(tutorial: within 1 of 212\)\Z"
    assert numbers(last_line, printed.rstrip()) == [pytest.approx(212, abs=1)]
    assert numbers(r"^after 2000 epochs: weight (\S+), ", printed) == [pytest.approx(1.798, abs=0.002)]
    assert numbers(r"^after 2000 epochs: weight \S+, bias (\S+), ", printed) == [pytest.approx(31.95, abs=0.01)]
    check_pictures(printed, tmp_path, 3)


def test_fashion_shows_what_a_prediction_is_and_runs_the_exercises(run, tmp_path):
    printed = run("fashion_mnist_dense", "--exercises", "--epochs", "1", "--batch-size", "500", "--backend", "numpy")
    assert "(32, 10)" in printed
    assert printed.index("\n(28, 28, 1)\n") < printed.index("\n(1, 28, 28, 1)\n")
    exercises = re.findall(r"^(.+?) +[01]\.\d{4} +[01]\.\d{4}$", printed, re.MULTILINE)
    assert {"one epoch", "10 hidden units", "512 hidden units", "pixels not normalised"} < set(exercises)
    final_accuracy(printed, "tutorial: 0.8793")
    check_pictures(printed, tmp_path, 6)


@pytest.mark.parametrize(("options", "brightest", "layers"), [
    ([], 1, 3),
    (["--hidden", "16", "8"], 1, 4),
    (["--no-normalize"], 255, 3),
])
def test_the_options_of_fashion_change_network_and_pixels(run, monkeypatch, options, brightest, layers):
    seen = []
    fit = tinynet.Sequential.fit

    def watched(model, x, *arguments, **keywords):
        seen.append((x.max(), len(model.layers)))
        return fit(model, x, *arguments, **keywords)

    monkeypatch.setattr(tinynet.Sequential, "fit", watched)
    run("fashion_mnist_dense", "--epochs", "1", "--batch-size", "1000", *options)
    assert seen == [(pytest.approx(brightest), layers)]


def test_softmax_regression_runs_its_open_loop(run, tmp_path):
    printed = run("mnist_softmax_regression", "--epochs", "2", "--steps", "101", "--batch-size", "20")
    steps = numbers(r"^step (\d+), training accuracy \d\.\d\d, loss ", printed)
    assert steps == [0, 100, 200]
    # Weights of zero give each of ten classes the same: the summed loss begins at 20 log 10.
    assert "loss 46.05" in printed
    assert numbers(r"^validation accuracy (\S+)$", printed)[0] > 0.8
    final_accuracy(printed, "tutorial: about 0.91")
    check_pictures(printed, tmp_path, 2)


def test_softmax_regression_on_the_real_digits(tmp_path):
    place = os.environ.get("TINYNET_DATA", "")
    if not pathlib.Path(place, "mnist").is_dir():
        pytest.skip("TINYNET_DATA names no folder that holds mnist")
    printed = run_process("mnist_softmax_regression", "--output-dir", str(tmp_path), "--data-dir", place)
    assert float(final_accuracy(printed, "tutorial: about 0.91")) == pytest.approx(0.91, abs=0.01)


def test_step_01_repeats_itself_with_its_seed(run, tmp_path):
    runs = [run("mnist_01_single_layer", "--epochs", "1", "--seed", seed) for seed in ("3", "3", "4")]
    first, again, other = [numbers(r"loss: (\d+\.\d+)", printed) for printed in runs]
    assert first == again != other
    assert "Total params: 7,850" in runs[0]
    final_accuracy(runs[0], "tutorial: about 0.90")
    check_pictures(runs[0], tmp_path, 4)


def test_step_02_fails_before_it_works(run, tmp_path):
    printed = run("mnist_02_deep", "--epochs", "2")
    reached = re.findall(r"^(.+): validation loss .+ test accuracy (\S+)$", printed, re.MULTILINE)
    assert [name for name, _ in reached] == ["sigmoid and sgd", "relu and adam"]
    assert float(reached[0][1]) < 0.5 < 0.7 < float(reached[1][1])
    assert final_accuracy(printed, "tutorial: about 0.97") == reached[1][1]
    check_pictures(printed, tmp_path, 7)


def test_step_03_ends_with_its_second_run(run, tmp_path):
    printed = run("mnist_03_decay_dropout", "--epochs", "2")
    reached = dict(re.findall(r"^\((\w)\) validation loss .+ test accuracy (\S+)$", printed, re.MULTILINE))
    assert list(reached) == ["a", "b", "c", "d"]
    assert reached["b"] != reached["d"]  # or the line below could not tell the second run from the last
    assert final_accuracy(printed, "tutorial: above 0.98") == reached["b"]
    assert [printed.count(f"learning rate to {rate}.") for rate in ("0.01", "0.006")] == [5, 3]
    check_pictures(printed, tmp_path, 9)


def rows_under(title, printed):
    """The table of numbers that is printed under the last such title."""
    table = printed[printed.rindex(f"\n{title}") :].lstrip("\n").split("\n\n")[0]
    return [[int(number) for number in line.split()] for line in table.splitlines()[1:] if re.match(r"\s", line)]


def test_by_hand_every_number_is_the_layers_own(run, tmp_path):
    printed = run("convolution_and_pooling_by_hand")
    slid = re.findall(r"^middle in row (\d), column (\d): by hand +(-?\d+), Conv2D +(-?\d+)$", printed, re.MULTILINE)
    assert [(int(row), int(column)) for row, column, *_ in slid] == [(i, j) for i in range(2, 6) for j in range(2, 6)]
    assert all(by_hand == layer for *_, by_hand, layer in slid)
    assert "-4 -5 +9 -26 +25 +60 -17 +70 +300 = 412\n" in printed
    assert slid[5][2] == "412"
    assert rows_under("what Conv2D returns, 4x4", printed)[1][1] == 412
    same = rows_under("what Conv2D returns, 6x6", printed)
    assert len(same) == 6 and same[2][2] == 412
    assert "the corner: " + " ".join(["+0"] * 4) + " +1 +0 +0 +8 +4 = 13\n" in printed
    assert same[0][0] == 13
    assert "inside it are the same numbers as before: True" in printed
    assert rows_under("what MaxPooling2D returns, 2x2", printed) == [[25, 90], [120, 255]]
    assert printed.count("the same\n") == 2
    assert rows_under("dkernel, 3x3", printed) == [[2, 5, 9], [13, 25, 60], [17, 70, 150]]
    flowed = rows_under("dx, what MaxPooling2D's backward returns, 6x6", printed)
    assert [(i, j, number) for i, row in enumerate(flowed) for j, number in enumerate(row) if number] == [
        (2, 2, 1), (2, 4, 2), (4, 2, 3), (4, 4, 4)]
    check_pictures(printed, tmp_path, 7)


def test_fashion_with_convolutions_stands_beside_the_dense_layers(run, tmp_path):
    printed = run("fashion_mnist_convnet", "--epochs", "1", "--batch-size", "20", images=2000)
    assert "Total params: 421,642" in printed
    assert "Total params: 101,770" in printed
    dense = numbers(r"^dense model, test accuracy (\S+) \(tutorial: about 0.88\)$", printed)[0]
    assert numbers(r"^training accuracy (\S+) \(tutorial: about 0.97\)$", printed)[0] > 0.5
    accuracy = float(final_accuracy(printed, "tutorial: about 0.91"))
    assert numbers(r"val_accuracy: (\S+)", printed) == [accuracy, dense]
    assert accuracy > 0.7 and dense > 0.5
    check_pictures(printed, tmp_path, 6)


def test_deep_mnist_runs_its_open_loop(run, tmp_path):
    printed = run("deep_mnist_convnet", "--epochs", "2", "--steps", "51", "--batch-size", "20")
    assert "Total params: 3,274,634" in printed
    assert numbers(r"^step (\d+), training accuracy \d\.\d\d$", printed) == [0, 100]
    first, later = numbers(r"^step \d+, training accuracy (\S+)$", printed)
    assert first < 0.5 < later
    assert numbers(r"^validation accuracy (\S+)$", printed)[0] > 0.5
    final_accuracy(printed, "tutorial: about 0.992")
    check_pictures(printed, tmp_path, 5)


@pytest.mark.parametrize(("head", "parameters", "figure"), [
    ("dense", "354,002", "about 0.989"),
    ("flatten", "41,082", "none for this head"),
    ("gap", "38,522", "none for this head"),
])
def test_step_04_has_three_heads(run, tmp_path, head, parameters, figure):
    printed = run("mnist_04_convnet", "--epochs", "1", "--head", head, images=1000)
    table = re.findall(r"^(dense|flatten|gap) +([\d,]+) +([\d,]+) +([\d,]+)$", printed, re.MULTILINE)
    assert table == [("dense", "38,192", "315,810", "354,002"), ("flatten", "38,192", "2,890", "41,082"),
                     ("gap", "38,522", "0", "38,522")]
    assert f"Total params: {parameters}" in printed
    assert re.search(rf"^head {head}: validation loss \S+, \d+ wrong of 100$", printed, re.MULTILINE)
    final_accuracy(printed, f"tutorial: {figure}")
    check_pictures(printed, tmp_path, 8)


def test_step_05_ends_with_batch_normalisation(run, tmp_path):
    printed = run("mnist_05_dropout_batch_norm", "--epochs", "2", "--batch-size", "20", images=2000)
    # Batch normalisation without factors: an offset for each bias, and two moving statistics.
    assert "Total params: 354,002" in printed and "Total params: 354,538" in printed
    dropout = numbers(r"^with dropout, test accuracy (\S+) \(tutorial: above 0.99\)$", printed)[0]
    batch_norm = float(final_accuracy(printed, "tutorial: up to 0.995"))
    wrong = re.findall(r"^(\w+): validation loss \S+, (\d+) wrong of 100$", printed, re.MULTILINE)
    assert wrong == [("dropout", f"{100 - 100 * dropout:.0f}"), ("batch_norm", f"{100 - 100 * batch_norm:.0f}")]
    assert dropout != batch_norm  # or the line above could not tell the one from the other
    assert min(dropout, batch_norm) > 0.5
    assert [printed.count(f"learning rate to {rate}.") for rate in ("0.01", "0.006", "0.00666")] == [2, 1, 1]
    check_pictures(printed, tmp_path, 16)


def test_the_fast_one_trains_a_whole_schedule_and_only_that_is_timed(run, tmp_path, monkeypatch):
    fits = []
    fit = tinynet.Sequential.fit

    def watched(model, x, *arguments, **keywords):
        history = fit(model, x, *arguments, **keywords)
        fits.append((model, len(x), model.optimizer.iterations, model.optimizer.current_rate))
        return history

    monkeypatch.setattr(tinynet.Sequential, "fit", watched)
    printed = run("mnist_fast", "--epochs", "2", "--batch-size", "40", images=2010)
    assert "Total params: 20,490" in printed
    (thrown_away, few, three, _), (model, images, steps, last_rate) = fits
    assert thrown_away is not model and (few, three) == (120, 3)
    assert (images, steps) == (2010, 2 * 51)  # the last batch is of ten
    rates = [model.optimizer.learning_rate(step) for step in range(steps)]
    assert max(rates) == rates[20] == 0.03
    assert rates[:21] == sorted(rates[:21]) and rates[20:] == sorted(rates[20:], reverse=True)
    assert 0 < rates[0] < 0.002 and last_rate < rates[-1] < 0.0001
    assert len(numbers(r"^102 steps of 40 images in (\S+) seconds$", printed)) == 1
    assert float(final_accuracy(printed, "expected: above 0.99")) > 0.8
    check_pictures(printed, tmp_path, 6)


def test_the_fast_one_repeats_itself_with_its_seed(run):
    runs = [run("mnist_fast", "--batch-size", "50", "--seed", seed, images=500) for seed in ("3", "3", "5")]
    first, again, other = [numbers(r"^training accuracy (\S+),", printed) for printed in runs]
    assert first == again != other


def test_flowers_with_dense_layers(run, tmp_path, flowers):
    printed = run("flowers_dense", "--data-dir", str(flowers), "--epochs", "3", *FEW_FLOWERS)
    assert "Total params: 1,561,805" in printed  # 32 * 32 * 3 * 500 + 500, and 50 and 5 more neurons
    assert len(numbers(r"val_accuracy: (\S+)", printed)) == 3
    final_accuracy(printed, "tutorial: learns poorly")
    check_pictures(printed, tmp_path, 5 - ("mistakes" not in printed))


@pytest.mark.parametrize(("options", "heads"), [
    ([], ["gap", "flatten"]),
    (["--head", "gap"], ["gap"]),
    (["--augment"], ["gap", "flatten"]),
])
def test_flowers_and_a_frozen_network(run, tmp_path, monkeypatch, flowers, options, heads):
    looked = []
    precompute_features = tinynet.precompute_features
    monkeypatch.setattr(tinynet, "precompute_features", lambda front, photos, **keywords: (
        looked.append(len(photos)), precompute_features(front, photos, **keywords))[1])
    printed = run("flowers_transfer_learning", "--data-dir", str(flowers), "--epochs", "2", *SMALL_NETWORK, *options)
    assert looked == ([] if "--augment" in options else [5, 2])  # 40 and 10 photos by 8, once for all heads
    assert len(numbers(r"val_accuracy: (\S+)", printed)) == 2 * len(heads)
    figures = {"gap": r"global average pooling, test accuracy \d\.\d{4} \(expected: about 0.90\)",
               "flatten": r"test accuracy \d\.\d{4} \(tutorial: about 0.75\)"}
    for head, line in zip(reversed(heads), reversed(printed.splitlines()), strict=False):
        assert re.fullmatch(figures[head], line)
    written = {path.name.removesuffix(".png") for path in tmp_path.iterdir()} - {
        f"flowers_{head}_mistakes" for head in heads}
    assert written == {"flowers_training", "flowers_transfer_curves"} | {
        f"flowers_{head}_{what}" for head in heads for what in ("predictions", "confusion")}


def test_a_head_is_trained_and_the_front_stays(run, monkeypatch, tmp_path, flowers):
    """The saved model takes photos; its front is the one that it began with, and says nothing of the seed."""
    run("flowers_transfer_learning", "--data-dir", str(flowers), "--epochs", "1", "--head", "flatten", "--save-model",
        *SMALL_NETWORK)
    model = tinynet.load_model(tmp_path / "flowers_flatten.safetensors")
    assert model.input_shape == (32, 32, 3) and model.output_shape == (5,)
    front, head = model.layers
    assert not front.trainable and head.trainable
    tinynet.set_seed(0)
    drawn = tinynet.applications.MobileNetV2((32, 32, 3), 0.35, include_top=False, weights=None)
    for value, begun in zip(front.get_weights(), drawn.get_weights(), strict=True):
        np.testing.assert_array_equal(value, begun)

    photo = next((flowers / "flower_photos" / "roses").glob("*.jpg"))
    printed = run("classify_photo", str(photo), "--model", str(tmp_path / "flowers_flatten.safetensors"))
    answers = re.findall(r"^(\w+) +(\d\.\d{4})$", printed, re.MULTILINE)
    assert sorted(name for name, _ in answers) == sorted(tinynet.datasets.flowers.class_names)
    scores = [float(score) for _, score in answers]
    assert scores == sorted(scores, reverse=True) and sum(scores) == pytest.approx(1, abs=1e-3)


def test_fine_tuning_changes_the_front_but_its_statistics(run, tmp_path, flowers):
    run("flowers_fine_tuning", "--data-dir", str(flowers), "--epochs", "1", "--head-epochs", "1", "--save-model",
        *SMALL_NETWORK)
    printed = run("flowers_fine_tuning", "--data-dir", str(flowers), "--epochs", "1", "--head-epochs", "2",
                  "--save-model", *SMALL_NETWORK)
    assert numbers(r"^frozen, test accuracy (\S+) \(expected: about 0.90\)$", printed)
    assert re.fullmatch(r"fine-tuned, test accuracy \d\.\d{4} \(expected: more than frozen\)", printed.splitlines()[-1])
    model = tinynet.load_model(tmp_path / "flowers_fine_tuning.safetensors")
    tinynet.set_seed(0)
    drawn = tinynet.applications.MobileNetV2((32, 32, 3), 0.35, include_top=False, weights=None)
    front = model.layers[2]  # behind two layers of augmentation
    for layer, begun in [(front.get_layer(name), drawn.get_layer(name)) for name in ("Conv1", "block_2_depthwise")]:
        assert not np.array_equal(layer.get_weights()[0], begun.get_weights()[0])
    for name in ("bn_Conv1", "block_2_depthwise_BN"):
        for value, begun in zip(front.get_layer(name).get_weights(), drawn.get_layer(name).get_weights(), strict=True):
            np.testing.assert_array_equal(value, begun)


def test_a_photo_is_one_of_a_thousand_things(run, monkeypatch, tmp_path, flowers):
    small = tinynet.applications.MobileNetV2((32, 32, 3), 0.35, weights=None)
    asked = []
    monkeypatch.setattr(tinynet.applications, "MobileNetV2", lambda **keywords: asked.append(keywords) or small)
    photo = flowers / "flower_photos" / "tulips" / "3.jpg"
    printed = run("classify_photo", str(photo), "--data-dir", "weights")
    assert asked == [{"weights": "imagenet", "data_dir": pathlib.Path("weights")}]
    assert len(re.findall(r"^.+ \d\.\d{4}$", printed, re.MULTILINE)) == 5
    check_pictures(printed, tmp_path, 1)


def test_training_resumes_bit_for_bit(run, tmp_path):
    printed = run("resume_training", "--epochs", "2")
    assert printed.splitlines()[-1] == "share of the weights that are equal bit for bit 1.0000 (expected: 1)"
    assert "The power is gone." in printed and "1 of 2 epochs are done; training goes on." in printed
    losses = numbers(r"- loss: (\S+)", printed)
    assert losses[:2] == [losses[2], losses[3]] and losses[0] != losses[1]
    assert {path.name for path in tmp_path.iterdir()} == {
        "resume_training.safetensors", "resume_training_curves.png", "resume_training_digits.png"}


@pytest.mark.parametrize(("name", "options", "written"), [
    ("mnist_02_deep", ["--epochs", "1"], ["mnist_02_sigmoid_sgd", "mnist_02_relu_adam"]),
    ("mnist_fast", [], ["mnist_fast"]),
    ("mnist_softmax_regression", ["--steps", "1"], ["softmax_regression"]),
    ("celsius_to_fahrenheit", ["--epochs", "1"], ["celsius", "celsius_classification"]),
])
def test_examples_save_their_models_when_asked(run, tmp_path, name, options, written):
    printed = run(name, *options, "--save-model")
    assert {path.stem for path in tmp_path.glob("*.safetensors")} == set(written)
    for stem in written:
        assert f"wrote {tmp_path / stem}.safetensors\n" in printed
        model = tinynet.load_model(tmp_path / f"{stem}.safetensors")
        assert model.built


def test_every_example_that_trains_saves_its_model():
    for name in set(SCRIPTS) - set(TRAIN_NOTHING):
        assert "save_model(" in (EXAMPLES / f"{name}.py").read_text("utf-8")


def test_measure_gathers_what_the_examples_print(monkeypatch, capsys):
    printed = {"0": "epoch 1\nweight 1.8000 (tutorial: about 1.82)\ntest accuracy 0.9000 (expected: at least 0.97)\n",
               "1": "epoch 1\nweight 1.9000 (tutorial: about 1.82)\ntest accuracy 0.9500 (expected: at least 0.97)\n"}
    asked = []

    def run_script(command, **keywords):
        asked.append(pathlib.Path(command[1]).name)
        seed = command[command.index("--seed") + 1]
        return subprocess.CompletedProcess(command, 0, printed[seed])

    monkeypatch.setattr(subprocess, "run", run_script)
    monkeypatch.setattr(sys, "argv", ["measure.py", "quickstart", "--seeds", "2"])
    runpy.run_path(str(EXAMPLES / "measure.py"), run_name="__main__")
    assert asked == ["quickstart.py"] * 2
    assert capsys.readouterr().out.splitlines()[2:] == [
        "| `quickstart.py` | weight | about 1.82 | 1.8500 | 1.8000 | 1.9000 |",
        "| `quickstart.py` | test accuracy | at least 0.97 | 0.9250 | 0.9000 | 0.9500 |",
    ]
    asked.clear()
    monkeypatch.setattr(sys, "argv", ["measure.py", "--seeds", "1"])
    runpy.run_path(str(EXAMPLES / "measure.py"), run_name="__main__")
    assert sorted(asked) == sorted(f"{name}.py" for name in SCRIPTS if name != "classify_photo")  # which wants a photo


def test_the_readme_has_every_script_and_its_figures():
    readme = (EXAMPLES / "README.md").read_text("utf-8")
    for name in SCRIPTS:
        rows = len(re.findall(rf"^\| `{name}\.py` \|", readme, re.MULTILINE))
        assert rows == 1 if name in TRAIN_NOTHING else rows >= 2  # what it is, and what it reached


TERMS = """neuron, dense, weights, bias, activation, relu, sigmoid, softmax, one-hot, logits, cross-entropy, loss,
gradient, gradient descent, learning rate, momentum, saddle point, batch, mini-batch, epoch, training, validation,
test set, inference, accuracy, overfitting, regularisation, dropout, batch normalisation, convolution, kernel, filter,
padding, stride, channel, max-pooling, down-sampling, transfer learning, fine-tuning, feature, label, regression,
classification, data augmentation"""


def test_the_glossary_has_every_term_of_the_tutorials_and_one_more():
    glossary = (EXAMPLES.parent / "GLOSSARY.md").read_text("utf-8")
    headwords = re.findall(r"^\*\*(.+?)\*\*: \S", glossary, re.MULTILINE)
    explained = {word.strip().lower() for headword in headwords for word in re.split(r", | and | or ", headword)}
    assert explained == set(re.split(r",\s+", TERMS))


def test_the_glossary_names_files_that_exist():
    root = EXAMPLES.parent
    links = re.findall(r"\[(.+?)\]\((.+?)\)", (root / "GLOSSARY.md").read_text("utf-8"))
    assert len(links) > 30
    for text, target in links:
        assert text == target
        assert (root / target).is_file()
