// Convolutions straight from the image: every thread sums the few products of which its numbers are made.

constexpr int PLACES = 4, ENTRIES = 4;  // as in direct.py

// y[n, i, j, f] = Σ_a Σ_b Σ_c x[n, h, w, first + c] kernel[a, b, c, f], where h = i·stride + a·dilation - before, w
// likewise, and `first` is the first channel of f's group, of `seen` channels; then times scale[f], plus bias[f], and
// clipped. A block has row i of y[n]; a thread has a filter f in the places j, j + 1, ..., so that it reads each entry
// of the kernel once for all of them.
extern "C" __global__ void convolve(const real* __restrict__ x, const real* __restrict__ kernel, const real* bias,
                                    const real* scale, double low, double high, real* y, int H, int W, int C, int seen,
                                    int F, WINDOW) {
    int task = task_number();
    int n = blockIdx.x / OH, i = blockIdx.x % OH, j = task / F * PLACES, f = task % F;
    if (j >= OW) return;
    int first = f / (F / (C / seen)) * seen;
    real sums[PLACES] = {};
    for (int a = 0; a < KH; a++) {
        int h = i * stride_h + a * dilation_h - before_h;
        if (!inside(h, H)) continue;
        const real* line = x + (n * H + h) * W * C + first;
        for (int b = 0; b < KW; b++) {
            const real* entry = kernel + (a * KW + b) * seen * F + f;
            int start = j * stride_w + b * dilation_w - before_w;
            for (int c = 0; c < seen; c++) {
                real weight = entry[c * F];
                for (int p = 0; p < PLACES; p++) {
                    int w = start + p * stride_w;
                    if (inside(w, W)) sums[p] += line[w * C + c] * weight;
                }
            }
        }
    }
    for (int p = 0; p < PLACES && j + p < OW; p++) {
        y[(blockIdx.x * OW + j + p) * F + f] = finished(sums[p], f, bias, scale, low, high);
    }
}

// found[part, entry, f] = Σ x[n, h, w, first + c] dz[n, i, j, f] over the rows (n, i) of a part and all j, where
// `entry` counts (a, b, c); one entry more, the bias, sees 1 everywhere. dz = dy · (y > 0) where there is a y, else dy.
// A thread has a filter f and ENTRIES entries, for which it reads dz once.
extern "C" __global__ void kernel_gradient(const real* __restrict__ x, const real* __restrict__ dy,
                                           const real* __restrict__ y, real* found, int rows, int rows_of_part, int H,
                                           int W, int C, int seen, int F, WINDOW) {
    int task = task_number();
    int bias = KH * KW * seen, start = task / F * ENTRIES, f = task % F;
    if (start > bias) return;
    int first = f / (F / (C / seen)) * seen;
    int from_h[ENTRIES], from_w[ENTRIES], channel[ENTRIES];  // of what an entry sees in the place (0, 0)
    for (int e = 0; e < ENTRIES; e++) {
        int entry = start + e;
        from_h[e] = entry / (KW * seen) * dilation_h - before_h;
        from_w[e] = entry / seen % KW * dilation_w - before_w;
        channel[e] = first + entry % seen;
    }
    double totals[ENTRIES] = {};
    int begin = blockIdx.x * rows_of_part, end = min(rows, begin + rows_of_part);
    for (int row = begin; row < end; row++) {
        int n = row / OH, i = row % OH;
        const real* line[ENTRIES];
        bool on_image[ENTRIES];
        for (int e = 0; e < ENTRIES; e++) {
            int h = i * stride_h + from_h[e];
            on_image[e] = start + e < bias && inside(h, H);
            line[e] = x + (n * H + h) * W * C + channel[e];
        }
        real sums[ENTRIES] = {};  // over one row of places
        for (int j = 0; j < OW; j++) {
            int at = (row * OW + j) * F + f;
            real dz = dy[at];
            if (y) dz *= y[at] > 0;
            for (int e = 0; e < ENTRIES; e++) {
                int w = j * stride_w + from_w[e];
                if (on_image[e] && inside(w, W)) sums[e] += line[e][w * C] * dz;
                if (start + e == bias) sums[e] += dz;
            }
        }
        for (int e = 0; e < ENTRIES; e++) totals[e] += sums[e];
    }
    for (int e = 0; e < ENTRIES && start + e <= bias; e++) {
        found[(blockIdx.x * (bias + 1) + start + e) * F + f] = totals[e];
    }
}

// dx[n, h, w, c] = Σ_f Σ dy[n, i, j, f] kernel[a, b, c of the group, f], over all a, b that meet the pixel in some
// place (i, j), and the filters f of c's group. A block has row h of dx[n], a thread a number of it.
extern "C" __global__ void image_gradient(const real* __restrict__ dy, const real* __restrict__ kernel, real* dx, int H,
                                          int W, int C, int seen, int F, WINDOW) {
    int task = task_number();
    int n = blockIdx.x / H, h = blockIdx.x % H, w = task / C, c = task % C;
    if (w >= W) return;
    int filters = F / (C / seen), first = c / seen * filters;
    real sum = 0;
    for (int a = 0; a < KH; a++) {
        int i = place_of(h, a, stride_h, dilation_h, before_h, OH);
        if (i < 0) continue;
        for (int b = 0; b < KW; b++) {
            int j = place_of(w, b, stride_w, dilation_w, before_w, OW);
            if (j < 0) continue;
            const real* gradient = dy + ((n * OH + i) * OW + j) * F + first;
            const real* weight = kernel + ((a * KW + b) * seen + c % seen) * F + first;
            for (int f = 0; f < filters; f++) sum += gradient[f] * weight[f];
        }
    }
    dx[blockIdx.x * W * C + task] = sum;
}
