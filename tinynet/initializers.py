"""How weights begin. Every initializer draws float64 with NumPy, so that all backends and float types start equal.

An initializer is called with a shape and a generator. Kernels are (I, O) in dense layers and (KH, KW, I, O) in
convolutions; fan_in is how many inputs one output sums over, fan_out how many outputs one input feeds.
"""

import math
from collections.abc import Callable

import numpy as np

from tinynet.errors import explain_keywords, look_up

# The standard deviation of a normal distribution cut off at two standard deviations.
_TRUNCATED_DEVIATION = 0.87962566103423978


def fans(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return (fan_in, fan_out) of a kernel of `shape`; a bias of (O,) counts as O and O."""
    if len(shape) < 2:
        size = math.prod(shape)
        return size, size
    window = math.prod(shape[:-2])
    return window * shape[-2], window * shape[-1]


class Initializer:
    """Base of the initializers: `initializer(shape, generator)` returns a float64 array."""

    def __call__(self, shape: tuple[int, ...], generator: np.random.Generator) -> np.ndarray:
        raise TypeError(f"{type(self).__name__} does not say how to draw; define __call__(shape, generator)")


class Constant(Initializer):
    """All entries equal `value`."""

    @explain_keywords
    def __init__(self, value: float = 0.0):
        self.value = value

    def __call__(self, shape, generator):
        return np.full(shape, self.value, np.float64)


class Zeros(Constant):
    """All entries 0, as biases begin."""

    @explain_keywords
    def __init__(self):
        super().__init__(0.0)


class Ones(Constant):
    """All entries 1."""

    @explain_keywords
    def __init__(self):
        super().__init__(1.0)


class RandomNormal(Initializer):
    """Normal with `mean` and `stddev`."""

    @explain_keywords
    def __init__(self, mean: float = 0.0, stddev: float = 0.05):
        self.mean = mean
        self.stddev = stddev

    def __call__(self, shape, generator):
        return generator.normal(self.mean, self.stddev, shape)


class RandomUniform(Initializer):
    """Uniform between `minval` and `maxval`."""

    @explain_keywords
    def __init__(self, minval: float = -0.05, maxval: float = 0.05):
        self.minval = minval
        self.maxval = maxval

    def __call__(self, shape, generator):
        return generator.uniform(self.minval, self.maxval, shape)


class TruncatedNormal(Initializer):
    """Normal with `mean` and `stddev`, drawn again where it lies more than two deviations away."""

    @explain_keywords
    def __init__(self, mean: float = 0.0, stddev: float = 0.05):
        self.mean = mean
        self.stddev = stddev

    def __call__(self, shape, generator):
        z = generator.standard_normal(shape)
        outside = np.abs(z) > 2
        while outside.any():
            z[outside] = generator.standard_normal(np.count_nonzero(outside))
            outside = np.abs(z) > 2
        return self.mean + self.stddev * z


class _Scaled(Initializer):
    """Variance `scale` / fan: of activations that should neither grow nor fade from layer to layer."""

    scale = 1.0
    mode = "in"

    @explain_keywords
    def __init__(self):
        pass

    def variance(self, shape):
        fan_in, fan_out = fans(shape)
        return self.scale / (fan_in if self.mode == "in" else (fan_in + fan_out) / 2)


class _ScaledUniform(_Scaled):
    def __call__(self, shape, generator):
        limit = math.sqrt(3 * self.variance(shape))
        return generator.uniform(-limit, limit, shape)


class _ScaledNormal(_Scaled):
    def __call__(self, shape, generator):
        stddev = math.sqrt(self.variance(shape)) / _TRUNCATED_DEVIATION
        return TruncatedNormal(0.0, stddev)(shape, generator)


class GlorotUniform(_ScaledUniform):
    """Uniform within √(6 / (fan_in + fan_out)): Glorot and Bengio 2010; Keras' default."""

    mode = "average"


class GlorotNormal(_ScaledNormal):
    """Truncated normal of variance 2 / (fan_in + fan_out): Glorot and Bengio 2010."""

    mode = "average"


class HeUniform(_ScaledUniform):
    """Uniform within √(6 / fan_in), for ReLU: He et al. 2015 (https://arxiv.org/abs/1502.01852)."""

    scale = 2.0


class HeNormal(_ScaledNormal):
    """Truncated normal of variance 2 / fan_in, for ReLU: He et al. 2015 (https://arxiv.org/abs/1502.01852)."""

    scale = 2.0


class LecunNormal(_ScaledNormal):
    """Truncated normal of variance 1 / fan_in: LeCun et al. 1998, Efficient BackProp."""


_KNOWN = {
    "zeros": Zeros,
    "ones": Ones,
    "constant": Constant,
    "random_normal": RandomNormal,
    "random_uniform": RandomUniform,
    "truncated_normal": TruncatedNormal,
    "glorot_uniform": GlorotUniform,
    "glorot_normal": GlorotNormal,
    "he_uniform": HeUniform,
    "he_normal": HeNormal,
    "lecun_normal": LecunNormal,
}


def get(initializer: str | Callable) -> Callable:
    """Return an initializer from its name, its class, or itself.

    Raises
    ------
    ValueError
        For an unknown name, with the known ones.
    TypeError
        For anything else that cannot be called.
    """
    if isinstance(initializer, str):
        return look_up("initializer", initializer, _KNOWN)()
    if isinstance(initializer, type):
        return initializer()
    if callable(initializer):
        return initializer
    raise TypeError(f"An initializer is a name or is called with (shape, generator). Received: {initializer!r}")
