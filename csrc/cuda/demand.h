// What a kernel checks itself, since asking on the host would mean waiting: a condition that does not hold ends the
// process's CUDA context with a line on stderr, as an index out of range does in torch.
#pragma once
#include "launch.h"

#if !defined(RCEKD_EMULATED)
#include <assert.h>
#endif

namespace rcekd {
namespace cuda {

__device__ inline void demand(bool holds, const char* what) {
#if defined(RCEKD_EMULATED)
    if (!holds) emulator::give_up(what);
#else
    if (!holds) __assert_fail(what, "rcekd", 0, "a CUDA kernel");
#endif
}

__device__ inline bool is_id(int64_t id, int64_t bound) { return id >= 0 && id < bound; }

}  // namespace cuda
}  // namespace rcekd
