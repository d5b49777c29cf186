"""MobileNetV2: a network for images in which most of the work is done by depthwise convolutions.

Table 2 of the paper is the whole network. Each line says a sequence of `n` layers of `c` output channels; the first
layer of a sequence has the stride `s`, all others have stride 1; `t` is the expansion factor of the bottlenecks.

    ===========  ===========  ==  =====  ==  ==
    Input        Operator     t   c      n   s
    ===========  ===========  ==  =====  ==  ==
    224² × 3     conv2d       -   32     1   2
    112² × 32    bottleneck   1   16     1   1
    112² × 16    bottleneck   6   24     2   2
    56² × 24     bottleneck   6   32     3   2
    28² × 32     bottleneck   6   64     4   2
    14² × 64     bottleneck   6   96     3   1
    14² × 96     bottleneck   6   160    3   2
    7² × 160     bottleneck   6   320    1   1
    7² × 320     conv2d 1×1   -   1280   1   1
    7² × 1280    avgpool 7×7  -   -      1   -
    1² × 1280    conv2d 1×1   -   k      -   -
    ===========  ===========  ==  =====  ==  ==

Source: Sandler, Howard, Zhu, Zhmoginov and Chen 2018, MobileNetV2: Inverted residuals and linear bottlenecks
(https://arxiv.org/abs/1801.04381).
"""

import os

import numpy as np

from tinynet import config
from tinynet.applications.imagenet import decode_predictions
from tinynet.applications.weights import check_weights, load_weights
from tinynet.errors import as_numbers, explain_keywords, look_up
from tinynet.layers import (
    BatchNormalization,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    Input,
    Layer,
    ReLU,
    Residual,
    ZeroPadding2D,
)
from tinynet.models import Sequential
from tinynet.shapes import as_count, as_image_shape

__all__ = ["MobileNetV2", "decode_predictions", "preprocess_input"]

FIRST = 32
BOTTLENECKS = (
    # t, c, n, s
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
LAST = 1280

SMALLEST = 32  # pixels: the strides halve an image five times
POOLING = {"avg": GlobalAveragePooling2D, "max": GlobalMaxPooling2D}


@explain_keywords
def MobileNetV2(input_shape=None, alpha: float = 1.0, include_top: bool = True,  # noqa: N802 (Keras' name)
                weights: str | os.PathLike | None = "imagenet", pooling: str | None = None, classes: int = 1000,
                classifier_activation="softmax", name: str | None = None,
                data_dir: str | os.PathLike | None = None) -> Sequential:
    """Return a MobileNetV2, a model that is a layer as well; its layers have Keras' names.

    Its `layers` are fewer than Keras', as a block with a shortcut is one layer here, a Residual named block_2_add that
    is made of the others. `get_layer` finds those too, and `flatten_layers()` has all of them: freeze by these, not by
    a place in `layers` that a tutorial names.

    Parameters
    ----------
    input_shape : tuple, optional
        (H, W, 3), each side of at least 32 pixels; (224, 224, 3) by default. Any size goes with any weights.
    alpha : float
        Width of the network: every number of channels is multiplied by it, and rounded to a multiple of 8.
    include_top : bool
        Whether the classifier is a part: global average pooling, and a dense layer of `classes` outputs.
    weights : "imagenet", None or path
        "imagenet": trained on ImageNet's 1,000 classes at 224 × 224. A file `mobilenet_v2_<alpha>_224.h5`, with
        anything more in its name (`_no_top` at the end where it has no classifier), is looked for in the folder
        `mobilenet_v2` of `data_dir`, of the place that the environment variable TINYNET_DATA names, and of the user's
        cache. For alpha=1.0 Keras' published file is downloaded into that, and its hash checked; for other widths no
        hash is known, so those files are to be put there by hand. None: drawn at random. A path: any file that
        :func:`tinynet.load_keras_weights` reads.
    pooling : "avg", "max" or None
        Without the top, what comes after the last convolution: global pooling, or nothing.
    classes : int
        Number of classes of the top; 1000 for "imagenet".
    classifier_activation : str or None
        Activation of the top; None gives the logits.
    name : str, optional
        Name of the model; by default as in Keras, such as mobilenetv2_1.00_224.
    data_dir : path, optional
        A folder to look for weights in before all others.

    Returns
    -------
    Sequential
        Built. Its inputs (N, H, W, 3) are as :func:`preprocess_input` makes them; its outputs are (N, classes), without
        the top (N, ⌈H / 32⌉, ⌈W / 32⌉, 1280), or (N, 1280) after pooling. 1280 grows with an alpha above 1.

    Raises
    ------
    ValueError
        If the input is too small for the network, an argument is none of those above, or the weights do not fit: those
        of another alpha are told.
    ConnectionError, FileNotFoundError
        If weights="imagenet" are nowhere, and cannot be, or are not, downloaded; the message says how to get them.
    """
    shape = _check_shape(input_shape)
    if isinstance(alpha, bool) or not isinstance(alpha, int | float) or not 0 < alpha < np.inf:
        raise ValueError(f"alpha of MobileNetV2 must be a number above 0. Received: {alpha!r}")
    if pooling is not None:
        look_up("pooling of MobileNetV2", pooling, POOLING)
    check_weights(weights, alpha, shape, classes if include_top else None, classifier_activation)
    layers = network(shape, alpha)
    if include_top:
        classifier = Dense(as_count(classes, "classes of MobileNetV2"), classifier_activation, name="predictions")
        layers += [GlobalAveragePooling2D(), classifier]
    elif pooling is not None:
        layers += [POOLING[pooling]()]
    model = Sequential(layers, name=name or f"mobilenetv2_{alpha:.2f}_{shape[0]}")
    if weights is not None:
        load_weights(model, weights, alpha, include_top, data_dir,
                     alike=lambda other: Sequential(network((SMALLEST, SMALLEST, shape[2]), other)))
    return model


def network(shape: tuple[int, int, int], alpha: float) -> list[Layer | Input]:
    """Return the layers of the table up to the last convolution, for images of `shape`."""
    H, W, _ = shape
    channels = make_divisible(FIRST * alpha)
    layers = [
        Input(shape),
        Conv2D(channels, 3, strides=2, padding="same", use_bias=False, name="Conv1"),
        normalization("bn_Conv1"),
        ReLU(6.0, name="Conv1_relu"),
    ]
    H, W = halved(H), halved(W)
    block = 0
    for t, c, n, s in BOTTLENECKS:
        filters = make_divisible(int(c * alpha))
        for stride in [s] + [1] * (n - 1):
            layers += inverted_residual(block, (H, W, channels), t, filters, stride)
            if stride == 2:
                H, W = halved(H), halved(W)
            channels = filters
            block += 1
    return [
        *layers,
        Conv2D(make_divisible(LAST * max(alpha, 1.0)), 1, use_bias=False, name="Conv_1"),
        normalization("Conv_1_bn"),
        ReLU(6.0, name="out_relu"),
    ]


def inverted_residual(block: int, shape: tuple[int, int, int], t: int, c: int, s: int) -> list[Layer]:
    """Return the bottleneck of Table 1: channels grow t times, each is convolved by itself, and c are made of them.

    The narrow ends carry x from block to block, the wide middle is where the nonlinearity acts: so the shortcut joins
    the ends, and no ReLU follows the projection, as it would lose what a narrow layer cannot spare.
    """
    H, W, channels = shape
    prefix = f"block_{block}_" if block else "expanded_conv_"
    expand = [
        Conv2D(t * channels, 1, padding="same", use_bias=False, name=prefix + "expand"),
        normalization(prefix + "expand_BN"),
        ReLU(6.0, name=prefix + "expand_relu"),
    ]
    pad = [ZeroPadding2D(((H % 2, 1), (W % 2, 1)), name=prefix + "pad")]  # as "same" would
    depthwise = [
        DepthwiseConv2D(3, strides=s, padding="same" if s == 1 else "valid", use_bias=False, name=prefix + "depthwise"),
        normalization(prefix + "depthwise_BN"),
        ReLU(6.0, name=prefix + "depthwise_relu"),
    ]
    project = [
        Conv2D(c, 1, padding="same", use_bias=False, name=prefix + "project"),
        normalization(prefix + "project_BN"),
    ]
    layers = (expand if t > 1 else []) + (pad if s == 2 else []) + depthwise + project
    return [Residual(layers, name=prefix + "add")] if s == 1 and c == channels else layers


def normalization(name: str) -> BatchNormalization:
    """Return the batch normalization that follows every convolution, and serves as its bias."""
    return BatchNormalization(epsilon=1e-3, momentum=0.999, name=name)


def make_divisible(channels: float, divisor: int = 8) -> int:
    """Return the multiple of 8 nearest to a number of channels, but never less than nine tenths of it."""
    nearest = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return nearest + divisor if nearest < 0.9 * channels else nearest


def halved(size: int) -> int:
    """Return how many places a stride of 2 leaves."""
    return (size + 1) // 2


def preprocess_input(x) -> np.ndarray:
    """Return images as the network takes them: RGB from 0 to 255 becomes floats from -1 to 1, in a new array.

    Parameters
    ----------
    x : array (..., H, W, 3)
        Pixels of any number type; floats keep theirs, others become floatx.
    """
    x = as_numbers("x of preprocess_input", x)
    dtype = x.dtype if x.dtype.kind == "f" else np.dtype(config.floatx())
    return np.divide(x, dtype.type(127.5), dtype=dtype) - dtype.type(1)


def _check_shape(input_shape) -> tuple[int, int, int]:
    if input_shape is None:
        return 224, 224, 3
    H, W, C = as_image_shape(input_shape, "MobileNetV2")
    if H < SMALLEST or W < SMALLEST:
        raise ValueError(f"input_shape of MobileNetV2 must be at least ({SMALLEST}, {SMALLEST}, 3): its strides halve "
                         f"an image five times. Received: {(H, W, C)}")
    return H, W, C
