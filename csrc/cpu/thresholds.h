// The raising scores of one user, sorted, and how many of them lie below a score: the z of equation 8.
#pragma once
#include "rcekd/race.h"
#include "select.h"
#include "simd.h"

namespace rcekd {
namespace RCEKD_ISA {

struct Ascending {
    bool operator()(float a, float b) const { return a < b; }
};

class Thresholds {
  public:
    // Floats of scratch needed for up to k raising scores, as much again for sorting.
    static int64_t room(int64_t k) {
        int64_t size = 1;
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
        for (size_ = 1; size_ <= n_; size_ *= 2) {
        }
        for (int64_t i = n_; i < size_; ++i) value_[i] = INFINITY;
        limit_ = (int32_t)(clip_ >= 0 && clip_ < n_ ? clip_ : n_);
    }
    int32_t z(float score) const {
        const int32_t n = rcekd_count_below(value_, (int32_t)size_, score);
        return n < limit_ ? n : limit_;
    }
    // z of each of kLanes scores.
    static constexpr int kLanes = 16;
    void z(const float* score, int32_t* out) const {
        int32_t n[kLanes];
        for (int l = 0; l < kLanes; ++l) n[l] = 0;
        for (int32_t step = (int32_t)(size_ >> 1); step > 0; step >>= 1)
            for (int l = 0; l < kLanes; ++l) n[l] += value_[n[l] + step - 1] < score[l] ? step : 0;
        for (int l = 0; l < kLanes; ++l) out[l] = n[l] < limit_ ? n[l] : limit_;
    }

  private:
    float *value_, *spare_;
    bool inclusive_;
    int64_t clip_, n_ = 0, size_ = 1;
    int32_t limit_ = 0;
};

}  // namespace RCEKD_ISA
}  // namespace rcekd
