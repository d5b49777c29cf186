// What the kernels of all rooms use. REAL, the float type, is given to the compiler: float or double.

typedef REAL real;

// The number of this thread among those of all blocks, and the number of all threads.
__device__ inline int thread_number() { return blockIdx.x * blockDim.x + threadIdx.x; }
__device__ inline int all_threads() { return gridDim.x * blockDim.x; }

// ----------------------------------------------------------------------------------------------- numbers, and NaN
// No comparison with NaN is true. It comes out of all of these: a run that diverges must show.

__device__ inline real clipped(real value, real low, real high) {
    return value < low ? low : value > high ? high : value;
}

__device__ inline real larger(real a, real b) { return a > b || a != a ? a : b; }

// 1, -1, or 0 at 0.
__device__ inline real sign_of(real value) { return value > 0 ? real(1) : value < 0 ? real(-1) : value; }

// ------------------------------------------------------------------------------- sums, always in the same order

// The sum of `value` over the 32 threads of a warp, in every thread of it. In each round everyone adds the value of the
// thread `apart` places away; after the five rounds all 32 values are in.
template <typename T>
__device__ inline T warp_sum(T value) {
    for (int apart = 16; apart > 0; apart /= 2) value += __shfl_xor_sync(0xffffffffu, value, apart);
    return value;
}

// The sum of `value` over all threads of a block, in every thread of it; the block has a multiple of 32 threads.
__device__ inline double block_sum(double value) {
    __shared__ double of_warp[32];
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    value = warp_sum(value);
    __syncthreads();  // a sum before this one may still be read
    if (lane == 0) of_warp[warp] = value;
    __syncthreads();
    double total = 0;
    for (int i = 0; i < blockDim.x / 32; i++) total += of_warp[i];
    return total;
}

// Write the sum of what this block's threads have found into the block's place of `sums`; see totals.py.
__device__ inline void leave_sum(double found, double* sums) {
    found = block_sum(found);
    if (threadIdx.x == 0) sums[blockIdx.x] = found;
}

// The total of what `count` blocks have left, in every thread of this block.
__device__ inline double total_of(const double* sums, int count) {
    double found = 0;
    for (int i = threadIdx.x; i < count; i += blockDim.x) found += sums[i];
    return block_sum(found);
}

// ---------------------------------------------------------------------------------------------------------- images

// Which image, row, column and channel number i of an array (N, H, W, C) belongs to.
struct Pixel {
    int n, h, w, c;
};

__device__ inline Pixel pixel_of(int i, int H, int W, int C) {
    int pixel = i / C, row = pixel / W;
    return {row / H, row % H, pixel % W, i % C};
}

__device__ inline bool inside(int at, int size) { return 0 <= at && at < size; }

// The number of this thread's task among those of blockIdx.x, a row of an image as a rule: its blocks are counted by
// blockIdx.y.
__device__ inline int task_number() { return blockIdx.y * blockDim.x + threadIdx.x; }

// The numbers of a tinynet.shapes.Window: its size, strides, dilation, padding before the image, and its places. Along
// an axis, entry a of place i lies on pixel i · stride + a · dilation - before.
#define WINDOW int KH, int KW, int stride_h, int stride_w, int dilation_h, int dilation_w, \
               int before_h, int before_w, int OH, int OW

// The other way round: the place in which entry `tap` of the window lies on `pixel`, along one axis; -1 where there is
// none.
__device__ inline int place_of(int pixel, int tap, int stride, int dilation, int before, int places) {
    int start = pixel + before - tap * dilation;  // = place · stride
    if (start < 0) return -1;
    int place = stride == 1 ? start : start / stride;
    return place * stride == start && place < places ? place : -1;
}

// What is left to do when a filter's sum is found: scale and bias, unless they are null, and clipping.
__device__ inline real finished(real sum, int filter, const real* bias, const real* scale, double low, double high) {
    real value = sum * (scale ? scale[filter] : real(1)) + (bias ? bias[filter] : real(0));
    return clipped(value, low, high);
}

