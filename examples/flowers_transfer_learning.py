"""Photos of flowers with a network that has seen a million other photos: transfer learning.

From the codelab "Your first Keras model, with transfer learning". MobileNetV2 was trained on ImageNet, 1.3 million
photos of a thousand classes. Without its last layer it turns a photo of 192x192 pixels into 1280 numbers in each of 6x6
places, its features: fur, petals, stripes, and much that has no name. It stays as it is, frozen, and only a head of
five neurons on top of it is trained, on 2,939 photos of flowers.

A frozen front finds the same features in a photo each time. So it looks at every photo once, and the epochs of the
head, on features, take seconds. With `--augment` no photo comes twice the same, and the front has to look in every
epoch.

What to see, with two heads:

gap       GlobalAveragePooling2D takes the mean of each feature over the photo, and five neurons weigh 1280 means:
          6,405 weights. About 90 % of the test photos are named rightly.
flatten   Flatten keeps each feature in each place apart, as the codelab does: 230,405 weights. That is about 86 %, and
          the figure's; the codelab itself reports 75 %. The head knows its training photos by heart after a few epochs.
          Its validation loss is ten times the other's and climbs: look at how sure it is of its mistakes. From epoch to
          epoch and from seed to seed its accuracy jumps by two points.

Where in the photo a petal is does not matter, and the first head is built so that it cannot matter. Some of the surest
mistakes are none, by the way: the photos were labelled by strangers.
"""

from common import (
    add_network_options,
    as_batches,
    load_flowers,
    load_front,
    parse,
    report,
    save,
    save_model,
    show_flower_predictions,
    show_training_flowers,
)

import tinynet as tn
from tinynet import plotting


def add_options(parser):
    """Add this script's own options."""
    parser.add_argument("--head", choices=["gap", "flatten"], help="only one of the heads (gap, and then flatten)")
    parser.add_argument("--augment", action="store_true", help="flip and rotate the training photos at random")
    add_network_options(parser)


options = parse(__doc__, epochs=12, batch_size=32, more=add_options)

train, test = load_flowers(options)
show_training_flowers(train, options)

front = load_front(options)
front.trainable = False

if options.augment:
    examples, held_out = train, as_batches(test, options.batch_size)
else:
    features, labels = tn.precompute_features(front, as_batches(train, options.batch_size), verbose="auto")
    examples = tn.data.Dataset.from_tensor_slices((features, labels))
    features, labels = tn.precompute_features(front, as_batches(test, options.batch_size), verbose="auto")
    held_out = as_batches(tn.data.Dataset.from_tensor_slices((features, labels)), options.batch_size)


def run(first):
    """Train a head that begins with this layer; return its History and its accuracy on test photos."""
    tn.set_seed(options.seed)
    name = "flowers_" + first.name
    head = tn.Sequential([first, tn.layers.Dense(5, activation="softmax")], name="head")
    changes = [tn.layers.RandomFlip("horizontal"), tn.layers.RandomRotation(0.05)] if options.augment else []
    model = tn.Sequential([tn.layers.Input(front.input_shape), *changes, front, head])
    model.summary()

    trained = model if options.augment else head
    trained.compile(optimizer=tn.optimizers.Adam(1e-3), loss="categorical_crossentropy", metrics=["accuracy"])
    training = as_batches(examples, options.batch_size, shuffle=True)
    history = trained.fit(training, epochs=options.epochs, validation_data=held_out)
    show_flower_predictions(trained.predict(held_out), test, options, name)
    save_model(model, options, name)
    return history, trained.evaluate(held_out, verbose=0)[1]


runs = {}
if options.head != "flatten":
    runs["global average pooling"] = run(tn.layers.GlobalAveragePooling2D(name="gap"))
if options.head != "gap":
    runs["flatten"] = run(tn.layers.Flatten(name="flatten"))

histories = {name: history for name, (history, _) in runs.items()}
save(plotting.plot_history(histories, title="a head on frozen features"), options, "flowers_transfer_curves.png")
if "global average pooling" in runs:
    print(f"global average pooling, test accuracy {runs['global average pooling'][1]:.4f} (expected: about 0.90)")
if "flatten" in runs:
    report(runs["flatten"][1], "about 0.75")
