"""Checking a backward pass against what the forward pass really does.

A derivative says how much the output changes when one number changes a little. So nudge each number, run the forward
pass, and compare with what backward says: in float64 the two agree to more than seven digits, or backward is wrong.
"""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from tinynet import losses
from tinynet.layers import Layer
from tinynet.layers.base import with_sublayers
from tinynet.layers.chain import Row

STEP = 1e-4
TOLERANCE = 1e-7
KINK = ("at a kink: the slopes to its two sides differ, as ReLU's do at 0 and max pooling's at a tie; differences find "
        "their mean. Keep the input away from it")


@dataclass
class Comparison:
    """The two gradients of one array, and where they differ most.

    Attributes
    ----------
    layer, name : str
        Whose array: a layer's name and a parameter's, or "x" for the input.
    index : tuple of int
        The element with the largest relative error.
    analytic, numeric : float
        Its gradient by backward, and by differences.
    error : float
        Their relative error: |analytic - numeric| over the larger of the two, or over a thousandth of the array's
        largest gradient, or 1e-4, where that is more.
    checked, size : int
        How many elements were compared, of how many.
    cause : str
        What such a pattern of errors usually comes from; empty where none shows, or where nothing is wrong.
    """

    layer: str
    name: str
    index: tuple[int, ...]
    analytic: float
    numeric: float
    error: float
    checked: int
    size: int
    cause: str = ""


@dataclass
class GradientReport:
    """What :func:`gradcheck` found; true where every gradient is right. Print it to read it.

    Attributes
    ----------
    comparisons : list of Comparison
        One for the input and one for each parameter.
    tolerance : float
        The largest relative error that passes.
    """

    tolerance: float
    comparisons: list[Comparison] = field(default_factory=list)

    def __bool__(self) -> bool:
        return all(comparison.error <= self.tolerance for comparison in self.comparisons)

    @property
    def largest_error(self) -> float:
        """The largest relative error of all."""
        return max((comparison.error for comparison in self.comparisons), default=0.0)

    def __str__(self) -> str:
        lines = []
        for found in self.comparisons:
            right = found.error <= self.tolerance
            lines.append(f"{'ok   ' if right else 'WRONG'} {found.layer}.{found.name}: relative error "
                         f"{found.error:.1e} at {list(found.index)} (backward {found.analytic:.9g}, differences "
                         f"{found.numeric:.9g}; {found.checked} of {found.size} elements)")
            if found.cause:
                lines.append(f"      usual cause: {found.cause}")
        return "\n".join(lines)


def gradcheck(layer: Layer, x, y=None, loss: str | losses.Loss | None = None, *, tolerance: float = TOLERANCE,
              most: int | None = 200, seed: int = 0, step: float = STEP) -> GradientReport:
    """Compare the backward pass of a layer or model with central differences, in float64.

    The function differentiated is `loss(y, p)` if a loss is given, else the sum of all outputs, each times a fixed
    random number. The layer computes in float64 for the time of the check and is left as it was; moving statistics and
    generators are put back after each forward, so a dropout mask stays the same.

    Parameters
    ----------
    layer : Layer or Sequential
        What to check; built for x if it is not.
    x : array (N, *input_shape)
        The input. Keep it away from kinks: at 0 a ReLU has two slopes, and differences find their mean.
    y : array, optional
        The truth, if there is a loss.
    loss : str or Loss, optional
        See :mod:`tinynet.losses`.
    tolerance : float
        The largest relative error that passes.
    most : int or None
        Elements checked of each array, drawn at random; None checks all.
    seed : int
        Of the random numbers of the check.
    step : float
        How far numbers are nudged. Rounding weighs less with a longer step, as a network of many layers may need it;
        curvature and kinks weigh more.

    Returns
    -------
    GradientReport
        True where all is right; printed, it says which layer, parameter and element is wrong, both values, and the
        usual cause where the errors show a pattern.

    Raises
    ------
    ValueError
        If y or loss is given without the other, or x does not fit.
    TypeError
        If `layer` is none.
    """
    if not isinstance(layer, Layer):
        raise TypeError("gradcheck takes the layer or model first, then x: gradcheck(model, x). "
                        f"Received: {type(layer).__name__}")
    if (y is None) != (loss is None):
        raise ValueError("gradcheck needs both y and loss, or neither. "
                         f"Received: y {'missing' if y is None else 'given'}, loss={loss!r}")
    loss = None if loss is None else losses.get(loss)
    x = np.array(x, np.float64)
    if not layer.built:
        layer.build(x.shape[1:])
    generator = np.random.default_rng(seed)
    held = with_sublayers(layer)
    with _in_float64(held), _put_back(held) as put_back:
        shape = (len(x), *layer.output_shape)
        projection = generator.uniform(0.5, 1.5, shape) * generator.choice([-1.0, 1.0], shape)

        def value(x):
            p = layer.ops.to_numpy(layer.forward(_as_taken(layer, x), training=True))
            put_back()
            return float((projection * p).sum()) if loss is None else loss(y, p)

        p = layer.ops.to_numpy(layer.forward(_as_taken(layer, x), training=True))
        dy = projection if loss is None else loss.gradient(y, p)
        dx = layer.ops.to_numpy(layer.backward(_as_taken(layer, dy)))
        put_back()
        report = GradientReport(tolerance)
        how = most, generator, tolerance, step
        report.comparisons.append(_compare(layer.name, "x", dx, lambda: value(x), x, *how))
        grads = [(owner.name, parameter, layer.ops.to_numpy(parameter.grad)) for owner, parameter in _owned(held)]
        for owner, parameter, grad in grads:
            report.comparisons.append(
                _compare(owner, parameter.name, grad, lambda: value(x), parameter.value, *how))
    return report


def _as_taken(layer, x):
    """Return a NumPy array as `forward` and `backward` take it: a model's own as it is, a layer's on its backend."""
    return x if isinstance(layer, Row) else layer.ops.asarray(x, "float64")


def _owned(held) -> Iterator:
    """Yield (layer, parameter) of all that backward fills, each once, with the innermost layer that holds it."""
    owners = {id(parameter): (owner, parameter) for owner in held for parameter in owner.parameters}
    for owner, parameter in owners.values():
        if parameter.trainable and not parameter.frozen:
            yield owner, parameter


def numeric_gradient(value: Callable[[], float], array, indices=None, step: float = STEP) -> np.ndarray:
    """Return the gradient of value() by `array`, whose elements are nudged in place, by central differences.

    Two central differences, over one step and over two, are combined so that the error falls with the fourth power of
    the step: f' ≈ (8 (f(+h) - f(-h)) - (f(+2h) - f(-2h))) / 12 h (Abramowitz and Stegun, 25.3.6).

    Parameters
    ----------
    value : callable
        Returns the number that depends on `array`.
    array : array of float64
        Put back as it was.
    indices : list of tuple, optional
        The elements to look at; by default all. Others are NaN in the result.
    step : float
        h.
    """
    gradient = np.full(array.shape, np.nan)
    for index in np.ndindex(array.shape) if indices is None else indices:
        center = float(array[index])
        f = []
        for k in (1, -1, 2, -2):
            array[index] = center + k * step
            f.append(value())
        array[index] = center
        gradient[index] = (8 * (f[0] - f[1]) - (f[2] - f[3])) / (12 * step)
    return gradient


def bend(value: Callable[[], float], array, index, step: float = 2 * STEP) -> float:
    """Return how much the slope of value() by array[index] differs between its right and its left side.

    Of a smooth function that is about one step times the second derivative; at a kink it does not fall with the step.
    """
    center = float(array[index])
    f = []
    for nudge in (-step, 0, step):
        array[index] = center + nudge
        f.append(value())
    array[index] = center
    return abs((f[2] - f[1]) - (f[1] - f[0])) / step


def _compare(layer, name, analytic, value, array, most, generator, tolerance, step) -> Comparison:
    indices = list(np.ndindex(array.shape))
    if most is not None and len(indices) > most:
        indices = [indices[i] for i in np.sort(generator.choice(len(indices), most, replace=False))]
    numeric = numeric_gradient(value, array, indices, step)
    checked = np.zeros(array.shape, bool)
    checked[tuple(np.transpose(indices))] = True
    numeric = np.where(checked, numeric, analytic)
    error = relative_error(analytic, numeric)
    worst = np.unravel_index(np.argmax(error), error.shape)
    cause = ""
    if error[worst] > tolerance:
        at_kink = bend(value, array, worst, 2 * step) > 0.01 * max(np.abs(analytic).max(), np.abs(numeric).max())
        cause = KINK if at_kink else usual_cause(analytic, numeric, checked, tolerance)
    return Comparison(layer, name, tuple(int(i) for i in worst), float(analytic[worst]), float(numeric[worst]),
                      float(error[worst]), int(checked.sum()), array.size, cause)


def relative_error(analytic: np.ndarray, numeric: np.ndarray) -> np.ndarray:
    """Return |analytic - numeric| over the larger of the two, element by element.

    Where both are below a thousandth of the array's largest gradient, or below 1e-4, they are measured by that, as
    differences of numbers near 1 cannot tell small gradients better; and NaN counts as wrong without bound.
    """
    size = np.maximum(np.abs(analytic), np.abs(numeric))
    least = max(1e-3 * size[np.isfinite(size)].max(initial=0), 1e-4)
    with np.errstate(invalid="ignore"):  # infinity against infinity is NaN
        error = np.abs(analytic - numeric) / np.maximum(size, least)
    return np.where(np.isnan(error), np.inf, error)


def usual_cause(analytic: np.ndarray, numeric: np.ndarray, checked: np.ndarray, tolerance: float) -> str:
    """Return what a pattern of wrong gradients usually comes from; an empty string where none is known.

    Parameters
    ----------
    analytic, numeric : array
        The gradients by backward and by differences.
    checked : array of bool
        Where `numeric` was computed.
    tolerance : float
        Up to which relative error two gradients are the same.
    """
    def same(a, b):
        return bool((relative_error(a, b) <= max(tolerance, 1e-5)).all())

    a, n = analytic[checked], numeric[checked]
    if not np.isfinite(a).all():
        return "backward gives NaN or infinity: look for a division by zero or a logarithm of it"
    if not np.isfinite(n).all():
        return "forward gives NaN or infinity: look for a division by zero or a logarithm of it"
    if not a.any() and n.any():
        return "backward leaves it zero: it never fills this gradient, or multiplies by a mask that is always 0"
    if same(a, -n):
        return "the sign is turned round: a difference taken the wrong way"
    ratio = float(a @ n / (n @ n)) if n.any() else 0.0
    if ratio > 0 and abs(ratio - 1) > 1e-3 and same(a, ratio * n):
        if abs(ratio - 2) < 1e-4 or abs(ratio - 0.5) < 1e-4:
            return "a factor of 2: the derivative of a square, or a path that is counted twice or half"
        whole = ratio if ratio > 1 else 1 / ratio
        if round(whole) > 1 and abs(whole - round(whole)) < 1e-4 * whole:
            return (f"a factor of {round(whole)}, the same everywhere: if that is the batch's size, the mean over the "
                    "batch is taken twice or not at all")
        return f"a factor of {ratio:.9g}, the same everywhere: a constant of the forward pass is missing in backward"
    if analytic.ndim == 2 and analytic.shape[0] == analytic.shape[1] and checked.all() and same(analytic.T, numeric):
        return "it is transposed"
    wrong = (relative_error(analytic, numeric) > tolerance) & checked
    if analytic.ndim == 4 and wrong.any():
        inner = wrong[:, 1:-1, 1:-1, :]
        if inner.size and not inner.any():
            return "only the border is wrong: padding that forward adds and backward does not take off again"
    return ""


@contextlib.contextmanager
def _in_float64(held: list[Layer]) -> Iterator[None]:
    """Let layers compute in float64, with values, gradients and buffers of their own, and put all back."""
    parameters = {id(parameter): parameter for layer in held for parameter in layer.parameters}.values()
    layers = [(layer, layer.dtype, layer._buffers) for layer in held]
    arrays = [(parameter, parameter.value, parameter.grad, parameter.arena) for parameter in parameters]
    for layer in held:
        layer.dtype, layer._buffers = np.dtype(np.float64), {}
        layer.forget()
    for parameter in parameters:
        parameter.value = parameter.value.astype(np.float64)
        parameter.grad = parameter.grad.astype(np.float64)
    try:
        yield
    finally:
        for layer, dtype, buffers in layers:
            layer.dtype, layer._buffers = dtype, buffers
            layer.forget()
        for parameter, value, grad, arena in arrays:
            parameter.value, parameter.grad, parameter.arena = value, grad, arena


@contextlib.contextmanager
def _put_back(held: list[Layer]) -> Iterator[Callable[[], None]]:
    """Hand out a function that sets generators and moving statistics to where they are now; call it at the end."""
    generators = [layer.generator for layer in held if hasattr(layer, "generator")]
    states = [generator.bit_generator.state for generator in generators]
    moving = [parameter for layer in held for parameter in layer.parameters if not parameter.trainable]
    values = [parameter.value.copy() for parameter in moving]

    def put_back() -> None:
        for generator, state in zip(generators, states, strict=True):
            generator.bit_generator.state = state
        for parameter, value in zip(moving, values, strict=True):
            parameter.value[...] = value

    try:
        yield put_back
    finally:
        put_back()
