"""What is in a photo? Five answers of a network that knows a thousand things, or of one's own about flowers.

Without other options MobileNetV2 looks at the photo, trained on ImageNet: 1,000 classes, among them 120 breeds of dog,
and of flowers little more than the daisy. With `--model` a model answers that one of the examples about flowers wrote
with `--save-model`:

python examples/flowers_transfer_learning.py --save-model
python examples/classify_photo.py PHOTO --model output/flowers_gap.safetensors

The photo is scaled until its shorter side fits, and cut off evenly at the longer one: the picture shows what the
network sees.

What to see: a network always answers. Show it something that is none of its classes, and its probabilities are spread
over what looks alike; or one of them is large all the same. It has never learned to say "I do not know".
"""

from pathlib import Path

import numpy as np
from common import parse, save

import tinynet as tn
from tinynet import plotting
from tinynet.applications import mobilenet_v2


def add_options(parser):
    """Add this script's own options."""
    parser.add_argument("photo", type=Path, help="JPEG, PNG, GIF, BMP or WebP")
    parser.add_argument("--model", type=Path, help="file of a model of flowers (MobileNetV2, trained on ImageNet)")
    parser.add_argument("--data-dir", type=Path, help="folder of MobileNetV2's weights, instead of a download")


options = parse(__doc__, more=add_options)

if options.model:
    model = tn.load_model(options.model, compile=False)
else:
    model = tn.applications.MobileNetV2(weights="imagenet", data_dir=options.data_dir)

photo = tn.data.resize_and_crop(tn.data.decode_image(options.photo), model.input_shape[:2])
batch = mobilenet_v2.preprocess_input(np.array([photo]))  # one photo becomes a batch of one, pixels from -1 to 1
probabilities = model.predict(batch)

if options.model:
    order = probabilities[0].argsort()[::-1]
    answers = [(tn.datasets.flowers.class_names[number], probabilities[0, number]) for number in order]
else:
    answers = [(name.replace("_", " "), score) for _, name, score in mobilenet_v2.decode_predictions(probabilities)[0]]

names, scores = zip(*answers, strict=True)
for name, score in answers:
    print(f"{name:30} {score:.4f}")
save(plotting.plot_answers(photo, names, scores, title=options.photo.name), options, "classify_photo.png")
