// Batch and layer normalisation of rows of channels (M, C).
//
// What goes by channels is shared like this: a block of 256 threads takes a strip of rows, and of these a few
// neighbouring channels, its lanes (a power of two, at most 32). Its threads stand as 256 / lanes rows of lanes, so
// that neighbouring threads read neighbouring numbers, and each goes down the strip in steps of 256 / lanes rows,
// always in the same channel. blockIdx.x says which channels, blockIdx.y which strip.

const int CHUNK = 8;  // so many numbers a thread adds up in their own type, before they go into a sum of doubles

// Where a thread goes: from `row`, in steps of `step` rows, to the row before `end`. A lane beyond the last channel
// goes nowhere. The first of a lane's threads is its `head` and writes what is found about the channel.
struct Walk {
    int channel, row, end, step;
    bool head;
};

__device__ inline Walk walk_of(int M, int C, int lanes) {
    int channel = blockIdx.x * lanes + threadIdx.x % lanes, strips = gridDim.y;
    int rows = (M + strips - 1) / strips, start = blockIdx.y * rows;
    Walk walk;
    walk.channel = min(channel, C - 1);  // a lane beyond the last one reads there too, and writes nothing
    walk.step = blockDim.x / lanes;
    walk.row = start + threadIdx.x / lanes;
    walk.end = channel < C ? min(M, start + rows) : 0;
    walk.head = channel < C && threadIdx.x < lanes;
    return walk;
}

// The total of what the threads of a lane have, in each of them. In each round the lower half of the block's threads
// takes over from the upper half what that has, until one thread a lane is left.
template <typename T>
__device__ inline T total_of_lane(T mine, int lanes) {
    __shared__ T of_thread[256];
    of_thread[threadIdx.x] = mine;
    for (int half = blockDim.x / 2; half >= lanes; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) of_thread[threadIdx.x].add(of_thread[threadIdx.x + half]);
    }
    __syncthreads();
    return of_thread[threadIdx.x % lanes];
}

// What is found in one of several strips is left in of_strips (strips, C), of T: Moments or Sums, a few doubles each.
template <typename T>
__device__ inline void leave(T found, double* of_strips, Walk walk, int C) {
    ((T*)of_strips)[blockIdx.y * C + walk.channel] = found;
}

// The total of all strips, in each thread of a lane. They are gone through as if each strip were a row.
template <typename T>
__device__ inline T total_of_strips(const double* of_strips, Walk walk, int C, int lanes) {
    T mine = {};
    for (int strip = walk.row; strip < walk.end; strip += walk.step)
        mine.add(((const T*)of_strips)[strip * C + walk.channel]);
    return total_of_lane(mine, lanes);
}

// What is known of some numbers: how many, their mean, and Σ (x - mean)².
struct Moments {
    double count, mean, squares;

    // Chan's formula for two groups a and b of numbers, whose means lie d = mean_b - mean_a apart. The common mean lies
    // d n_b / n from a's and d n_a / n from b's. Σ (x - m)² over a group grows by n (m - mean)² when it is taken around
    // another m than the group's mean; here by n_a (d n_b / n)² + n_b (d n_a / n)² = d² n_a n_b / n. Nothing is taken
    // off anything, so this is as exact as a second pass around the mean of all.
    __device__ void add(Moments other) {
        if (other.count == 0) return;
        double apart = other.mean - mean, share = other.count / (count + other.count);
        mean += apart * share;
        squares += other.squares + apart * apart * count * share;
        count += other.count;
    }
};

__device__ inline void write_moments(Moments found, int channel, real* mean, real* variance) {
    mean[channel] = real(found.mean);
    variance[channel] = real(found.squares / found.count);
}

// The moments of a strip. A thread takes CHUNK numbers at a time, as deviations from the first of them, s:
// mean = s + Σ (x - s) / n, and Σ (x - mean)² = Σ (x - s)² - (Σ (x - s))² / n. The difference costs three bits at most:
// as s is one of the n = 8 numbers, Σ (x - s)² is at most 8 times what is left. Where one strip is all, its moments are
// the result; else merge_moments goes on.
extern "C" __global__ void moments(const real* x, double* of_strips, real* mean, real* variance, int M, int C,
                                   int lanes) {
    Walk walk = walk_of(M, C, lanes);
    Moments mine = {};
    for (int row = walk.row; row < walk.end; row += CHUNK * walk.step) {
        real s = x[row * C + walk.channel], sum = 0, squares = 0;
        int count = 0;
#pragma unroll
        for (int k = 0; k < CHUNK; k++)
            if (k * walk.step < walk.end - row) {
                real apart = x[(row + k * walk.step) * C + walk.channel] - s;
                sum += apart;
                squares += apart * apart;
                count++;
            }
        double off = double(sum) / count, left = squares - sum * off;
        mine.add({double(count), s + off, left < 0 ? 0 : left});  // rounding may have taken it below
    }
    Moments total = total_of_lane(mine, lanes);
    if (walk.head && gridDim.y == 1) write_moments(total, walk.channel, mean, variance);
    if (walk.head && gridDim.y > 1) leave(total, of_strips, walk, C);
}

// The moments of all, from those of the strips.
extern "C" __global__ void merge_moments(real* mean, real* variance, const double* of_strips, int strips, int C,
                                         int lanes) {
    Walk walk = walk_of(strips, C, lanes);
    Moments total = total_of_strips<Moments>(of_strips, walk, C, lanes);
    if (walk.head) write_moments(total, walk.channel, mean, variance);
}

// moving = momentum moving + (1 - momentum) value, for both statistics of channel c.
extern "C" __global__ void moving_averages(real* moving_mean, real* moving_variance, const real* mean,
                                           const real* variance, double momentum, int C) {
    int c = thread_number();
    if (c >= C) return;
    real keep = momentum, rest = 1 - momentum;
    moving_mean[c] = keep * moving_mean[c] + rest * mean[c];
    moving_variance[c] = keep * moving_variance[c] + rest * variance[c];
}

// What batch normalisation does in a channel: y = (x - mean) scale + shift, with scale = gamma inv_std.
struct Line {
    real mean, inv_std, scale, shift;

    __device__ real at(real x) const { return (x - mean) * scale + shift; }
};

__device__ inline Line line_of(int channel, const real* mean, real inv_std, const real* gamma, const real* beta) {
    real scale = gamma ? gamma[channel] * inv_std : inv_std;
    return {mean[channel], inv_std, scale, beta ? beta[channel] : real(0)};
}

__device__ inline real inv_std_of(real variance, double epsilon) { return real(1) / sqrt(variance + real(epsilon)); }

// y = gamma (x - mean) inv_std + beta, clipped where it has bounds; the first rows' threads leave inv_std.
extern "C" __global__ void batch_norm(const real* __restrict__ x, const real* mean, const real* variance,
                                      const real* gamma, const real* beta, real* __restrict__ y, real* inv_std,
                                      double epsilon, int bounded, double low, double high, int M, int C, int lanes) {
    Walk walk = walk_of(M, C, lanes);
    Line line = line_of(walk.channel, mean, inv_std_of(variance[walk.channel], epsilon), gamma, beta);
    if (walk.head && blockIdx.y == 0) inv_std[walk.channel] = line.inv_std;
#pragma unroll 4
    for (int row = walk.row; row < walk.end; row += walk.step) {
        int i = row * C + walk.channel;
        real z = line.at(x[i]);
        y[i] = bounded ? clipped(z, low, high) : z;
    }
}

// dy as it comes back through the clipping of z: it counts where z lay between the bounds.
__device__ inline real unclipped(real dy, real z, int bounded, double low, double high) {
    return bounded ? dy * real(z > real(low) && z < real(high)) : dy;
}

// The gradients of beta and gamma over some rows: Σ dy and Σ dy xhat.
struct Sums {
    double dy, dy_xhat;

    __device__ void add(Sums other) {
        dy += other.dy;
        dy_xhat += other.dy_xhat;
    }
};

// One number of dy as it counts for gamma and beta, and the xhat beside it.
struct Term {
    real dy, xhat;
};

// The sums of a strip, in each thread of a lane. term_of(row, i) says the term of number i, which lies in that row.
template <typename TermOf>
__device__ inline Sums sums_of_strip(Walk walk, int C, int lanes, TermOf term_of) {
    Sums mine = {};
    for (int start = walk.row; start < walk.end; start += CHUNK * walk.step) {
        real sum_dy = 0, sum_dy_xhat = 0;
#pragma unroll
        for (int k = 0; k < CHUNK; k++)
            if (k * walk.step < walk.end - start) {
                int row = start + k * walk.step;
                Term term = term_of(row, row * C + walk.channel);
                sum_dy += term.dy;
                sum_dy_xhat += term.dy * term.xhat;
            }
        mine.add({sum_dy, sum_dy_xhat});
    }
    return total_of_lane(mine, lanes);
}

__device__ inline void write_gradients(Sums found, int channel, real* dgamma, real* dbeta) {
    if (dgamma) dgamma[channel] = real(found.dy_xhat);
    if (dbeta) dbeta[channel] = real(found.dy);
}

// dx of a thread's rows: gamma inv_std (dy - mean(dy) - xhat mean(dy xhat)), or gamma inv_std dy where the statistics
// were not made of this batch.
__device__ inline void write_dx(Walk walk, Line line, Sums total, const real* __restrict__ x,
                                const real* __restrict__ dy, real* __restrict__ dx, int of_batch, int bounded,
                                double low, double high, int M, int C) {
    real mean_dy = real(total.dy / M), mean_dy_xhat = real(total.dy_xhat / M);
#pragma unroll 4
    for (int row = walk.row; row < walk.end; row += walk.step) {
        int i = row * C + walk.channel;
        real inner = unclipped(dy[i], line.at(x[i]), bounded, low, high);
        if (of_batch) inner = inner - mean_dy - (x[i] - line.mean) * line.inv_std * mean_dy_xhat;
        dx[i] = line.scale * inner;
    }
}

// The sums of a strip. Where one strip is all, the block goes on to dgamma, dbeta and dx; else add_strips and
// batch_norm_dx do.
extern "C" __global__ void batch_norm_backward(const real* x, const real* mean, const real* inv_std, const real* gamma,
                                               const real* beta, const real* dy, double* of_strips, real* dx,
                                               real* dgamma, real* dbeta, int of_batch, int bounded, double low,
                                               double high, int M, int C, int lanes) {
    Walk walk = walk_of(M, C, lanes);
    Line line = line_of(walk.channel, mean, inv_std[walk.channel], gamma, beta);
    Sums total = sums_of_strip(walk, C, lanes, [=](int row, int i) {
        return Term{unclipped(dy[i], line.at(x[i]), bounded, low, high), (x[i] - line.mean) * line.inv_std};
    });
    if (gridDim.y > 1) {
        if (walk.head) leave(total, of_strips, walk, C);
        return;
    }
    if (walk.head) write_gradients(total, walk.channel, dgamma, dbeta);
    if (dx) write_dx(walk, line, total, x, dy, dx, of_batch, bounded, low, high, M, C);
}

// The sums of all, from those of the strips. totals (C,), of Sums, may be null.
extern "C" __global__ void add_strips(real* dgamma, real* dbeta, const double* of_strips, double* totals, int strips,
                                      int C, int lanes) {
    Walk walk = walk_of(strips, C, lanes);
    Sums total = total_of_strips<Sums>(of_strips, walk, C, lanes);
    if (walk.head) write_gradients(total, walk.channel, dgamma, dbeta);
    if (walk.head && totals) leave(total, totals, walk, C);
}

// dx, once the sums over all rows are known; they are needed, and there, where the statistics were made of this batch.
extern "C" __global__ void batch_norm_dx(const real* x, const real* mean, const real* inv_std, const real* gamma,
                                         const real* beta, const real* dy, const double* totals, real* dx, int of_batch,
                                         int bounded, double low, double high, int M, int C, int lanes) {
    Walk walk = walk_of(M, C, lanes);
    Line line = line_of(walk.channel, mean, inv_std[walk.channel], gamma, beta);
    Sums total = {};
    if (of_batch) total = ((const Sums*)totals)[walk.channel];
    write_dx(walk, line, total, x, dy, dx, of_batch, bounded, low, high, M, C);
}

// scale = gamma / √(variance + epsilon), shift = beta - mean scale
extern "C" __global__ void batch_norm_as_scale(const real* mean, const real* variance, const real* gamma,
                                               const real* beta, real* scale, real* shift, double epsilon, int C) {
    int c = thread_number();
    if (c >= C) return;
    Line line = line_of(c, mean, inv_std_of(variance[c], epsilon), gamma, beta);
    scale[c] = line.scale;
    shift[c] = line.shift - line.mean * line.scale;
}

// The sum over the threads that share a row, in each of them: a team of 32 is a warp, a larger one the whole block.
__device__ inline double team_sum(double value, int team) {
    return team == 32 ? warp_sum(value) : block_sum(value);
}

// Layer normalisation: a team of threads for each row, thread t having the channels t, t + team, t + 2 team, ... Three
// passes over the row, the mean first, then the squared deviations from it, then y; all but the first find the row in
// the cache.
extern "C" __global__ void layer_norm(const real* x, const real* gamma, const real* beta, real* y, real* mean,
                                      real* inv_std, double epsilon, int M, int C, int team) {
    int row = blockIdx.x * (blockDim.x / team) + threadIdx.x / team, lane = threadIdx.x % team;
    if (row >= M) return;  // a whole team, so nobody waits for it
    x += row * C;
    y += row * C;
    real sum = 0, squares = 0;
    for (int c = lane; c < C; c += team) sum += x[c];
    real center = real(team_sum(sum, team) / C);
    for (int c = lane; c < C; c += team) squares += (x[c] - center) * (x[c] - center);
    real scale = inv_std_of(real(team_sum(squares, team) / C), epsilon);
    for (int c = lane; c < C; c += team)
        y[c] = (x[c] - center) * scale * (gamma ? gamma[c] : real(1)) + (beta ? beta[c] : real(0));
    if (lane == 0) {
        mean[row] = center;
        inv_std[row] = scale;
    }
}

// dx = inv_std (dxhat - mean(dxhat) - xhat mean(dxhat xhat)), dxhat = gamma dy: a team of threads for each row again.
extern "C" __global__ void layer_norm_dx(const real* x, const real* mean, const real* inv_std, const real* gamma,
                                         const real* dy, real* dx, int M, int C, int team) {
    int row = blockIdx.x * (blockDim.x / team) + threadIdx.x / team, lane = threadIdx.x % team;
    if (row >= M) return;  // a whole team, so nobody waits for it
    x += row * C;
    dy += row * C;
    dx += row * C;
    real center = mean[row], scale = inv_std[row], sum = 0, sum_xhat = 0;
    for (int c = lane; c < C; c += team) {
        real dxhat = gamma ? dy[c] * gamma[c] : dy[c];
        sum += dxhat;
        sum_xhat += dxhat * ((x[c] - center) * scale);
    }
    real mean_dxhat = real(team_sum(sum, team) / C), mean_dxhat_xhat = real(team_sum(sum_xhat, team) / C);
    for (int c = lane; c < C; c += team) {
        real dxhat = gamma ? dy[c] * gamma[c] : dy[c];
        dx[c] = (dxhat - mean_dxhat - (x[c] - center) * scale * mean_dxhat_xhat) * scale;
    }
}

// Σ dy and Σ dy xhat of a strip, where each row has a mean and an inv_std of its own. Where one strip is all, these are
// dbeta and dgamma; else add_strips goes on.
extern "C" __global__ void layer_norm_sums(const real* x, const real* mean, const real* inv_std, const real* dy,
                                           double* of_strips, real* dgamma, real* dbeta, int M, int C, int lanes) {
    Walk walk = walk_of(M, C, lanes);
    Sums total = sums_of_strip(walk, C, lanes, [=](int row, int i) {
        return Term{dy[i], (x[i] - mean[row]) * inv_std[row]};
    });
    if (walk.head && gridDim.y == 1) write_gradients(total, walk.channel, dgamma, dbeta);
    if (walk.head && gridDim.y > 1) leave(total, of_strips, walk, C);
}
