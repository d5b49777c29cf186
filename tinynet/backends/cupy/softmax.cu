// Softmax and cross-entropy. Most kernels here give each row to a team of threads: to one thread alone where there are
// few classes, else to a warp, whose thread `lane` (0 to 31) takes the classes lane, lane + 32, ... If there are more
// rows than teams, each team goes on with a later row. A thread reads back only what it wrote itself, so p may lie over
// z.
//
// Kernels that add up write one sum for each block into `sums`.

// A thread's team: `size` threads, 1 or 32, of which it is number `lane`. They begin with row `first`, and go on to
// every row that lies `apart` rows further.
struct Team {
    int size, lane, first, apart;

    // The sum of what the team's threads have, in each of them.
    template <typename T>
    __device__ T sum(T value) {
        return size == 1 ? value : warp_sum(value);
    }
};

__device__ inline Team team_of(int size) {
    return {size, int(threadIdx.x) % size, thread_number() / size, all_threads() / size};
}

// The maximum of a row, in every thread of the team. Each starts from the first class, so none is without a number.
__device__ inline real max_of_row(const real* row, int classes, Team team) {
    real top = row[0];
    for (int c = team.lane; c < classes; c += team.size) top = larger(row[c], top);
    for (int apart = team.size / 2; apart > 0; apart /= 2) top = larger(__shfl_xor_sync(0xffffffffu, top, apart), top);
    return top;
}

// The class of a row's maximum, the smallest where several are equal, in every thread of the team.
__device__ inline int place_of_max(const real* row, int classes, Team team) {
    int place = 0;
    real top = row[0];
    for (int c = team.lane; c < classes; c += team.size)
        if (row[c] > top) top = row[c], place = c;
    for (int apart = team.size / 2; apart > 0; apart /= 2) {
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

// p[n, c] = exp(z[n, c] - max z[n]) / Σ_k exp(z[n, k] - max z[n]).
extern "C" __global__ void softmax(const real* z, real* p, int rows, int classes, int team_size) {
    Team team = team_of(team_size);
    for (int n = team.first; n < rows; n += team.apart) {
        const real* z_row = z + n * classes;
        real* p_row = p + n * classes;
        real top = max_of_row(z_row, classes, team), total = 0;
        for (int c = team.lane; c < classes; c += team.size) {
            p_row[c] = exp(z_row[c] - top);
            total += p_row[c];
        }
        total = team.sum(total);
        for (int c = team.lane; c < classes; c += team.size) p_row[c] /= total;
    }
}

// dz[n, c] = p[n, c] (dp[n, c] - Σ_k dp[n, k] p[n, k]).
extern "C" __global__ void softmax_backward(const real* dp, const real* p, real* dz, int rows, int classes,
                                            int team_size) {
    Team team = team_of(team_size);
    for (int n = team.first; n < rows; n += team.apart) {
        const real *dp_row = dp + n * classes, *p_row = p + n * classes;
        real mean = 0;
        for (int c = team.lane; c < classes; c += team.size) mean += dp_row[c] * p_row[c];
        mean = team.sum(mean);
        for (int c = team.lane; c < classes; c += team.size) dz[n * classes + c] = p_row[c] * (dp_row[c] - mean);
    }
}

// loss[n] = -Σ_c y[n, c] log p[n, c], and dp = -weight y / p, 0 where p had to be clipped. Every class stands alone: a
// thread for each number of the `size` in p.
extern "C" __global__ void categorical_crossentropy(const real* y, const int* labels, const real* p, const real* weight,
                                                    real* dp, double clip, int size, int classes, double* sums) {
    real low = clip, high = 1 - clip;
    double sum = 0;
    for (int i = thread_number(); i < size; i += all_threads()) {
        int n = i / classes;
        real t = truth(y, labels, classes, n, i % classes);
        real q = clipped(p[i], low, high);
        bool outside = p[i] < low || p[i] > high;
        sum -= weight[n] * (t * log(q));
        dp[i] = outside ? real(0) : -weight[n] * t / q;
    }
    leave_sum(sum, sums);
}

// The same for p = softmax(z): with s = z - max z[n], a row's loss is Σ_c y_c (log Σ_k exp(s_k) - s_c), and
// dz = weight (p Σ_c y_c - y). A class of y = 0 counts nothing, even where its logit is -infinity.
extern "C" __global__ void softmax_crossentropy(const real* y, const int* labels, const real* z, const real* weight,
                                                real* dz, int rows, int classes, int team_size, double* sums) {
    Team team = team_of(team_size);
    double sum = 0;
    for (int n = team.first; n < rows; n += team.apart) {
        const real* z_row = z + n * classes;
        real* dz_row = dz + n * classes;
        real top = max_of_row(z_row, classes, team), loss = 0, exp_sum = 0, y_sum = 0;
        for (int c = team.lane; c < classes; c += team.size) {
            real s = z_row[c] - top, t = truth(y, labels, classes, n, c);
            if (t != 0) loss -= t * s;
            y_sum += t;
            dz_row[c] = exp(s);
            exp_sum += dz_row[c];
        }
        exp_sum = team.sum(exp_sum);
        loss += y_sum * log(exp_sum);  // of this thread's classes; the sum over the block adds up the others'
        sum += weight[n] * loss;
        y_sum = team.sum(y_sum);
        for (int c = team.lane; c < classes; c += team.size)
            dz_row[c] = weight[n] * (dz_row[c] / exp_sum * y_sum - truth(y, labels, classes, n, c));
    }
    leave_sum(sum, sums);
}

// The number of rows in which fewer than k scores stand before the label's: higher, or equal and of a smaller class. A
// row with NaN has no order and hits nothing. With rows y, the label is the class of the row's largest entry.
extern "C" __global__ void count_hits(const real* y, const int* labels, const real* p, int k, int rows, int classes,
                                      int team_size, double* sums) {
    Team team = team_of(team_size);
    double hits = 0;
    for (int n = team.first; n < rows; n += team.apart) {
        const real* row = p + n * classes;
        int label = y ? place_of_max(y + n * classes, classes, team) : labels[n];
        int before = 0, nans = 0;
        for (int c = team.lane; c < classes; c += team.size) {
            before += row[c] > row[label] || (row[c] == row[label] && c < label);
            nans += isnan(row[c]) ? 1 : 0;
        }
        before = team.sum(before);
        nans = team.sum(nans);
        if (team.lane == 0 && before < k && nans == 0) hits += 1;
    }
    leave_sum(hits, sums);
}

// The number of answers p above the threshold where y is above a half, and not above it where y is not. A thread for
// each of the `size` answers.
extern "C" __global__ void count_same_side(const real* y, const real* p, double threshold, int size, double* sums) {
    double count = 0;
    for (int i = thread_number(); i < size; i += all_threads())
        if ((p[i] > real(threshold)) == (y[i] > real(0.5))) count += 1;
    leave_sum(count, sums);
}
