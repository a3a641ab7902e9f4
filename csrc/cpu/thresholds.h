// The raising scores of one user, sorted, and how many of them lie below a score: the z of equation 8.
#pragma once
#include "rcekd/race.h"
#include "rcekd/rank_key.h"
#include "select.h"
#include "simd.h"

namespace rcekd {
namespace RCEKD_ISA {

// Binary search in every lane: n counts the thresholds known to be below the score.
#if defined(__AVX512F__)
struct Steps {
    Vec score;
    __m512i n;
    explicit Steps(Vec s) : score(s), n(_mm512_setzero_si512()) {}
    void advance(__m512 threshold, int32_t step) {
        n = _mm512_mask_add_epi32(n, _mm512_cmp_ps_mask(threshold, score.x, _CMP_LT_OQ), n, _mm512_set1_epi32(step));
    }
    __m512i next(int32_t step) const { return _mm512_add_epi32(n, _mm512_set1_epi32(step - 1)); }
    void look_up(Vec coarse, int32_t step) { advance(_mm512_permutexvar_ps(next(step), coarse.x), step); }
    void gather(const float* value, int32_t step) { advance(_mm512_i32gather_ps(next(step), value, 4), step); }
    void scale(int32_t stride) { n = _mm512_mullo_epi32(n, _mm512_set1_epi32(stride)); }
    void store(int32_t* out) const { _mm512_storeu_si512(out, n); }
};
#elif defined(__AVX2__)
struct Steps {
    Vec score;
    __m256i n;
    explicit Steps(Vec s) : score(s), n(_mm256_setzero_si256()) {}
    void advance(__m256 threshold, int32_t step) {
        const __m256i below = _mm256_castps_si256(_mm256_cmp_ps(threshold, score.x, _CMP_LT_OQ));
        n = _mm256_add_epi32(n, _mm256_and_si256(below, _mm256_set1_epi32(step)));
    }
    __m256i next(int32_t step) const { return _mm256_add_epi32(n, _mm256_set1_epi32(step - 1)); }
    void look_up(Vec coarse, int32_t step) { advance(_mm256_permutevar8x32_ps(coarse.x, next(step)), step); }
    void gather(const float* value, int32_t step) { advance(_mm256_i32gather_ps(value, next(step), 4), step); }
    void scale(int32_t stride) { n = _mm256_mullo_epi32(n, _mm256_set1_epi32(stride)); }
    void store(int32_t* out) const { _mm256_storeu_si256((__m256i*)out, n); }
};
#else
struct Steps {
    Vec score;
    int32_t n[Vec::width] = {0};
    explicit Steps(Vec s) : score(s) {}
    void look_up(Vec coarse, int32_t step) { gather(coarse.x, step); }
    void gather(const float* value, int32_t step) {
        for (int i = 0; i < Vec::width; ++i) n[i] += value[n[i] + step - 1] < score.x[i] ? step : 0;
    }
    void scale(int32_t stride) {
        for (int i = 0; i < Vec::width; ++i) n[i] *= stride;
    }
    void store(int32_t* out) const {
        for (int i = 0; i < Vec::width; ++i) out[i] = n[i];
    }
};
#endif

struct Ascending {
    bool operator()(float a, float b) const { return a < b; }
    static uint32_t word(float x) { return rcekd_ordered_word(x); }
};

class Thresholds {
  public:
    static constexpr int kLanes = 16;

    // Floats of scratch needed for up to k raising scores, as much again for sorting.
    static int64_t room(int64_t k) {
        int64_t size = kLanes;
        while (size <= k) size *= 2;
        return size;
    }

    Thresholds(float* value, float* spare, bool inclusive, int64_t clip)
        : value_(value), spare_(spare), inclusive_(inclusive), clip_(clip) {}
    void clear() { n_ = 0; }
    void add(float score) { value_[n_++] = inclusive_ ? rcekd_float_below(score) : score; }
    // Call after the last add.
    void close() {
        sort_all(value_, n_, spare_, Ascending());
        for (size_ = kLanes; size_ <= n_; size_ *= 2) {
        }
        for (int64_t i = n_; i < size_; ++i) value_[i] = INFINITY;
        limit_ = (int32_t)(clip_ >= 0 && clip_ < n_ ? clip_ : n_);
    }
    int32_t z(float score) const {
        const int32_t n = rcekd_count_below(value_, (int32_t)size_, score);
        return n < limit_ ? n : limit_;
    }
    // z of each of kLanes scores. The first levels of the search look only at every stride-th threshold, kept in one
    // register; the rest gather.
    void z(const float* score, int32_t* out) const {
        const int64_t stride = size_ / Vec::width;
        float coarse[Vec::width];
        for (int i = 0; i < Vec::width; ++i) coarse[i] = value_[(i + 1) * stride - 1];
        for (int l = 0; l < kLanes; l += Vec::width) {
            Steps n(Vec::load(score + l));
            for (int32_t step = Vec::width / 2; step > 0; step /= 2) n.look_up(Vec::load(coarse), step);
            n.scale((int32_t)stride);
            for (int32_t step = (int32_t)stride / 2; step > 0; step /= 2) n.gather(value_, step);
            n.store(out + l);
        }
        for (int l = 0; l < kLanes; ++l) out[l] = out[l] < limit_ ? out[l] : limit_;
    }

  private:
    float *value_, *spare_;
    bool inclusive_;
    int64_t clip_, n_ = 0, size_ = kLanes;
    int32_t limit_ = 0;
};

}  // namespace RCEKD_ISA
}  // namespace rcekd
