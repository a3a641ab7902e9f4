// What every operation shares: status codes, the host/device marker, and nothing else.
#pragma once
#include <stdint.h>

#if defined(__CUDACC__)
#define RCEKD_HD __host__ __device__ __forceinline__
#else
// static: the instruction sets' translation units must not share one compiled copy of a function.
#define RCEKD_HD static inline
#endif

// An operation returns one of these; the Python door turns it into an exception.
enum rcekd_status {
    RCEKD_OK = 0,
    RCEKD_NAN = 1,        // a score was NaN; args->bad_row says for which row
    RCEKD_EXHAUSTED = 2,  // no admissible item is left to draw; args->bad_row says for which row
    RCEKD_NO_MEMORY = 3,  // the host allocator refused scratch memory
};
