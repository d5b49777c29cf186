"""Photos of flowers with dense layers alone: they learn poorly, and that is the lesson.

From the codelab "Your first Keras model, with transfer learning", its first network for flowers. 2,939 photos of
daisies, dandelions, roses, sunflowers and tulips, 192x192 pixels in colour, are there to learn from, and 731 others for
the test. Flatten makes 110,592 numbers of a photo; 500 neurons look at them, 50 at what these found, and five decide.

What to see: about a third of the test photos are named rightly, where saying dandelion to all of them makes a quarter.
What the network has found are colours. To half of the photos it gives the very same answer with the very same
probability: for them the 50 neurons are all silent, and only the last biases speak. Sums over so many pixels are large,
so the first steps were much too long, as the first epoch's loss tells, and threw most of these neurons to where a ReLU
is 0 for every photo, and has no slope to come back by.

More training or more neurons would not mend it. The network has 55 million weights, 19,000 for each photo that it
learns from. And Flatten gives each pixel weights of its own: the same flower a little further to the left is another
row of numbers, about which nothing is known. Convolutions look for a shape everywhere with the same few weights, and
flowers_transfer_learning.py takes some that have learned to look already.
"""

from common import (
    add_flower_options,
    as_batches,
    load_flowers,
    parse,
    report,
    save,
    save_model,
    show_flower_predictions,
    show_training_flowers,
)

import tinynet as tn
from tinynet import plotting

options = parse(__doc__, epochs=12, batch_size=32, more=add_flower_options)

train, test = load_flowers(options)
show_training_flowers(train, options)

model = tn.Sequential([
    tn.layers.Flatten(input_shape=[options.image_size, options.image_size, 3]),
    tn.layers.Dense(500, activation="relu"),
    tn.layers.Dense(50, activation="relu"),
    tn.layers.Dense(5, activation="softmax"),
])
model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"])
model.summary()

held_out = as_batches(test, options.batch_size)
history = model.fit(as_batches(train, options.batch_size, shuffle=True), epochs=options.epochs,
                    validation_data=held_out)
save_model(model, options, "flowers_dense")

save(plotting.plot_history(history, title="flowers with dense layers"), options, "flowers_dense_curves.png")
show_flower_predictions(model.predict(held_out), test, options, "flowers_dense")
loss, accuracy = model.evaluate(held_out, verbose=0)
print(f"training accuracy {history.history['accuracy'][-1]:.4f}")
report(accuracy, "learns poorly")
