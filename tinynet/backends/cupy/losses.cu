// Losses of numbers and of yes-or-no answers: a thread for each of the `size` values in rows of `columns`. Each block
// writes its part of Σ_n weight[n] · loss[n] into `sums`.

// What every kernel here does: `loss_of(y, p)` says the loss and the slope ∂loss/∂p of one value, which count
// weight[n] / columns. If there are more values than threads, each thread goes on with a later value.
struct Value {
    real loss, slope;
};

template <typename LossOf>
__device__ inline void sum_up(const real* y, const real* p, const real* weight, real* dp, int size, int columns,
                              double* sums, LossOf loss_of) {
    double sum = 0;
    for (int i = thread_number(); i < size; i += all_threads()) {
        Value value = loss_of(y[i], p[i]);
        real share = weight[i / columns] / columns;
        dp[i] = value.slope * share;
        sum += value.loss * share;
    }
    leave_sum(sum, sums);
}

// loss = (p - y)², slope 2 (p - y).
extern "C" __global__ void mean_squared_error(const real* y, const real* p, const real* weight, real* dp, int size,
                                              int columns, double* sums) {
    sum_up(y, p, weight, dp, size, columns, sums, [](real y, real p) {
        real error = p - y;
        return Value{error * error, 2 * error};
    });
}

// loss = |p - y|, slope sign(p - y), which is 0 at 0 and NaN at NaN.
extern "C" __global__ void mean_absolute_error(const real* y, const real* p, const real* weight, real* dp, int size,
                                               int columns, double* sums) {
    sum_up(y, p, weight, dp, size, columns, sums, [](real y, real p) {
        real error = p - y;
        return Value{fabs(error), sign_of(error)};
    });
}

// loss = e²/2 where |e| <= delta, else delta (|e| - delta/2), e = p - y: slope e, cut off at ±delta.
extern "C" __global__ void huber(const real* y, const real* p, const real* weight, real* dp, double delta, int size,
                                 int columns, double* sums) {
    real edge = delta;
    sum_up(y, p, weight, dp, size, columns, sums, [edge](real y, real p) {
        real error = p - y;
        if (fabs(error) > edge) return Value{edge * (fabs(error) - edge / 2), error > 0 ? edge : -edge};
        return Value{error * error / 2, error};
    });
}

// loss = -y log p - (1 - y) log(1 - p), slope (1 - y)/(1 - p) - y/p; none where p had to be clipped.
extern "C" __global__ void binary_crossentropy(const real* y, const real* p, const real* weight, real* dp, double clip,
                                               int size, int columns, double* sums) {
    real low = clip, high = 1 - clip;
    sum_up(y, p, weight, dp, size, columns, sums, [low, high](real y, real p) {
        real q = clipped(p, low, high);
        bool outside = p < low || p > high;
        return Value{-y * log(q) - (1 - y) * log(1 - q), outside ? real(0) : (1 - y) / (1 - q) - y / q};
    });
}

// The same for p = sigmoid(z): loss = max(z, 0) - y z + log(1 + exp(-|z|)), slope sigmoid(z) - y.
extern "C" __global__ void logistic_crossentropy(const real* y, const real* z, const real* weight, real* dz, int size,
                                                 int columns, double* sums) {
    sum_up(y, z, weight, dz, size, columns, sums, [](real y, real z) {
        real e = exp(-fabs(z));
        real sigmoid = (z >= 0 ? real(1) : e) / (1 + e);
        return Value{(z > 0 ? z : real(0)) - y * z + log1p(e), sigmoid - y};
    });
}
