"""Layers in a row: their names, their shapes, and what is left when models inside models are laid flat."""

from collections.abc import Iterable, Iterator, Sequence

from tinynet.layers.base import Layer, rename, snake_case, with_sublayers


def leaves(layers: Iterable[Layer]) -> Iterator[Layer]:
    """Yield the layers, with every model among them replaced by its own layers."""
    for layer in layers:
        if hasattr(layer, "layers"):
            yield from leaves(layer.layers)
        else:
            yield layer


def check_new(layer: Layer, before: Sequence[Layer]) -> None:
    """Raise an error unless `layer` is a layer that is not among those before it."""
    if not isinstance(layer, Layer):
        raise TypeError(f"A Sequential is made of layers. Received: {layer!r}")
    known = {id(mine) for mine in (*before, *leaves(before))}
    if any(id(new) in known for new in (layer, *leaves([layer]))):
        raise ValueError(f"The same layer object cannot be used twice in one model; make a second "
                         f"{type(layer).__name__}. Received: {layer!r} again")


def name_apart(layer: Layer, before: Sequence[Layer]) -> None:
    """Number the names that nobody chose, so that no two layers of a model share one.

    Raises
    ------
    ValueError
        If a name that somebody chose is taken.
    """
    taken = {other.name for mine in before for other in (mine, *leaves([mine]))}
    for new in dict.fromkeys((layer, *leaves([layer]))):
        if new.named and new.name in taken:
            raise ValueError(f"Two layers of a model cannot share a name. Received: {new.name!r} again")
        base, number = snake_case(type(new).__name__), 0
        while new.name in taken:
            number += 1
            rename(new, f"{base}_{number}")
        taken.add(new.name)


def build_row(layers: Sequence[Layer], input_shape: tuple[int, ...], model: str) -> None:
    """Build each layer that is not built yet for what the one before it gives; all of them or, after an error, none.

    Raises
    ------
    ValueError
        If a layer cannot take that; the message lists the shapes up to there.
    """
    said = {inner: inner.input_shape for layer in layers for inner in with_sublayers(layer) if not inner.built}
    shape = input_shape
    try:
        for i, layer in enumerate(layers):
            shape = _build(layer, shape, layers[:i], input_shape, model)
    except Exception:
        for layer, its_shape in said.items():
            layer.built, layer.input_shape, layer.parameters = False, its_shape, []
        raise


def _build(layer: Layer, shape, before: Sequence[Layer], input_shape, model: str) -> tuple[int, ...]:
    def path() -> str:
        shapes = [f"input {input_shape}", *(f"{other.name} {other.output_shape}" for other in before)]
        return "shapes go " + " -> ".join(shapes)

    if layer.input_shape not in (None, shape):
        said = "was built for inputs of shape " if layer.built else "says input_shape="
        raise ValueError(f"Layer {layer.name!r} {said}{layer.input_shape}, but here {path()}. Received: {shape}")
    if layer.built:
        return layer.output_shape
    try:
        return layer.build(shape)
    except ValueError as error:
        raise ValueError(f"Model {model!r}: {path()}, and {layer.name!r} cannot be built: {error}") from error
