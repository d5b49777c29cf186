"""Activations, dropout and sums on the GPU, a thread for each number.

Comparisons are written so that NaN goes through, as it does in NumPy: a diverging run must show.
"""

from tinynet.backends.cupy.launch import Source

_source = Source("elementwise")


def relu(x, y) -> None:
    """Equals numpy.elementwise.relu."""
    _source.each("relu", x.size, x, y)


def relu_backward(dy, x, y, dx) -> None:
    """Equals numpy.elementwise.relu_backward."""
    _source.each("relu_backward", dy.size, dy, y, dx)


def clipped_relu(x, y, ceiling) -> None:
    """Equals numpy.elementwise.clipped_relu."""
    _source.each("clipped_relu", x.size, x, y, float(ceiling))


def clipped_relu_backward(dy, x, y, dx, ceiling) -> None:
    """Equals numpy.elementwise.clipped_relu_backward."""
    _source.each("clipped_relu_backward", dy.size, dy, y, dx, float(ceiling))


def leaky_relu(x, y, slope) -> None:
    """Equals numpy.elementwise.leaky_relu."""
    _source.each("leaky_relu", x.size, x, y, float(slope))


def leaky_relu_backward(dy, x, y, dx, slope) -> None:
    """Equals numpy.elementwise.leaky_relu_backward."""
    _source.each("leaky_relu_backward", dy.size, dy, y, dx, float(slope))


def elu(x, y) -> None:
    """Equals numpy.elementwise.elu."""
    _source.each("elu", x.size, x, y)


def elu_backward(dy, x, y, dx) -> None:
    """Equals numpy.elementwise.elu_backward."""
    _source.each("elu_backward", dy.size, dy, y, dx)


def gelu(x, y) -> None:
    """Equals numpy.elementwise.gelu."""
    _source.each("gelu", x.size, x, y)


def gelu_backward(dy, x, y, dx) -> None:
    """Equals numpy.elementwise.gelu_backward."""
    _source.each("gelu_backward", dy.size, dy, x, dx)


def sigmoid(x, y) -> None:
    """Equals numpy.elementwise.sigmoid."""
    _source.each("sigmoid", x.size, x, y)


def sigmoid_backward(dy, x, y, dx) -> None:
    """Equals numpy.elementwise.sigmoid_backward."""
    _source.each("sigmoid_backward", dy.size, dy, y, dx)


def tanh(x, y) -> None:
    """Equals numpy.elementwise.tanh."""
    _source.each("tanh_forward", x.size, x, y)


def tanh_backward(dy, x, y, dx) -> None:
    """Equals numpy.elementwise.tanh_backward."""
    _source.each("tanh_backward", dy.size, dy, y, dx)


def softplus(x, y) -> None:
    """Equals numpy.elementwise.softplus."""
    _source.each("softplus", x.size, x, y)


def softplus_backward(dy, x, y, dx) -> None:
    """Equals numpy.elementwise.softplus_backward."""
    _source.each("softplus_backward", dy.size, dy, y, dx)


def dropout(x, noise, rate, y) -> None:
    """Equals numpy.elementwise.dropout."""
    _source.each("dropout", x.size, x, noise, float(rate), y)


def dropout_backward(dy, noise, rate, dx) -> None:
    """Equals numpy.elementwise.dropout_backward."""
    dropout(dy, noise, rate, dx)


def add(a, b, y) -> None:
    """Equals numpy.elementwise.add."""
    _source.each("add", y.size, a, b, y)
