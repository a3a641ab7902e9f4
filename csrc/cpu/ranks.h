// Ranks of scores by a radix sort of their bits, least significant digit first; the last pass writes ranks, not keys.
#pragma once
#include "arena.h"
#include "rcekd/rank_key.h"

namespace rcekd {
namespace RCEKD_ISA {

class Ranks {
  public:
    Ranks(int64_t n, Arena* arena)
        : count_(arena->take<int32_t>(kDigits * kSize)),
          from_(arena->take<uint64_t>(n)),
          to_(arena->take<uint64_t>(n)) {}

    // rank[k] = 1 for the highest score, n for the lowest, equal ones by ascending k. No score may be NaN.
    void rank(const float* score, int64_t n, int32_t* rank) {
        count_digits(score, n);
        int32_t *first = count_, *second = first + kSize, *third = second + kSize;
        for (int64_t k = 0; k < n; ++k) {
            const uint32_t e = descending(score[k]);
            from_[first[e & kMask]++] = (uint64_t)e << 32 | (uint32_t)k;
        }
        for (int64_t i = 0; i < n; ++i) to_[second[from_[i] >> (32 + kBits) & kMask]++] = from_[i];
        for (int64_t i = 0; i < n; ++i) rank[(uint32_t)to_[i]] = ++third[to_[i] >> (32 + 2 * kBits)];
    }

  private:
    static constexpr int kBits = 11, kDigits = 3, kSize = 1 << kBits;
    static constexpr uint32_t kMask = kSize - 1;

    // Smaller for a higher score.
    static uint32_t descending(float score) { return ~(uint32_t)(rcekd_rank_key(score, 0) >> 32); }

    // Where each digit's elements begin.
    void count_digits(const float* score, int64_t n) {
        for (int i = 0; i < kDigits * kSize; ++i) count_[i] = 0;
        for (int64_t k = 0; k < n; ++k) {
            const uint32_t e = descending(score[k]);
            ++count_[e & kMask];
            ++count_[kSize + (e >> kBits & kMask)];
            ++count_[2 * kSize + (e >> 2 * kBits)];
        }
        for (int digit = 0; digit < kDigits; ++digit) {
            int32_t sum = 0;
            for (int i = 0; i < kSize; ++i) {
                const int32_t here = count_[digit * kSize + i];
                count_[digit * kSize + i] = sum;
                sum += here;
            }
        }
    }

    int32_t* count_;
    uint64_t *from_, *to_;
};

}  // namespace RCEKD_ISA
}  // namespace rcekd
