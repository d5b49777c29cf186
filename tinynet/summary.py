"""The table that `model.summary()` prints."""

from collections.abc import Sequence

from tinynet.layers import Layer


def table(name: str, layers: Sequence[Layer]) -> str:
    """Return a table of layers: name and type, output shape with the batch as None, number of parameters; and totals.

    Raises
    ------
    ValueError
        If a layer is not built.
    """
    rows = [("Layer (type)", "Output Shape", "Param #")]
    for layer in layers:
        if not layer.built:
            raise ValueError(f"summary needs a built model: give the first layer an input_shape, or call "
                             f"model.build(input_shape). Received: layer {layer.name!r}, not built")
        shape = ", ".join(str(size) for size in (None, *layer.output_shape))
        count = sum(parameter.size for parameter in layer.parameters)
        rows.append((f"{layer.name} ({type(layer).__name__})", f"({shape})", f"{count:,}"))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
    rule = "=" * len(lines[0])
    parameters = [parameter for layer in layers for parameter in layer.parameters]
    total = sum(parameter.size for parameter in parameters)
    trainable = sum(parameter.size for parameter in parameters if parameter.trainable and not parameter.frozen)
    return "\n".join([
        f'Model: "{name}"', rule, lines[0], rule, *lines[1:], rule,
        f"Total params: {total:,}", f"Trainable params: {trainable:,}", f"Non-trainable params: {total - trainable:,}",
    ])
