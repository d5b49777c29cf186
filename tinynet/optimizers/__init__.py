"""Optimizers: how gradients change parameters.

`optimizer.step(model)` applies one update to everything trainable, after `model.backward` has filled the gradients.
"""

from tinynet import schedules
from tinynet.errors import look_up
from tinynet.optimizers.base import Optimizer
from tinynet.optimizers.rules import SGD, Adagrad, Adam, AdamW, RMSprop

_KNOWN = {"sgd": SGD, "adam": Adam, "adamw": AdamW, "rmsprop": RMSprop, "adagrad": Adagrad}


def get(optimizer: str | Optimizer) -> Optimizer:
    """Return an optimizer from its name (in any case, with its defaults) or itself.

    Raises
    ------
    ValueError
        For an unknown name, with the known ones.
    TypeError
        For anything else.
    """
    if isinstance(optimizer, str):
        return look_up("optimizer", optimizer.lower(), _KNOWN)()
    if isinstance(optimizer, Optimizer):
        if type(optimizer).step is not Optimizer.step:
            raise TypeError("An optimizer of one's own defines update, or extends begin_step or apply; fit does not "
                            f"call step. Received: {optimizer!r} with a step of its own")
        return optimizer
    raise TypeError(f"An optimizer is a name or an object of tinynet.optimizers, such as Adam(0.001). "
                    f"Received: {optimizer!r}")


__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Optimizer", "RMSprop", "get", "schedules"]
