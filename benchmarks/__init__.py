"""Benchmarks against PyTorch, JAX and Keras, measured in one run: `python -m benchmarks --help`."""
