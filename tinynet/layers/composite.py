"""Layers made of layers: one input goes along several branches, and what they give is added or put side by side.

Where paths part going forwards, gradients meet going backwards: x reaches the loss along every branch, so by the chain
rule dx is the sum of what the branches' own backward passes give.
"""

import itertools
from collections.abc import Sequence

from tinynet.errors import explain_keywords
from tinynet.layers.base import Layer, is_same_in_training
from tinynet.layers.chain import Composite, Row, all_or_none, path

Branch = Layer | Sequence[Layer]


def _all_the_same(composite: Composite) -> bool:
    """Whether all layers inside do in training what they do at inference, but for saving."""
    return all(is_same_in_training(layer) for layer in composite.layers)


class _Branches(Composite):
    """Base of the layers with branches, each a row of layers from the same x; an empty one gives x itself."""

    def __init__(self, branches: Sequence[Branch], name: str | None, input_shape):
        super().__init__(name, input_shape)
        if not isinstance(branches, list | tuple) or not branches:
            raise TypeError(f"{type(self).__name__} takes a list of branches, each a layer or a list of layers. "
                            f"Received: {branches!r}")
        self.branches: list[Row] = []
        for branch in branches:
            row = Row(self.name)
            self.branches.append(row)
            for layer in _as_list(branch, type(self).__name__):
                row.take_in(layer, self.layers, type(self).__name__)
        for row in self.branches:
            row.claim()

    @property
    def layers(self) -> list[Layer]:
        """The layers of all branches."""
        return [layer for row in self.branches for layer in row.layers]

    def build(self, input_shape):
        with all_or_none(self.branches):
            for row in self.branches:
                row.name = self.name  # which may have been numbered since
                row.build(input_shape)
            output_shape = self.join([row.output_shape for row in self.branches])
        super().build(input_shape)
        self.parameters = [parameter for row in self.branches for parameter in row.parameters]
        self.output_shape = output_shape
        return output_shape

    def join(self, shapes: list[tuple[int, ...]]) -> tuple[int, ...]:
        """Return the output's shape from those that the branches end in."""
        raise TypeError(f"{type(self).__name__} does not define join")

    def mismatch(self, rule: str, shapes: list[tuple[int, ...]]) -> ValueError:
        """Return the error that says which way the shapes go in each branch."""
        ways = "; ".join(path(row.input_shape, row.layers) for row in self.branches)
        return ValueError(f"Layer {self.name!r}: {rule}. Its branches go {ways}. Received: "
                          f"{' and '.join(map(str, shapes))}")

    def add_up(self, name: str, arrays: list, reads, kept: bool = False):
        """Return the sum of arrays, in an output of that name.

        A single one is copied: it may lie in its branch's relay, which the next layer's branches have too.
        """
        first, *rest = arrays
        total = self.output(name, first.shape, reads, kept=kept)
        if not rest:
            total[...] = first
        for array in rest:
            self.ops.add(first, array, total)
            first = total
        return total

    def use_relay(self, relay):
        super().use_relay(relay)
        for number, row in enumerate(self.branches):
            row.use_relay(relay.inside(number))

    def run_forward(self, x, training: bool) -> list:
        """Return each branch's output."""
        return [row.run(x, training=training) for row in self.branches]

    def run_backward(self, dys: list, need_dx: bool):
        """Return dx, the sum of what the branches make of each one's dy."""
        dxs = [row.backpropagate(dy, need_dx=need_dx) for row, dy in zip(self.branches, dys, strict=True)]
        return self.add_up("dx", dxs, dys[0]) if need_dx else None


class Add(_Branches):
    """The sum of its branches: y = Σ_b f_b(x).

    Shapes: x (N, ...), and each f_b(x) and y of one shape (N, ...). y holds every f_b(x) once, beside a 1, so each
    branch goes backward from dy itself; x is the input of all, so its gradients are summed::

        dx = Σ_b J_bᵀ dy        J_bᵀ dy being what branch b's backward gives for dy

    Keras' layer of this name takes tensors that other layers made; here the branches are given themselves::

        Add([Conv2D(8, 1), [Conv2D(8, 3, padding="same", activation="relu"), Dropout(0.2)], []])

    Parameters
    ----------
    branches : list
        Each a layer or a list of layers; an empty list gives x itself.
    name, input_shape
        As for every :class:`~tinynet.layers.Layer`.

    Raises
    ------
    TypeError
        If `branches` is not such a list.
    ValueError
        If a layer object appears twice; at build, if the branches' shapes differ.
    """

    rule = "all branches must end in one shape"
    same_in_training = property(_all_the_same)

    @explain_keywords
    def __init__(self, branches: Sequence[Branch], name: str | None = None, input_shape=None):
        super().__init__(branches, name, input_shape)

    def join(self, shapes):
        if len(set(shapes)) > 1:
            raise self.mismatch(self.rule, shapes)
        return shapes[0]

    def forward(self, x, *, training=False):
        x = self.check_input(x)
        y = self.add_up("y", self.run_forward(x, training), x, kept=training)
        self.keep(training, y)
        return y

    def backward(self, dy, *, need_dx=True):
        dy, _ = self.recall(dy)
        return self.run_backward([dy] * len(self.branches), need_dx)


class Residual(Add):
    """What its layers add to x: y = x + f(x), f being a row of layers whose output has the shape of x.

    By the sum rule dx = dy + Jᵀ dy, where Jᵀ dy is what f's own backward gives. The gradient passes by f unchanged, in
    the first term: however many such layers stand on each other, it does not fade on its way to the front.

    Source: He et al. 2015, Deep residual learning for image recognition (https://arxiv.org/abs/1512.03385).

    Parameters
    ----------
    layers : list
        The layers of f; or one layer.
    name, input_shape
        As for every :class:`~tinynet.layers.Layer`.

    Raises
    ------
    TypeError
        If `layers` is not such a list.
    ValueError
        If a layer object appears twice; at build, if f gives another shape than that of x.
    """

    rule = "f(x) must have the shape of x, to be added to it"

    @explain_keywords
    def __init__(self, layers: Branch, name: str | None = None, input_shape=None):
        super().__init__([[], layers], name, input_shape)


class Concatenate(_Branches):
    """The outputs of its branches side by side along the last axis, which for images are the channels.

    Shapes: x (N, ...), branch b's output (N, ..., C_b), y (N, ..., Σ_b C_b). Each number of y comes from one branch, so
    dy is cut where y was put together, and each branch goes backward from its own piece::

        y[..., start_b : end_b] = f_b(x)        dx = Σ_b J_bᵀ dy[..., start_b : end_b]

    Source: Szegedy et al. 2014, Going deeper with convolutions (https://arxiv.org/abs/1409.4842), for images.

    Parameters
    ----------
    branches : list
        Each a layer or a list of layers; an empty list gives x itself.
    axis : int
        The last axis, as -1 or as its number counted with the batch's.
    name, input_shape
        As for every :class:`~tinynet.layers.Layer`.

    Raises
    ------
    TypeError
        If `branches` is not such a list.
    ValueError
        If a layer object appears twice; at build, if `axis` is not the last, or shapes differ in another axis.
    """

    same_in_training = property(_all_the_same)

    @explain_keywords
    def __init__(self, branches: Sequence[Branch], axis: int = -1, name: str | None = None, input_shape=None):
        super().__init__(branches, name, input_shape)
        self.axis = axis

    def join(self, shapes):
        rank = len(shapes[0])
        if self.axis not in (-1, rank) or () in shapes:
            raise self.mismatch(f"it concatenates along the last axis, axis=-1, not axis={self.axis!r}", shapes)
        if len({shape[:-1] for shape in shapes}) > 1:
            raise self.mismatch("the branches' outputs must agree in all axes but the last", shapes)
        ends = list(itertools.accumulate(shape[-1] for shape in shapes))
        self.slices = [slice(end - shape[-1], end) for end, shape in zip(ends, shapes, strict=True)]
        return (*shapes[0][:-1], ends[-1])

    def forward(self, x, *, training=False):
        x = self.check_input(x)
        y = self.output("y", (len(x), *self.output_shape), x, kept=training)
        for part, output in zip(self.slices, self.run_forward(x, training), strict=True):
            y[..., part] = output
        self.keep(training, y)
        return y

    def backward(self, dy, *, need_dx=True):
        dy, _ = self.recall(dy)
        return self.run_backward([self._cut(dy, part) for part in self.slices], need_dx)

    def _cut(self, dy, part: slice):
        """Return a piece of dy as an array of its own, as layers take it."""
        piece = self.buffer(f"dy {part.start}", (*dy.shape[:-1], part.stop - part.start))
        piece[...] = dy[..., part]
        return piece


def _as_list(branch: Branch, owner: str) -> Sequence[Layer]:
    if isinstance(branch, Layer):
        return [branch]
    if isinstance(branch, list | tuple):
        return branch
    raise TypeError(f"{owner}: a branch is a layer or a list of layers. Received: {branch!r}")
