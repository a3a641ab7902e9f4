// Draws without replacement proportional to e^{z / tau}, as an exponential race in two parts.
//
// High items (the user's best) each get an arrival time E / w. Low items are not enumerated: proposals arrive as a
// Poisson process, each on a uniformly chosen item, and one that falls on a low item is kept with probability
// w / w_floor, w_floor being the weight just at the floor between the two; that splits into independent processes of
// rate w per item, whose first arrivals are again E / w. Times are kept as logarithms, relative to nothing: e^{z / tau}
// itself would overflow. When low items arrive too rarely, the race stops; the items drawn so far stand, and the caller
// starts a new race (`level`) for the rest with a lower floor. Arrivals have no memory, so the law is the same.
#pragma once
#include "marks.h"
#include "philox_lanes.h"
#include "rcekd/race.h"
#include "rcekd/rank_key.h"
#include "scan.h"
#include "select.h"
#include "thresholds.h"

namespace rcekd {
namespace RCEKD_ISA {

struct Arrival {
    double log_time;
    int32_t item;
    float score;
};

struct Earlier {
    bool operator()(const Arrival& a, const Arrival& b) const {
        return a.log_time < b.log_time || (a.log_time == b.log_time && a.item < b.item);
    }
};

// What the race of one user draws from. Items below `floor` (a rank key) are low; no low score exceeds floor_score.
struct Field {
    const float* user;
    int32_t user_id;
    uint64_t floor;
    float floor_score;
    const uint64_t* high;  // rank keys, items that may not be drawn among them
    int64_t n_high;
    bool everything_high;
};

class Draws {
  public:
    struct Rules {
        const float* item_factor;
        int64_t n_items, d, draws;
        uint64_t high_key, low_key;
        const double* log_weight;  // z / tau
    };

    Draws(const Rules& rules, Marks* closed, const Thresholds* thresholds, Arrival* high, Arrival* spare, Arrival* low)
        : rules_(rules), closed_(*closed), thresholds_(*thresholds), high_(high), spare_(spare), low_(low) {}

    // Draws up to `draws` items into `out`, closing each. Calls lower(level), which must update the field, when low
    // items would take too long; returns how many were drawn.
    template <class Lower>
    int64_t run(Field* field, Arrival* out, Lower&& lower) {
        int64_t drawn = 0;
        for (uint32_t level = 0; drawn < rules_.draws; ++level) {
            const int64_t want = rules_.draws - drawn;
            const int64_t n_high = race_high(*field, level, want);
            if (field->everything_high) return drawn + take(n_high, 0, want, out + drawn);
            int64_t passed = 0, n_low = 0;
            const bool done = race_low(*field, level, want, n_high, &passed, &n_low);
            drawn += take(passed, n_low, want, out + drawn);
            if (done) break;
            lower();
        }
        return drawn;
    }

  private:
    // The first `want` arrivals among high items, in order, into high_.
    int64_t race_high(const Field& f, uint32_t level, int64_t want) {
        constexpr int kLanes = PhiloxLanes::kLanes;
        int64_t n = 0;
        for (int64_t i = 0; i < f.n_high; ++i) {
            const int32_t item = rcekd_rank_id(f.high[i]);
            high_[n].item = item;
            high_[n].score = rcekd_rank_score(f.high[i]);
            n += closed_.has(item) ? 0 : 1;
        }
        for (int64_t begin = 0; begin < n; begin += kLanes) {
            const int64_t lanes = n - begin < kLanes ? n - begin : kLanes;
            uint32_t item[kLanes] = {0};
            float score[kLanes] = {0};
            int32_t z[kLanes];
            double log_time[kLanes];
            PhiloxLanes random;
            for (int64_t l = 0; l < lanes; ++l)
                item[l] = (uint32_t)high_[begin + l].item, score[l] = high_[begin + l].score;
            random.draw(rules_.high_key, item, (uint32_t)f.user_id, level);
            thresholds_.z(score, z);
            for (int l = 0; l < kLanes; ++l)
                log_time[l] = rcekd_log_exponential(random.word[0][l], random.word[1][l]) - rules_.log_weight[z[l]];
            for (int64_t l = 0; l < lanes; ++l) high_[begin + l].log_time = log_time[l];
        }
        if (n > want) select_first(high_, n, want, Earlier());
        n = n < want ? n : want;
        sort_all(high_, n, spare_, Earlier());
        return n;
    }

    // True when `want` items have arrived: the first *passed of high_ and the *n_low of low_. False when the proposals
    // allowed have been spent.
    bool race_low(const Field& f, uint32_t level, int64_t want, int64_t n_high, int64_t* passed, int64_t* n_low) {
        constexpr int kLanes = PhiloxLanes::kLanes;
        // Beyond this, a new look at the whole catalogue is cheaper than waiting.
        const int64_t allowed = 4 * want + rules_.n_items / 8 + kLanes;
        const int32_t z_floor = thresholds_.z(f.floor_score);
        const double w_floor = rules_.log_weight[z_floor];
        double time = 0.0;
        for (int64_t first = 0; first < allowed; first += kLanes) {
            rcekd_arrival a[kLanes];
            double log_time[kLanes];
            int32_t item[kLanes];
            float score[kLanes];
            propose(f, level, first, a);
            for (int l = 0; l < kLanes; ++l) item[l] = a[l].item;
            for (int l = 0; l < kLanes; ++l) log_time[l] = time += a[l].gap / (double)rules_.n_items;
            for (int l = 0; l < kLanes; ++l) log_time[l] = rcekd_log(log_time[l]) - w_floor;
            for (int l = 0; l < kLanes; l += 8) chains<8>(f.user, rules_.item_factor, item + l, rules_.d, score + l);
            for (int l = 0; l < kLanes; ++l) {
                while (*passed < n_high && high_[*passed].log_time < log_time[l] && *passed + *n_low < want) ++*passed;
                if (*passed + *n_low == want) return true;
                if (closed_.has(item[l]) || rcekd_rank_key(score[l], item[l]) >= f.floor) continue;
                const int32_t z = thresholds_.z(score[l]);
                if (z < z_floor && !(a[l].log_uniform < rules_.log_weight[z] - w_floor)) continue;
                closed_.add(item[l]);
                low_[(*n_low)++] = {log_time[l], item[l], score[l] + 0.0f};
                if (*passed + *n_low == want) return true;
            }
        }
        return false;
    }

    void propose(const Field& f, uint32_t level, int64_t first, rcekd_arrival* a) {
        constexpr int kLanes = PhiloxLanes::kLanes;
        uint32_t number[kLanes];
        for (int l = 0; l < kLanes; ++l) number[l] = (uint32_t)(first + l);
        PhiloxLanes random;
        random.draw(rules_.low_key, number, (uint32_t)f.user_id, level);
        for (int l = 0; l < kLanes; ++l) {
            const rcekd_u32x4 word = {{random.word[0][l], random.word[1][l], random.word[2][l], random.word[3][l]}};
            a[l] = rcekd_split_arrival(word, (uint32_t)rules_.n_items);
        }
    }

    // Merges the first n_high high and n_low low arrivals by time into out, at most `want`, closing the high ones.
    int64_t take(int64_t n_high, int64_t n_low, int64_t want, Arrival* out) {
        n_high = n_high < want ? n_high : want;
        merge_runs(high_, n_high, low_, n_low, out, Earlier());
        for (int64_t i = 0; i < n_high; ++i) closed_.add(high_[i].item);
        return n_high + n_low;
    }

    const Rules& rules_;
    Marks& closed_;
    const Thresholds& thresholds_;
    Arrival *high_, *spare_, *low_;
};

}  // namespace RCEKD_ISA
}  // namespace rcekd
