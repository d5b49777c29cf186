"""The quickest way to see a network learn: digits drawn from fonts, no download, a few seconds.

The data are drawn here and now, from fonts that come with matplotlib, each digit shifted, turned, scaled, thickened
and made noisy at random. A network of two dense layers looks at 12,000 of them, five times, and then reads 2,000 others
that it has never seen.
"""

import numpy as np
from common import parse, save

import tinynet as tn
from tinynet import plotting

options = parse(__doc__, epochs=5, batch_size=32)

images, labels = tn.datasets.font_digits(12_000, seed=options.seed)
test_images, test_labels = tn.datasets.font_digits(2_000, seed=options.seed + 1)
x, x_test = images / np.float32(255), test_images / np.float32(255)

model = tn.Sequential([
    tn.layers.Flatten(input_shape=(28, 28)),
    tn.layers.Dense(128, activation="relu"),
    tn.layers.Dense(10, activation="softmax"),
])
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
model.summary()
history = model.fit(x, labels, epochs=options.epochs, batch_size=options.batch_size,
                    validation_data=(x_test, test_labels))

probabilities = model.predict(x_test)
save(plotting.plot_history(history, title="learning to read digits drawn from fonts"), options, "quickstart_curves.png")
save(plotting.plot_prediction_pairs(test_images[:15], test_labels[:15], probabilities[:15],
                                    class_names=[str(digit) for digit in range(10)]), options, "quickstart_digits.png")
loss, accuracy = model.evaluate(x_test, test_labels, verbose=0)
print(f"test accuracy {accuracy:.4f} (expected: at least 0.97)")
