// What the kernels of all rooms use. REAL, the float type, is given to the compiler: float or double.

typedef REAL real;

// The number of this thread among those of all blocks.
__device__ inline int thread_number() { return blockIdx.x * blockDim.x + threadIdx.x; }

// The sum of `value` over the 32 threads of a warp, in its first thread. In each round half of what is left is added to
// the other half; the shuffle hands over a value from the thread `apart` places on.
template <typename T>
__device__ inline T warp_sum(T value) {
    for (int apart = 16; apart > 0; apart /= 2) value += __shfl_down_sync(0xffffffffu, value, apart);
    return value;
}

// The sum of `value` over all threads of a block, in every thread of it; the block has a multiple of 32 threads. The
// order of the additions is always the same.
template <typename T>
__device__ inline T block_sum(T value) {
    __shared__ T of_warp[32];
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    value = warp_sum(value);
    __syncthreads();  // a sum before this one may still be read
    if (lane == 0) of_warp[warp] = value;
    __syncthreads();
    T total = 0;
    for (int i = 0; i < blockDim.x / 32; i++) total += of_warp[i];
    return total;
}

