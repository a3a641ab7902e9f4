// The CUDA library's C interface: for every operation of csrc/cuda/ops.def
//   int64_t rcekd_cuda_<op>_workspace(const rcekd_<op>_args*)             bytes of device scratch memory it wants
//   int     rcekd_cuda_<op>(const rcekd_<op>_args*, const rcekd_cuda_call*)   0, or a cudaError_t
// with the argument structs of the CPU operations, whose addresses are then device addresses. Work is only queued: the
// caller's stream orders it, nothing waits for it, and no device memory is allocated. What the CPU operation returns in
// its argument struct (bad_row) is written to device memory instead.
#pragma once
#include "rcekd/common.h"

typedef struct rcekd_cuda_call {
    void* workspace;   // at least as many bytes as the operation asked for
    void* stream;      // a cudaStream_t
    int64_t* bad_row;  // device: set to the first row with a NaN or infinite score, `rows` when there is none; or null
    int device;
} rcekd_cuda_call;
