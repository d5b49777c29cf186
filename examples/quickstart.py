"""The quickest way to see a network learn: digits drawn from fonts, no download, seconds.

The first run takes a few more of them, for it compiles the kernels.

The data are drawn here and now, from fonts that come with matplotlib, each digit shifted, turned, scaled, thickened
and made noisy at random. A small convolutional network looks at 12,000 of them, four times, and then reads 2,000 others
that it has never seen. 12 filters of 5x5 pixels move over the picture by two pixels at a time, 24 more over what these
found, and ten neurons decide.

What to see: from epoch to epoch the loss falls and the accuracy rises. The validation curve, of the unseen digits,
goes with the training curve: the network has learned what digits look like, not these pictures by heart. At the end
at least 97 of 100 unseen digits are read rightly. Look at the others, which are drawn first in the picture of wrong
ones, and at what each layer makes of one digit.
"""

import numpy as np
from common import parse, save, save_model

import tinynet as tn
from tinynet import plotting

options = parse(__doc__, epochs=4, batch_size=32)

# Pixels from 0 to 255 become numbers from 0 to 1, which suit the weights that training begins with.
images, labels = tn.datasets.font_digits(12_000, seed=2 * options.seed)
test_images, test_labels = tn.datasets.font_digits(2_000, seed=2 * options.seed + 1)
x, x_test = images[..., None] / np.float32(255), test_images[..., None] / np.float32(255)  # one channel: (28, 28, 1)

model = tn.Sequential([
    tn.layers.Conv2D(12, 5, strides=2, padding="same", activation="relu", input_shape=(28, 28, 1)),
    tn.layers.Conv2D(24, 5, strides=2, padding="same", activation="relu"),
    tn.layers.Flatten(),
    tn.layers.Dense(10, activation="softmax"),
])
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.summary()
history = model.fit(x, labels, epochs=options.epochs, batch_size=options.batch_size,
                    validation_data=(x_test, test_labels))

probabilities = model.predict(x_test)
save(plotting.plot_history(history, title="learning to read digits drawn from fonts"), options, "quickstart_curves.png")
save(plotting.plot_prediction_pairs(test_images[:15], test_labels[:15], probabilities[:15]), options,
     "quickstart_digits.png")
save(plotting.plot_activations(model, x_test[0], title="what each layer makes of one digit"), options,
     "quickstart_activations.png")
save(plotting.plot_wrong_first(test_images, test_labels, probabilities, rows=4), options, "quickstart_wrong_first.png")
save_model(model, options, "quickstart")
loss, accuracy = model.evaluate(x_test, test_labels, verbose=0)
print(f"test accuracy {accuracy:.4f} (expected: at least 0.97)")
