// Philox4x32-10 on sixteen counters at once, written so that a compiler vectorises it; equal to rcekd_philox.
#pragma once
#include "rcekd/philox.h"
#include "simd.h"

namespace rcekd {
namespace RCEKD_ISA {

struct PhiloxLanes {
    static constexpr int kLanes = 16;
    uint32_t word[4][kLanes];

    // Counters (first[l], user, level, 0).
    void draw(uint64_t key, const uint32_t* first, uint32_t user, uint32_t level) {
        uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
        for (int l = 0; l < kLanes; ++l) word[0][l] = first[l], word[1][l] = user, word[2][l] = level, word[3][l] = 0;
        for (int round = 0; round < 10; ++round) {
            for (int l = 0; l < kLanes; ++l) {
                const uint64_t p0 = (uint64_t)0xD2511F53u * word[0][l], p1 = (uint64_t)0xCD9E8D57u * word[2][l];
                word[0][l] = (uint32_t)(p1 >> 32) ^ word[1][l] ^ k0;
                word[2][l] = (uint32_t)(p0 >> 32) ^ word[3][l] ^ k1;
                word[1][l] = (uint32_t)p1;
                word[3][l] = (uint32_t)p0;
            }
            k0 += 0x9E3779B9u;
            k1 += 0xBB67AE85u;
        }
    }
};

}  // namespace RCEKD_ISA
}  // namespace rcekd
