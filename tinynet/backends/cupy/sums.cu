// What stands around products: a bias and bounds after them, and sums over the rows of a matrix.

// y = scale[f] · y + bias[f], clipped: a thread for each of the n numbers of y, which are of F filters.
extern "C" __global__ void finish(real* y, const real* bias, const real* scale, double low, double high, int F, int n) {
    int i = thread_number();
    if (i < n) y[i] = finished(y[i], i % F, bias, scale, low, high);
}

constexpr int COLUMNS = 8, SLICES = 32;  // 256 threads; sums.py says COLUMNS too

// sums[part, column] = Σ_row x[row, column] over the rows of a part; from the column `split` on it goes to `rest`. With
// y, dz = x · (y > 0) is written and summed in x's place. Block (b, part) has 8 columns; each of its 32 slices takes
// every 32nd row, then the first slice adds up all of them.
extern "C" __global__ void sum_rows(const real* __restrict__ x, int rows, int columns, int rows_of_part,
                                    const real* __restrict__ y, real* __restrict__ dz, real* sums, int split,
                                    real* rest) {
    __shared__ double found[SLICES][COLUMNS];
    int lane = threadIdx.x % COLUMNS, slice = threadIdx.x / COLUMNS;
    int column = blockIdx.x * COLUMNS + lane;
    int first = blockIdx.y * rows_of_part, end = min(rows, first + rows_of_part);
    real sum = 0;
    if (column < columns) {
#pragma unroll 4
        for (int row = first + slice; row < end; row += SLICES) {
            int at = row * columns + column;
            real value = x[at];
            if (y) {
                value *= y[at] > 0;
                dz[at] = value;
            }
            sum += value;
        }
    }
    found[slice][lane] = sum;
    __syncthreads();
    if (slice == 0 && column < columns && sums) {
        double total = 0;
        for (int s = 0; s < SLICES; s++) total += found[s][lane];
        if (column < split) sums[blockIdx.y * split + column] = total;
        else rest[column - split] = total;
    }
}
