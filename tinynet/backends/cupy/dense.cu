// What surrounds the products of a dense layer.

// y[n, o] = y[n, o] + bias[o], then clipped to [low, high] if asked for: a thread for each number of y.
extern "C" __global__ void finish(real* y, const real* bias, int clips, double low, double high, int columns, int n) {
    int i = thread_number();
    if (i >= n) return;
    real value = bias ? y[i] + bias[i % columns] : y[i];
    if (clips) value = value < real(low) ? real(low) : value > real(high) ? real(high) : value;
    y[i] = value;
}

// Where y is given: dz = dy where y > 0, else 0. Where sums is given: sums[part, o] = Σ dz[n, o] over the part's rows n.
// A block has 32 neighbouring columns and `at_once` rows, blockIdx.y being the part; each of its 8 warps takes every
// eighth of these rows, and the first adds up what the eight have found.
template <typename Sum>
__device__ void through_relu(const real* dy, const real* y, real* dz, Sum* sums, int rows, int columns, int at_once) {
    __shared__ double found[8][32];
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    int column = blockIdx.x * 32 + lane, part = blockIdx.y;
    int stop = min(rows, (part + 1) * at_once);
    double sum = 0;
    if (column < columns) {
        for (int row = part * at_once + warp; row < stop; row += 8) {
            int i = row * columns + column;
            real value = y && !(y[i] > 0) ? real(0) : dy[i];
            if (y) dz[i] = value;
            sum += value;
        }
    }
    if (!sums) return;
    found[warp][lane] = sum;
    __syncthreads();
    if (warp == 0 && column < columns) {
        for (int i = 1; i < 8; i++) sum += found[i][lane];
        sums[part * columns + column] = sum;
    }
}

extern "C" __global__ void relu_and_sum(const real* dy, const real* y, real* dz, real* dbias, int rows, int columns,
                                        int at_once) {
    through_relu(dy, y, dz, dbias, rows, columns, at_once);
}

extern "C" __global__ void relu_and_part_sums(const real* dy, const real* y, real* dz, double* sums, int rows,
                                              int columns, int at_once) {
    through_relu(dy, y, dz, sums, rows, columns, at_once);
}

// dbias[o] = Σ sums[part, o]: a thread for each o.
extern "C" __global__ void add_parts(const double* sums, real* dbias, int parts, int columns) {
    int o = thread_number();
    if (o >= columns) return;
    double total = 0;
    for (int part = 0; part < parts; part++) total += sums[part * columns + o];
    dbias[o] = total;
}
