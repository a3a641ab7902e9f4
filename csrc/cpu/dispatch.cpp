// Chooses the instruction set once per process and forwards every operation to it.
#include <stdlib.h>
#include <string.h>

#include <atomic>

#include "rcekd/ops.h"

namespace {

enum Isa { kUnset = -1, kScalar = 0, kAvx2 = 1, kAvx512 = 2 };
std::atomic<int> chosen{kUnset};

bool supported(int isa) {
    switch (isa) {
        case kScalar:
            return true;
#if defined(RCEKD_HAVE_AVX2)
        case kAvx2:
            return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
#endif
#if defined(RCEKD_HAVE_AVX512)
        case kAvx512:
            return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                   __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
#endif
        default:
            return false;
    }
}

int parse(const char* name) {
    if (strcmp(name, "scalar") == 0) return kScalar;
    if (strcmp(name, "avx2") == 0) return kAvx2;
    if (strcmp(name, "avx512") == 0) return kAvx512;
    return kUnset;
}

int best() {
    const char* forced = getenv("RCEKD_ISA");
    if (forced) {
        const int isa = parse(forced);
        if (isa != kUnset && supported(isa)) return isa;
    }
    for (int isa = kAvx512; isa > kScalar; --isa)
        if (supported(isa)) return isa;
    return kScalar;
}

int current() {
    int isa = chosen.load(std::memory_order_relaxed);
    if (isa == kUnset) {
        isa = best();
        chosen.store(isa, std::memory_order_relaxed);
    }
    return isa;
}

}  // namespace

extern "C" const char* rcekd_isa_name(void) {
    static const char* const names[] = {"scalar", "avx2", "avx512"};
    return names[current()];
}

extern "C" int rcekd_set_isa(const char* name) {
    const int isa = parse(name);
    if (isa == kUnset || !supported(isa)) return 0;
    chosen.store(isa, std::memory_order_relaxed);
    return 1;
}

#if defined(RCEKD_HAVE_AVX2)
#define RCEKD_CASE_AVX2(name) \
    case kAvx2:               \
        return rcekd_##name##_avx2(args);
#else
#define RCEKD_CASE_AVX2(name)
#endif
#if defined(RCEKD_HAVE_AVX512)
#define RCEKD_CASE_AVX512(name) \
    case kAvx512:               \
        return rcekd_##name##_avx512(args);
#else
#define RCEKD_CASE_AVX512(name)
#endif

#define RCEKD_OP(name, Args)                          \
    extern "C" int rcekd_##name##_scalar(Args* args); \
    extern "C" int rcekd_##name##_avx2(Args* args);   \
    extern "C" int rcekd_##name##_avx512(Args* args); \
    extern "C" int rcekd_##name(Args* args) {         \
        switch (current()) {                          \
            RCEKD_CASE_AVX512(name)                   \
            RCEKD_CASE_AVX2(name)                     \
            default:                                  \
                return rcekd_##name##_scalar(args);   \
        }                                             \
    }
#include "ops.def"
