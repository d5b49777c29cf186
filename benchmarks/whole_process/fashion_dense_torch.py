"""examples/fashion_mnist_dense.py, written for PyTorch; `python -m benchmarks start` times the whole process.

Batches are cut out of one shuffled order, which is several times as fast as a DataLoader over single images.
"""

import common
import torch
from torch.nn import functional

options = common.options()
(x_train, y_train), (x_test, y_test) = common.load_data(options.data_dir)
common.draw_data(x_train, y_train, options.output_dir)

model = torch.nn.Sequential(
    torch.nn.Flatten(),
    torch.nn.Linear(784, 128),
    torch.nn.ReLU(),
    torch.nn.Linear(128, 10),
)
optimizer = torch.optim.Adam(model.parameters(), lr=0.001, eps=1e-7, fused=True)
x, y = torch.from_numpy(x_train), torch.from_numpy(y_train)
for epoch in range(1, options.epochs + 1):
    total_loss, correct = torch.zeros(()), torch.zeros((), dtype=torch.long)
    for chosen in torch.randperm(len(x)).split(options.batch_size):
        labels = y[chosen]
        optimizer.zero_grad(set_to_none=True)
        logits = model(x[chosen])
        loss = functional.cross_entropy(logits, labels)
        loss.backward()
        optimizer.step()
        total_loss += loss.detach() * len(chosen)
        correct += (logits.detach().argmax(1) == labels).sum()
    print(f"Epoch {epoch}/{options.epochs} - loss: {total_loss / len(x):.4f} - accuracy: {correct / len(x):.4f}")

with torch.no_grad():
    probabilities = model(torch.from_numpy(x_test)).softmax(1).numpy()
accuracy = (probabilities.argmax(1) == y_test).mean()
common.draw_predictions(x_test, y_test, probabilities[:32], options.output_dir)
print(f"test accuracy {accuracy:.4f}")
