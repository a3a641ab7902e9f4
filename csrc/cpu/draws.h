// Draws without replacement proportional to e^{z / tau}, as an exponential race in two parts.
//
// High items (the user's best) each get an arrival time E / w. Low items are not enumerated: proposals arrive as a
// Poisson process, each on a uniformly chosen item, and one that falls on a low item is kept with probability
// w / w_floor, w_floor being the weight just at the floor between the two; that splits into independent processes of
// rate w per item, whose first arrivals are again E / w. Times are kept as logarithms, relative to nothing: e^{z / tau}
// itself would overflow. When low items arrive too rarely, the race stops; the items drawn so far stand, and the caller
// starts a new race (`level`) for the rest with a lower floor. Arrivals have no memory, so the law is the same.
#pragma once
#include "arena.h"
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
    static uint32_t word(const Arrival& a) { return rcekd_ordered_word((float)a.log_time); }  // rounding keeps order
};

// What the race of one user draws from. Items whose rank key is below `floor` are low; no low score exceeds
// floor_score.
struct Field {
    const float* user;
    int32_t user_id;
    uint64_t floor;
    float floor_score;
    const float* score;  // the high items; some may not be drawn
    const int32_t* item;
    int64_t n_high;
    bool everything_high;
};

struct Rules {
    const float* item_factor;
    int64_t n_items, d, draws;
    uint64_t high_key, low_key;
    const double* log_weight;  // z / tau for z = 0 ... k
    const double* accept;      // e^{-j / tau}: the chance of a low item whose z is j below the floor's
};

// Scratch for a race: all but `low` have room for every item and a vector more.
struct RaceMemory {
    float *score, *approximate, *spare;
    int32_t* item;
    double* log_time;
    Arrival *high, *high_spare, *low;

    RaceMemory(int64_t n_items, int64_t draws, Arena* arena) {
        const int64_t n = n_items + PhiloxLanes::kLanes;
        score = arena->take<float>(n);
        approximate = arena->take<float>(n);
        spare = arena->take<float>(n);
        item = arena->take<int32_t>(n);
        log_time = arena->take<double>(n);
        high = arena->take<Arrival>(n);
        high_spare = arena->take<Arrival>(n);
        low = arena->take<Arrival>(draws);
    }
};

class Draws {
  public:
    Draws(const Rules& rules, const RaceMemory& memory, Marks* closed, const Thresholds* thresholds)
        : rules_(rules), m_(memory), closed_(*closed), thresholds_(*thresholds) {}

    // Draws up to `draws` items into `out`, closing each. Calls lower(), which must update the field, when low items
    // would take too long; returns how many were drawn.
    template <class Lower>
    int64_t run(Field* field, Arrival* out, Lower&& lower) {
        int64_t drawn = 0;
        for (uint32_t level = 0; drawn < rules_.draws; ++level) {
            const int64_t want = rules_.draws - drawn;
            n_high_ = race_high(*field, level, want);
            passed_ = n_low_ = 0;
            if (field->everything_high) return drawn + take(n_high_, out + drawn);
            const bool done = race_low(*field, level, want);
            drawn += take(passed_, out + drawn);
            if (done) break;
            lower();
        }
        return drawn;
    }

  private:
    static constexpr int kLanes = PhiloxLanes::kLanes;

    // The first `want` arrivals among high items, in order, into m_.high; returns how many there are.
    int64_t race_high(const Field& f, uint32_t level, int64_t want) {
        int64_t n = 0;
        for (int64_t i = 0; i < f.n_high; ++i) {
            m_.score[n] = f.score[i];
            m_.item[n] = f.item[i];
            n += closed_.has(f.item[i]) ? 0 : 1;
        }
        for (int64_t i = n; i < n + kLanes; ++i) m_.score[i] = 0.0f, m_.item[i] = 0;
        for (int64_t i = 0; i < n; i += kLanes) time_high(f, level, i);
        float latest = -INFINITY;
        if (n > want) {
            // Rounded times keep their order, so every arrival among the first `want` is at or before the want-th.
            for (int64_t i = 0; i < n; ++i) m_.approximate[i] = (float)-m_.log_time[i];
            latest = kth_largest(m_.approximate, m_.spare, n, want);
        }
        int64_t found = 0;
        for (int64_t i = 0; i < n; ++i) {
            m_.high[found] = {m_.log_time[i], m_.item[i], m_.score[i]};
            found += (float)-m_.log_time[i] >= latest ? 1 : 0;
        }
        sort_high(found);
        return found < want ? found : want;
    }

    // By time; for the usual few dozen by counting the earlier ones, which vectorises over an array of the times alone.
    void sort_high(int64_t n) {
        constexpr int64_t kFew = 160;
        if (n > kFew) return sort_all(m_.high, n, m_.high_spare, Earlier());
        double time[kFew];
        for (int64_t i = 0; i < n; ++i) time[i] = m_.high[i].log_time, m_.high_spare[i] = m_.high[i];
        bool distinct = true;
        for (int64_t i = 0; i < n; ++i) {
            int64_t earlier = 0, same = 0;
            for (int64_t j = 0; j < n; ++j) earlier += time[j] < time[i] ? 1 : 0, same += time[j] == time[i] ? 1 : 0;
            distinct &= same == 1;
            m_.high[earlier] = m_.high_spare[i];
        }
        if (distinct) return;
        for (int64_t i = 0; i < n; ++i) m_.high[i] = m_.high_spare[i];
        sort_all(m_.high, n, m_.high_spare, Earlier());
    }

    void time_high(const Field& f, uint32_t level, int64_t i) {
        PhiloxLanes random;
        int32_t z[kLanes];
        random.draw(rules_.high_key, (const uint32_t*)m_.item + i, (uint32_t)f.user_id, level);
        thresholds_.z(m_.score + i, z);
        double t[kLanes];  // step by step in a local array, or no compiler vectorises the logarithms
        for (int l = 0; l < kLanes; ++l) t[l] = rcekd_uniform53(random.word[0][l], random.word[1][l]);
        for (int l = 0; l < kLanes; ++l) t[l] = -rcekd_log(t[l]);
        for (int l = 0; l < kLanes; ++l) t[l] = rcekd_log(t[l]);
        for (int l = 0; l < kLanes; ++l) m_.log_time[i + l] = t[l] - rules_.log_weight[z[l]];
    }

    struct Proposals {
        double log_time[kLanes], uniform[kLanes];
        int32_t item[kLanes];
        float score[kLanes];
        int32_t z[kLanes];
    };

    // True when `want` items have arrived: passed_ of m_.high and n_low_ of m_.low. False when the proposals allowed
    // have been spent.
    bool race_low(const Field& f, uint32_t level, int64_t want) {
        const int64_t allowed = rcekd_race_proposals(want, rules_.n_items);
        const int32_t z_floor = thresholds_.z(f.floor_score);
        double time = 0.0;
        Proposals p[2];
        propose(f, level, 0, z_floor, &time, &p[0]);
        for (int64_t first = 0, turn = 0; first < allowed; first += kLanes, turn ^= 1) {
            propose(f, level, first + kLanes, z_floor, &time, &p[turn ^ 1]);
            if (accept(f, z_floor, want, &p[turn])) return true;
        }
        return false;
    }

    // The next sixteen proposals, without their scores, whose factors are fetched meanwhile.
    void propose(const Field& f, uint32_t level, int64_t first, int32_t z_floor, double* time, Proposals* p) {
        uint32_t number[kLanes];
        PhiloxLanes random;
        for (int l = 0; l < kLanes; ++l) number[l] = (uint32_t)(first + l);
        random.draw(rules_.low_key, number, (uint32_t)f.user_id, level);
        for (int l = 0; l < kLanes; ++l)
            p->item[l] = rcekd_arrival_item(random.word[1][l], random.word[3][l], (uint32_t)rules_.n_items);
        for (int l = 0; l < kLanes; ++l) {
            const char* row = (const char*)(rules_.item_factor + p->item[l] * rules_.d);
            for (int64_t i = 0; i < (int64_t)sizeof(float) * rules_.d && i < 512; i += 64) __builtin_prefetch(row + i);
        }
        double t[kLanes], sum = *time;
        for (int l = 0; l < kLanes; ++l) t[l] = rcekd_arrival_gap(random.word[0][l]) / (double)rules_.n_items;
        for (int l = 0; l < kLanes; ++l) t[l] = sum += t[l];
        *time = sum;
        for (int l = 0; l < kLanes; ++l) t[l] = rcekd_log(t[l]) - rules_.log_weight[z_floor];
        for (int l = 0; l < kLanes; ++l) p->log_time[l] = t[l];
        for (int l = 0; l < kLanes; ++l) p->uniform[l] = rcekd_arrival_uniform(random.word[2][l], random.word[3][l]);
    }

    // Takes those of the proposals that are low, open and lucky; true when `want` items have arrived.
    bool accept(const Field& f, int32_t z_floor, int64_t want, Proposals* p) {
        for (int l = 0; l < kLanes; l += 8) chains<8>(f.user, rules_.item_factor, p->item + l, rules_.d, p->score + l);
        thresholds_.z(p->score, p->z);
        uint32_t lucky = 0;
        for (int l = 0; l < kLanes; ++l) {
            const int32_t below = p->score[l] > f.floor_score ? 0 : z_floor - p->z[l];
            lucky |= (uint32_t)(p->score[l] <= f.floor_score && p->uniform[l] < rules_.accept[below]) << l;
        }
        for (; lucky; lucky &= lucky - 1) {
            const int l = __builtin_ctz(lucky);
            const int32_t item = p->item[l];
            if (pass(p->log_time[l], want)) return true;
            if (closed_.has(item) || rcekd_rank_key(p->score[l], item) >= f.floor) continue;
            closed_.add(item);
            m_.low[n_low_++] = {p->log_time[l], item, p->score[l] + 0.0f};
            if (passed_ + n_low_ == want) return true;
        }
        return pass(p->log_time[kLanes - 1], want);
    }

    // Lets the high items arrive that do so before log_time; true when `want` have arrived in all.
    bool pass(double log_time, int64_t want) {
        while (passed_ < n_high_ && passed_ + n_low_ < want && m_.high[passed_].log_time < log_time) ++passed_;
        return passed_ + n_low_ == want;
    }

    // Merges the first n_high high and all low arrivals by time into out, closing the high ones; returns how many.
    int64_t take(int64_t n_high, Arrival* out) {
        merge_runs(m_.high, n_high, m_.low, n_low_, out, Earlier());
        for (int64_t i = 0; i < n_high; ++i) closed_.add(m_.high[i].item);
        return n_high + n_low_;
    }

    const Rules& rules_;
    RaceMemory m_;
    Marks& closed_;
    const Thresholds& thresholds_;
    int64_t n_high_ = 0, passed_ = 0, n_low_ = 0;
};

}  // namespace RCEKD_ISA
}  // namespace rcekd
