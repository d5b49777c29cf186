"""The smallest network there is: one neuron that learns f = 1.8 c + 32 from seven pairs.

Nobody tells it the formula. It begins with a random weight w and the bias b = 0, predicts w c + b, sees by how much
the squares of its errors change with w and with b, and takes a step downhill; 500 times. From the lesson before
Fashion-MNIST in the course "Intro to TensorFlow for Deep Learning".

What to see: 100 degrees Celsius come out within 1 of the true 212, though they were not among the pairs; and yet the
weight is about 1.82 and the bias about 29, not 1.8 and 32. Adam moves a number by at most about its rate, 0.1, in a
step, so the bias needs 320 steps at full speed, and full speed it does not keep: Adam divides by the gradients'
running mean square, which remembers the large errors of the beginning for about a thousand steps. The weight is
quick, and at each moment it is where it best makes up for what the bias still lacks. With more epochs both arrive, at
1.798 and 31.95: the straight line nearest to the pairs, whose Fahrenheit are rounded to whole degrees.

Then the contrast that the lesson draws: this was regression, whose answer is a number. Classification, which the
other examples do, answers with one probability for each class.
"""

import numpy as np
from common import parse, save, save_model

import tinynet as tn
from tinynet import plotting

options = parse(__doc__, epochs=500, batch_size=7)

celsius = np.array([-40, -10, 0, 8, 15, 22, 38], np.float32)[:, None]
fahrenheit = np.array([-40, 14, 32, 46, 59, 72, 100], np.float32)[:, None]
for c, f in zip(celsius[:, 0], fahrenheit[:, 0], strict=True):
    print(f"{c:.0f} degrees Celsius are {f:.0f} degrees Fahrenheit")

layer = tn.layers.Dense(1, input_shape=[1])
model = tn.Sequential([layer])
model.compile(loss="mean_squared_error", optimizer=tn.optimizers.Adam(0.1))

way = {"weight": [], "bias": []}


def note(epoch, logs):
    """Write down where weight and bias are after an epoch."""
    way["weight"].append(layer.kernel.value.item())
    way["bias"].append(layer.bias.value.item())


def train_until(epochs):
    """Train on until so many epochs are done in all; return the History, the weight, the bias and the answer."""
    history = model.fit(celsius, fahrenheit, epochs=epochs, initial_epoch=len(way["bias"]), verbose=0,
                        batch_size=options.batch_size, callbacks=[tn.callbacks.LambdaCallback(on_epoch_end=note)])
    weight, bias, answer = way["weight"][-1], way["bias"][-1], model.predict(np.array([[100.0]])).item()
    print(f"after {epochs} epochs: weight {weight:.3f}, bias {bias:.3f}, 100 degrees Celsius are {answer:.2f} degrees "
          "Fahrenheit")
    return history, weight, bias, answer


history, weight, bias, answer = train_until(options.epochs)
print("""The formula is 1.8 c + 32, and yet the bias is not 32. It began at 0; Adam moves it by at most about 0.1 in a
step, and by less while it remembers the large errors of the beginning. Meanwhile a weight a little too large makes up
for some of what it lacks. More epochs bring both home:""")
for factor in (2, 4):
    train_until(factor * options.epochs)

save(plotting.plot_history(history, title="mean squared error of the seven predictions"), options, "celsius_loss.png")
save(plotting.plot_history(way, title="the way to 1.8 and 32"), options, "celsius_weight_and_bias.png")
save_model(model, options, "celsius")

# The contrast: a picture goes in, ten probabilities come out.
images, labels = tn.datasets.font_digits(2000, seed=options.seed)
images = images / np.float32(255)
classifier = tn.Sequential([
    tn.layers.Flatten(input_shape=[28, 28]),
    tn.layers.Dense(10, activation="softmax"),
])
classifier.compile(loss="sparse_categorical_crossentropy", optimizer="adam")
classifier.fit(images, labels, epochs=10, verbose=0)
probabilities = classifier.predict(images[:1])[0]
save(plotting.plot_prediction(images[0], labels[0], probabilities), options, "celsius_classification.png")
save_model(classifier, options, "celsius_classification")
print(f"""
               regression                     classification
question       how many degrees?              which digit?
answer         a number                       a probability for each class
last layer     Dense(1), no activation        Dense(10, activation="softmax")
loss           mean squared error             cross-entropy
here           {answer:<31.2f}{probabilities.argmax()}, with {probabilities.max():.0%}; all ten together make \
{probabilities.sum():.0%}
""")

print(f"weight {weight:.4f} (tutorial: about 1.82)")
print(f"bias {bias:.4f} (tutorial: about 29)")
print(f"prediction for 100 degrees Celsius {answer:.4f} (tutorial: within 1 of 212)")
