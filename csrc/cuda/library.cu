// What the library says of itself: its devices, its errors, and the sizes of the structs it takes.
#include "launch.h"
#include "rcekd/ops.h"

#define RCEKD_OP(name, Args) \
    extern "C" int64_t rcekd_cuda_##name##_size(void) { return (int64_t)sizeof(Args); }
#include "ops.def"

namespace {
__global__ void probe_kernel() {}
}  // namespace

// The number of devices, or minus a cudaError_t: no driver, too old a driver, no device, or no code in this library
// that the current device can run. Every kernel is compiled for the same devices, so one answers for all.
extern "C" int rcekd_cuda_devices(void) {
    int count = 0;
    cudaError_t error = cudaGetDeviceCount(&count);
#if !defined(RCEKD_EMULATED)
    cudaFuncAttributes attributes;
    if (error == cudaSuccess && count > 0) error = cudaFuncGetAttributes(&attributes, probe_kernel);
#endif
    (void)cudaGetLastError();
    return error == cudaSuccess ? count : -(int)error;
}

extern "C" const char* rcekd_cuda_error(int code) { return cudaGetErrorString((cudaError_t)code); }

#if defined(RCEKD_EMULATED)
// The order in which the emulator lets threads run: 0 ascending, 1 descending, otherwise the seed of a shuffle.
extern "C" void rcekd_cuda_emulator_order(int order) { emulator::machine.order = (unsigned)order; }
#endif
