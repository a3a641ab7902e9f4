// Philox4x32-10 on sixteen counters at once; lane for lane equal to rcekd_philox.
#pragma once
#include "rcekd/philox.h"
#include "simd.h"

namespace rcekd {
namespace RCEKD_ISA {

// A vector of 64-bit lanes of which only the low halves count: a product of low halves fills a lane, and whatever is
// left above bit 31 is never looked at.
#if defined(__AVX512F__)
struct Words {
    static constexpr int width = 8;
    __m512i x;
    static Words fill(uint32_t v) { return {_mm512_set1_epi64(v)}; }
    static Words load(const uint32_t* p) { return {_mm512_cvtepu32_epi64(_mm256_loadu_si256((const __m256i*)p))}; }
    void store(uint32_t* p) const { _mm256_storeu_si256((__m256i*)p, _mm512_cvtepi64_epi32(x)); }
};
inline Words multiply(Words a, Words b) { return {_mm512_mul_epu32(a.x, b.x)}; }
inline Words high_half(Words a) { return {_mm512_srli_epi64(a.x, 32)}; }
inline Words exclusive_or(Words a, Words b) { return {_mm512_xor_si512(a.x, b.x)}; }
#elif defined(__AVX2__)
struct Words {
    static constexpr int width = 4;
    __m256i x;
    static Words fill(uint32_t v) { return {_mm256_set1_epi64x(v)}; }
    static Words load(const uint32_t* p) { return {_mm256_cvtepu32_epi64(_mm_loadu_si128((const __m128i*)p))}; }
    void store(uint32_t* p) const {
        const __m256i low = _mm256_permutevar8x32_epi32(x, _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6));
        _mm_storeu_si128((__m128i*)p, _mm256_castsi256_si128(low));
    }
};
inline Words multiply(Words a, Words b) { return {_mm256_mul_epu32(a.x, b.x)}; }
inline Words high_half(Words a) { return {_mm256_srli_epi64(a.x, 32)}; }
inline Words exclusive_or(Words a, Words b) { return {_mm256_xor_si256(a.x, b.x)}; }
#else
struct Words {
    static constexpr int width = 1;
    uint64_t x;
    static Words fill(uint32_t v) { return {v}; }
    static Words load(const uint32_t* p) { return {*p}; }
    void store(uint32_t* p) const { *p = (uint32_t)x; }
};
inline Words multiply(Words a, Words b) { return {(uint64_t)(uint32_t)a.x * (uint32_t)b.x}; }
inline Words high_half(Words a) { return {a.x >> 32}; }
inline Words exclusive_or(Words a, Words b) { return {a.x ^ b.x}; }
#endif

struct PhiloxLanes {
    static constexpr int kLanes = 16;
    uint32_t word[4][kLanes];

    // Counters (first[l], user, level, 0).
    void draw(uint64_t key, const uint32_t* first, uint32_t user, uint32_t level) {
        for (int l = 0; l < kLanes; l += kTogether * Words::width) draw_some(key, first + l, user, level, l);
    }

  private:
    static constexpr int kTogether = 2;  // independent vectors, so that one does not wait for the other's products

    void draw_some(uint64_t key, const uint32_t* first, uint32_t user, uint32_t level, int lane) {
        const Words m0 = Words::fill(0xD2511F53u), m1 = Words::fill(0xCD9E8D57u);
        uint32_t k0 = (uint32_t)key, k1 = (uint32_t)(key >> 32);
        Words c[kTogether][4];
        for (int v = 0; v < kTogether; ++v) {
            c[v][0] = Words::load(first + v * Words::width);
            c[v][1] = Words::fill(user);
            c[v][2] = Words::fill(level);
            c[v][3] = Words::fill(0);
        }
        for (int round = 0; round < 10; ++round) {
            for (int v = 0; v < kTogether; ++v) {
                const Words p0 = multiply(m0, c[v][0]), p1 = multiply(m1, c[v][2]);
                c[v][0] = exclusive_or(exclusive_or(high_half(p1), c[v][1]), Words::fill(k0));
                c[v][2] = exclusive_or(exclusive_or(high_half(p0), c[v][3]), Words::fill(k1));
                c[v][1] = p1;
                c[v][3] = p0;
            }
            k0 += 0x9E3779B9u;
            k1 += 0xBB67AE85u;
        }
        for (int v = 0; v < kTogether; ++v)
            for (int w = 0; w < 4; ++w) c[v][w].store(word[w] + lane + v * Words::width);
    }
};

}  // namespace RCEKD_ISA
}  // namespace rcekd
