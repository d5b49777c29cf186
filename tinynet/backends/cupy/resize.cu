// Padding and upsampling of images (N, H, W, C): a thread for each number of the result, which it alone writes.

// y (N, OH, OW, C) has x where x was laid, and zeros around it.
extern "C" __global__ void zero_pad(const real* x, real* y, int top, int left, int H, int W, int C, int OH, int OW,
                                    int count) {
    int i = thread_number();
    if (i >= count) return;
    Pixel at = pixel_of(i, OH, OW, C);
    int h = at.h - top, w = at.w - left;
    y[i] = inside(h, H) && inside(w, W) ? x[((at.n * H + h) * W + w) * C + at.c] : real(0);
}

// dx (N, H, W, C) is what stands in dy (N, OH, OW, C) from row `top` and column `left` on.
extern "C" __global__ void crop(const real* dy, real* dx, int top, int left, int H, int W, int C, int OH, int OW,
                                int count) {
    int i = thread_number();
    if (i >= count) return;
    Pixel at = pixel_of(i, H, W, C);
    dx[i] = dy[((at.n * OH + at.h + top) * OW + at.w + left) * C + at.c];
}

// y[h, w] = x[h / down, w / across], rounded down: y (N, H down, W across, C).
extern "C" __global__ void upsample(const real* x, real* y, int down, int across, int H, int W, int C, int count) {
    int i = thread_number();
    if (i >= count) return;
    Pixel at = pixel_of(i, H * down, W * across, C);
    y[i] = x[((at.n * H + at.h / down) * W + at.w / across) * C + at.c];
}

// dx[h, w] = Σ dy over the down · across copies of the pixel.
extern "C" __global__ void upsample_backward(const real* dy, real* dx, int down, int across, int H, int W, int C,
                                             int count) {
    int i = thread_number();
    if (i >= count) return;
    Pixel at = pixel_of(i, H, W, C);
    real sum = 0;
    for (int a = 0; a < down; a++)
        for (int b = 0; b < across; b++) {
            int row = at.n * H * down + at.h * down + a, column = at.w * across + b;
            sum += dy[(row * W * across + column) * C + at.c];
        }
    dx[i] = sum;
}

// Where place i of an axis `factor` times finer stands among the pixels.
__device__ inline double position_of(int i, int factor) { return (i + 0.5) / factor - 0.5; }

// The pixels before and after place i, and the share of the second in the blend; at the edges both are the same.
struct Neighbours {
    int before, after;
    real share_after;
};

__device__ inline Neighbours neighbours_of(int i, int factor, int length) {
    double position = position_of(i, factor);
    int before = int(floor(position));
    return {max(before, 0), min(before + 1, length - 1), real(position - before)};
}

// y = the blend of the four pixels around the place.
extern "C" __global__ void upsample_bilinear(const real* x, real* y, int down, int across, int H, int W, int C,
                                             int count) {
    int i = thread_number();
    if (i >= count) return;
    Pixel at = pixel_of(i, H * down, W * across, C);
    Neighbours rows = neighbours_of(at.h, down, H), columns = neighbours_of(at.w, across, W);
    real t = rows.share_after, s = columns.share_after;
    const real* above = x + (at.n * H + rows.before) * W * C + at.c;
    const real* below = x + (at.n * H + rows.after) * W * C + at.c;
    y[i] = (1 - t) * (1 - s) * above[columns.before * C] + (1 - t) * s * above[columns.after * C] +
           t * (1 - s) * below[columns.before * C] + t * s * below[columns.after * C];
}

// The share of a pixel in place i: 1 less the distance between them, places beyond the outermost pixels counting as
// there.
__device__ inline real share_of(int pixel, int i, int factor, int length) {
    double position = min(max(position_of(i, factor), 0.0), double(length - 1));
    return real(1 - fabs(position - pixel));
}

// dx[h, w] = Σ dy · share of the row · share of the column, over the places nearer than one pixel to (h, w): along an
// axis these are the places from h · factor - factor / 2 to before h · factor + factor · 3 / 2.
extern "C" __global__ void upsample_bilinear_backward(const real* dy, real* dx, int down, int across, int H, int W,
                                                      int C, int count) {
    int number = thread_number();
    if (number >= count) return;
    Pixel at = pixel_of(number, H, W, C);
    int OH = H * down, OW = W * across;
    int top = max(at.h * down - down / 2, 0), bottom = min(at.h * down + down * 3 / 2, OH);
    int left = max(at.w * across - across / 2, 0), right = min(at.w * across + across * 3 / 2, OW);
    real sum = 0;
    for (int i = top; i < bottom; i++) {
        real row_sum = 0;
        for (int j = left; j < right; j++)
            row_sum += share_of(at.w, j, across, W) * dy[((at.n * OH + i) * OW + j) * C + at.c];
        sum += share_of(at.h, i, down, H) * row_sum;
    }
    dx[number] = sum;
}
