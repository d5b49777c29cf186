"""What all optimizers share: they find what is trainable, clip and scale gradients, and count the steps.

All parameters of a model lie end to end in one array, and so does each slot (a running mean, a velocity): a step is one
kernel for each trainable stretch.
"""

import numbers
from collections.abc import Callable
from types import ModuleType

from tinynet.layers import Layer
from tinynet.layers.parameters import Arena, Parameter, settle, stretches

LARGEST_SCALE = 2.0**126  # float32 has this power of two and its inverse without a loss of digits


class Optimizer:
    """Base of the optimizers: finds what is trainable, clips, counts the steps.

    Parameters
    ----------
    learning_rate : float or schedule
        The rate, or a function of the number of updates done (see :mod:`tinynet.schedules`).
    clipnorm : float, optional
        Longest norm that any one parameter's gradient keeps; a longer one is scaled down to it.
    global_clipnorm : float, optional
        The same for the norm of all gradients together.
    loss_scale_factor : float, optional
        What `fit` and `train_on_batch` multiply the loss' gradient by before it goes back through the layers, and
        divide every parameter's gradient by afterwards. Gradients too small for the numbers on their way are kept so,
        where they are rounded (https://arxiv.org/abs/1710.03740); a power of two changes nothing else. In float32 few
        networks need it. The loss that is reported is not scaled.

    Attributes
    ----------
    iterations : int
        Updates done.
    """

    slots: tuple[str, ...] = ()
    slot_start = 0.0

    def __init__(self, learning_rate, clipnorm=None, global_clipnorm=None, loss_scale_factor=None):
        check_rate(type(self).__name__, learning_rate)
        for argument, norm in (("clipnorm", clipnorm), ("global_clipnorm", global_clipnorm)):
            if norm is not None and not norm > 0:
                raise ValueError(f"{type(self).__name__}: {argument} must be above 0. Received: {norm!r}")
        if loss_scale_factor is not None and not (isinstance(loss_scale_factor, numbers.Real)
                                                  and 1 / LARGEST_SCALE <= loss_scale_factor <= LARGEST_SCALE):
            raise ValueError(f"{type(self).__name__}: loss_scale_factor must be a number from 2**-126 to 2**126, for "
                             f"float32. Received: {loss_scale_factor!r}")
        self.learning_rate: float | Callable[[int], float] = learning_rate
        self.clipnorm = clipnorm
        self.global_clipnorm = global_clipnorm
        self.loss_scale_factor = loss_scale_factor
        self.iterations = 0
        self.layouts = 0  # how many times it was found anew which arrays a step changes
        self._layout: list | None = None
        self._arena: Arena | None = None
        self._to_numpy: Callable | None = None  # of the backend whose arrays the slots are
        self._held: dict = {}  # each slot, as long as the arena
        self._numbers: list | None = None  # as the kernels take them
        self._scales: list | None = None  # the loss' and the gradients', in the same way
        self._offsets: dict[Parameter, int] = {}  # of every parameter met so far, in the arena and its slots

    @property
    def current_rate(self) -> float:
        """The learning rate of the next update."""
        rate = self.learning_rate(self.iterations) if callable(self.learning_rate) else self.learning_rate
        return float(rate)  # as it comes from a file: a float32 would make float32 of all that it is multiplied with

    def step(self, model: Layer) -> None:
        """Change every trainable parameter of `model` by its gradient, once: :meth:`begin_step` and :meth:`apply`.

        Raises
        ------
        ValueError
            If the model is not built.
        TypeError
            If `model` is neither a model nor a layer.
        """
        self.begin_step(model)
        self.apply(model)

    def begin_step(self, model: Layer) -> None:
        """Do what of a step happens on the host: count it, and write down the numbers that are new in it."""
        if not isinstance(model, Layer):
            raise TypeError(f"{type(self).__name__}.step takes a model or a layer. Received: {model!r}")
        parameters = model.parameters
        if not model.built:
            raise ValueError(f"{type(self).__name__}.step needs a built model. Received: {model!r}")
        if not parameters:
            return
        self._follow(model)
        rate = self.current_rate
        self.iterations += 1
        self._numbers = model.ops.numbers(self.numbers(rate), self._numbers)
        factor = self.loss_scale_factor
        if factor is not None or self._scales is not None:
            self._follow_scale(model, factor)

    def _follow_scale(self, model: Layer, factor: float | None) -> None:
        if (factor is None) != (self._scales is None):
            self.layouts += 1
        self._scales = None if factor is None else model.ops.numbers((factor, 1 / factor), self._scales)

    def scale_loss(self, model: Layer, dp) -> None:
        """Multiply the loss' gradient, from which backward begins, by `loss_scale_factor`, if there is one."""
        if self._scales is not None:
            model.ops.scale(dp, self._scales[0])

    def unscale(self, model: Layer) -> None:
        """Divide all gradients that backward filled by `loss_scale_factor`, if there is one."""
        if self._scales is not None:
            for _, grad, _ in self._stretches:
                model.ops.scale(grad, self._scales[1])

    def apply(self, model: Layer) -> None:
        """Do the rest of a step, where the kernels are."""
        if not model.parameters:
            return
        if self.clipnorm or self.global_clipnorm:
            self._clip(model.parameters, model.ops)
        for value, grad, slots in self._stretches:
            self.update(model.ops, value, grad, *self._numbers, *slots)

    def numbers(self, rate: float) -> tuple[float, ...]:
        """Return the numbers of :meth:`update` that change from step to step; `iterations` counts this step already."""
        return (rate,)

    def update(self, ops: ModuleType, value, grad, rate, *slots) -> None:
        """Apply the rule to one stretch of flat arrays. What :meth:`numbers` returns comes as `ops` wants it."""
        raise TypeError(f"{type(self).__name__} does not define update")

    def slot_values(self, model: Layer) -> list[dict]:
        """Return what is known of each parameter's gradients: arrays of its shape by slot, to be read or set."""
        if not model.parameters:
            return []
        self._follow(model)
        return [{name: slot[parameter.offset : parameter.offset + parameter.size].reshape(parameter.shape)
                 for name, slot in self._held.items()} for parameter in model.parameters]

    def follow(self, model: Layer) -> None:
        """Bring what is known of a model's gradients to where the model is now; nothing, before the first step."""
        if self._arena is not None and model.parameters:
            self._follow(model)

    def _follow(self, model: Layer) -> None:
        if self._layout != _layout(model.parameters):
            self._lay_out(model)

    def _lay_out(self, model: Layer) -> None:
        """Find the stretches as parameters lie and are trainable now, and move each parameter's slots with it."""
        parameters = model.parameters
        arena = settle(parameters, model.ops)
        if arena is not self._arena:
            self._move_to(arena, model)
        self._offsets.update((parameter, parameter.offset) for parameter in parameters)
        self._layout = _layout(parameters)
        self.layouts += 1
        self._stretches = [(arena.values[part], arena.grads[part], [slot[part] for slot in self._held.values()])
                           for part in stretches(parameters)]

    def _move_to(self, arena: Arena, model: Layer) -> None:
        """Make slots for an arena, and copy what is known of the parameters that lie in it now."""
        moved = {parameter: offset for parameter, offset in self._offsets.items() if parameter.arena is arena}
        if self._offsets and not moved:
            raise ValueError(f"This {type(self).__name__} trains another model already, and keeps what it knows of "
                             f"that one's gradients; make a new one. Received: {model!r}")
        held = {name: model.ops.zeros(arena.values.shape, arena.values.dtype) for name in self.slots}
        for name, slot in held.items():
            slot += self.slot_start
            if not moved:
                continue
            known = model.ops.asarray(self._to_numpy(self._held[name]), slot.dtype)  # the model may have moved
            for parameter, offset in moved.items():
                slot[parameter.offset : parameter.offset + parameter.size] = known[offset : offset + parameter.size]
        self._arena, self._held, self._to_numpy = arena, held, model.ops.to_numpy
        self._numbers = self._scales = None
        self._offsets = {parameter: parameter.offset for parameter in moved}

    def _clip(self, parameters, ops) -> None:
        if self.clipnorm:
            for parameter in parameters:
                if parameter.trainable and not parameter.frozen:
                    ops.shorten([parameter.grad.reshape(-1)], self.clipnorm)
        if self.global_clipnorm:
            ops.shorten([grad for _, grad, _ in self._stretches], self.global_clipnorm)


def check_rate(owner: str, learning_rate) -> None:
    """Raise a ValueError unless a learning rate is a number of at least 0 or a schedule."""
    if not callable(learning_rate) and not (isinstance(learning_rate, numbers.Real) and learning_rate >= 0):
        raise ValueError(f"{owner}: learning_rate must be a number of at least 0 or a schedule. "
                         f"Received: {learning_rate!r}")


def _layout(parameters) -> list:
    return [(parameter.arena, parameter.offset, parameter.frozen) for parameter in parameters]
