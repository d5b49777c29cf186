// Gathering rows, random numbers, and numbers that stay on the device.

// out[i, j] = x[rows[i], j]: a thread for each number of out, whose rows are `width` long.
template <typename From, typename To>
__device__ void gather(const From* x, const long long* rows, To* out, int width, int n) {
    int i = thread_number();
    if (i < n) out[i] = To(x[rows[i / width] * width + i % width]);
}

extern "C" __global__ void take_reals(const real* x, const long long* rows, real* out, int width, int n) {
    gather(x, rows, out, width, n);
}

extern "C" __global__ void take_bytes(const unsigned char* x, const long long* rows, real* out, int width, int n) {
    gather(x, rows, out, width, n);
}

extern "C" __global__ void take_labels(const int* x, const long long* rows, int* out, int width, int n) {
    gather(x, rows, out, width, n);
}

// The generator Philox4x64-10 of Salmon et al. 2011, Parallel random numbers: as easy as 1, 2, 3. Its n-th four numbers
// are a function of n and a key alone, so every thread makes its own.
struct Four { unsigned long long word[4]; };

__device__ Four philox(unsigned long long n, unsigned long long key_0, unsigned long long key_1) {
    const unsigned long long factor_0 = 0xD2E7470EE14C6C93ull, factor_1 = 0xCA5A826395121157ull;
    Four x = {{n, 0, 0, 0}};
    for (int round = 0; round < 10; round++) {
        unsigned long long high_0 = __umul64hi(factor_0, x.word[0]), low_0 = factor_0 * x.word[0];
        unsigned long long high_1 = __umul64hi(factor_1, x.word[2]), low_1 = factor_1 * x.word[2];
        x = Four{{high_1 ^ x.word[1] ^ key_0, low_1, high_0 ^ x.word[3] ^ key_1, low_0}};
        key_0 += 0x9E3779B97F4A7C15ull;
        key_1 += 0xBB67AE8584CAA73Bull;
    }
    return x;
}

// Fill `out` with numbers in [0, 1). state: the key's two words, and how many halves of words were drawn before. A
// float takes 24 bits of a half, a double 53 bits of a word, the first of which begins at an even place. Word w is the
// w % 4-th of the four of number w / 4 + 1.
extern "C" __global__ void draw_uniform(const unsigned long long* state, real* out, int n) {
    int i = thread_number();
    if (i >= n) return;
    bool halves = sizeof(real) == 4;
    unsigned long long half = halves ? state[2] + i : (state[2] + 1) / 2 * 2 + 2 * (unsigned long long)i;
    unsigned long long word = philox(half / 8 + 1, state[0], state[1]).word[half / 2 % 4];
    unsigned int bits = half % 2 ? word >> 32 : word;
    out[i] = halves ? real(bits >> 8) * real(1.0 / 16777216.0) : real(word >> 11) * real(1.0 / 9007199254740992.0);
}

// Count n numbers as drawn: so many halves of words, or words; one thread.
extern "C" __global__ void count_drawn(unsigned long long* state, int n, int halves) {
    state[2] = halves ? state[2] + n : (state[2] + 1) / 2 * 2 + 2 * (unsigned long long)n;
}

// numbers[i] = the i-th of at most four values; one thread. The values travel with the launch itself.
extern "C" __global__ void set_numbers(double* numbers, int count, double value_0, double value_1, double value_2,
                                       double value_3) {
    double values[4] = {value_0, value_1, value_2, value_3};
    for (int i = 0; i < count; i++) numbers[i] = values[i];
}

// totals[i] += value_i · times_i, for as many values as there are; one thread.
extern "C" __global__ void tally(double* totals, int count, const double* value_0, double times_0,
                                 const double* value_1, double times_1, const double* value_2, double times_2,
                                 const double* value_3, double times_3) {
    const double* values[4] = {value_0, value_1, value_2, value_3};
    double times[4] = {times_0, times_1, times_2, times_3};
    for (int i = 0; i < count; i++) totals[i] += *values[i] * times[i];
}
