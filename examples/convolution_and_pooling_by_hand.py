"""Convolution and pooling by hand: one image of 6x6 pixels, every number to be seen, forwards and backwards.

From the lesson before the convolutional network in the course "Intro to TensorFlow for Deep Learning". The library's
own layers do the work, Conv2D with one filter whose weights are set here, and MaxPooling2D; what they return is printed
beside the same sum done by hand, and drawn.

What to see, forwards: a kernel of nine weights is laid over nine pixels, each pixel is multiplied by the weight on it,
and the sum is one number of the result; then the kernel moves on by one pixel. (Mathematicians turn the kernel over
first when they say convolution; networks, which learn their kernels, need not.) At the border it does not fit. Either
one leaves the border out, and the result is smaller, or one puts zeros around the image. Max-pooling keeps the largest
number of each window, and its windows stand side by side.

Backwards: a gradient that arrives at one number of a convolution's result goes to the nine pixels that this number was
made of, to each times its weight: the kernel laid down once more. And a gradient that arrives at one number of a
pooling's result goes to one pixel alone, the largest: the others, had they been a little lighter, would have changed
nothing.
"""

import numpy as np
from common import parse, save

import tinynet as tn
from tinynet import plotting

options = parse(__doc__)

# A grey image, 0 black and 255 white, dark at its upper left.
image = np.array([
    [1, 0, 4, 2, 7, 3],
    [8, 2, 5, 9, 30, 18],
    [20, 13, 25, 60, 90, 75],
    [6, 17, 70, 150, 210, 160],
    [12, 40, 120, 230, 255, 190],
    [5, 22, 80, 180, 200, 140],
])
# It asks whether the image grows lighter towards the lower right. Its weights sum to 0: an even area gives 0.
kernel = np.array([
    [-2, -1, 1],
    [-2, 1, 1],
    [-1, 1, 2],
])
pixels = image.astype(np.uint8)


def show(title, array):
    """Print an array of whole numbers under a title."""
    print(f"\n{title}, {array.shape[0]}x{array.shape[1]}:")
    for row in array:
        print("".join(f"{int(number):6d}" for number in row))


def as_batch(array):
    """Return an array (H, W) as a batch of one image of one channel, (1, H, W, 1), which layers take."""
    return array.astype(np.float32)[None, :, :, None]


def convolve(padding):
    """Return a model of one convolution with our kernel, and what it makes of the image."""
    model = tn.Sequential([tn.layers.Conv2D(filters=1, kernel_size=3, padding=padding, input_shape=(6, 6, 1))])
    model.set_weights([kernel[:, :, None, None], np.zeros(1)])
    return model, model.forward(as_batch(image), training=True)[0, :, :, 0]


show("the image", image)
show("the kernel", kernel)

print("""
1. One place. The kernel's middle is laid on the 25 in row 3, column 3:""")
window = image[1:4, 1:4]
show("the pixels under the kernel", window)
show("each times the weight on it", window * kernel)
print("their sum:", " ".join(f"{product:+d}" for product in (window * kernel).flat), "=", (window * kernel).sum())

print("""
2. The kernel slides over the image, one pixel at a time. Where the border is left out (padding="valid"), it fits into
four rows and four columns:""")
valid, y_valid = convolve("valid")
steps, marks = {}, {}
for i in range(4):
    for j in range(4):
        by_hand = (image[i : i + 3, j : j + 3] * kernel).sum()
        print(f"middle in row {i + 2}, column {j + 2}: by hand {by_hand:4d}, Conv2D {y_valid[i, j]:4.0f}")
        name = f"row {i + 2}, column {j + 2}: {by_hand}"
        steps[name], marks[name] = pixels, [(i, j, 3, 3)]
show("what Conv2D returns", y_valid)
save(plotting.plot_numbers(steps, marks=marks, columns=4, title="the kernel slides over the image"), options,
     "by_hand_1_sliding.png")
save(plotting.plot_numbers({"the image": pixels, "the kernel": kernel, "padding='valid'": y_valid},
                           marks={"the image": [(1, 1, 3, 3)], "padding='valid'": [(1, 1, 1, 1)]},
                           title="nine pixels, nine weights, one number"),
     options, "by_hand_2_convolution.png")

print("""
3. The other border: zeros around the image (padding="same"), so that the kernel's middle fits on every pixel, and the
result is as large as the image. In the upper left corner five of the nine pixels are such zeros:""")
same, y_same = convolve("same")
padded = np.pad(image, 1)
show("the image and the zeros around it", padded)
corner = padded[:3, :3] * kernel
print("the corner:", " ".join(f"{product:+d}" for product in corner.flat), "=", corner.sum())
show("what Conv2D returns", y_same)
print("inside it are the same numbers as before:", np.array_equal(y_same[1:-1, 1:-1], y_valid))
save(plotting.plot_numbers({"zeros around the image": padded.astype(np.uint8), "padding='same'": y_same},
                           marks={"zeros around the image": [(0, 0, 3, 3), (2, 2, 3, 3)],
                                  "padding='same'": [(0, 0, 1, 1), (2, 2, 1, 1)]},
                           title="at the border the kernel stands on zeros"),
     options, "by_hand_3_borders.png")

print("""
4. Max-pooling: windows of 3x3, each 3 pixels on from the last, so that none overlap. Of each the largest number goes
on, of the upper left one the 25:""")
pooling = tn.Sequential([tn.layers.MaxPooling2D(pool_size=3, strides=3, input_shape=(6, 6, 1))])
pooled = pooling.forward(as_batch(image), training=True)[0, :, :, 0]
for i in range(2):
    for j in range(2):
        block = image[3 * i : 3 * i + 3, 3 * j : 3 * j + 3]
        print(f"the largest of {block.ravel().tolist()}: by hand {block.max()}, MaxPooling2D {pooled[i, j]:.0f}")
show("what MaxPooling2D returns", pooled)
windows = [(0, 0, 3, 3), (0, 3, 3, 3), (3, 0, 3, 3), (3, 3, 3, 3)]
places = [(0, 0, 1, 1), (0, 1, 1, 1), (1, 0, 1, 1), (1, 1, 1, 1)]
save(plotting.plot_numbers({"the image": pixels, "max-pooling": pooled.astype(np.uint8)},
                           marks={"the image": windows, "max-pooling": places},
                           title="the largest number of each window"),
     options, "by_hand_4_pooling.png")

print("""
5. Backwards through the convolution. Say that the loss grows by 1 when the number made around the 25 grows by 1, and
does not care for the others: the gradient dy is 1 there and 0 elsewhere. How does the loss change with each pixel? Each
of the nine pixels went into that number times its weight, so its gradient is that weight:""")
dy = np.zeros((4, 4))
dy[1, 1] = 1
dx = valid.backward(as_batch(dy))[0, :, :, 0]
show("dy", dy)
show("dx, what Conv2D's backward returns", dx)
by_hand = np.zeros((6, 6))
by_hand[1:4, 1:4] = kernel
print("by hand, the kernel laid where it stood:", "the same" if np.array_equal(dx, by_hand) else "something else")
(dkernel, _) = (np.array(parameter.grad.tolist()) for parameter in valid.parameters)
print("""
And with each weight? It was multiplied by a pixel, so its gradient is that pixel:""")
show("dkernel", dkernel[:, :, 0, 0])
save(plotting.plot_numbers({"dy": dy, "the kernel": kernel, "dx": dx},
                           marks={"dy": [(1, 1, 1, 1)], "dx": [(1, 1, 3, 3)]},
                           title="the gradient of one number flows to nine pixels"),
     options, "by_hand_5_convolution_backward.png")

print("""
Two numbers of the result share pixels. Where their windows overlap, what comes from both is added:""")
dy[1, 2] = 10
valid.forward(as_batch(image), training=True)
dx = valid.backward(as_batch(dy))[0, :, :, 0]
by_hand[1:4, 2:5] += 10 * kernel
show("dy", dy)
show("dx", dx)
print("by hand, the kernel laid twice, the second time ten times as heavy:",
      "the same" if np.array_equal(dx, by_hand) else "something else")
save(plotting.plot_numbers({"dy": dy, "the kernel": kernel, "dx": dx},
                           marks={"dy": [(1, 1, 1, 1), (1, 2, 1, 1)], "dx": [(1, 1, 3, 3), (1, 2, 3, 3)]},
                           title="where windows overlap, gradients are added"),
     options, "by_hand_6_convolution_backward.png")

print("""
6. Backwards through the pooling. Each number of dy goes to the pixel that was the largest of its window, and to no
other: a little more light anywhere else would not have changed the result:""")
dy = np.array([[1, 2], [3, 4]])
dx = pooling.backward(as_batch(dy))[0, :, :, 0]
show("dy", dy)
show("dx, what MaxPooling2D's backward returns", dx)
save(plotting.plot_numbers({"the image": pixels, "dy": dy, "dx": dx},
                           marks={"the image": windows, "dy": places, "dx": windows},
                           title="the gradient of one number flows to one pixel"),
     options, "by_hand_7_pooling_backward.png")
