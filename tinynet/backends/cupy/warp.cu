// Flips, crops and rotations of images (N, H, W, C), each image by a draw of its own.

// y[n, h, w] = x[n, h or H - 1 - h, w or W - 1 - w]: a thread for each number of y.
extern "C" __global__ void flip(const real* x, const bool* flips, real* y, int H, int W, int C, int count) {
    int i = thread_number();
    if (i >= count) return;
    Pixel at = pixel_of(i, H, W, C);
    int h = flips[2 * at.n] ? H - 1 - at.h : at.h;
    int w = flips[2 * at.n + 1] ? W - 1 - at.w : at.w;
    y[i] = x[((at.n * H + h) * W + w) * C + at.c];
}

// y[n, i, j] = x[n, top + i, left + j], the corner (top, left) being the image's own: a thread for each number of y.
extern "C" __global__ void crop_each(const real* x, const long long* corners, real* y, int H, int W, int C, int OH,
                                     int OW, int count) {
    int i = thread_number();
    if (i >= count) return;
    Pixel at = pixel_of(i, OH, OW, C);
    int h = at.h + int(corners[2 * at.n]), w = at.w + int(corners[2 * at.n + 1]);
    y[i] = x[((at.n * H + h) * W + w) * C + at.c];
}

// dx has dy where y was cut out, and zeros around it: a thread for each number of dx.
extern "C" __global__ void crop_each_backward(const real* dy, const long long* corners, real* dx, int H, int W, int C,
                                              int OH, int OW, int count) {
    int i = thread_number();
    if (i >= count) return;
    Pixel at = pixel_of(i, H, W, C);
    int h = at.h - int(corners[2 * at.n]), w = at.w - int(corners[2 * at.n + 1]);
    dx[i] = inside(h, OH) && inside(w, OW) ? dy[((at.n * OH + h) * OW + w) * C + at.c] : real(0);
}

enum FillMode { CONSTANT, NEAREST, REFLECT, WRAP };

// A place midway between two pixels takes the later one, also where rounding put it just before.
const double HALF = 0.5 + 1e-6;

// The pixel that stands at a whole place along an axis, or -1 where the fill value stands: see numpy.warp.pixels_at.
__device__ inline int pixel_at(int place, int length, int fill_mode) {
    if (inside(place, length)) return place;
    if (fill_mode == CONSTANT) return -1;
    if (fill_mode == NEAREST) return place < 0 ? 0 : length - 1;
    int period = fill_mode == REFLECT ? 2 * length : length;
    place %= period;
    if (place < 0) place += period;  // C's remainder has the sign of what was divided
    return place < length ? place : period - 1 - place;
}

// What place (i, j) of y sees: the pixels of two rows and two columns (-1: the fill value), and the share of the second
// ones. (u, v) = map · (i, j, 1) lies between rows ⌊u⌋ and ⌊u⌋ + 1; "nearest" needs the first row and column only.
struct View {
    int rows[2], columns[2];
    double row_share, column_share;

    // The share of a row and a column in the blend.
    __device__ real share(int a, int b) const {
        return real((a ? row_share : 1 - row_share) * (b ? column_share : 1 - column_share));
    }
};

__device__ inline View view_of(const double* map, int i, int j, int H, int W, int nearest, int fill_mode) {
    double u = map[0] * i + map[1] * j + map[2], v = map[3] * i + map[4] * j + map[5];
    if (nearest) {
        u = floor(u + HALF);
        v = floor(v + HALF);
    }
    int h = int(floor(u)), w = int(floor(v));
    View view;
    for (int a = 0; a < 2; a++) {
        view.rows[a] = pixel_at(h + a, H, fill_mode);
        view.columns[a] = pixel_at(w + a, W, fill_mode);
    }
    view.row_share = u - h;
    view.column_share = v - w;
    return view;
}

// y = the blend of the pixels that the place sees: a thread for each number of y (N, OH, OW, C).
extern "C" __global__ void warp(const real* x, const double* maps, real* y, int nearest, int fill_mode,
                                double fill_value, int H, int W, int C, int OH, int OW, int count) {
    int i = thread_number();
    if (i >= count) return;
    Pixel at = pixel_of(i, OH, OW, C);
    View view = view_of(maps + 6 * at.n, at.h, at.w, H, W, nearest, fill_mode);
    int corners = nearest ? 1 : 2;
    real blend = 0;
    for (int a = 0; a < corners; a++)
        for (int b = 0; b < corners; b++) {
            int h = view.rows[a], w = view.columns[b];
            bool outside = h < 0 || w < 0;
            blend += view.share(a, b) * (outside ? real(fill_value) : x[((at.n * H + h) * W + w) * C + at.c]);
        }
    y[i] = blend;
}

// dx += share · dy in all pixels that a place sees. Several places see one pixel, so that threads would meet if each
// had a place. Here a thread has a channel of an image, and goes through its places row by row.
extern "C" __global__ void warp_backward(const real* dy, const double* maps, real* dx, int nearest, int fill_mode,
                                         int H, int W, int C, int OH, int OW, int channels) {
    int channel = thread_number();
    if (channel >= channels) return;
    int n = channel / C, c = channel % C, corners = nearest ? 1 : 2;
    dx += n * H * W * C + c;
    dy += n * OH * OW * C + c;
    for (int pixel = 0; pixel < H * W; pixel++) dx[pixel * C] = 0;
    for (int i = 0; i < OH; i++)
        for (int j = 0; j < OW; j++) {
            View view = view_of(maps + 6 * n, i, j, H, W, nearest, fill_mode);
            real given = dy[(i * OW + j) * C];
            for (int a = 0; a < corners; a++)
                for (int b = 0; b < corners; b++) {
                    int h = view.rows[a], w = view.columns[b];
                    if (h >= 0 && w >= 0) dx[(h * W + w) * C] += view.share(a, b) * given;
                }
        }
}
