// Half-precision numbers, and the tensor cores' product of small matrices of them.
#pragma once
#include "launch.h"

namespace rcekd {
namespace cuda {

// The half nearest to x, |x| at most 65504, ties to even.
RCEKD_HD uint16_t half_of(float x) {
    uint32_t bits;
    memcpy(&bits, &x, 4);
    const uint32_t sign = bits >> 16 & 0x8000u, size = bits & 0x7FFFFFFFu;
    if (size < 0x38800000u) {  // below 2^-14: the multiple of 2^-24 nearest to it
        float magnitude;
        memcpy(&magnitude, &size, 4);
        return (uint16_t)(sign | (uint32_t)rintf(magnitude * 16777216.0f));
    }
    const uint32_t rounded = size + 0xFFFu + (size >> 13 & 1);
    return (uint16_t)(sign | (rounded - 0x38000000u) >> 13);
}

RCEKD_HD float float_of_half(uint16_t half) {
    const uint32_t exponent = half >> 10 & 31, fraction = half & 1023;
    const float size = exponent ? ldexpf((float)(1024 + fraction), (int)exponent - 25) : ldexpf((float)fraction, -24);
    return half >> 15 ? -size : size;
}

// sum += a · b for a [16 × 16] and b [16 × 8] of halves, by a warp: PTX's mma.m16n8k16, whose layout is, two halves a
// word, of lane l with row l / 4 and column c = 2 · (l % 4):
//   a[0], a[1]: row and row + 8 of a, columns c and c + 1; a[2], a[3]: columns c + 8 and c + 9
//   b[0]: rows c and c + 1 of column l / 4 of b; b[1]: rows c + 8 and c + 9
//   sum[0], sum[1]: row of the sum, columns c and c + 1; sum[2], sum[3]: row + 8
// Products are exact; how they are added up is the hardware's affair, and not to be relied on.
__device__ inline void multiply_halves(float* sum, const uint32_t* a, const uint32_t* b) {
#if defined(RCEKD_EMULATED)
    uint32_t left[4][kWarp], right[2][kWarp];
    const auto gather = [](uint32_t own, uint32_t* into) {
        const uint64_t* all = emulator::exchange(kAllLanes, own);
        for (int lane = 0; lane < kWarp; ++lane) into[lane] = (uint32_t)all[lane];
    };
    for (int i = 0; i < 4; ++i) gather(a[i], left[i]);
    for (int i = 0; i < 2; ++i) gather(b[i], right[i]);
    const auto part = [](uint32_t word, int k) { return float_of_half((uint16_t)(word >> 16 * (k & 1))); };
    const int lane = (int)threadIdx.x % kWarp, row = lane / 4, column = 2 * (lane % 4);
    for (int i = 0; i < 4; ++i)
        for (int k = 0; k < 16; ++k) {
            const uint32_t l = left[k / 8 * 2 + i / 2][row * 4 + k % 8 / 2];
            const uint32_t r = right[k / 8][(column + i % 2) * 4 + k % 8 / 2];
            sum[i] += part(l, k) * part(r, k);
        }
#else
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
        "{%0, %1, %2, %3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
#endif
}

}  // namespace cuda
}  // namespace rcekd
