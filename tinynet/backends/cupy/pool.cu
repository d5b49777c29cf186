// Pooling: a thread for each number of y, or of dx.

// Whether a pixel is the maximum `best`, which is NaN if any is.
__device__ inline bool wins(real pixel, real best) { return pixel == best || pixel != pixel; }

// y[n, i, j, c] = the largest x[n, h, w, c] that place (i, j) sees. A block has row i of y[n], a thread a number of it.
extern "C" __global__ void max_pool(const real* __restrict__ x, real* y, int H, int W, int C, WINDOW) {
    int task = task_number();
    int n = blockIdx.x / OH, i = blockIdx.x % OH, j = task / C, c = task % C;
    if (j >= OW) return;
    real best = log(real(0));  // -∞
    for (int a = 0; a < KH; a++) {
        int h = i * stride_h + a * dilation_h - before_h;
        if (!inside(h, H)) continue;
        for (int b = 0; b < KW; b++) {
            int w = j * stride_w + b * dilation_w - before_w;
            if (!inside(w, W)) continue;
            best = larger(x[((n * H + h) * W + w) * C + c], best);
        }
    }
    y[blockIdx.x * OW * C + task] = best;
}

// dx[n, h, w, c] = Σ dy[n, i, j, c] over the places (i, j) that the pixel has won: it wins, and none of the entries
// before the one that lies on it, counted in row order, does. A block has row h of dx[n], a thread a number of it.
extern "C" __global__ void max_pool_backward(const real* __restrict__ dy, const real* __restrict__ x,
                                             const real* __restrict__ y, real* dx, int H, int W, int C, WINDOW) {
    int task = task_number();
    int n = blockIdx.x / H, h = blockIdx.x % H, w = task / C, c = task % C;
    if (w >= W) return;
    const real* image = x + n * H * W * C + c;
    real pixel = image[(h * W + w) * C], sum = 0;
    for (int a = 0; a < KH; a++) {
        int i = place_of(h, a, stride_h, dilation_h, before_h, OH);
        if (i < 0) continue;
        for (int b = 0; b < KW; b++) {
            int j = place_of(w, b, stride_w, dilation_w, before_w, OW);
            if (j < 0) continue;
            int place = ((n * OH + i) * OW + j) * C + c;
            real best = y[place];
            bool won = wins(pixel, best);
            for (int entry = 0; won && entry < a * KW + b; entry++) {
                int row = i * stride_h + entry / KW * dilation_h - before_h;
                int column = j * stride_w + entry % KW * dilation_w - before_w;
                if (inside(row, H) && inside(column, W)) won = !wins(image[(row * W + column) * C], best);
            }
            if (won) sum += dy[place];
        }
    }
    dx[blockIdx.x * W * C + task] = sum;
}

// How many entries of a window lie on the image, along one axis, in a place whose first entry lies on `start`.
__device__ inline int entries_inside(int start, int entries, int dilation, int size) {
    int first = start < 0 ? (-start + dilation - 1) / dilation : 0;
    int last = min(entries - 1, (size - 1 - start) / dilation);
    return last - first + 1;
}

// y[n, i, j, c] = the mean of the x[n, h, w, c] that place (i, j) sees. Blocks and threads as in max_pool.
extern "C" __global__ void average_pool(const real* __restrict__ x, real* y, int H, int W, int C, WINDOW) {
    int task = task_number();
    int n = blockIdx.x / OH, i = blockIdx.x % OH, j = task / C, c = task % C;
    if (j >= OW) return;
    real sum = 0;
    int pixels = 0;
    for (int a = 0; a < KH; a++) {
        int h = i * stride_h + a * dilation_h - before_h;
        if (!inside(h, H)) continue;
        for (int b = 0; b < KW; b++) {
            int w = j * stride_w + b * dilation_w - before_w;
            if (!inside(w, W)) continue;
            sum += x[((n * H + h) * W + w) * C + c];
            pixels++;
        }
    }
    y[blockIdx.x * OW * C + task] = sum / pixels;
}

// dx[n, h, w, c] = Σ dy[n, i, j, c] / (the number of pixels that place (i, j) sees), over the places that see this one.
// Blocks and threads as in max_pool_backward.
extern "C" __global__ void average_pool_backward(const real* __restrict__ dy, real* dx, int H, int W, int C, WINDOW) {
    int task = task_number();
    int n = blockIdx.x / H, h = blockIdx.x % H, w = task / C, c = task % C;
    if (w >= W) return;
    real sum = 0;
    for (int a = 0; a < KH; a++) {
        int i = place_of(h, a, stride_h, dilation_h, before_h, OH);
        if (i < 0) continue;
        int rows = entries_inside(i * stride_h - before_h, KH, dilation_h, H);
        for (int b = 0; b < KW; b++) {
            int j = place_of(w, b, stride_w, dilation_w, before_w, OW);
            if (j < 0) continue;
            int columns = entries_inside(j * stride_w - before_w, KW, dilation_w, W);
            sum += dy[((n * OH + i) * OW + j) * C + c] / (rows * columns);
        }
    }
    dx[blockIdx.x * W * C + task] = sum;
}

// Pools of whole images, x (N, pixels, C): block (n, b) has 32 channels; each of its 8 slices takes every 8th pixel,
// and then the first slice goes through what all of them have found.
constexpr int CHANNELS = 32, SLICES = 8;  // 256 threads; pool.py says CHANNELS too

// y[n, c] = the largest x[n, p, c]; NaN where there is one.
extern "C" __global__ void global_max_pool(const real* __restrict__ x, real* y, int pixels, int C) {
    __shared__ real found[SLICES][CHANNELS];
    int lane = threadIdx.x % CHANNELS, slice = threadIdx.x / CHANNELS, c = blockIdx.y * CHANNELS + lane;
    real best = log(real(0));  // -∞
    if (c < C) {
        for (int p = slice; p < pixels; p += SLICES) best = larger(x[(blockIdx.x * pixels + p) * C + c], best);
    }
    found[slice][lane] = best;
    __syncthreads();
    if (slice == 0 && c < C) {
        for (int s = 1; s < SLICES; s++) best = larger(found[s][lane], best);
        y[blockIdx.x * C + c] = best;
    }
}

// dx[n, p, c] = dy[n, c] for the first pixel that is the maximum of its channel, else 0.
extern "C" __global__ void global_max_pool_backward(const real* __restrict__ dy, const real* __restrict__ x,
                                                    const real* __restrict__ y, real* dx, int pixels, int C) {
    __shared__ int found[SLICES][CHANNELS];
    int lane = threadIdx.x % CHANNELS, slice = threadIdx.x / CHANNELS, c = blockIdx.y * CHANNELS + lane;
    int at = blockIdx.x * pixels * C + c, winner = slice;
    if (c < C) {
        while (winner < pixels && !wins(x[at + winner * C], y[blockIdx.x * C + c])) winner += SLICES;
    }
    found[slice][lane] = winner;
    __syncthreads();
    if (c >= C) return;
    for (int s = 0; s < SLICES; s++) winner = min(winner, found[s][lane]);
    for (int p = slice; p < pixels; p += SLICES) dx[at + p * C] = p == winner ? dy[blockIdx.x * C + c] : real(0);
}

// y[n, c] = Σ_p x[n, p, c] / pixels.
extern "C" __global__ void global_average_pool(const real* __restrict__ x, real* y, int pixels, int C) {
    __shared__ double found[SLICES][CHANNELS];
    int lane = threadIdx.x % CHANNELS, slice = threadIdx.x / CHANNELS, c = blockIdx.y * CHANNELS + lane;
    real sum = 0;
    if (c < C) {
        for (int p = slice; p < pixels; p += SLICES) sum += x[(blockIdx.x * pixels + p) * C + c];
    }
    found[slice][lane] = sum;
    __syncthreads();
    if (slice == 0 && c < C) {
        double total = 0;
        for (int s = 0; s < SLICES; s++) total += found[s][lane];
        y[blockIdx.x * C + c] = total / pixels;
    }
}

// dx[n, p, c] = dy[n, c] / pixels: a thread for each of the `count` numbers of dx.
extern "C" __global__ void global_average_pool_backward(const real* dy, real* dx, int pixels, int C, int count) {
    int i = thread_number();
    if (i < count) dx[i] = dy[i / C / pixels * C + i % C] / pixels;
}
