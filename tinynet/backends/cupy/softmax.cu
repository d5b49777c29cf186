// Softmax and cross-entropy. Most kernels here give each row to a warp, whose thread `lane` (0 to 31) takes the classes
// lane, lane + 32, ...; if there are more rows than warps, each warp goes on with a later row. A thread reads back only
// what it wrote itself, so p may lie over z.
//
// Kernels that add up write one sum for each block into `sums`.

// The sum of `value` over the 32 threads of a warp, in every thread of it: in each round everyone adds the value of the
// thread `apart` places away.
template <typename T>
__device__ inline T sum_of_all(T value) {
    for (int apart = 16; apart > 0; apart /= 2) value += __shfl_xor_sync(0xffffffffu, value, apart);
    return value;
}

// The larger of two numbers, or NaN if one is NaN.
__device__ inline real larger(real a, real b) { return a > b || a != a ? a : b; }

// The maximum of a row, in every thread of the warp. Each starts from the first class, so none is without a number.
__device__ inline real max_of_row(const real* row, int classes) {
    real top = row[0];
    for (int c = threadIdx.x % 32; c < classes; c += 32) top = larger(top, row[c]);
    for (int apart = 16; apart > 0; apart /= 2) top = larger(top, __shfl_xor_sync(0xffffffffu, top, apart));
    return top;
}

// The class of a row's maximum, the smallest where several are equal, in every thread of the warp.
__device__ inline int place_of_max(const real* row, int classes) {
    int place = 0;
    real top = row[0];
    for (int c = threadIdx.x % 32; c < classes; c += 32)
        if (row[c] > top) top = row[c], place = c;
    for (int apart = 16; apart > 0; apart /= 2) {
        real other = __shfl_xor_sync(0xffffffffu, top, apart);
        int its_place = __shfl_xor_sync(0xffffffffu, place, apart);
        if (other > top || (other == top && its_place < place)) top = other, place = its_place;
    }
    return place;
}

// What class c counts in row n, by rows of probabilities y or, where there are none, by the labels.
__device__ inline real truth(const real* y, const int* labels, int classes, int n, int c) {
    return y ? y[n * classes + c] : real(c == labels[n]);
}

// The number of this thread's warp among those of all blocks, and the number of all warps.
__device__ inline int warp_number() { return thread_number() / 32; }
__device__ inline int all_warps() { return gridDim.x * blockDim.x / 32; }

// p[n, c] = exp(z[n, c] - max z[n]) / Σ_k exp(z[n, k] - max z[n]).
extern "C" __global__ void softmax(const real* z, real* p, int rows, int classes) {
    int lane = threadIdx.x % 32;
    for (int n = warp_number(); n < rows; n += all_warps()) {
        const real* z_row = z + n * classes;
        real* p_row = p + n * classes;
        real top = max_of_row(z_row, classes), total = 0;
        for (int c = lane; c < classes; c += 32) {
            p_row[c] = exp(z_row[c] - top);
            total += p_row[c];
        }
        total = sum_of_all(total);
        for (int c = lane; c < classes; c += 32) p_row[c] /= total;
    }
}

// dz[n, c] = p[n, c] (dp[n, c] - Σ_k dp[n, k] p[n, k]).
extern "C" __global__ void softmax_backward(const real* dp, const real* p, real* dz, int rows, int classes) {
    int lane = threadIdx.x % 32;
    for (int n = warp_number(); n < rows; n += all_warps()) {
        const real *dp_row = dp + n * classes, *p_row = p + n * classes;
        real mean = 0;
        for (int c = lane; c < classes; c += 32) mean += dp_row[c] * p_row[c];
        mean = sum_of_all(mean);
        for (int c = lane; c < classes; c += 32) dz[n * classes + c] = p_row[c] * (dp_row[c] - mean);
    }
}

// loss[n] = -Σ_c y[n, c] log p[n, c], and dp = -weight y / p, 0 where p had to be clipped. Every class stands alone: a
// thread for each number of the `size` in p.
extern "C" __global__ void categorical_crossentropy(const real* y, const int* labels, const real* p, const real* weight,
                                                    real* dp, double clip, int size, int classes, double* sums) {
    real low = clip, high = 1 - clip;
    double sum = 0;
    for (int i = thread_number(); i < size; i += gridDim.x * blockDim.x) {
        int n = i / classes;
        real t = truth(y, labels, classes, n, i % classes);
        real q = p[i] < low ? low : p[i] > high ? high : p[i];
        bool clipped = p[i] < low || p[i] > high;
        sum -= weight[n] * (t * log(q));
        dp[i] = clipped ? real(0) : -weight[n] * t / q;
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

// The same for p = softmax(z): with s = z - max z[n], a row's loss is Σ_c y_c (log Σ_k exp(s_k) - s_c), and
// dz = weight (p Σ_c y_c - y). A class of y = 0 counts nothing, even where its logit is -infinity.
extern "C" __global__ void softmax_crossentropy(const real* y, const int* labels, const real* z, const real* weight,
                                                real* dz, int rows, int classes, double* sums) {
    int lane = threadIdx.x % 32;
    double sum = 0;
    for (int n = warp_number(); n < rows; n += all_warps()) {
        const real* z_row = z + n * classes;
        real* dz_row = dz + n * classes;
        real top = max_of_row(z_row, classes), loss = 0, exp_sum = 0, y_sum = 0;
        for (int c = lane; c < classes; c += 32) {
            real s = z_row[c] - top, t = truth(y, labels, classes, n, c);
            if (t != 0) loss -= t * s;
            y_sum += t;
            dz_row[c] = exp(s);
            exp_sum += dz_row[c];
        }
        exp_sum = sum_of_all(exp_sum);
        loss += y_sum * log(exp_sum);  // of this thread's classes; the sum over the block adds up the others'
        sum += weight[n] * loss;
        y_sum = sum_of_all(y_sum);
        for (int c = lane; c < classes; c += 32)
            dz_row[c] = weight[n] * (dz_row[c] / exp_sum * y_sum - truth(y, labels, classes, n, c));
    }
    sum = block_sum(sum);
    if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

// The number of rows in which fewer than k scores stand before the label's: higher, or equal and of a smaller class. A
// row with NaN has no order and hits nothing. With rows y, the label is the class of the row's largest entry.
extern "C" __global__ void count_hits(const real* y, const int* labels, const real* p, int k, int rows, int classes,
                                      double* sums) {
    int lane = threadIdx.x % 32;
    double hits = 0;
    for (int n = warp_number(); n < rows; n += all_warps()) {
        const real* row = p + n * classes;
        int label = y ? place_of_max(y + n * classes, classes) : labels[n];
        int before = 0, none = 0;
        for (int c = lane; c < classes; c += 32) {
            before += row[c] > row[label] || (row[c] == row[label] && c < label);
            none += isnan(row[c]) ? 1 : 0;
        }
        before = sum_of_all(before);
        none = sum_of_all(none);
        if (lane == 0 && before < k && none == 0) hits += 1;
    }
    hits = block_sum(hits);
    if (threadIdx.x == 0) sums[blockIdx.x] = hits;
}

// The number of answers p above the threshold where y is above a half, and not above it where y is not. A thread for
// each of the `size` answers.
extern "C" __global__ void count_same_side(const real* y, const real* p, double threshold, int size, double* sums) {
    double count = 0;
    for (int i = thread_number(); i < size; i += gridDim.x * blockDim.x)
        if ((p[i] > real(threshold)) == (y[i] > real(0.5))) count += 1;
    count = block_sum(count);
    if (threadIdx.x == 0) sums[blockIdx.x] = count;
}
