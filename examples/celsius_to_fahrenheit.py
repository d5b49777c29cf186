"""The smallest network there is: one neuron that learns f = 1.8 c + 32 from seven pairs.

Nobody tells it the formula. It begins with a random weight w and bias b, predicts w c + b, sees by how much the squares
of its errors change with w and with b, and takes a step downhill; 500 times.

What to see: the prediction for 100 degrees Celsius is right, while the bias is not yet 32. A little less bias and a
little more weight fit the seven pairs nearly as well, so the valley of the loss is long and flat in that direction, and
on its floor the steps are small. More epochs bring both home: to 31.95 and 1.798, which fit the seven pairs best, as
these are rounded to whole degrees.

Then the contrast that the lesson draws: this was regression, whose answer is a number. Classification, which the other
examples do, answers with one probability for each class.
"""

import numpy as np
from common import parse, save

import tinynet as tn
from tinynet import plotting

options = parse(__doc__, epochs=500, batch_size=7)

celsius = np.array([-40, -10, 0, 8, 15, 22, 38], np.float32)[:, None]
fahrenheit = np.array([-40, 14, 32, 46, 59, 72, 100], np.float32)[:, None]


def train(epochs: int):
    """Train one neuron from the same random start."""
    tn.set_seed(options.seed)
    layer = tn.layers.Dense(1, input_shape=[1])
    model = tn.Sequential([layer])
    model.compile(loss="mean_squared_error", optimizer=tn.optimizers.Adam(0.1))
    history = model.fit(celsius, fahrenheit, epochs=epochs, batch_size=options.batch_size, verbose=0)
    answer = model.predict(np.array([[100.0]])).item()
    print(f"after {epochs} epochs: weight {layer.kernel.value.item():.3f}, bias {layer.bias.value.item():.3f}, "
          f"100 degrees Celsius are {answer:.2f} degrees Fahrenheit")
    return history, answer


history, answer = train(options.epochs)
save(plotting.plot_history(history, title="mean squared error of seven predictions"), options, "celsius_loss.png")

print("The formula is 1.8 c + 32, and yet the bias is not 32. A smaller bias is made up for by a larger weight: along\n"
      "that direction the loss hardly changes, so the steps there are short. More epochs bring both home:")
for factor in (2, 4, 8):
    train(factor * options.epochs)

print("""
                 regression                       classification
answers          a number                         a probability for each class
last layer       Dense(1), no activation          Dense(10, activation="softmax")
loss             mean squared error               cross-entropy""")
classifier = tn.Sequential([tn.layers.Dense(10, activation="softmax", input_shape=[1])])
probabilities = classifier.predict(np.array([[1.0]]))[0]
print("such an answer   " + f"{answer:.2f}".ljust(33) + " ".join(f"{p:.2f}" for p in probabilities)
      + f", {probabilities.sum():.2f} in all")

print(f"100 degrees Celsius are {answer:.2f} degrees Fahrenheit (tutorial: within 1 of 212)")
