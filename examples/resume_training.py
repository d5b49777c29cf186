"""Training that is stopped in the middle, and goes on as if nothing had happened.

A small convolutional network learns to read digits drawn from fonts, no download, seconds. All that makes training hard
to repeat is in it: its data are shuffled anew in each epoch, dropout draws at random in each step, the learning rate
falls from step to step, and Adam remembers the gradients of all steps before.

It is trained twice from the same start. The first time without a pause. The second time ModelCheckpoint writes the
model to a file after each epoch, and in the middle of an epoch training breaks off, as if the machine had been switched
off. Then everything is made anew, as in another process, and `fit(resume_from=file)` goes on from the last epoch that
was done. A training script that may be stopped at any moment needs two words more:

model.fit(..., callbacks=[ModelCheckpoint(path)], resume_from=path if os.path.exists(path) else None)

What to see: the curves are the same, and so is each weight, to its last bit. The file holds more than weights: what
Adam remembers, the epoch, and where each generator of random numbers stood.
"""

import numpy as np
from common import parse, save, save_model

import tinynet as tn
from tinynet import plotting


class PowerCut(tn.callbacks.Callback):
    """Ends the training in the middle of an epoch, without a word of warning."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_begin(self, epoch, logs=None):
        self.is_due = epoch == self.epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.is_due and batch == self.params["steps"] // 2:
            raise KeyboardInterrupt


def make_model(seed):
    """Return a new network and the pipeline of its training data."""
    tn.set_seed(seed)
    model = tn.Sequential([
        tn.layers.Conv2D(12, 5, strides=2, padding="same", activation="relu", input_shape=(28, 28, 1)),
        tn.layers.Conv2D(24, 5, strides=2, padding="same", activation="relu"),
        tn.layers.Flatten(),
        tn.layers.Dropout(0.3),
        tn.layers.Dense(10, activation="softmax"),
    ])
    rate = tn.schedules.ExponentialDecay(2e-3, decay_steps=100, decay_rate=0.9)
    model.compile(optimizer=tn.optimizers.Adam(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    dataset = tn.data.Dataset.from_tensor_slices((x, labels)).shuffle(1000)
    return model, dataset.batch(options.batch_size)


options = parse(__doc__, epochs=4, batch_size=32)

images, labels = tn.datasets.font_digits(6_000, seed=2 * options.seed)
test_images, test_labels = tn.datasets.font_digits(1_000, seed=2 * options.seed + 1)
x, x_test = images[..., None] / np.float32(255), test_images[..., None] / np.float32(255)  # one channel: (28, 28, 1)
fit = {"epochs": options.epochs, "validation_data": (x_test, test_labels)}

print("Never stopped:")
model, dataset = make_model(options.seed)
history = model.fit(dataset, **fit)
save_model(model, options, "resume_training_never_stopped")

print("Stopped in the middle of an epoch:")
path = options.output_dir / "resume_training.safetensors"
checkpoint = tn.callbacks.ModelCheckpoint(path)
stopped, dataset = make_model(options.seed)
try:
    stopped.fit(dataset, callbacks=[checkpoint, PowerCut(max(1, options.epochs // 2))], **fit)
except KeyboardInterrupt:
    print("The power is gone.")

print("Resumed:")
resumed, dataset = make_model(options.seed + 1)  # another start: all that counts comes from the file
resumed_history = resumed.fit(dataset, callbacks=[checkpoint], resume_from=path, **fit)

runs = {"never stopped": history, "stopped and resumed": resumed_history}
save(plotting.plot_history(runs, title="training twice"), options, "resume_training_curves.png")
probabilities = resumed.predict(x_test)
save(plotting.plot_wrong_first(test_images, test_labels, probabilities, rows=4), options, "resume_training_digits.png")

# Bit for bit: equal as bytes, which is more than equal as numbers.
pairs = zip(model.get_weights(), resumed.get_weights(), strict=True)
equal = [np.frombuffer(a.tobytes(), np.uint32) == np.frombuffer(b.tobytes(), np.uint32) for a, b in pairs]
print(f"never stopped, test accuracy {model.evaluate(x_test, test_labels, verbose=0)[1]:.4f}")
print(f"resumed, test accuracy {resumed.evaluate(x_test, test_labels, verbose=0)[1]:.4f}")
print(f"share of the weights that are equal bit for bit {np.concatenate(equal).mean():.4f} (expected: 1)")
