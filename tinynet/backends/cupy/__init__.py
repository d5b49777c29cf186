"""The GPU wing: CUDA kernels of our own and cuBLAS' products, by way of CuPy.

Arrays lie in the GPU's memory. A launch returns at once, and the GPU works through its launches in their order; only
what brings numbers back to the host (`to_numpy`) waits for it.
"""

try:
    import cupy
except ImportError as error:
    raise ImportError("it needs CuPy: pip install 'cupy-cuda12x[ctk]' or 'cupy-cuda13x[ctk]', whichever the driver is "
                      f"for (nvidia-smi says); {error}") from error

from tinynet.backends.cupy import device

device.require()

from tinynet.backends.cupy.conv import add_bias, conv2d, conv2d_backward, sum_bias
from tinynet.backends.cupy.dense import dense, dense_backward
from tinynet.backends.cupy.depthwise import depthwise_conv2d, depthwise_conv2d_backward
from tinynet.backends.cupy.elementwise import (
    add,
    clipped_relu,
    clipped_relu_backward,
    dropout,
    dropout_backward,
    elu,
    elu_backward,
    gelu,
    gelu_backward,
    leaky_relu,
    leaky_relu_backward,
    relu,
    relu_backward,
    sigmoid,
    sigmoid_backward,
    softplus,
    softplus_backward,
    tanh,
    tanh_backward,
)
from tinynet.backends.cupy.losses import (
    binary_crossentropy,
    huber,
    logistic_crossentropy,
    mean_absolute_error,
    mean_squared_error,
)
from tinynet.backends.cupy.memory import (
    asarray,
    draw_uniform,
    empty,
    fits,
    free_bytes,
    is_array,
    make_generator,
    may_share_memory,
    numbers,
    take,
    tally,
    to_numpy,
    zeros,
)
from tinynet.backends.cupy.norm import (
    batch_norm,
    batch_norm_as_scale,
    batch_norm_backward,
    layer_norm,
    layer_norm_backward,
    moments,
    moving_averages,
)
from tinynet.backends.cupy.optim import (
    adagrad,
    adam,
    add_penalty_gradient,
    momentum,
    penalty,
    rmsprop,
    scale,
    sgd,
    shorten,
)
from tinynet.backends.cupy.pool import (
    average_pool,
    average_pool_backward,
    global_average_pool,
    global_average_pool_backward,
    global_max_pool,
    global_max_pool_backward,
    max_pool,
    max_pool_backward,
)
from tinynet.backends.cupy.resize import (
    crop,
    upsample,
    upsample_backward,
    upsample_bilinear,
    upsample_bilinear_backward,
    zero_pad,
)
from tinynet.backends.cupy.softmax import (
    categorical_crossentropy,
    count_hits,
    count_one_hot_hits,
    count_same_side,
    softmax,
    softmax_backward,
    softmax_crossentropy,
    sparse_categorical_crossentropy,
    sparse_softmax_crossentropy,
)
from tinynet.backends.cupy.steps import deliver, repeat
from tinynet.backends.cupy.warp import crop_each, crop_each_backward, flip, warp, warp_backward
from tinynet.backends.cupy.workers import lanes, share

name = "cupy"

__all__ = [
    "adagrad",
    "adam",
    "add",
    "add_bias",
    "add_penalty_gradient",
    "asarray",
    "average_pool",
    "average_pool_backward",
    "batch_norm",
    "batch_norm_as_scale",
    "batch_norm_backward",
    "binary_crossentropy",
    "categorical_crossentropy",
    "clipped_relu",
    "clipped_relu_backward",
    "conv2d",
    "conv2d_backward",
    "count_hits",
    "count_one_hot_hits",
    "count_same_side",
    "crop",
    "crop_each",
    "crop_each_backward",
    "deliver",
    "dense",
    "dense_backward",
    "depthwise_conv2d",
    "depthwise_conv2d_backward",
    "draw_uniform",
    "dropout",
    "dropout_backward",
    "elu",
    "elu_backward",
    "empty",
    "fits",
    "flip",
    "free_bytes",
    "gelu",
    "gelu_backward",
    "global_average_pool",
    "global_average_pool_backward",
    "global_max_pool",
    "global_max_pool_backward",
    "huber",
    "is_array",
    "lanes",
    "layer_norm",
    "layer_norm_backward",
    "leaky_relu",
    "leaky_relu_backward",
    "logistic_crossentropy",
    "make_generator",
    "max_pool",
    "max_pool_backward",
    "may_share_memory",
    "mean_absolute_error",
    "mean_squared_error",
    "moments",
    "momentum",
    "moving_averages",
    "numbers",
    "penalty",
    "relu",
    "relu_backward",
    "repeat",
    "rmsprop",
    "scale",
    "sgd",
    "share",
    "shorten",
    "sigmoid",
    "sigmoid_backward",
    "softmax",
    "softmax_backward",
    "softmax_crossentropy",
    "softplus",
    "softplus_backward",
    "sparse_categorical_crossentropy",
    "sparse_softmax_crossentropy",
    "sum_bias",
    "take",
    "tally",
    "tanh",
    "tanh_backward",
    "to_numpy",
    "upsample",
    "upsample_backward",
    "upsample_bilinear",
    "upsample_bilinear_backward",
    "warp",
    "warp_backward",
    "zero_pad",
    "zeros",
]
