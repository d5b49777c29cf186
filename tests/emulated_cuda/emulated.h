// CUDA C++ on the processor: what a kernel's source takes for granted, so that a C++20 compiler accepts it as it stands.
//
// Blocks run one after the other. A block's threads run in one of two ways:
//
// - as fibers (the quick way). A fiber is a function with a stack of its own, which can stop in the middle and go on
//   later. A thread runs until it has to wait for others, then the next one does; a kernel whose threads never wait is
//   a plain loop. Threads go first to last in one stretch between barriers and last to first in the next, so that a
//   kernel which forgot a barrier has the wrong order before it in one of them.
// - with EMULATED_THREADS as threads of the machine, really at once: for ThreadSanitizer.
//
// Shared memory is full of ones (NaN) when a block begins. Barriers that not all threads reach are an error.

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <source_location>
#include <type_traits>
#include <utility>
#include <vector>

#ifdef EMULATED_THREADS
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#define LOCAL thread_local
#else
#include <setjmp.h>
#include <ucontext.h>
#define LOCAL
#endif

// ---------------------------------------------------------------------------------------------- the words of CUDA C++

#define __global__
#define __device__
#define __host__
#define __constant__ const
#define __forceinline__ inline
#define __noinline__
#define __launch_bounds__(...)
#define __shared__ static

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};
typedef dim3 uint3;
static LOCAL uint3 blockIdx, threadIdx, blockDim, gridDim;
constexpr int warpSize = 32;

// ------------------------------------------------------------------------------------------- how threads run and wait

// The linker puts all static arrays without a first value, and so all of shared memory, between these two. (What is
// of this file's own and must survive lies elsewhere: it begins with a value that is not 0, or is on the heap.)
extern "C" {
extern char __bss_start[] __attribute__((weak, visibility("hidden")));
extern char _end[] __attribute__((weak, visibility("hidden")));
}

namespace emulated {

typedef void (*Kernel)(void**);
enum Place { WARP, BLOCK };  // where threads meet
typedef std::source_location Line;

struct Runtime;
__attribute__((section(".data"))) static Runtime* runtime = nullptr;
__attribute__((section(".data"))) static const char* mistake = nullptr;  // what a kernel did that CUDA forbids

inline void fill_shared_memory() {
    if (__bss_start != nullptr && _end > __bss_start) memset(__bss_start, 0xff, _end - __bss_start);
}

inline uint3 place_of(unsigned number, uint3 size) {
    return {number % size.x, number / size.x % size.y, number / size.x / size.y};
}

inline unsigned count_of(uint3 size) { return size.x * size.y * size.z; }

inline unsigned thread_in_block() { return threadIdx.x + blockDim.x * (threadIdx.y + blockDim.y * threadIdx.z); }

#ifndef EMULATED_THREADS

enum State { NEW, READY, AT_WARP, AT_BLOCK, DONE };

struct Fiber {
    jmp_buf here;
    ucontext_t beginning;
    char* stack = nullptr;
    bool begun = false;
};

struct Thread {
    State state = NEW;
    Fiber* fiber = nullptr;
    unsigned line = 0, column = 0;  // of the barrier it waits at
    unsigned shuffles = 0;
};

struct Runtime {
    static constexpr size_t STACK = 128 * 1024;
    Kernel kernel;
    void** arguments;
    uint3 grid, block;
    std::vector<Thread> threads;
    std::vector<Fiber*> fibers, unused;
    jmp_buf scheduler;
    Fiber* running = nullptr;
    unsigned current = 0;       // the thread that runs
    unsigned first = 0, many = 0, next = 0;  // those of the warp: its first thread, how many, how many have begun
    bool backwards = false;
    uint64_t exchanged[2][1024];

    // Run all blocks; return what the kernel did wrong, or null.
    const char* run() {
        mistake = nullptr;
        for (unsigned b = 0; b < count_of(grid) && !mistake; b++) {
            set_block(b);
            fill_shared_memory();
            backwards = b % 2 == 0;
            run_block();
        }
        if (mistake) forget_fibers();
        return mistake;
    }

    void set_block(unsigned b) {
        ::gridDim = grid;
        ::blockDim = block;
        ::blockIdx = place_of(b, grid);
    }

    void run_block() {
        unsigned count = count_of(block), warps = (count + 31) / 32;
        threads.assign(count, Thread());
        for (;;) {
            for (unsigned w = 0; w < warps && !mistake; w++) run_warp(backwards ? warps - 1 - w : w);
            if (mistake) return;
            unsigned done = 0;
            for (Thread& thread : threads) done += thread.state == DONE;
            if (done == count) return;
            if (done) mistake = "threads of a block ended, while others wait for them at __syncthreads()";
            release(0, count, "threads of a block wait at different __syncthreads()");
            if (mistake) return;
            backwards = !backwards;
        }
    }

    // Run the threads of a warp until each has ended or waits for the whole block.
    void run_warp(unsigned w) {
        first = w * 32;
        many = unsigned(threads.size()) - first < 32 ? unsigned(threads.size()) - first : 32;
        next = threads[first].state == NEW ? 0 : many;
        for (;;) {
            for (unsigned i = 0; i < many; i++) {
                Thread& thread = threads[first + (backwards ? many - 1 - i : i)];
                if (thread.state == NEW) switch_to(some_fiber());
                else if (thread.state == READY) switch_to(thread.fiber);
            }
            unsigned waiting = 0;
            for (unsigned i = 0; i < many; i++) waiting += threads[first + i].state == AT_WARP;
            if (!waiting) return;
            if (many != 32) mistake = "a shuffle or __syncwarp() in a warp of fewer than 32 threads";
            else if (waiting != 32) mistake = "a shuffle or __syncwarp() that not all threads of the warp reach";
            release(first, many, "threads of a warp wait at different shuffles");
            if (mistake) return;
        }
    }

    void release(unsigned begin, unsigned count, const char* otherwise) {
        if (mistake) return;
        for (unsigned i = begin; i < begin + count; i++) {
            if (threads[i].line != threads[begin].line || threads[i].column != threads[begin].column) mistake = otherwise;
            threads[i].state = READY;
        }
    }

    void set_thread(unsigned number) {
        current = number;
        ::threadIdx = place_of(number, block);
    }

    // What a fiber does all its life: one thread after the other, as long as there are new ones in the warp.
    void live() {
        for (;;) {
            while (next < many) {
                unsigned number = first + (backwards ? many - 1 - next : next);
                next++;
                set_thread(number);
                kernel(arguments);
                threads[current].state = DONE;
            }
            unused.push_back(running);
            leave(running);
        }
    }

    void leave(Fiber* fiber) {
        if (_setjmp(fiber->here) == 0) _longjmp(scheduler, 1);
    }

    void switch_to(Fiber* fiber) {
        running = fiber;
        if (_setjmp(scheduler) == 0) {
            if (fiber->begun) _longjmp(fiber->here, 1);
            fiber->begun = true;
            setcontext(&fiber->beginning);
        }
    }

    void wait(State state, Line line) {
        unsigned number = current;
        threads[number].state = state;
        threads[number].fiber = running;
        threads[number].line = line.line();
        threads[number].column = line.column();
        leave(running);
        set_thread(number);
    }

    static void begin();

    Fiber* some_fiber() {
        if (unused.empty()) {
            Fiber* fiber = new Fiber();
            fiber->stack = static_cast<char*>(malloc(STACK));
            fibers.push_back(fiber);
            unused.push_back(fiber);
            prepare(fiber);
        }
        Fiber* fiber = unused.back();
        unused.pop_back();
        return fiber;
    }

    void prepare(Fiber* fiber) {
        getcontext(&fiber->beginning);
        fiber->beginning.uc_stack.ss_sp = fiber->stack;
        fiber->beginning.uc_stack.ss_size = STACK;
        fiber->beginning.uc_link = nullptr;
        makecontext(&fiber->beginning, begin, 0);
        fiber->begun = false;
    }

    void forget_fibers() {
        unused = fibers;
        for (Fiber* fiber : fibers) prepare(fiber);
    }
};

inline void Runtime::begin() { runtime->live(); }

inline const char* run(Kernel kernel, void** arguments, uint3 grid, uint3 block) {
    if (!runtime) runtime = new Runtime();
    runtime->kernel = kernel;
    runtime->arguments = arguments;
    runtime->grid = grid;
    runtime->block = block;
    return runtime->run();
}

inline void meet(Place place, Line line) { runtime->wait(place == WARP ? AT_WARP : AT_BLOCK, line); }

// Hand a value to the other threads of the warp, and return that of the thread `from`.
template <typename T>
T exchange(T value, unsigned from, Line line) {
    static_assert(sizeof(T) <= 8);
    unsigned number = runtime->current;
    uint64_t* places = runtime->exchanged[runtime->threads[number].shuffles++ % 2];  // two, so that no value is
    memcpy(&places[number], &value, sizeof(T));                                      // overwritten before it is read
    meet(WARP, line);
    memcpy(&value, &places[number / 32 * 32 + from], sizeof(T));
    return value;
}

#else

// std::barrier waits by looking again and again, which takes forever with more threads than processors.
struct Barrier {
    unsigned count, waiting = 0, round = 0;
    std::mutex mutex;
    std::condition_variable changed;

    explicit Barrier(unsigned count) : count(count) {}

    void wait() {
        std::unique_lock lock(mutex);
        unsigned mine = round;
        if (++waiting == count) {
            waiting = 0;
            round++;
            changed.notify_all();
        } else {
            changed.wait(lock, [&] { return round != mine; });
        }
    }
};

struct Runtime {
    unsigned count;
    Barrier of_block, between_blocks;
    std::vector<std::unique_ptr<Barrier>> of_warp;
    uint64_t exchanged[2][1024];

    explicit Runtime(unsigned count) : count(count), of_block(count), between_blocks(count) {
        for (unsigned w = 0; w < (count + 31) / 32; w++)
            of_warp.push_back(std::make_unique<Barrier>(count - w * 32 < 32 ? count - w * 32 : 32));
    }
};

static thread_local unsigned shuffles = 0;

// Start a thread for each of a block's, which walk through the blocks together.
inline const char* run(Kernel kernel, void** arguments, uint3 grid, uint3 block) {
    Runtime here(count_of(block));
    runtime = &here;
    std::vector<std::thread> threads;
    for (unsigned number = 0; number < here.count; number++)
        threads.emplace_back([=, &here] {
            ::gridDim = grid;
            ::blockDim = block;
            ::threadIdx = place_of(number, block);
            for (unsigned b = 0; b < count_of(grid); b++) {
                ::blockIdx = place_of(b, grid);
                if (number == 0) fill_shared_memory();
                here.between_blocks.wait();
                kernel(arguments);
                here.between_blocks.wait();
            }
        });
    for (std::thread& thread : threads) thread.join();
    return nullptr;
}

inline void meet(Place place, Line) {
    if (place == BLOCK) runtime->of_block.wait();
    else runtime->of_warp[thread_in_block() / 32]->wait();
}

template <typename T>
T exchange(T value, unsigned from, Line line) {
    static_assert(sizeof(T) <= 8);
    unsigned number = thread_in_block();
    uint64_t* places = runtime->exchanged[shuffles++ % 2];
    memcpy(&places[number], &value, sizeof(T));
    meet(WARP, line);
    memcpy(&value, &places[number / 32 * 32 + from], sizeof(T));
    return value;
}

#endif

// Call a kernel with arguments that are given, as CUDA's launch gives them, by their addresses.
template <typename... Types, size_t... I>
void call(void (*kernel)(Types...), void** arguments, std::index_sequence<I...>) {
    kernel(*static_cast<std::remove_cv_t<Types>*>(arguments[I])...);
}

template <typename... Types>
void call(void (*kernel)(Types...), void** arguments) {
    call(kernel, arguments, std::index_sequence_for<Types...>());
}

inline void all_threads(unsigned mask) {
    if (mask != 0xffffffffu) mistake = "a mask that leaves out threads of the warp";
}

}  // namespace emulated

// ------------------------------------------------------------------------------------------- where threads meet

#define HERE emulated::Line line = emulated::Line::current()

inline void __syncthreads(HERE) { emulated::meet(emulated::BLOCK, line); }

inline void __syncwarp(unsigned mask = 0xffffffffu, HERE) {
    emulated::all_threads(mask);
    emulated::meet(emulated::WARP, line);
}

// The value of the thread `from` places into the warp.
template <typename T>
T __shfl_sync(unsigned mask, T value, int from, int width = 32, HERE) {
    emulated::all_threads(mask);
    unsigned lane = emulated::thread_in_block() % 32;
    return emulated::exchange(value, lane / width * width + from % width, line);
}

// The value of the thread `apart` places on; the last threads, which have none there, keep their own.
template <typename T>
T __shfl_down_sync(unsigned mask, T value, unsigned apart, int width = 32, HERE) {
    emulated::all_threads(mask);
    unsigned lane = emulated::thread_in_block() % 32;
    return emulated::exchange(value, lane % width + apart < unsigned(width) ? lane + apart : lane, line);
}

template <typename T>
T __shfl_up_sync(unsigned mask, T value, unsigned apart, int width = 32, HERE) {
    emulated::all_threads(mask);
    unsigned lane = emulated::thread_in_block() % 32;
    return emulated::exchange(value, lane % width >= apart ? lane - apart : lane, line);
}

// The value of the thread whose number differs in the bits of `apart`.
template <typename T>
T __shfl_xor_sync(unsigned mask, T value, int apart, int width = 32, HERE) {
    emulated::all_threads(mask);
    unsigned lane = emulated::thread_in_block() % 32, from = lane ^ unsigned(apart);
    return emulated::exchange(value, from / width > lane / width ? lane : from, line);
}

inline unsigned __ballot_sync(unsigned mask, int said, HERE) {
    unsigned all = 0, lane = emulated::thread_in_block() % 32, mine = said ? 1u << lane : 0;
    for (int from = 0; from < 32; from++) all |= __shfl_sync(mask, mine, from, 32, line);
    return all;
}

inline int __any_sync(unsigned mask, int said, HERE) { return __ballot_sync(mask, said, line) != 0; }
inline int __all_sync(unsigned mask, int said, HERE) { return __ballot_sync(mask, said, line) == 0xffffffffu; }

// Whole numbers only: sums of floats would depend on the order of the threads.
template <typename T>
T atomicAdd(T* place, std::type_identity_t<T> value) {
    static_assert(std::is_integral_v<T>, "sums of floats by atomicAdd differ from run to run");
    return __atomic_fetch_add(place, value, __ATOMIC_RELAXED);
}

template <typename T>
T atomicMax(T* place, std::type_identity_t<T> value) {
    T old = __atomic_load_n(place, __ATOMIC_RELAXED);
    while (old < value && !__atomic_compare_exchange_n(place, &old, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {}
    return old;
}

template <typename T>
T atomicMin(T* place, std::type_identity_t<T> value) {
    T old = __atomic_load_n(place, __ATOMIC_RELAXED);
    while (value < old && !__atomic_compare_exchange_n(place, &old, value, false, __ATOMIC_RELAXED, __ATOMIC_RELAXED)) {}
    return old;
}

// ------------------------------------------------------------------------------------------- numbers

// Of two floats CUDA's min and max give the one that is a number.
template <typename A, typename B>
auto max(A a, B b) {
    typedef std::common_type_t<A, B> T;
    if constexpr (std::is_floating_point_v<T>) return T(fmax(T(a), T(b)));
    else return T(a) > T(b) ? T(a) : T(b);
}

template <typename A, typename B>
auto min(A a, B b) {
    typedef std::common_type_t<A, B> T;
    if constexpr (std::is_floating_point_v<T>) return T(fmin(T(a), T(b)));
    else return T(a) < T(b) ? T(a) : T(b);
}

inline float rsqrt(float x) { return 1 / sqrtf(x); }
inline double rsqrt(double x) { return 1 / sqrt(x); }
inline float rsqrtf(float x) { return 1 / sqrtf(x); }
inline float __expf(float x) { return expf(x); }
inline float __logf(float x) { return logf(x); }
inline float __fdividef(float a, float b) { return a / b; }
inline unsigned __umulhi(unsigned a, unsigned b) { return unsigned(uint64_t(a) * b >> 32); }
inline int __mulhi(int a, int b) { return int(int64_t(a) * b >> 32); }
__extension__ typedef unsigned __int128 uint128;
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) { return uint128(a) * b >> 64; }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __clz(int x) { return x ? __builtin_clz(unsigned(x)) : 32; }
inline int __float_as_int(float x) { int y; memcpy(&y, &x, 4); return y; }
inline float __int_as_float(int x) { float y; memcpy(&y, &x, 4); return y; }
inline unsigned __float_as_uint(float x) { unsigned y; memcpy(&y, &x, 4); return y; }
inline float __uint_as_float(unsigned x) { float y; memcpy(&y, &x, 4); return y; }
inline long long __double_as_longlong(double x) { long long y; memcpy(&y, &x, 8); return y; }
inline double __longlong_as_double(long long x) { double y; memcpy(&y, &x, 8); return y; }
template <typename T>
T __ldg(const T* place) { return *place; }

struct alignas(8) int2 { int x, y; };
struct alignas(8) float2 { float x, y; };
struct alignas(16) int4 { int x, y, z, w; };
struct alignas(16) float4 { float x, y, z, w; };
struct alignas(16) double2 { double x, y; };
inline int2 make_int2(int x, int y) { return {x, y}; }
inline float2 make_float2(float x, float y) { return {x, y}; }
inline int4 make_int4(int x, int y, int z, int w) { return {x, y, z, w}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline double2 make_double2(double x, double y) { return {x, y}; }
