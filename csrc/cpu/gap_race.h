// Draws weighted by rank gaps, without replacement: the earliest of the times E / w (race.h), in logarithms and in
// double precision. Only the draws are ordered, and only where their order matters.
#pragma once
#include <algorithm>

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
          edge_(arena->take<Timed>(most)),
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
            return a.log_time < b.log_time || (a.log_time == b.log_time && a.number < b.number);
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
        int64_t sure = 0, contenders = 0;
        for (int64_t i = 0; i < n; ++i) {
            edge_[contenders] = {log_time_[i], number[i]};
            contenders += early_[i] == last ? 1 : 0;
            sure += early_[i] > last ? 1 : 0;
        }
        const int64_t open = want - sure;
        Timed latest = {0.0, 0};
        if (open < contenders) {
            select_first(edge_, contenders, open, Sooner());
            latest = edge_[open - 1];
        }
        int64_t kept = 0;
        for (int64_t i = 0; i < n; ++i) {
            const Timed here = {log_time_[i], number[i]};
            const bool level = early_[i] == last && (open == contenders || !Sooner()(latest, here));
            number[kept] = here.number;
            log_time_[kept] = here.log_time;
            kept += early_[i] > last || level ? 1 : 0;
        }
    }

    void sort(int64_t n) {
        for (int64_t i = 0; i < n; ++i) edge_[i] = {log_time_[i], number[i]};
        sort_all(edge_, n, timed_spare_, Sooner());
        for (int64_t i = 0; i < n; ++i) number[i] = edge_[i].number;
    }

    double* log_time_;
    float *early_, *fast_, *spare_;
    Timed *edge_, *timed_spare_;
};

}  // namespace RCEKD_ISA
}  // namespace rcekd
