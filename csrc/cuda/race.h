// Draws without replacement proportional to e^{z / tau}, as an exponential race: the method, and every number drawn,
// are those of csrc/cpu/draws.h. A block races one user; what must happen in order (the running time of the proposals,
// and which of them is taken) one thread does alone.
#pragma once
#include <float.h>

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
constexpr int kRaceWarps = kRaceThreads / kWarp;
constexpr int kTies = 32;  // arrivals at the very same time as the last one wanted that there is room for

// Proposals of one turn, one a thread.
struct Proposals {
    double log_time[kRaceThreads];
    int32_t item[kRaceThreads];
    float score[kRaceThreads];
    unsigned candidate[kRaceWarps];  // a bit each: low, lucky, and open when the turn began
};

// The state of a race, in shared memory.
struct Race {
    int32_t n_high, passed, n_low;
    double time;  // of the last proposal
    int done;
};

struct RaceMemory {
    double* time;   // [n_high] of the field
    Arrival* high;  // [draws + kTies]
    Arrival* low;   // [draws]
};

// Log times of the high items that are open, infinity for the others; returns how many are open.
__device__ inline int64_t time_high(const Rules& rules, const Field& f, const Thresholds& thresholds,
                                    const Marks& closed, double* time, uint32_t level) {
    __shared__ int32_t open;
    if (threadIdx.x == 0) open = 0;
    __syncthreads();
    int32_t mine = 0;
    for (int32_t i = (int32_t)threadIdx.x; i < (int32_t)f.n_high; i += (int32_t)blockDim.x) {
        const int32_t item = rcekd_rank_id(f.high[i]);
        double log_time = INFINITY;
        if (!closed.has(item)) {
            const rcekd_u32x4 word = rcekd_philox(rules.high_key, (uint32_t)item, f.user_id, level, 0);
            const int32_t z = thresholds.z(rcekd_rank_score(f.high[i]));
            log_time = rcekd_log_exponential(word.v[0], word.v[1]) - rules.log_weight[z];
            ++mine;
        }
        time[i] = log_time;
    }
    if (mine > 0) atomicAdd(&open, mine);
    return publish(open);
}

// The first `want` arrivals among high items, in order, into memory.high; returns how many there are, −1 where more
// arrive at the same time than there is room for.
__device__ inline int64_t race_high(const Rules& rules, const Field& f, const Thresholds& thresholds,
                                    const Marks& closed, const RaceMemory& memory, uint32_t level, int64_t want) {
    __shared__ int32_t n;
    const int64_t open = time_high(rules, f, thresholds, closed, memory.time, level);
    const double* time = memory.time;
    uint64_t last = time_order(DBL_MAX);
    if (open > want) last = ~kth_largest_of([time](uint32_t i) { return ~time_order(time[i]); }, f.n_high, want, false);
    if (threadIdx.x == 0) n = 0;
    __syncthreads();
    for_all(
        f.n_high, [time](uint32_t i) { return time[i]; },
        [&](uint32_t i, double one) {
            const int32_t place = next_place(i < f.n_high && time_order(one) <= last, &n);
            if (place >= 0 && place < rules.draws + kTies)
                memory.high[place] = {one, rcekd_rank_id(f.high[i]), rcekd_rank_score(f.high[i])};
        });
    const int64_t found = publish(n);
    if (found > rules.draws + kTies) return -1;
    sort(memory.high, found, Earlier());
    return found < want ? found : want;
}

// Every thread makes one proposal; the running time is summed in their order.
__device__ inline void propose(const Rules& rules, const Field& f, const Thresholds& thresholds, const Marks& closed,
                               uint32_t level, int64_t first, int32_t z_floor, Race* race, Proposals* p) {
    const int t = (int)threadIdx.x;
    const rcekd_u32x4 word = rcekd_philox(rules.low_key, (uint32_t)(first + t), f.user_id, level, 0);
    const int32_t item = rcekd_arrival_item(word.v[1], word.v[3], (uint32_t)rules.n_items);
    const float score = chain(f.user, rules.item_factor + item * rules.d, rules.d);
    const int32_t below = z_floor - thresholds.z(score);
    const double chance = rules.accept[below > 0 ? below : 0];
    const bool lucky = score <= f.floor_score && rcekd_arrival_uniform(word.v[2], word.v[3]) < chance;
    const bool candidate = lucky && !closed.has(item) && rcekd_rank_key(score, item) < f.floor;
    const unsigned candidates = __ballot_sync(kAllLanes, candidate);
    if (t % kWarp == 0) p->candidate[t / kWarp] = candidates;
    p->item[t] = item;
    p->score[t] = score;
    p->log_time[t] = rcekd_arrival_gap(word.v[0]) / (double)rules.n_items;
    __syncthreads();
    if (t == 0) {
        double sum = race->time;
        RCEKD_UNROLL(16)
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

// One thread: takes the candidates among the first `n` proposals, each item once; true when `want` have arrived.
__device__ inline bool accept(const Marks& closed, const RaceMemory& memory, const Proposals& p, int n, int64_t want,
                              Race* race) {
    for (int warp = 0; warp < kRaceWarps; ++warp)
        for (unsigned left = p.candidate[warp]; left; left &= left - 1) {
            const int l = warp * kWarp + __ffs((int)left) - 1;
            if (l >= n) break;
            if (pass(memory, p.log_time[l], want, race)) return true;
            if (!closed.add(p.item[l])) continue;
            memory.low[race->n_low++] = {p.log_time[l], p.item[l], p.score[l] + 0.0f};
            if (race->passed + race->n_low == want) return true;
        }
    return pass(memory, p.log_time[n - 1], want, race);
}

// True when `want` items have arrived: race->passed of memory.high and race->n_low of memory.low. False when the
// proposals allowed have been spent; they are looked at in sixteens.
__device__ inline bool race_low(const Rules& rules, const Field& f, const Thresholds& thresholds, const Marks& closed,
                                const RaceMemory& memory, uint32_t level, int64_t want, Race* race) {
    __shared__ Proposals proposals;
    const int64_t allowed = ceil_div(rcekd_race_proposals(want, rules.n_items), kTogether) * kTogether;
    const int32_t z_floor = thresholds.z(f.floor_score);
    for (int64_t first = 0; first < allowed; first += kRaceThreads) {
        propose(rules, f, thresholds, closed, level, first, z_floor, race, &proposals);
        const int n = allowed - first < kRaceThreads ? (int)(allowed - first) : kRaceThreads;
        if (threadIdx.x == 0) race->done = accept(closed, memory, proposals, n, want, race);
        if (publish(race->done)) return true;
    }
    return false;
}

// How many of the n arrivals, in order, come before `one`.
__device__ inline int64_t earlier_than(const Arrival& one, const Arrival* arrival, int64_t n) {
    const Earlier before;
    int32_t low = 0, high = (int32_t)n;
    while (low < high) {
        const int32_t mid = (low + high) / 2;
        if (before(arrival[mid], one))
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

// Merges the first n_high high and all low arrivals by time: emit(place, arrival) for each; closes the high ones.
template <class Emit>
__device__ inline void take(const RaceMemory& memory, int64_t n_high, int64_t n_low, const Marks& closed, Emit emit) {
    for (int64_t i = threadIdx.x; i < n_high + n_low; i += blockDim.x) {
        const bool low = i >= n_high;
        const int64_t own = low ? i - n_high : i;
        const Arrival one = low ? memory.low[own] : memory.high[own];
        if (!low) closed.add(one.item);
        emit(own + earlier_than(one, low ? memory.high : memory.low, low ? n_high : n_low), one);
    }
    __syncthreads();
}

// Draws up to rules.draws items, closing each, and hands them to emit(place, arrival) in any order. Calls lower(),
// which must update the field, when low items would take too long, unless that returns false; returns how many were
// drawn, −1 where it could not go on. Called by a whole block of kRaceThreads.
template <class Lower, class Emit>
__device__ inline int64_t draw(const Rules& rules, const Field& f, const Thresholds& thresholds, const Marks& closed,
                               const RaceMemory& memory, Lower lower, Emit emit) {
    __shared__ Race race;
    int64_t drawn = 0;
    for (uint32_t level = 0; drawn < rules.draws; ++level) {
        const int64_t want = rules.draws - drawn;
        const int64_t n_high = race_high(rules, f, thresholds, closed, memory, level, want);
        if (n_high < 0) return -1;
        if (threadIdx.x == 0) race = {(int32_t)n_high, 0, 0, 0.0, 0};
        __syncthreads();
        const bool last = f.everything_high != 0;
        const bool done = last || race_low(rules, f, thresholds, closed, memory, level, want, &race);
        const int64_t arrived = last ? n_high : publish(race.passed), n_low = publish(race.n_low);
        take(memory, arrived, n_low, closed, [&](int64_t place, const Arrival& one) { emit(drawn + place, one); });
        drawn += arrived + n_low;
        if (done) break;
        if (!lower()) return -1;
    }
    return drawn;
}

}  // namespace cuda
}  // namespace rcekd
