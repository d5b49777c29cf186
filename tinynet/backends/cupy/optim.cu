// Update rules: a thread for each of the n numbers. `rate` and `decay` point to one number each, in the GPU's memory.

// value -= rate · grad.
extern "C" __global__ void sgd(real* value, const real* grad, const double* rate, int n) {
    int i = thread_number();
    if (i < n) value[i] -= real(*rate) * grad[i];
}

// velocity = friction · velocity - rate · grad, and value += velocity (Nesterov: a step further along it).
extern "C" __global__ void momentum(real* value, const real* grad, real* velocity, const double* rate, double friction,
                                    int nesterov, int n) {
    int i = thread_number();
    if (i >= n) return;
    real f = friction, step = real(*rate) * grad[i];
    real v = f * velocity[i] - step;
    velocity[i] = v;
    value[i] += nesterov ? f * v - step : v;
}

// mean and square, the running means of grad and grad², take in the shares a = 1 - β₁ and b = 1 - β₂ of the new
// gradient; then value -= decay · value + rate · mean / (√square + ε).
extern "C" __global__ void adam(real* value, const real* grad, real* mean, real* square, const double* rate, double a,
                                double b, double epsilon, const double* decay, int n) {
    int i = thread_number();
    if (i >= n) return;
    real g = grad[i], m = mean[i], s = square[i], v = value[i];
    m += real(a) * (g - m);
    s += real(b) * (g * g - s);
    mean[i] = m;
    square[i] = s;
    value[i] = v - (real(*decay) * v + real(*rate) * m / (sqrt(s) + real(epsilon)));
}

// square, the running mean of grad², takes in the share a = 1 - rho; then value -= rate · grad / √(square + ε).
extern "C" __global__ void rmsprop(real* value, const real* grad, real* square, const double* rate, double a,
                                   double epsilon, int n) {
    int i = thread_number();
    if (i >= n) return;
    real g = grad[i], s = square[i];
    s += real(a) * (g * g - s);
    square[i] = s;
    value[i] -= real(*rate) * g / sqrt(s + real(epsilon));
}

// total += grad², then value -= rate · grad / √(total + ε).
extern "C" __global__ void adagrad(real* value, const real* grad, real* total, const double* rate, double epsilon,
                                   int n) {
    int i = thread_number();
    if (i >= n) return;
    real g = grad[i], t = total[i] + g * g;
    total[i] = t;
    value[i] -= real(*rate) * g / sqrt(t + real(epsilon));
}

// x *= factor.
extern "C" __global__ void scale(real* x, const double* factor, int n) {
    int i = thread_number();
    if (i < n) x[i] *= real(*factor);
}

// Each block writes its part of Σ grad² into `sums`. Here and below, if there are more numbers than threads, each
// thread goes on with a later number.
extern "C" __global__ void sum_squares(const real* grad, int n, double* sums) {
    double sum = 0;
    for (int i = thread_number(); i < n; i += all_threads()) sum += double(grad[i]) * grad[i];
    leave_sum(sum, sums);
}

// grad *= longest / norm where norm > longest. Every block adds up the sums of squares itself: to the same norm, as the
// order is the same.
extern "C" __global__ void shorten(real* grad, int n, const double* sums, int count, double longest) {
    double norm = sqrt(total_of(sums, count));
    if (!(norm > longest)) return;
    real factor = longest / norm;
    for (int i = thread_number(); i < n; i += all_threads()) grad[i] *= factor;
}

// Each block writes its part of l1 Σ |value| + l2 Σ value² into `sums`.
extern "C" __global__ void penalty(const real* value, double l1, double l2, int n, double* sums) {
    double sum = 0;
    for (int i = thread_number(); i < n; i += all_threads()) {
        double v = value[i];
        sum += l1 * fabs(v) + l2 * v * v;
    }
    leave_sum(sum, sums);
}

// grad += l1 sign(value) + 2 l2 value; the sign is 0 at 0 and NaN at NaN.
extern "C" __global__ void add_penalty_gradient(const real* value, real* grad, double l1, double l2, int n) {
    int i = thread_number();
    if (i < n) grad[i] += real(l1) * sign_of(value[i]) + real(2 * l2) * value[i];
}
