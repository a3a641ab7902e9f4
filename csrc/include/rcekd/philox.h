// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11), host and device.
// Counter-based: a number depends only on (key, counter), so no draw depends on batch size, thread or rank.
#pragma once
#include "rcekd/common.h"

struct rcekd_u32x4 {
    uint32_t v[4];
};

RCEKD_HD rcekd_u32x4 rcekd_philox(uint64_t key, uint32_t c0, uint32_t c1, uint32_t c2, uint32_t c3) {
    uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
    for (int round = 0; round < 10; ++round) {
        const uint64_t p0 = (uint64_t)0xD2511F53u * c0;
        const uint64_t p1 = (uint64_t)0xCD9E8D57u * c2;
        const uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        const uint32_t n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c0 = n0;
        c1 = (uint32_t)p1;
        c2 = n2;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    return rcekd_u32x4{{c0, c1, c2, c3}};
}

// Uniform in (0, 1): an odd multiple of 2^-53, exact, so never 0 or 1 and safe under log.
RCEKD_HD double rcekd_uniform53(uint32_t high, uint32_t low) {
    const uint64_t bits = ((uint64_t)high << 20) | (low >> 12);
    return ((double)bits + 0.5) * (1.0 / 4503599627370496.0);
}

// Uniform integer in [0, n) by multiply-high (Lemire 2019); bias below n / 2^64.
RCEKD_HD uint32_t rcekd_below(uint32_t high, uint32_t low, uint32_t n) {
    const uint64_t x = ((uint64_t)high << 32) | low;
#if defined(__CUDA_ARCH__)
    return (uint32_t)__umul64hi(x, (uint64_t)n);
#else
    return (uint32_t)(((unsigned __int128)x * n) >> 64);
#endif
}

// Streams keep the operations' draws apart under one seed. The epoch goes into the key with it.
enum rcekd_stream {
    RCEKD_STREAM_NEGATIVES = 1,
    RCEKD_STREAM_CLOSURE_HIGH = 2,
    RCEKD_STREAM_CLOSURE_LOW = 3,
    RCEKD_STREAM_PILOT = 4,
    RCEKD_STREAM_HORIZON = 5,
    RCEKD_STREAM_UNSEEN = 6,
    RCEKD_STREAM_RANK_GAP = 7,
};

RCEKD_HD uint64_t rcekd_mix(uint64_t x) {  // splitmix64 finaliser
    x += 0x9E3779B97F4A7C15ull;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
    return x ^ (x >> 31);
}

RCEKD_HD uint64_t rcekd_key(uint64_t seed, uint64_t epoch, enum rcekd_stream stream) {
    return rcekd_mix(rcekd_mix(rcekd_mix(seed) ^ epoch) ^ (uint64_t)stream);
}
