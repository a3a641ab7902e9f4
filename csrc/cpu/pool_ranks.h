// The order of a pool's scores. They are counted into buckets of equal width, two for each, so that most are alone in
// theirs; a look at each and those before it puts the rest right. Where they crowd together they are sorted.
#pragma once
#include <float.h>

#include "arena.h"
#include "rcekd/rank_key.h"
#include "select.h"

namespace rcekd {
namespace RCEKD_ISA {

class PoolRanks {
  public:
    PoolRanks(int64_t listed, Arena* arena)
        : score_(arena->take<float>(listed + 1)),
          bucket_(arena->take<int32_t>(listed + 1)),
          next_(arena->take<int32_t>(buckets_for(listed))),
          key_(arena->take<uint64_t>(listed + 1)),
          sorted_(arena->take<uint64_t>(listed + 1)) {}

    // Of the places whose candidate is not below 0, by falling score and equal ones by place: their keys, whose low
    // halves are the places. Scores must be finite.
    const uint64_t* order(const float* score, const int32_t* pool, int64_t listed, int64_t* found) {
        int64_t n = 0;
        for (int64_t p = 0; p < listed; ++p) {
            key_[p] = (uint64_t)~rcekd_ordered_word(score[p]) << 32 | (uint32_t)p;
            n += pool[p] >= 0 ? 1 : 0;
        }
        if (n < listed) {
            n = 0;
            for (int64_t p = 0; p < listed; ++p) {
                score_[n] = score[p];
                key_[n] = key_[p];
                n += pool[p] >= 0 ? 1 : 0;
            }
            score = score_;
        }
        *found = n;
        if (n > kFew && spread(score, n)) return sorted_;
        if (n) sort_all(key_, n, sorted_, Lower());
        return key_;
    }

  private:
    static constexpr int64_t kFew = 48, kCrowd = 12, kMostBuckets = 1 << 16;

    struct Lower {
        bool operator()(uint64_t a, uint64_t b) const { return a < b; }
        static uint32_t word(uint64_t a) { return (uint32_t)(a >> 32); }
    };

    static int64_t buckets_for(int64_t n) {
        int64_t buckets = 64;
        while (buckets < 2 * n && buckets < kMostBuckets) buckets *= 2;
        return buckets;
    }

    // Sorts key_ into sorted_; false where a bucket is crowded.
    bool spread(const float* score, int64_t n) {
        uint64_t low = key_[0], high = key_[0];
        for (int64_t i = 1; i < n; ++i) {
            low = key_[i] < low ? key_[i] : low;
            high = key_[i] > high ? key_[i] : high;
        }
        const float top = rcekd_rank_score(~low), span = top - rcekd_rank_score(~high);
        if (!(span >= 1e-30f && span <= FLT_MAX)) return false;
        const int64_t buckets = buckets_for(n);
        const float last = (float)(buckets - 1), scale = last / span;  // rounding keeps the order of the products
        for (int64_t i = 0; i < n; ++i) {
            const float at = (top - score[i]) * scale;
            bucket_[i] = (int32_t)(at < last ? at : last);
        }
        if (!count(n, buckets)) return false;
        for (int64_t i = 0; i < n; ++i) sorted_[next_[bucket_[i]]++] = key_[i];
        settle(n);
        return true;
    }

    // Where each bucket begins, into next_.
    bool count(int64_t n, int64_t buckets) {
        for (int64_t b = 0; b < buckets; ++b) next_[b] = 0;
        for (int64_t i = 0; i < n; ++i) ++next_[bucket_[i]];
        int32_t most = 0;
        for (int64_t b = 0; b < buckets; ++b) most = next_[b] > most ? next_[b] : most;
        for (int64_t b = 0, before = 0; b < buckets; ++b) {
            const int32_t here = next_[b];
            next_[b] = (int32_t)before;
            before += here;
        }
        return most <= kCrowd;
    }

    // Insertion: by one place without a branch, further by shifting.
    void settle(int64_t n) {
        uint64_t largest = sorted_[0];
        for (int64_t i = 1; i < n; ++i) {
            const uint64_t key = sorted_[i], low = key < largest ? key : largest;
            largest = key < largest ? largest : key;
            int64_t at = i - 1;
            for (; at > 0 && sorted_[at - 1] > low; --at) sorted_[at] = sorted_[at - 1];
            sorted_[at] = low;
        }
        sorted_[n - 1] = largest;
    }

    float* score_;
    int32_t *bucket_, *next_;
    uint64_t *key_, *sorted_;
};

}  // namespace RCEKD_ISA
}  // namespace rcekd
