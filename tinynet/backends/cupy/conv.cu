// Convolutions as columns and a product: the columns.

// columns[g, n, i, j, (a, b, c)] = x[n, i·stride + a·dilation - before, j·stride + b·dilation - before, g·seen + c], or
// 0 outside the image; a group has `seen` channels. A block has the places (g, n, i); a thread has one entry (a, b, c)
// and walks along j, while neighbouring threads write neighbouring numbers.
extern "C" __global__ void image_to_columns(const real* __restrict__ x, real* __restrict__ columns, int N, int H, int W,
                                            int C, int seen, WINDOW) {
    int entries = KH * KW * seen, entry = task_number();
    if (entry >= entries) return;
    int a = entry / (KW * seen), b = entry / seen % KW, c = entry % seen;
    int i = blockIdx.x % OH, n = blockIdx.x / OH % N, g = blockIdx.x / OH / N;
    int h = i * stride_h + a * dilation_h - before_h, w = b * dilation_w - before_w;
    const real* line = x + (n * H + h) * W * C + g * seen + c;
    bool on_image = inside(h, H);
    real* column = columns + blockIdx.x * OW * entries + entry;
#pragma unroll 4
    for (int j = 0; j < OW; j++) {
        column[j * entries] = on_image && inside(w, W) ? line[w * C] : real(0);
        w += stride_w;
    }
}

// dx[n, h, w, c] = Σ dcolumns[g, n, i, j, (a, b, c of the group)] over all a, b that meet the pixel in some place
// (i, j), in row order: the gradient of image_to_columns. A block has row h of dx[n], a thread a number of it.
extern "C" __global__ void columns_to_image(const real* __restrict__ dcolumns, real* dx, int N, int H, int W, int C,
                                            int seen, WINDOW) {
    int task = task_number();
    int n = blockIdx.x / H, h = blockIdx.x % H, w = task / C, c = task % C;
    if (w >= W) return;
    int g = c / seen;
    real sum = 0;
    for (int a = 0; a < KH; a++) {
        int i = place_of(h, a, stride_h, dilation_h, before_h, OH);
        if (i < 0) continue;
        for (int b = 0; b < KW; b++) {
            int j = place_of(w, b, stride_w, dilation_w, before_w, OW);
            if (j < 0) continue;
            int place = ((g * N + n) * OH + i) * OW + j;
            sum += dcolumns[((place * KH + a) * KW + b) * seen + c % seen];
        }
    }
    dx[blockIdx.x * W * C + task] = sum;
}
