"""From a model to the graph, and to a file."""

import os

from tinynet.layers.chain import Row
from tinynet.onnx_export.graph import Graph, Value
from tinynet.onnx_export.recipes import add_row
from tinynet.serialization import replacing
from tinynet.version import __version__

# Of the year 2022, and enough for all layers: programs that read ONNX today read these.
OPSET = 17
IR_VERSION = 8


def export(model: Row, path: str | os.PathLike) -> None:
    """Write a built model to an ONNX file; see :meth:`tinynet.Sequential.export_onnx`."""
    path = os.fspath(path)
    if not path.endswith(".onnx"):
        raise ValueError(f"The path of export_onnx must end in '.onnx'. Received: {path!r}")
    content = as_onnx(model).SerializeToString()
    with replacing(path) as temporary:
        temporary.write_bytes(content)


def as_onnx(model: Row):
    """Return a built model as an `onnx.ModelProto` that onnx' own checker has passed.

    Raises
    ------
    ImportError
        Without the package onnx.
    ValueError
        If the model is not built.
    TypeError
        If a layer's class has no recipe.
    """
    try:
        import onnx
    except ImportError as error:
        raise ImportError("export_onnx needs the package onnx: pip install 'tinynet[onnx]'. "
                          f"Received: {error}") from error
    if not model.built:
        raise ValueError(f"{model.kind} {model.name!r} must be built before export_onnx: call build(input_shape), or "
                         "fit it to data. Received: a model that is not built")
    graph = Graph(onnx, model.dtype)
    y = graph.channels_last(add_row(graph, model.layers, Value("input", 1 + len(model.input_shape))))
    identity = onnx.helper.make_node("Identity", [y.name], ["output"], "output")

    element = onnx.helper.np_dtype_to_tensor_dtype(model.dtype)
    x_info = onnx.helper.make_tensor_value_info("input", element, ["N", *model.input_shape])
    y_info = onnx.helper.make_tensor_value_info("output", element, ["N", *model.output_shape])
    body = onnx.helper.make_graph([*graph.nodes, identity], model.name, [x_info], [y_info], graph.initializers)
    proto = onnx.helper.make_model(body, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=IR_VERSION,
                                   producer_name="tinynet", producer_version=__version__)
    onnx.checker.check_model(proto, full_check=True)
    return proto
