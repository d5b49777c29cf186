"""Learning rates that change with the step: called with the number of updates done so far, they return the rate.

Give one to an optimizer in place of a number: `Adam(learning_rate=CosineDecay(0.001, 10_000))`.
"""

import bisect
import math
from collections.abc import Callable, Sequence

from tinynet.errors import explain_keywords


class ExponentialDecay:
    """rate = initial_learning_rate · decay_rate ^ (step / decay_steps).

    Parameters
    ----------
    initial_learning_rate : float
        Rate at step 0.
    decay_steps : int
        Steps in which the rate is multiplied by `decay_rate` once.
    decay_rate : float
        That factor.
    staircase : bool
        Whether the exponent is rounded down, so that the rate falls in steps.
    """

    @explain_keywords
    def __init__(self, initial_learning_rate: float, decay_steps: int, decay_rate: float, staircase: bool = False):
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = _at_least_one(decay_steps, "decay_steps")
        self.decay_rate = decay_rate
        self.staircase = staircase

    def __call__(self, step: int) -> float:
        exponent = step // self.decay_steps if self.staircase else step / self.decay_steps
        return self.initial_learning_rate * self.decay_rate**exponent


class CosineDecay:
    """Half a cosine from `initial_learning_rate` down to alpha times it (Loshchilov and Hutter 2016, SGDR).

    With `warmup_steps` the rate first rises in a straight line from `initial_learning_rate` to `warmup_target`, and the
    cosine begins there, as in Keras.

    Parameters
    ----------
    initial_learning_rate : float
        Rate at step 0.
    decay_steps : int
        Length of the cosine in steps.
    alpha : float
        The rate's end, as a share of its start.
    warmup_target : float, optional
        Rate at the end of the warm-up; none means no warm-up.
    warmup_steps : int
        Length of the warm-up in steps.
    """

    @explain_keywords
    def __init__(self, initial_learning_rate: float, decay_steps: int, alpha: float = 0.0,
                 warmup_target: float | None = None, warmup_steps: int = 0):
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = _at_least_one(decay_steps, "decay_steps")
        self.alpha = alpha
        self.warmup_target = warmup_target
        self.warmup_steps = warmup_steps if warmup_target is not None else 0

    def __call__(self, step: int) -> float:
        start, top = self.initial_learning_rate, self.warmup_target
        if step < self.warmup_steps:
            return start + (top - start) * step / self.warmup_steps
        top = start if top is None else top
        done = min(step - self.warmup_steps, self.decay_steps) / self.decay_steps
        return top * (self.alpha + (1 - self.alpha) * 0.5 * (1 + math.cos(math.pi * done)))


class PiecewiseConstantDecay:
    """values[0] up to and including step boundaries[0], then values[1], and so on.

    Parameters
    ----------
    boundaries : sequence of int
        Steps after which the rate changes, rising.
    values : sequence of float
        The rates, one more than there are boundaries.
    """

    @explain_keywords
    def __init__(self, boundaries: Sequence[int], values: Sequence[float]):
        if len(values) != len(boundaries) + 1 or list(boundaries) != sorted(boundaries):
            raise ValueError("PiecewiseConstantDecay needs rising boundaries, and one value more than boundaries. "
                             f"Received: boundaries={boundaries!r}, values={values!r}")
        self.boundaries = list(boundaries)
        self.values = list(values)

    def __call__(self, step: int) -> float:
        return self.values[bisect.bisect_left(self.boundaries, step)]


class WarmUp:
    """A straight rise from 0 over `warmup_steps` steps, then `schedule`, counted from there.

    Source: Goyal et al. 2017 (https://arxiv.org/abs/1706.02677).

    Parameters
    ----------
    schedule : float or schedule
        What comes after; the rise ends at its rate at step 0.
    warmup_steps : int
        Length of the rise.
    """

    @explain_keywords
    def __init__(self, schedule: float | Callable[[int], float], warmup_steps: int):
        self.schedule = schedule
        self.warmup_steps = _at_least_one(warmup_steps, "warmup_steps")

    def __call__(self, step: int) -> float:
        if step < self.warmup_steps:
            return self._rate(0) * (step + 1) / (self.warmup_steps + 1)
        return self._rate(step - self.warmup_steps)

    def _rate(self, step):
        return self.schedule(step) if callable(self.schedule) else self.schedule


def _at_least_one(steps: int, argument: str) -> int:
    if steps < 1:
        raise ValueError(f"{argument} of a schedule must be at least 1. Received: {steps!r}")
    return steps
