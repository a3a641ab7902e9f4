// Draws without replacement proportional to e^{z / tau}, as an exponential race: the method, and every number drawn,
// are those of csrc/cpu/draws.h. A block races one user; what must happen in order (the running time of the proposals,
// and which of them is taken) one thread does alone.
#pragma once
#include "marks.h"
#include "rcekd/rank_key.h"
#include "thresholds.h"
#include "tile.h"

namespace rcekd {
namespace cuda {

struct Arrival {
    double log_time;
    int32_t item;
    float score;
};

struct Earlier {
    __device__ bool operator()(const Arrival& a, const Arrival& b) const {
        return a.log_time < b.log_time || (a.log_time == b.log_time && a.item < b.item);
    }
};

// Smaller times, smaller words.
__device__ inline uint64_t time_order(double log_time) {
    uint64_t bits;
    memcpy(&bits, &log_time, 8);
    return bits ^ (bits >> 63 ? ~(uint64_t)0 : (uint64_t)1 << 63);
}

// What a race draws from, in shared memory. Items whose rank key is below `floor` are low; no low score exceeds
// floor_score.
struct Field {
    const float* user;
    uint32_t user_id;
    uint64_t floor;
    float floor_score;
    const uint64_t* high;  // rank keys; some may not be drawn
    int64_t n_high;
    int everything_high;
};

struct Rules {
    const float* item_factor;
    int64_t n_items, d, draws;
    uint64_t high_key, low_key;
    const double* log_weight;  // z / tau for z = 0 ... k
    const double* accept;      // e^{-j / tau}: the chance of a low item whose z is j below the floor's
    int64_t k;
};

constexpr int kRaceThreads = 128, kTogether = 16;  // proposals are looked at in sixteens

// Proposals of one turn, one a thread.
struct Proposals {
    double log_time[kRaceThreads];
    int32_t item[kRaceThreads];
    float score[kRaceThreads];
    uint8_t lucky[kRaceThreads];
};

// The state of a race, in shared memory.
struct Race {
    int64_t n_high, passed, n_low;
    double time;  // of the last proposal
    int done;
};

struct RaceMemory {
    Arrival* high;  // room for every item
    Arrival* low;   // [draws]
};

// The first `want` arrivals among high items, in order, into memory.high; returns how many there are.
__device__ inline int64_t race_high(const Rules& rules, const Field& f, const Thresholds& thresholds,
                                    const Marks& closed, const RaceMemory& memory, uint32_t level, int64_t want) {
    __shared__ int32_t n;
    if (threadIdx.x == 0) n = 0;
    __syncthreads();
    for (int64_t i = threadIdx.x; i < f.n_high; i += blockDim.x) {
        const int32_t item = rcekd_rank_id(f.high[i]);
        if (closed.has(item)) continue;
        const float score = rcekd_rank_score(f.high[i]);
        const rcekd_u32x4 word = rcekd_philox(rules.high_key, (uint32_t)item, f.user_id, level, 0);
        const double log_time = rcekd_log_exponential(word.v[0], word.v[1]) - rules.log_weight[thresholds.z(score)];
        memory.high[atomicAdd(&n, 1)] = {log_time, item, score};
    }
    int64_t found = publish(n);
    const Arrival* arrival = memory.high;
    if (found > want) {
        const auto late = [arrival](int64_t i) { return ~time_order(arrival[i].log_time); };
        const uint64_t last = ~kth_largest_of(late, found, want);
        found = keep_if(memory.high, found, [last](const Arrival& a) { return time_order(a.log_time) <= last; });
    }
    sort(memory.high, found, Earlier());
    return found < want ? found : want;
}

// Every thread makes one proposal; the running time is summed in their order.
__device__ inline void propose(const Rules& rules, const Field& f, const Thresholds& thresholds, uint32_t level,
                               int64_t first, int32_t z_floor, Race* race, Proposals* p) {
    const int t = (int)threadIdx.x;
    const rcekd_u32x4 word = rcekd_philox(rules.low_key, (uint32_t)(first + t), f.user_id, level, 0);
    const int32_t item = rcekd_arrival_item(word.v[1], word.v[3], (uint32_t)rules.n_items);
    const float score = chain(f.user, rules.item_factor + item * rules.d, rules.d);
    const int32_t below = z_floor - thresholds.z(score);
    const double chance = rules.accept[below > 0 ? below : 0];
    p->item[t] = item;
    p->score[t] = score;
    p->lucky[t] = score <= f.floor_score && rcekd_arrival_uniform(word.v[2], word.v[3]) < chance;
    p->log_time[t] = rcekd_arrival_gap(word.v[0]) / (double)rules.n_items;
    __syncthreads();
    if (t == 0) {
        double sum = race->time;
        for (int i = 0; i < kRaceThreads; ++i) p->log_time[i] = sum += p->log_time[i];
        race->time = sum;
    }
    __syncthreads();
    p->log_time[t] = rcekd_log(p->log_time[t]) - rules.log_weight[z_floor];
    __syncthreads();
}

// Lets the high items arrive that do so before log_time; true when `want` have arrived in all.
__device__ inline bool pass(const RaceMemory& memory, double log_time, int64_t want, Race* race) {
    while (race->passed < race->n_high && race->passed + race->n_low < want &&
           memory.high[race->passed].log_time < log_time)
        ++race->passed;
    return race->passed + race->n_low == want;
}

// One thread: takes those of sixteen proposals that are low, open and lucky; true when `want` items have arrived.
__device__ inline bool accept(const Field& f, const Marks& closed, const RaceMemory& memory, const Proposals& p,
                              int first, int64_t want, Race* race) {
    for (int l = first; l < first + kTogether; ++l) {
        if (!p.lucky[l]) continue;
        if (pass(memory, p.log_time[l], want, race)) return true;
        if (closed.has(p.item[l]) || rcekd_rank_key(p.score[l], p.item[l]) >= f.floor) continue;
        closed.add(p.item[l]);
        memory.low[race->n_low++] = {p.log_time[l], p.item[l], p.score[l] + 0.0f};
        if (race->passed + race->n_low == want) return true;
    }
    return pass(memory, p.log_time[first + kTogether - 1], want, race);
}

// True when `want` items have arrived: race->passed of memory.high and race->n_low of memory.low. False when the
// proposals allowed have been spent.
__device__ inline bool race_low(const Rules& rules, const Field& f, const Thresholds& thresholds, const Marks& closed,
                                const RaceMemory& memory, uint32_t level, int64_t want, Race* race) {
    __shared__ Proposals proposals;
    const int64_t allowed = rcekd_race_proposals(want, rules.n_items);
    const int32_t z_floor = thresholds.z(f.floor_score);
    for (int64_t first = 0; first < allowed; first += kRaceThreads) {
        propose(rules, f, thresholds, level, first, z_floor, race, &proposals);
        if (threadIdx.x == 0)
            for (int l = 0; l < kRaceThreads && first + l < allowed && !race->done; l += kTogether)
                race->done = accept(f, closed, memory, proposals, l, want, race);
        if (publish(race->done)) return true;
    }
    return false;
}

// One thread: merges the first n_high high and all low arrivals by time into out, closing the high ones.
__device__ inline void take(const RaceMemory& memory, const Race& race, int64_t n_high, const Marks& closed,
                            Arrival* out) {
    const Earlier before;
    int64_t i = 0, j = 0;
    while (i < n_high || j < race.n_low) {
        const bool low = i == n_high || (j < race.n_low && before(memory.low[j], memory.high[i]));
        if (!low) closed.add(memory.high[i].item);
        *out++ = low ? memory.low[j++] : memory.high[i++];
    }
}

// Draws up to rules.draws items into `out`, closing each. Calls lower(), which must update the field, when low items
// would take too long; returns how many were drawn. Called by a whole block of kRaceThreads.
template <class Lower>
__device__ inline int64_t draw(const Rules& rules, const Field& f, const Thresholds& thresholds, const Marks& closed,
                               const RaceMemory& memory, Arrival* out, Lower&& lower) {
    __shared__ Race race;
    int64_t drawn = 0;
    for (uint32_t level = 0; drawn < rules.draws; ++level) {
        const int64_t want = rules.draws - drawn;
        const int64_t n_high = race_high(rules, f, thresholds, closed, memory, level, want);
        if (threadIdx.x == 0) race = {n_high, 0, 0, 0.0, 0};
        __syncthreads();
        const bool last = f.everything_high != 0;
        const bool done = last || race_low(rules, f, thresholds, closed, memory, level, want, &race);
        const int64_t arrived = last ? n_high : publish(race.passed);
        if (threadIdx.x == 0) take(memory, race, arrived, closed, out + drawn);
        drawn += arrived + publish(race.n_low);
        if (done) break;
        lower();
    }
    return drawn;
}

}  // namespace cuda
}  // namespace rcekd
