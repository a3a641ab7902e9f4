// A float vector of the width of the instruction set this file is compiled for (RCEKD_ISA), and the handful of
// operations the kernels need. Lane for lane every operation rounds exactly like its scalar form, so results do not
// depend on the width: fma is one rounding, and no reduction across lanes is offered here.
#pragma once
#include <math.h>
#include <stdint.h>

#if defined(__AVX2__) || defined(__AVX512F__)
#include <immintrin.h>
#endif

#if defined(__GNUC__) && !defined(__clang__)
// GCC 12 sees its own intrinsics' deliberately undefined operands (_mm512_undefined_ps) and warns.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif

#define RCEKD_CAT_(a, b) a##b
#define RCEKD_CAT(a, b) RCEKD_CAT_(a, b)
// The exported name of operation `name` in this translation unit, e.g. rcekd_topk_avx2.
#define RCEKD_ENTRY(name) RCEKD_CAT(rcekd_##name##_, RCEKD_ISA)

namespace rcekd {
namespace RCEKD_ISA {

#if defined(__AVX512F__)
struct Vec {
    static constexpr int width = 16;
    __m512 x;
    static Vec load(const float* p) { return {_mm512_loadu_ps(p)}; }
    static Vec fill(float v) { return {_mm512_set1_ps(v)}; }
    void store(float* p) const { _mm512_storeu_ps(p, x); }
};
inline Vec fma(Vec a, Vec b, Vec c) { return {_mm512_fmadd_ps(a.x, b.x, c.x)}; }
inline Vec add(Vec a, Vec b) { return {_mm512_add_ps(a.x, b.x)}; }
inline Vec sub(Vec a, Vec b) { return {_mm512_sub_ps(a.x, b.x)}; }
inline Vec mul(Vec a, Vec b) { return {_mm512_mul_ps(a.x, b.x)}; }
inline Vec div(Vec a, Vec b) { return {_mm512_div_ps(a.x, b.x)}; }
inline Vec sqrt(Vec a) { return {_mm512_sqrt_ps(a.x)}; }
// Bit i is set where lane i of a is strictly greater (NaN: not greater).
inline uint32_t greater(Vec a, Vec b) { return _mm512_cmp_ps_mask(a.x, b.x, _CMP_GT_OQ); }
inline uint32_t is_nan(Vec a) { return _mm512_cmp_ps_mask(a.x, a.x, _CMP_UNORD_Q); }
// Appends the lanes of s that mask names to score, and first + lane to id; returns how many. Up to a whole vector past
// them is overwritten.
inline int append(float* score, int32_t* id, Vec s, int32_t first, uint32_t mask) {
    const __m512i lane = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    const __m512i ids = _mm512_add_epi32(_mm512_set1_epi32(first), lane);
    _mm512_storeu_ps(score, _mm512_maskz_compress_ps((__mmask16)mask, s.x));
    _mm512_storeu_si512(id, _mm512_maskz_compress_epi32((__mmask16)mask, ids));
    return __builtin_popcount(mask);
}
inline int append(float* score, Vec s, uint32_t mask) {
    _mm512_storeu_ps(score, _mm512_maskz_compress_ps((__mmask16)mask, s.x));
    return __builtin_popcount(mask);
}
#elif defined(__AVX2__)
struct Vec {
    static constexpr int width = 8;
    __m256 x;
    static Vec load(const float* p) { return {_mm256_loadu_ps(p)}; }
    static Vec fill(float v) { return {_mm256_set1_ps(v)}; }
    void store(float* p) const { _mm256_storeu_ps(p, x); }
};
inline Vec fma(Vec a, Vec b, Vec c) { return {_mm256_fmadd_ps(a.x, b.x, c.x)}; }
inline Vec add(Vec a, Vec b) { return {_mm256_add_ps(a.x, b.x)}; }
inline Vec sub(Vec a, Vec b) { return {_mm256_sub_ps(a.x, b.x)}; }
inline Vec mul(Vec a, Vec b) { return {_mm256_mul_ps(a.x, b.x)}; }
inline Vec div(Vec a, Vec b) { return {_mm256_div_ps(a.x, b.x)}; }
inline Vec sqrt(Vec a) { return {_mm256_sqrt_ps(a.x)}; }
inline uint32_t greater(Vec a, Vec b) { return (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(a.x, b.x, _CMP_GT_OQ)); }
inline uint32_t is_nan(Vec a) { return (uint32_t)_mm256_movemask_ps(_mm256_cmp_ps(a.x, a.x, _CMP_UNORD_Q)); }
// For each mask of eight lanes, the lanes it names, ascending.
struct LaneTable {
    alignas(8) uint8_t lane[256][8];
    constexpr LaneTable() : lane() {
        for (int mask = 0; mask < 256; ++mask)
            for (int bit = 0, n = 0; bit < 8; ++bit)
                if (mask >> bit & 1) lane[mask][n++] = (uint8_t)bit;
    }
};
static constexpr LaneTable kLaneTable;
// Appends the lanes of s that mask names to score, and first + lane to id; returns how many. Up to a whole vector past
// them is overwritten.
inline int append(float* score, int32_t* id, Vec s, int32_t first, uint32_t mask) {
    const __m256i order = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)kLaneTable.lane[mask]));
    _mm256_storeu_ps(score, _mm256_permutevar8x32_ps(s.x, order));
    _mm256_storeu_si256((__m256i*)id, _mm256_add_epi32(_mm256_set1_epi32(first), order));
    return __builtin_popcount(mask);
}
inline int append(float* score, Vec s, uint32_t mask) {
    const __m256i order = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)kLaneTable.lane[mask]));
    _mm256_storeu_ps(score, _mm256_permutevar8x32_ps(s.x, order));
    return __builtin_popcount(mask);
}
#else
// Four plain floats, written so that a compiler may vectorise them; fmaf keeps the single rounding everywhere.
struct Vec {
    static constexpr int width = 4;
    float x[4];
    static Vec load(const float* p) { return {{p[0], p[1], p[2], p[3]}}; }
    static Vec fill(float v) { return {{v, v, v, v}}; }
    void store(float* p) const {
        for (int i = 0; i < 4; ++i) p[i] = x[i];
    }
};
#define RCEKD_LANES(expr)                      \
    Vec r;                                     \
    for (int i = 0; i < 4; ++i) r.x[i] = expr; \
    return r;
inline Vec fma(Vec a, Vec b, Vec c) { RCEKD_LANES(fmaf(a.x[i], b.x[i], c.x[i])) }
inline Vec add(Vec a, Vec b) { RCEKD_LANES(a.x[i] + b.x[i]) }
inline Vec sub(Vec a, Vec b) { RCEKD_LANES(a.x[i] - b.x[i]) }
inline Vec mul(Vec a, Vec b) { RCEKD_LANES(a.x[i] * b.x[i]) }
inline Vec div(Vec a, Vec b) { RCEKD_LANES(a.x[i] / b.x[i]) }
inline Vec sqrt(Vec a) { RCEKD_LANES(sqrtf(a.x[i])) }
#undef RCEKD_LANES
inline uint32_t greater(Vec a, Vec b) {
    uint32_t m = 0;
    for (int i = 0; i < 4; ++i) m |= (uint32_t)(a.x[i] > b.x[i]) << i;
    return m;
}
inline uint32_t is_nan(Vec a) {
    uint32_t m = 0;
    for (int i = 0; i < 4; ++i) m |= (uint32_t)(a.x[i] != a.x[i]) << i;
    return m;
}
// Appends the lanes of s that mask names to score, and first + lane to id; returns how many.
inline int append(float* score, int32_t* id, Vec s, int32_t first, uint32_t mask) {
    int n = 0;
    for (int i = 0; i < 4; ++i)
        if (mask >> i & 1) score[n] = s.x[i], id[n++] = first + i;
    return n;
}
inline int append(float* score, Vec s, uint32_t mask) {
    int n = 0;
    for (int i = 0; i < 4; ++i)
        if (mask >> i & 1) score[n++] = s.x[i];
    return n;
}
#endif

// One score: a single float32 FMA chain in ascending dimension. Every score anywhere is this, bit for bit.
inline float chain(const float* u, const float* v, int64_t d) {
    float s = 0.0f;
    for (int64_t k = 0; k < d; ++k) s = fmaf(u[k], v[k], s);
    return s;
}

}  // namespace RCEKD_ISA
}  // namespace rcekd
