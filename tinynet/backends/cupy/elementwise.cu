// Activations, dropout and sums: a thread for each number. n counts the numbers; threads beyond them do nothing.

// y = max(x, 0). NaN is not <= 0, and stays NaN.
extern "C" __global__ void relu(const real* x, real* y, int n) {
    int i = thread_number();
    if (i < n) y[i] = x[i] <= 0 ? real(0) : x[i];
}

// dx = dy where y > 0, else 0.
extern "C" __global__ void relu_backward(const real* dy, const real* y, real* dx, int n) {
    int i = thread_number();
    if (i < n) dx[i] = dy[i] * real(y[i] > 0);
}

// y = min(max(x, 0), ceiling).
extern "C" __global__ void clipped_relu(const real* x, real* y, double ceiling, int n) {
    int i = thread_number();
    if (i < n) y[i] = clipped(x[i], real(0), real(ceiling));
}

// dx = dy where 0 < y < ceiling, else 0.
extern "C" __global__ void clipped_relu_backward(const real* dy, const real* y, real* dx, double ceiling, int n) {
    int i = thread_number();
    real top = ceiling;
    if (i < n) dx[i] = dy[i] * real(y[i] > 0 && y[i] < top);
}

// y = x where x > 0, else slope · x.
extern "C" __global__ void leaky_relu(const real* x, real* y, double slope, int n) {
    int i = thread_number();
    if (i < n) y[i] = x[i] > 0 ? x[i] : real(slope) * x[i];
}

// dx = dy where y > 0, else slope · dy.
extern "C" __global__ void leaky_relu_backward(const real* dy, const real* y, real* dx, double slope, int n) {
    int i = thread_number();
    if (i < n) dx[i] = y[i] > 0 ? dy[i] : real(slope) * dy[i];
}

// y = x where x > 0, else exp(x) - 1.
extern "C" __global__ void elu(const real* x, real* y, int n) {
    int i = thread_number();
    if (i < n) y[i] = x[i] > 0 ? x[i] : expm1(x[i]);
}

// dx = dy where y > 0, else dy · exp(x), and exp(x) = y + 1.
extern "C" __global__ void elu_backward(const real* dy, const real* y, real* dx, int n) {
    int i = thread_number();
    if (i < n) dx[i] = y[i] > 0 ? dy[i] : dy[i] * (y[i] + 1);
}

// The normal distribution function: Φ(x) = erfc(-x / √2) / 2.
__device__ inline real normal_cdf(real x) { return real(0.5) * erfc(-x * real(0.70710678118654752)); }

// y = x Φ(x).
extern "C" __global__ void gelu(const real* x, real* y, int n) {
    int i = thread_number();
    if (i < n) y[i] = x[i] * normal_cdf(x[i]);
}

// dx = dy · (Φ(x) + x φ(x)), with φ(x) = exp(-x² / 2) / √(2π).
extern "C" __global__ void gelu_backward(const real* dy, const real* x, real* dx, int n) {
    int i = thread_number();
    if (i >= n) return;
    real density = exp(real(-0.5) * x[i] * x[i]) * real(0.39894228040143268);
    dx[i] = dy[i] * (normal_cdf(x[i]) + x[i] * density);
}

// y = 1 / (1 + exp(-x)), by exp(-|x|) alone, which cannot overflow.
extern "C" __global__ void sigmoid(const real* x, real* y, int n) {
    int i = thread_number();
    if (i >= n) return;
    real e = exp(-fabs(x[i]));
    y[i] = (x[i] >= 0 ? real(1) : e) / (1 + e);
}

// dx = dy · y (1 - y).
extern "C" __global__ void sigmoid_backward(const real* dy, const real* y, real* dx, int n) {
    int i = thread_number();
    if (i < n) dx[i] = dy[i] * (y[i] * (1 - y[i]));
}

// y = tanh(x). A kernel called tanh would hide the function.
extern "C" __global__ void tanh_forward(const real* x, real* y, int n) {
    int i = thread_number();
    if (i < n) y[i] = tanh(x[i]);
}

// dx = dy · (1 - y²).
extern "C" __global__ void tanh_backward(const real* dy, const real* y, real* dx, int n) {
    int i = thread_number();
    if (i < n) dx[i] = dy[i] * (1 - y[i] * y[i]);
}

// y = log(1 + exp(x)) = max(x, 0) + log(1 + exp(-|x|)), which cannot overflow.
extern "C" __global__ void softplus(const real* x, real* y, int n) {
    int i = thread_number();
    if (i < n) y[i] = (x[i] > 0 ? x[i] : real(0)) + log1p(exp(-fabs(x[i])));
}

// dx = dy · sigmoid(x), and sigmoid(x) = 1 - exp(-y).
extern "C" __global__ void softplus_backward(const real* dy, const real* y, real* dx, int n) {
    int i = thread_number();
    if (i < n) dx[i] = dy[i] * -expm1(-y[i]);
}

// y = x / (1 - rate) where noise >= rate, else 0.
extern "C" __global__ void dropout(const real* x, const real* noise, double rate, real* y, int n) {
    int i = thread_number();
    if (i < n) y[i] = noise[i] >= real(rate) ? x[i] / real(1 - rate) : real(0);
}

// y = a + b.
extern "C" __global__ void add(const real* a, const real* b, real* y, int n) {
    int i = thread_number();
    if (i < n) y[i] = a[i] + b[i];
}
