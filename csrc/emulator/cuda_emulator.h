// A CUDA emulator for the host, for the tests: compiles the kernel sources with a C++ compiler and runs every thread of
// a block as a fiber of one processor thread, blocks one after the other.
//
// It proves that a kernel's logic is right: indices, edges, barriers that all threads reach, what is exchanged between
// lanes and blocks. Barriers are real, so a value read before the barrier that publishes it is stale; and threads run
// in an order that can be changed (set_order), so that a result which depends on the order is found out. It proves
// nothing about the memory model, about races that need two threads at the same instant, about the compiler for the
// device, registers, alignment, or speed. Where the source and the emulator disagree about what CUDA is, the device is
// right: only a run there shows that.
#pragma once
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <functional>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __shared__ static  // blocks run one after the other, so one copy will do
#define __launch_bounds__(...)

struct dim3 {
    unsigned x, y, z;
    dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(16) uint4 {
    uint32_t x, y, z, w;
};

inline dim3 threadIdx, blockIdx, blockDim, gridDim;

namespace emulator {

constexpr int kWarp = 32;
constexpr size_t kStack = 128 << 10;

enum State { kReady, kAtBarrier, kAtWarp, kDone };

struct Fiber {
    ucontext_t start;
    jmp_buf here;
    std::vector<char> stack;
    bool started = false;
    State state = kDone;
    uint64_t given = 0, agreed[kWarp] = {0};  // at a warp operation: this lane's value, then every lane's
};

struct Machine {
    std::vector<Fiber> fiber;
    jmp_buf scheduler;
    int current = 0, threads = 0;
    unsigned order = 0;  // 0: threads in ascending order; 1: descending; else: shuffled anew every turn, from this seed
    int failure = 0;     // what cudaGetLastError returns
    const char* reason = "";
    const std::function<void()>* kernel = nullptr;
};

inline Machine machine;

inline void fail(const char* what) {
    fprintf(stderr, "cuda_emulator: %s (block %u, thread %d)\n", what, blockIdx.x, machine.current);
    machine.failure = 719;  // cudaErrorLaunchFailure
    machine.reason = what;
}

// Back to the scheduler, until this thread's turn comes again.
inline void yield(State state) {
    Fiber& me = machine.fiber[machine.current];
    me.state = state;
    if (_setjmp(me.here) == 0) _longjmp(machine.scheduler, 1);
}

inline void thread_main() {
    (*machine.kernel)();
    machine.fiber[machine.current].state = kDone;
    _longjmp(machine.scheduler, 1);
}

// What a failed assertion does on the device: the thread goes no further.
[[noreturn]] inline void give_up(const char* what) {
    fail(what);
    machine.fiber[machine.current].state = kDone;
    _longjmp(machine.scheduler, 1);
}

inline void resume(int thread) {
    Fiber& f = machine.fiber[thread];
    machine.current = thread;
    threadIdx = dim3((unsigned)thread);
    if (_setjmp(machine.scheduler) != 0) return;
    if (f.started) _longjmp(f.here, 1);
    f.started = true;
    setcontext(&f.start);
}

// Lets warps go on whose lanes have all arrived at a warp operation; true when there was one.
inline bool release_warps() {
    bool any = false;
    for (int first = 0; first < machine.threads; first += kWarp) {
        Fiber* lane = &machine.fiber[first];
        int arrived = 0;
        for (int l = 0; l < kWarp; ++l) arrived += lane[l].state == kAtWarp;
        if (arrived < kWarp) continue;
        any = true;
        for (int l = 0; l < kWarp; ++l) {
            for (int other = 0; other < kWarp; ++other) lane[l].agreed[other] = lane[other].given;
            lane[l].state = kReady;
        }
    }
    return any;
}

inline bool release_block() {
    for (int t = 0; t < machine.threads; ++t)
        if (machine.fiber[t].state != kAtBarrier) return false;
    for (int t = 0; t < machine.threads; ++t) machine.fiber[t].state = kReady;
    return true;
}

inline void shuffle(std::vector<int>* turn) {
    static uint64_t state = 1;
    for (size_t i = turn->size(); i > 1; --i) {
        state = state * 6364136223846793005ull + 1442695040888963407ull + machine.order;
        std::swap((*turn)[i - 1], (*turn)[(state >> 33) % i]);
    }
}

inline void run_block() {
    for (int t = 0; t < machine.threads; ++t) {
        Fiber& f = machine.fiber[t];
        f.started = false;
        f.state = kReady;
        getcontext(&f.start);
        f.start.uc_stack.ss_sp = f.stack.data();
        f.start.uc_stack.ss_size = f.stack.size();
        f.start.uc_link = nullptr;
        makecontext(&f.start, thread_main, 0);
    }
    std::vector<int> turn(machine.threads);
    for (int t = 0; t < machine.threads; ++t) turn[t] = machine.order == 1 ? machine.threads - 1 - t : t;
    for (;;) {
        if (machine.order > 1) shuffle(&turn);
        for (int t : turn)
            if (machine.fiber[t].state == kReady) resume(t);
        if (machine.failure) return;
        if (release_warps() || release_block()) continue;
        for (int t = 0; t < machine.threads; ++t)
            if (machine.fiber[t].state != kDone) return fail("threads wait at a barrier that others never reach");
        return;
    }
}

inline void launch(dim3 grid, unsigned threads, const std::function<void()>& kernel) {
    if (threads == 0 || threads % kWarp || threads > 1024 || grid.x == 0 || grid.y == 0)
        return fail("a launch that is not of whole warps, or empty");
    while (machine.fiber.size() < threads) {
        machine.fiber.emplace_back();
        machine.fiber.back().stack.resize(kStack);
    }
    machine.threads = (int)threads;
    machine.kernel = &kernel;
    gridDim = grid;
    blockDim = dim3(threads);
    for (unsigned y = 0; y < grid.y; ++y)
        for (unsigned x = 0; x < grid.x && !machine.failure; ++x) {
            blockIdx = dim3(x, y);
            run_block();
        }
}

// Every lane gives a value; returns the lanes' values.
template <class T>
inline const uint64_t* exchange(unsigned mask, T value) {
    static_assert(sizeof(T) <= 8, "a lane gives at most eight bytes");
    if (mask != 0xFFFFFFFFu) fail("a warp operation without all lanes");
    Fiber& me = machine.fiber[machine.current];
    me.given = 0;
    memcpy(&me.given, &value, sizeof value);
    yield(kAtWarp);
    return me.agreed;
}

inline int lane() { return machine.current % kWarp; }

template <class T>
inline T from_lane(unsigned mask, T value, int source) {
    const uint64_t* all = exchange(mask, value);
    T result;
    memcpy(&result, &all[source], sizeof result);
    return result;
}

}  // namespace emulator

inline void __syncthreads() { emulator::yield(emulator::kAtBarrier); }
inline void __syncwarp(unsigned mask = 0xFFFFFFFFu) { emulator::exchange(mask, 0); }

template <class T>
inline T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
    const int lane = emulator::lane();
    return emulator::from_lane(mask, value, lane / width * width + source % width);
}
template <class T>
inline T __shfl_xor_sync(unsigned mask, T value, int change) {
    return emulator::from_lane(mask, value, emulator::lane() ^ change);
}
template <class T>
inline T __shfl_up_sync(unsigned mask, T value, int by) {
    const int lane = emulator::lane();
    return emulator::from_lane(mask, value, lane < by ? lane : lane - by);
}
inline unsigned __ballot_sync(unsigned mask, int predicate) {
    const uint64_t* all = emulator::exchange(mask, predicate != 0);
    unsigned bits = 0;
    for (int l = 0; l < emulator::kWarp; ++l) bits |= (unsigned)(all[l] & 1) << l;
    return bits;
}
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __clzll(long long x) { return x ? __builtin_clzll((unsigned long long)x) : 64; }
inline unsigned __float_as_uint(float x) {
    unsigned bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}
inline float __uint_as_float(unsigned bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }

template <class T>
inline T __ldg(const T* at) {
    return *at;
}

// Copies to shared memory that go on beside the thread are done at once here.
inline void __pipeline_memcpy_async(void* to, const void* from, size_t bytes) { memcpy(to, from, bytes); }
inline void __pipeline_commit() {}
inline void __pipeline_wait_prior(size_t) {}

template <class T>
inline T atomicAdd(T* at, T value) {
    const T before = *at;
    *at = before + value;
    return before;
}
template <class T>
inline T atomicMin(T* at, T value) {
    const T before = *at;
    if (value < before) *at = value;
    return before;
}
template <class T>
inline T atomicMax(T* at, T value) {
    const T before = *at;
    if (before < value) *at = value;
    return before;
}
template <class T>
inline T atomicOr(T* at, T value) {
    const T before = *at;
    *at = before | value;
    return before;
}
template <class T>
inline T atomicAnd(T* at, T value) {
    const T before = *at;
    *at = before & value;
    return before;
}

typedef int cudaError_t;
typedef void* cudaStream_t;
enum { cudaSuccess = 0 };

inline cudaError_t cudaGetLastError() {
    const int failure = emulator::machine.failure;
    emulator::machine.failure = 0;
    return failure;
}
inline const char* cudaGetErrorString(cudaError_t code) { return code ? emulator::machine.reason : "no error"; }
inline cudaError_t cudaSetDevice(int) { return cudaSuccess; }
inline cudaError_t cudaGetDeviceCount(int* count) {
    *count = 1;
    return cudaSuccess;
}
inline cudaError_t cudaMemsetAsync(void* at, int value, size_t bytes, cudaStream_t) {
    memset(at, value, bytes);
    return cudaSuccess;
}
