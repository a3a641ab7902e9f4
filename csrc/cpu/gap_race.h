// Draws weighted by rank gaps, without replacement: the earliest of the times E / w (race.h), in logarithms and in
// double precision. Only the draws are ordered, and only where their order matters.
#pragma once

#include "arena.h"
#include "philox_lanes.h"
#include "rcekd/gap.h"
#include "rcekd/rank_key.h"
#include "select.h"

namespace rcekd {
namespace RCEKD_ISA {

// One thread's scratch memory for races of up to `most` runners.
class GapRace {
  public:
    GapRace(int64_t most, Arena* arena)
        : number(arena->take<int32_t>(most + kLanes)),
          log_time_(arena->take<double>(most + kLanes)),
          early_(arena->take<float>(most + kLanes)),
          fast_(arena->take<float>(most + kLanes)),
          spare_(arena->take<float>(most + kLanes)),
          at_(arena->take<int32_t>(most + kLanes)),
          timed_(arena->take<Timed>(most)),
          timed_spare_(arena->take<Timed>(most)) {}

    // The runners, ascending: to be written by the caller, who may write up to kLanes beyond them.
    int32_t* const number;

    // Leaves the `want` earliest of number[0 .. n) in number[0 .. want), in order of arrival or ascending;
    // 0 <= want <= n. log_weight(number) must be finite for a runner, and may be asked for number[0] again.
    template <class LogWeight>
    void run(uint64_t key, uint32_t row, int64_t n, int64_t want, bool ascending, LogWeight log_weight) {
        if (want == 0 || (ascending && want == n)) return;
        for (int64_t i = n; i < n + kLanes; ++i) number[i] = number[0];
        for (int64_t i = 0; i < n; i += kLanes) set_times(key, row, i, log_weight);
        if (want < n) keep_earliest(n, want);
        if (!ascending) sort(want);
    }

  private:
    static constexpr int kLanes = PhiloxLanes::kLanes;

    struct Timed {
        double log_time;
        int32_t number;
    };
    struct Sooner {
        bool operator()(const Timed& a, const Timed& b) const {
            return (a.log_time < b.log_time) | ((a.log_time == b.log_time) & (a.number < b.number));  // no branch
        }
        static uint32_t word(const Timed& a) { return rcekd_ordered_word((float)a.log_time); }  // rounding keeps order
    };

    template <class LogWeight>
    void set_times(uint64_t key, uint32_t row, int64_t first, LogWeight log_weight) {
        uint32_t counter[kLanes];
        double t[kLanes];
        PhiloxLanes random;
        for (int l = 0; l < kLanes; ++l) counter[l] = (uint32_t)number[first + l];
        random.draw(key, counter, row, RCEKD_GAP_RACE);
        for (int l = 0; l < kLanes; ++l) t[l] = rcekd_uniform53(random.word[0][l], random.word[1][l]);
        for (int l = 0; l < kLanes; ++l) t[l] = -rcekd_log(t[l]);
        for (int l = 0; l < kLanes; ++l) t[l] = rcekd_log(t[l]);
        for (int l = 0; l < kLanes; ++l) t[l] -= log_weight(number[first + l]);
        for (int l = 0; l < kLanes; ++l) log_time_[first + l] = t[l];
        for (int l = 0; l < kLanes; ++l) early_[first + l] = -(float)t[l];
    }

    // The `want` earliest of n in their old order, by times rounded to single precision; where the last place is
    // contended for, the times themselves decide.
    void keep_earliest(int64_t n, int64_t want) {
        for (int64_t i = 0; i < n; ++i) fast_[i] = early_[i];
        const float last = kth_largest(fast_, spare_, n, want);
        int32_t sure = 0, level = 0;
        for (int64_t i = 0; i < n; ++i) sure += early_[i] > last ? 1 : 0;
        for (int64_t i = 0; i < n; ++i) level += early_[i] == last ? 1 : 0;
        if (sure + level > want) shut_out(n, last, want - sure);
        const Vec bar = Vec::fill(last);
        int64_t kept = 0;
        for (int64_t i = 0; i < n; i += Vec::width) {
            const Vec early = Vec::load(early_ + i);
            const uint32_t here = n - i < Vec::width ? (1u << (n - i)) - 1u : (uint32_t)((1ull << Vec::width) - 1u);
            kept += append(fast_ + kept, at_ + kept, early, (int32_t)i, here & ~(greater(bar, early) | is_nan(early)));
        }
        for (int64_t i = 0; i < want; ++i) number[i] = number[at_[i]];
        for (int64_t i = 0; i < want; ++i) log_time_[i] = log_time_[at_[i]];
    }

    // Of the runners level with the last, all but the `open` earliest get NaN for a time.
    void shut_out(int64_t n, float last, int64_t open) {
        int64_t level = 0;
        for (int64_t i = 0; i < n; ++i)
            if (early_[i] == last) timed_[level++] = {log_time_[i], number[i]};
        select_first(timed_, level, open, Sooner());
        const Timed latest = timed_[open - 1];
        for (int64_t i = 0; i < n; ++i)
            if (early_[i] == last && Sooner()(latest, {log_time_[i], number[i]})) early_[i] = NAN;
    }

    void sort(int64_t n) {
        for (int64_t i = 0; i < n; ++i) timed_[i] = {log_time_[i], number[i]};
        sort_all(timed_, n, timed_spare_, Sooner());
        for (int64_t i = 0; i < n; ++i) number[i] = timed_[i].number;
    }

    double* log_time_;
    float *early_, *fast_, *spare_;
    int32_t* at_;
    Timed *timed_, *timed_spare_;
};

}  // namespace RCEKD_ISA
}  // namespace rcekd
