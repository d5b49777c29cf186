"""Measure one epoch over the tutorials' pipeline against one over the arrays: target at most 0.6 s more."""

import argparse
import json
import statistics
import time

from benchmarks import report
from benchmarks.models import MODELS
from benchmarks.processes import answer_of

TITLE = "the tutorials' pipeline in fit"
TARGET = 0.6
EXAMPLES = 60_000
BATCH = 32


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repeats", type=int, default=5, help="epochs of each; default 5")


def run(options: argparse.Namespace, facts: list[str]) -> str:
    """Measure, add to the facts about the run, and return the table."""
    facts.append(f"medians of {options.repeats} epochs of {EXAMPLES} examples, batch {BATCH}, taking turns")
    measured = answer_of("benchmarks.pipeline", str(options.repeats), "--threads", str(options.threads))
    header = ["model", "pipeline s", "arrays s", "pipeline adds s", "target s", ""]
    rows = [row("fashion_dense_b32", measured["pipeline"], measured["arrays"])]
    return report.table(header, rows)


def row(name: str, pipeline: float, arrays: float) -> list[str]:
    """Return a table's row from the seconds of one epoch over each."""
    added = pipeline - arrays
    return [name, f"{pipeline:.3f}", f"{arrays:.3f}", f"{added:.3f}", f"{TARGET:g}", report.verdict(added <= TARGET)]


def normalize(image, label):
    """Scale the pixels of one image to [0, 1], as the tutorial does."""
    return image.astype("float32") / 255, label


def measure(repeats: int) -> dict[str, float]:
    """Return the median seconds of one epoch over the pipeline, and of one over arrays that are normalised already."""
    import numpy as np

    import tinynet
    from benchmarks.workers import tinynet as worker

    model = MODELS["fashion_dense_b32"]
    network = tinynet.Sequential(
        [
            tinynet.layers.Flatten(input_shape=(28, 28, 1)),
            *[tinynet.layers.Dense(layer.units, activation=layer.activation) for layer in model.layers],
        ]
    )
    worker.compile_network(model, network, ["accuracy"])
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (EXAMPLES, 28, 28, 1), dtype=np.uint8)
    labels = generator.integers(0, model.classes, EXAMPLES)
    dataset = tinynet.data.Dataset.from_tensor_slices((images, labels))
    dataset = dataset.map(normalize).repeat().shuffle(EXAMPLES).batch(BATCH)
    x, _ = normalize(images, labels)
    steps = EXAMPLES // BATCH
    network.fit(x[: 10 * BATCH], labels[: 10 * BATCH], batch_size=BATCH, verbose=0)
    pipeline, arrays = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        network.fit(dataset, epochs=1, steps_per_epoch=steps, verbose=0)
        between = time.perf_counter()
        network.fit(x, labels, epochs=1, batch_size=BATCH, verbose=0)
        end = time.perf_counter()
        pipeline.append(between - start)
        arrays.append(end - between)
    return {"pipeline": statistics.median(pipeline), "arrays": statistics.median(arrays)}


def _measure_here() -> None:
    from benchmarks.workers import tinynet as worker

    parser = argparse.ArgumentParser()
    parser.add_argument("repeats", type=int)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    worker.prepare(options.threads)
    print(json.dumps(measure(options.repeats)))


if __name__ == "__main__":
    _measure_here()
