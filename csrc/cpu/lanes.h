// Sixteen float lanes, whatever the vector width: the training kernels are written in these, so that reductions across
// lanes and partial sums follow one order on every instruction set, and results agree bit for bit.
#pragma once
#include <string.h>

#include "simd.h"

namespace rcekd {
namespace RCEKD_ISA {
namespace lanes {

constexpr int kWide = 16;
constexpr int kParts = kWide / Vec::width;

// ---- single vectors: what simd.h does not need elsewhere -----------------------------------------------------------

#if defined(__AVX512F__)
// a where a > b, else b: a NaN in b comes through.
inline Vec larger(Vec a, Vec b) { return {_mm512_max_ps(a.x, b.x)}; }
inline Vec magnitude(Vec a) { return {_mm512_abs_ps(a.x)}; }
// y, but 0 where x < limit.
inline Vec zero_below(Vec x, Vec limit, Vec y) {
    return {_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x.x, limit.x, _CMP_NLT_UQ), y.x)};
}
// a where x < 0, else b.
inline Vec where_negative(Vec x, Vec a, Vec b) {
    return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(x.x, _mm512_setzero_ps(), _CMP_LT_OQ), b.x, a.x)};
}
// p · 2^n, n the integer in the low mantissa bits of t; the result must be a normal number.
inline Vec scale_exponent(Vec p, Vec t) {
    return {_mm512_castsi512_ps(
        _mm512_add_epi32(_mm512_castps_si512(p.x), _mm512_slli_epi32(_mm512_castps_si512(t.x), 23)))};
}
#elif defined(__AVX2__)
inline Vec larger(Vec a, Vec b) { return {_mm256_max_ps(a.x, b.x)}; }
inline Vec magnitude(Vec a) { return {_mm256_andnot_ps(_mm256_set1_ps(-0.0f), a.x)}; }
inline Vec zero_below(Vec x, Vec limit, Vec y) {
    return {_mm256_and_ps(_mm256_cmp_ps(x.x, limit.x, _CMP_NLT_UQ), y.x)};
}
inline Vec where_negative(Vec x, Vec a, Vec b) {
    return {_mm256_blendv_ps(b.x, a.x, _mm256_cmp_ps(x.x, _mm256_setzero_ps(), _CMP_LT_OQ))};
}
inline Vec scale_exponent(Vec p, Vec t) {
    return {_mm256_castsi256_ps(
        _mm256_add_epi32(_mm256_castps_si256(p.x), _mm256_slli_epi32(_mm256_castps_si256(t.x), 23)))};
}
#else
inline float scale_exponent(float p, float t) {
    uint32_t a, b;
    memcpy(&a, &p, 4);
    memcpy(&b, &t, 4);
    a += b << 23;
    memcpy(&p, &a, 4);
    return p;
}
#define RCEKD_LANES(expr)                      \
    Vec r;                                     \
    for (int i = 0; i < 4; ++i) r.x[i] = expr; \
    return r;
inline Vec larger(Vec a, Vec b) { RCEKD_LANES(a.x[i] > b.x[i] ? a.x[i] : b.x[i]) }
inline Vec magnitude(Vec a) { RCEKD_LANES(fabsf(a.x[i])) }
inline Vec zero_below(Vec x, Vec limit, Vec y) { RCEKD_LANES(x.x[i] < limit.x[i] ? 0.0f : y.x[i]) }
inline Vec where_negative(Vec x, Vec a, Vec b) { RCEKD_LANES(x.x[i] < 0.0f ? a.x[i] : b.x[i]) }
inline Vec scale_exponent(Vec p, Vec t) { RCEKD_LANES(scale_exponent(p.x[i], t.x[i])) }
#undef RCEKD_LANES
#endif

// e^x for x ≤ 0, within about one unit in the last place; 0 below −87, NaN for NaN.
inline Vec exp_nonpositive(Vec x) {
    const Vec low = Vec::fill(-87.0f), magic = Vec::fill(12582912.0f);  // 1.5 · 2^23: adding it rounds to an integer
    const Vec c = larger(low, x);
    const Vec t = fma(c, Vec::fill(1.44269504088896341f), magic);
    const Vec n = sub(t, magic);
    Vec r = fma(n, Vec::fill(-0.693359375f), c);
    r = fma(n, Vec::fill(2.12194440e-4f), r);
    Vec p = fma(Vec::fill(1.9875691500e-4f), r, Vec::fill(1.3981999507e-3f));
    p = fma(p, r, Vec::fill(8.3334519073e-3f));
    p = fma(p, r, Vec::fill(4.1665795894e-2f));
    p = fma(p, r, Vec::fill(1.6666665459e-1f));
    p = fma(p, r, Vec::fill(5.0000001201e-1f));
    p = add(fma(p, mul(r, r), r), Vec::fill(1.0f));
    return add(zero_below(x, low, scale_exponent(p, t)), sub(c, c));  // c − c carries a NaN over
}

// log(1 + e) for 0 ≤ e ≤ 1, as 2 artanh(e / (2 + e)): relative accuracy even for tiny e.
inline Vec log1p_unit(Vec e) {
    const Vec s = div(e, add(e, Vec::fill(2.0f)));
    const Vec q = mul(s, s);
    Vec p = fma(Vec::fill(1.0f / 15.0f), q, Vec::fill(1.0f / 13.0f));
    p = fma(p, q, Vec::fill(1.0f / 11.0f));
    p = fma(p, q, Vec::fill(1.0f / 9.0f));
    p = fma(p, q, Vec::fill(1.0f / 7.0f));
    p = fma(p, q, Vec::fill(1.0f / 5.0f));
    p = fma(p, q, Vec::fill(1.0f / 3.0f));
    const Vec twice = add(s, s);
    return fma(mul(twice, q), p, twice);
}

// ---- sixteen lanes -------------------------------------------------------------------------------------------------

#if defined(__AVX2__) && !defined(__AVX512F__)
// The first n < 8 lanes, `rest` in the others; reads nothing beyond a[n - 1].
inline __m256 load_some(const float* a, int64_t n, __m256 rest) {
    if (n == 4) return _mm256_insertf128_ps(rest, _mm_loadu_ps(a), 0);
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    const __m256i mask = _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), lane);
    return _mm256_blendv_ps(rest, _mm256_maskload_ps(a, mask), _mm256_castsi256_ps(mask));
}
#endif

struct F16 {
    Vec part[kParts];

    static F16 fill(float v) {
        F16 r;
        for (int p = 0; p < kParts; ++p) r.part[p] = Vec::fill(v);
        return r;
    }
    static F16 load(const float* a) {
        F16 r;
        for (int p = 0; p < kParts; ++p) r.part[p] = Vec::load(a + p * Vec::width);
        return r;
    }
    // The first n lanes, `rest` in the others; reads nothing beyond a[n - 1].
    static F16 load(const float* a, int64_t n, float rest = 0.0f) {
        if (n >= kWide) return load(a);
#if defined(__AVX512F__)
        if (rest == 0.0f && n == 4) return {{{_mm512_zextps128_ps512(_mm_loadu_ps(a))}}};
        if (rest == 0.0f && n == 8) return {{{_mm512_zextps256_ps512(_mm256_loadu_ps(a))}}};
        return {{{_mm512_mask_loadu_ps(_mm512_set1_ps(rest), (__mmask16)((1u << n) - 1u), a)}}};
#elif defined(__AVX2__)
        const __m256 other = _mm256_set1_ps(rest);
        if (n >= 8) return {{{_mm256_loadu_ps(a)}, {load_some(a + 8, n - 8, other)}}};
        return {{{load_some(a, n, other)}, {other}}};
#else
        float lane[kWide];
        for (int i = 0; i < kWide; ++i) lane[i] = i < n ? a[i] : rest;
        return load(lane);
#endif
    }
    void store(float* a) const {
        for (int p = 0; p < kParts; ++p) part[p].store(a + p * Vec::width);
    }
    void store(float* a, int64_t n) const {
        if (n >= kWide) return store(a);
#if defined(__AVX512F__)
        // A masked store cannot be forwarded to the next load of the row: take the common widths whole.
        if (n == 4) return _mm_storeu_ps(a, _mm512_castps512_ps128(part[0].x));
        if (n == 8) return _mm256_storeu_ps(a, _mm512_castps512_ps256(part[0].x));
        _mm512_mask_storeu_ps(a, (__mmask16)((1u << n) - 1u), part[0].x);
#else
        float lane[kWide];
        store(lane);
        for (int i = 0; i < n; ++i) a[i] = lane[i];
#endif
    }
};

// The first n lanes where `mask` is not 0, `rest` in the others; reads nothing beyond a[n - 1] and mask[n - 1].
inline F16 load_where(const float* a, const uint8_t* mask, int64_t n, float rest) {
#if defined(__AVX512F__)
    const __mmask16 first = n >= kWide ? (__mmask16)0xFFFFu : (__mmask16)((1u << n) - 1u);
    const __m128i byte = _mm_maskz_loadu_epi8(first, mask);
    return {{{_mm512_mask_loadu_ps(_mm512_set1_ps(rest), _mm_test_epi8_mask(byte, byte), a)}}};
#else
#if defined(__AVX2__)
    if (n >= kWide) {
        F16 r;
        for (int p = 0; p < kParts; ++p) {
            const __m256i byte = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)(mask + p * Vec::width)));
            const __m256 hole = _mm256_castsi256_ps(_mm256_cmpeq_epi32(byte, _mm256_setzero_si256()));
            r.part[p].x = _mm256_blendv_ps(_mm256_loadu_ps(a + p * Vec::width), _mm256_set1_ps(rest), hole);
        }
        return r;
    }
#endif
    float lane[kWide];
    for (int64_t i = 0; i < kWide; ++i) lane[i] = i < n && mask[i] ? a[i] : rest;
    return F16::load(lane);
#endif
}

#define RCEKD_PARTS(expr)                              \
    F16 r;                                             \
    for (int p = 0; p < kParts; ++p) r.part[p] = expr; \
    return r;
inline F16 fma(const F16& a, const F16& b, const F16& c) {
    RCEKD_PARTS(rcekd::RCEKD_ISA::fma(a.part[p], b.part[p], c.part[p]))
}
inline F16 add(const F16& a, const F16& b) { RCEKD_PARTS(rcekd::RCEKD_ISA::add(a.part[p], b.part[p])) }
inline F16 sub(const F16& a, const F16& b) { RCEKD_PARTS(rcekd::RCEKD_ISA::sub(a.part[p], b.part[p])) }
inline F16 mul(const F16& a, const F16& b) { RCEKD_PARTS(rcekd::RCEKD_ISA::mul(a.part[p], b.part[p])) }
inline F16 div(const F16& a, const F16& b) { RCEKD_PARTS(rcekd::RCEKD_ISA::div(a.part[p], b.part[p])) }
inline F16 larger(const F16& a, const F16& b) { RCEKD_PARTS(larger(a.part[p], b.part[p])) }
inline F16 magnitude(const F16& a) { RCEKD_PARTS(magnitude(a.part[p])) }
inline F16 exp_nonpositive(const F16& a) { RCEKD_PARTS(exp_nonpositive(a.part[p])) }
inline F16 log1p_unit(const F16& a) { RCEKD_PARTS(log1p_unit(a.part[p])) }
inline F16 where_negative(const F16& x, const F16& a, const F16& b) {
    RCEKD_PARTS(where_negative(x.part[p], a.part[p], b.part[p]))
}
#undef RCEKD_PARTS

// Sum of the sixteen lanes as a balanced tree: halves, quarters, …
inline float sum(const F16& a) {
    float lane[kWide];
    a.store(lane);
    for (int width = kWide / 2; width; width /= 2)
        for (int i = 0; i < width; ++i) lane[i] += lane[i + width];
    return lane[0];
}

// Largest lane, NaN passed over.
inline float largest(const F16& a) {
    float lane[kWide], top = -INFINITY;
    a.store(lane);
    for (int i = 0; i < kWide; ++i) top = lane[i] > top ? lane[i] : top;
    return top;
}

// The first n lanes, 0 in the others.
inline F16 keep(const F16& a, int64_t n) {
    if (n >= kWide) return a;
    float lane[kWide];
    a.store(lane);
    return F16::load(lane, n);
}

// Dimensions k … k + 3 of sixteen rows, transposed: lane i of out[j] is rows[i][k + j].
inline void load_transposed4(const float* const rows[kWide], int64_t k, F16 out[4]) {
#if defined(__AVX512F__)
    __m512 z[4];
    for (int j = 0; j < 4; ++j) {
        __m512 quad = _mm512_castps128_ps512(_mm_loadu_ps(rows[j] + k));
        quad = _mm512_insertf32x4(quad, _mm_loadu_ps(rows[4 + j] + k), 1);
        quad = _mm512_insertf32x4(quad, _mm_loadu_ps(rows[8 + j] + k), 2);
        z[j] = _mm512_insertf32x4(quad, _mm_loadu_ps(rows[12 + j] + k), 3);
    }
    const __m512d a = _mm512_castps_pd(_mm512_unpacklo_ps(z[0], z[1]));
    const __m512d b = _mm512_castps_pd(_mm512_unpackhi_ps(z[0], z[1]));
    const __m512d c = _mm512_castps_pd(_mm512_unpacklo_ps(z[2], z[3]));
    const __m512d d = _mm512_castps_pd(_mm512_unpackhi_ps(z[2], z[3]));
    out[0].part[0].x = _mm512_castpd_ps(_mm512_unpacklo_pd(a, c));
    out[1].part[0].x = _mm512_castpd_ps(_mm512_unpackhi_pd(a, c));
    out[2].part[0].x = _mm512_castpd_ps(_mm512_unpacklo_pd(b, d));
    out[3].part[0].x = _mm512_castpd_ps(_mm512_unpackhi_pd(b, d));
#elif defined(__AVX2__)
    for (int p = 0; p < kParts; ++p) {
        __m256 y[4];
        for (int j = 0; j < 4; ++j)
            y[j] = _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(rows[8 * p + j] + k)),
                                        _mm_loadu_ps(rows[8 * p + 4 + j] + k), 1);
        const __m256d a = _mm256_castps_pd(_mm256_unpacklo_ps(y[0], y[1]));
        const __m256d b = _mm256_castps_pd(_mm256_unpackhi_ps(y[0], y[1]));
        const __m256d c = _mm256_castps_pd(_mm256_unpacklo_ps(y[2], y[3]));
        const __m256d d = _mm256_castps_pd(_mm256_unpackhi_ps(y[2], y[3]));
        out[0].part[p].x = _mm256_castpd_ps(_mm256_unpacklo_pd(a, c));
        out[1].part[p].x = _mm256_castpd_ps(_mm256_unpackhi_pd(a, c));
        out[2].part[p].x = _mm256_castpd_ps(_mm256_unpacklo_pd(b, d));
        out[3].part[p].x = _mm256_castpd_ps(_mm256_unpackhi_pd(b, d));
    }
#else
    for (int j = 0; j < 4; ++j)
        for (int i = 0; i < kWide; ++i) out[j].part[i / 4].x[i % 4] = rows[i][k + j];
#endif
}

inline F16 load_transposed1(const float* const rows[kWide], int64_t k) {
    float lane[kWide];
    for (int i = 0; i < kWide; ++i) lane[i] = rows[i][k];
    return F16::load(lane);
}

// Scores of one user with sixteen items; each is the FMA chain of simd.h.
inline F16 scores_of_user(const float* user, const float* const items[kWide], int64_t d) {
    F16 score = F16::fill(0.0f), v[4];
    int64_t k = 0;
    for (; k + 4 <= d; k += 4) {
        load_transposed4(items, k, v);
        for (int j = 0; j < 4; ++j) score = fma(F16::fill(user[k + j]), v[j], score);
    }
    for (; k < d; ++k) score = fma(F16::fill(user[k]), load_transposed1(items, k), score);
    return score;
}

// Scores of sixteen (user, item) pairs; each is the FMA chain of simd.h.
inline F16 scores_of_pairs(const float* const users[kWide], const float* const items[kWide], int64_t d) {
    F16 score = F16::fill(0.0f), u[4], v[4];
    int64_t k = 0;
    for (; k + 4 <= d; k += 4) {
        load_transposed4(users, k, u);
        load_transposed4(items, k, v);
        for (int j = 0; j < 4; ++j) score = fma(u[j], v[j], score);
    }
    for (; k < d; ++k) score = fma(load_transposed1(users, k), load_transposed1(items, k), score);
    return score;
}

}  // namespace lanes
}  // namespace RCEKD_ISA
}  // namespace rcekd
