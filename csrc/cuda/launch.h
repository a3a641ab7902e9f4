// What every kernel source begins with: the CUDA runtime, or the emulator that stands in for it (csrc/emulator).
//
// Sources are written in the part of CUDA C++ that the emulator knows: one-dimensional blocks of whole warps, grids of
// one or two dimensions, RCEKD_LAUNCH in place of <<<>>>, all lanes of a warp in every warp operation, and no barrier
// that some threads of a block skip.
#pragma once
#include "call.h"

#if defined(RCEKD_EMULATED)
#include "cuda_emulator.h"
#define RCEKD_LAUNCH(kernel, grid, threads, stream, ...) \
    ((void)(stream), emulator::launch(grid, threads, [&] { kernel(__VA_ARGS__); }))
#define RCEKD_UNROLL(times)
#define RCEKD_APART
#else
#include <cuda_runtime.h>
#define RCEKD_LAUNCH(kernel, grid, threads, stream, ...) \
    kernel<<<grid, threads, 0, (cudaStream_t)(stream)>>>(__VA_ARGS__)
#define RCEKD_APART __noinline__  // once, however often it is called: a kernel should fit the instruction cache
#define RCEKD_PRAGMA(words) _Pragma(#words)
#define RCEKD_UNROLL(times) RCEKD_PRAGMA(unroll times)  // so that loads of several turns are under way at once
#endif

#include <float.h>
#include <math.h>

namespace rcekd {
namespace cuda {

constexpr int kWarp = 32;
constexpr unsigned kAllLanes = 0xFFFFFFFFu;

RCEKD_HD int64_t ceil_div(int64_t n, int64_t step) { return (n + step - 1) / step; }

// Blocks for `work` pieces, no more than `most`: kernels take the pieces beyond in further turns.
inline unsigned blocks_for(int64_t work, int64_t most = 1 << 20) {
    return (unsigned)(work < 1 ? 1 : work < most ? work : most);
}

// Scratch memory that pieces of work with room of their own share, where nothing else decides.
constexpr int64_t kRoomBytes = (int64_t)256 << 20;

// How many of `pieces` can have `each` bytes of `bytes` at once; one, however little that is.
inline int64_t at_once(int64_t pieces, int64_t each, int64_t bytes = kRoomBytes) {
    const int64_t fit = bytes / each, some = fit < 1 ? 1 : fit;
    return pieces < some ? pieces : some;
}

constexpr int kThreads = 128;  // of a block, where nothing else decides

// A grid-stride loop: kernels are launched with blocks_of(n) blocks of kThreads.
inline unsigned blocks_of(int64_t n) { return blocks_for(ceil_div(n, kThreads)); }
__device__ inline int64_t first_index() { return (int64_t)blockIdx.x * blockDim.x + threadIdx.x; }
__device__ inline int64_t index_step() { return (int64_t)gridDim.x * blockDim.x; }

// Makes the call's device current, whose context the thread may not have yet; 0, or a cudaError_t. What was wrong
// before is not this call's fault. The caller puts the device back that was current.
inline int begin(const rcekd_cuda_call* call) {
    (void)cudaGetLastError();
    return (int)cudaSetDevice(call->device);
}

// Cuts device scratch memory into aligned arrays. With a null start it measures.
class Carver {
  public:
    __host__ __device__ explicit Carver(void* start) : at_((char*)start), start_((char*)start) {}
    template <class T>
    __host__ __device__ T* take(int64_t n) {
        constexpr int64_t kAlign = 256;
        T* here = (T*)at_;
        at_ += ceil_div((n > 0 ? n : 1) * (int64_t)sizeof(T), kAlign) * kAlign;
        return here;
    }
    __host__ __device__ int64_t used() const { return at_ - start_; }

  private:
    char *at_, *start_;
};

}  // namespace cuda
}  // namespace rcekd
