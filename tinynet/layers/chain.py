"""Layers made of layers, and the plain row of them: names, shapes, and the way forwards and backwards through it."""

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence

from tinynet.layers.base import Layer, is_same_in_training, rename, snake_case, with_sublayers
from tinynet.layers.fusion import fuse
from tinynet.layers.memory import Relay, in_lane
from tinynet.layers.parameters import check_one_type
from tinynet.shapes import as_shape


class Composite(Layer):
    """A layer made of layers, its `layers`: what it is told, it tells them."""

    layers: Sequence[Layer]

    @property
    def trainable(self) -> bool:
        """Whether any layer is trainable, of those with parameters if there are such; setting it sets all of them."""
        with_parameters = [layer for layer in self.layers if layer.parameters]
        return any(layer.trainable for layer in with_parameters or self.layers)

    @trainable.setter
    def trainable(self, trainable: bool) -> None:
        for layer in self.layers:
            layer.trainable = trainable

    def forget(self) -> None:
        super().forget()
        for layer in self.layers:
            layer.forget()


class Row(Composite):
    """Layers in a row: the output of each is the input of the next; a row of none gives back its input.

    Backward is the chain rule: from the last layer to the first, each makes of the gradient of its output the gradient
    of its input, which is the output of the layer before it.
    """

    def __init__(self, name: str | None = None):
        super().__init__(name)
        self.layers: list[Layer] = []
        self._chain: list[Layer] = []
        self._strangers: list[int] = []  # the places in the chain of those that are not the library's
        self._inside: str | None = None  # the name of what this row is a part of

    def release(self) -> None:
        super().release()
        if self.relay is not None:
            self.relay.release()

    def take_in(self, layer: Layer, before: Sequence[Layer], owner: str) -> None:
        """Take a layer that is none of those `before` it in `owner`, and call it differently."""
        check_new(layer, [*before, self], owner)
        name_apart(layer, before)
        self.layers.append(layer)

    def claim(self) -> None:
        """Tell models in the row that they are a part of it, and cannot grow any more."""
        for layer in self.layers:
            if isinstance(layer, Row):
                layer._inside = self.name

    def build(self, input_shape) -> tuple[int, ...]:
        """Build every layer for inputs of `input_shape`, without the batch axis, and return the output's shape."""
        input_shape = as_shape(input_shape)
        with all_or_none([self]):
            self._build_layers(input_shape)
            super().build(input_shape)
            return self._join()

    def _build_layers(self, input_shape: tuple[int, ...]) -> None:
        build_row(self.layers, input_shape, f"{self.kind} {self.name!r}")

    def _join(self) -> tuple[int, ...]:
        """Gather what the layers hold: the leaves in a row, the parameters in order, the output's shape."""
        found = list(leaves(self.layers))
        parameters = [parameter for leaf in found for parameter in leaf.parameters]
        check_one_type(parameters)
        self._take_backend()
        self._chain, self.parameters = fuse(found), parameters
        self._strangers = [i for i, step in enumerate(self._chain) if not is_familiar(step)]
        if parameters:
            self.dtype = parameters[0].value.dtype  # of layers that were built before, perhaps in another floatx
        self.output_shape = self.layers[-1].output_shape if self.layers else self.input_shape
        self._widest = max(math.prod(layer.output_shape) for layer in [self, *members(self.layers)])
        self.use_relay(Relay())
        return self.output_shape

    def _take_backend(self) -> None:
        """Compute where the layers do: they may have been built before, for another backend than today's."""
        on = {layer.ops: layer.name for layer in members(self.layers)}
        self.ops = next(iter(on), self.ops)
        if len(on) > 1:
            said = " and ".join(f"{name!r} for {ops.name!r}" for ops, name in on.items())
            raise ValueError(f"{self.kind} {self.name!r}: all layers must be built for one backend. Move a model by "
                             f"to(...), or build the others inside of tinynet.use_backend(...). Received: {said}")

    def use_relay(self, relay: Relay) -> None:
        """Let all layers of the row, and of the rows in it, pass on their arrays in this relay."""
        self.relay = relay
        for layer in self.layers:
            layer.use_relay(relay)

    def propagate(self, x, *, training: bool = False, need_dx: bool = True):
        """Return y from x as layers take and give them: no copies, y may be the buffer of a layer.

        In training without `need_dx`, a frozen front is run as at inference, and saves nothing.
        """
        return self._propagate(x, len(self._chain), training, need_dx)

    def _propagate(self, x, end: int, training: bool, need_dx: bool):
        first = end if not training else 0 if need_dx else self._frozen_front()
        first = min(first, *self._strangers, end)
        x = self._infer(x, first, kept=training)
        return self._run(x, first, end, training)

    def _infer(self, x, end: int, kept: bool):
        """Run the first steps as at inference, the samples shared out between lanes where the steps' arrays are large.

        Where the result is `kept`, it does not lie where backward will write gradients.
        """
        if not end:
            return x
        lanes = self.ops.lanes(len(x), self._widest)
        if len(lanes) == len(lanes[0]) == 1 and not kept:
            return self._run(x, 0, end)
        y = self.buffer("y", (len(x), *self._chain[end - 1].output_shape))

        def work(number, pieces):
            with in_lane(number):
                for piece in pieces:
                    y[piece] = self._run(x[piece], 0, end)

        self.ops.share(work, lanes)
        return y

    def run(self, x, training: bool = False):
        """Return what the row makes of x in this lane."""
        return self._run(x, 0, len(self._chain), training)

    def _run(self, x, first: int, end: int, training: bool = False):
        with self._passing_on(first, end):
            for i in range(first, end):
                x = self._chain[i].forward(x, training=training)
        return x

    def _passing_on(self, first: int, end: int):
        """Let steps use the relay; not beside a stranger, which may hold on to an array while others run."""
        strange = any(first <= place < end for place in self._strangers)
        return contextlib.nullcontext() if strange else self.relay

    def backpropagate(self, dy, *, need_dx: bool = True):
        """Return dx from dy in the same way; without `need_dx` end at the first layer that has something to learn."""
        return self._backpropagate(dy, len(self._chain), need_dx)

    def _backpropagate(self, dy, end: int, need_dx: bool):
        first = 0 if need_dx else self._first_trainable()
        with self._passing_on(first, end):
            for i in range(end - 1, first - 1, -1):
                dy = self._chain[i].backward(dy, need_dx=i > first or need_dx)
        for layer in self._chain[:first]:
            layer.forget()
        return dy if need_dx else None

    def _first_trainable(self) -> int:
        for i, layer in enumerate(self._chain):
            if any(parameter.trainable and not parameter.frozen for parameter in layer.parameters):
                return i
        return len(self._chain)

    def _frozen_front(self) -> int:
        """Return how many steps come before the first that learns, or that does something else in training."""
        count = 0
        for i, step in enumerate(self._chain[: self._first_trainable()]):
            if not is_same_in_training(step):
                break
            if step.parameters:
                count = i + 1
        return count


def leaves(layers: Iterable[Layer]) -> Iterator[Layer]:
    """Yield the layers, with every row among them, as a model, replaced by its own layers."""
    for layer in layers:
        if isinstance(layer, Row):
            yield from leaves(layer.layers)
        else:
            yield layer


def members(layers: Iterable[Layer]) -> Iterator[Layer]:
    """Yield the layers, each followed by those that it is made of."""
    for layer in layers:
        yield layer
        if isinstance(layer, Composite):
            yield from members(layer.layers)


def is_familiar(step: Layer) -> bool:
    """Return whether a layer, and all that it is made of, is the library's.

    Of any other nothing is known: it may hold on to what it was given, keep something for itself on the way, or need
    to see the whole batch.
    """
    return all(isinstance(layer, Row) or type(layer).__module__.startswith("tinynet.") for layer in members([step]))


def check_new(layer: Layer, before: Sequence[Layer], owner: str) -> None:
    """Raise an error unless `layer` is a layer that is not among those before it."""
    if not isinstance(layer, Layer):
        raise TypeError(f"{owner} is made of layers. Received: {layer!r}")
    known = {id(mine) for mine in members(before)}
    if any(id(new) in known for new in members([layer])):
        raise ValueError(f"The same layer object cannot be used twice in one model; make a second "
                         f"{type(layer).__name__}. Received: {layer!r} again")


def name_apart(layer: Layer, before: Sequence[Layer]) -> None:
    """Number the names that nobody chose, so that no two layers of a model share one.

    Raises
    ------
    ValueError
        If a name that somebody chose is taken.
    """
    taken = {other.name for other in members(before)}
    for new in members([layer]):
        if new.named and new.name in taken:
            raise ValueError(f"Two layers of a model cannot share a name. Received: {new.name!r} again")
        base, number = snake_case(type(new).__name__), 0
        while new.name in taken:
            number += 1
            rename(new, f"{base}_{number}")
        taken.add(new.name)


@contextlib.contextmanager
def all_or_none(layers: Sequence[Layer]) -> Iterator[None]:
    """Let layers be built inside; after an error none of them is that was not before."""
    said = {inner: inner.input_shape for layer in layers for inner in with_sublayers(layer) if not inner.built}
    try:
        yield
    except Exception:
        for layer, its_shape in said.items():
            layer.built, layer.input_shape, layer.parameters = False, its_shape, []
        raise


def build_row(layers: Sequence[Layer], input_shape: tuple[int, ...], owner: str) -> None:
    """Build each layer that is not built yet for what the one before it gives; all of them or, after an error, none.

    Raises
    ------
    ValueError
        If a layer cannot take that; the message lists the shapes up to there.
    """
    shape = input_shape
    with all_or_none(layers):
        for i, layer in enumerate(layers):
            shape = _build(layer, shape, owner, lambda i=i: path(input_shape, layers[:i]))


def path(input_shape: tuple[int, ...], layers: Sequence[Layer]) -> str:
    """Return the shapes on the way through layers that are built, for errors."""
    return " -> ".join([f"input {input_shape}", *(f"{layer.name} {layer.output_shape}" for layer in layers)])


def _build(layer: Layer, shape: tuple[int, ...], owner: str, way: Callable[[], str]) -> tuple[int, ...]:
    if layer.input_shape not in (None, shape):
        said = "was built for inputs of shape " if layer.built else "says input_shape="
        raise ValueError(f"Layer {layer.name!r} {said}{layer.input_shape}, but here shapes go {way()}. "
                         f"Received: {shape}")
    if layer.built:
        return layer.output_shape
    try:
        return layer.build(shape)
    except ValueError as error:
        raise ValueError(f"{owner}: shapes go {way()}, and {layer.name!r} cannot be built: {error}") from error
