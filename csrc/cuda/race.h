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

// Earlier times, larger words; and back.
__device__ inline uint64_t earliness(double log_time) { return ~time_order(log_time); }
__device__ inline double time_of(uint64_t earliness) {
    const uint64_t bits = ~earliness ^ (~earliness >> 63 ? (uint64_t)1 << 63 : ~(uint64_t)0);
    double log_time;
    memcpy(&log_time, &bits, 8);
    return log_time;
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
};

constexpr int kRaceThreads = 128, kTogether = 16;  // proposals are looked at in sixteens
constexpr int kRaceWarps = kRaceThreads / kWarp;
constexpr int kTies = 32;  // arrivals at the very same time as the last one wanted that there is room for

// Proposals of one turn, one a thread.
struct Proposals {
    double log_time[kRaceThreads];
    int32_t item[kRaceThreads];
    unsigned candidate[kRaceWarps];  // a bit each: low, lucky, open when the turn began, the first to name its item
    int32_t taken[kRaceWarps];
    int repeated;  // some item is named twice
};

// The state of a race, in shared memory.
struct Race {
    int32_t n_high, passed, n_low;
    double time;  // of the last proposal
    int done;
};

struct RaceMemory {
    uint64_t* early;  // [n_high] of the field
    Arrival* high;    // [draws + kTies]
    Arrival* low;     // [draws]
};

static __device__ RCEKD_APART double log_apart(double x) { return rcekd_log(x); }

// log E from two random words, as rcekd_log_exponential.
__device__ inline double log_exponential(uint32_t high, uint32_t low) {
    return log_apart(-log_apart(rcekd_uniform53(high, low)));
}

// The earliness of the high items that are open, 0 for the others; returns how many are open.
__device__ inline int64_t time_high(const Rules& rules, const Field& f, const Thresholds& thresholds,
                                    const Marks& closed, uint64_t* early, uint32_t level) {
    __shared__ int32_t open;
    if (threadIdx.x == 0) open = 0;
    __syncthreads();
    int32_t mine = 0;
    for (int32_t i = (int32_t)threadIdx.x; i < (int32_t)f.n_high; i += (int32_t)blockDim.x) {
        const int32_t item = rcekd_rank_id(f.high[i]);
        const bool is_open = !closed.has(item);
        if (is_open) {
            const rcekd_u32x4 word = rcekd_philox(rules.high_key, (uint32_t)item, f.user_id, level, 0);
            const int32_t z = thresholds.z(rcekd_rank_score(f.high[i]));
            early[i] = earliness(log_exponential(word.v[0], word.v[1]) - rules.log_weight[z]);
            ++mine;
        } else {
            early[i] = 0;
        }
    }
    if (mine > 0) atomicAdd(&open, mine);
    return publish(open);
}

// The first `want` arrivals among high items, in order, into memory.high; returns how many there are, −1 where more
// arrive at the same time than there is room for.
__device__ inline int64_t race_high(const Rules& rules, const Field& f, const Thresholds& thresholds,
                                    const Marks& closed, const RaceMemory& memory, uint32_t level, int64_t want) {
    __shared__ int32_t n;
    const int64_t open = time_high(rules, f, thresholds, closed, memory.early, level);
    const uint64_t* early = memory.early;
    const uint64_t last = open > want ? kth_largest(early, f.n_high, want, false) : 1;
    if (threadIdx.x == 0) n = 0;
    __syncthreads();
    for_all(
        f.n_high, [early](uint32_t i) { return early[i]; },
        [&](uint32_t i, uint64_t one) {
            const int32_t place = next_place(i < f.n_high && one >= last, &n);
            if (place >= 0 && place < rules.draws + kTies)
                memory.high[place] = {time_of(one), rcekd_rank_id(f.high[i]), rcekd_rank_score(f.high[i])};
        });
    const int64_t found = publish(n);
    if (found > rules.draws + kTies) return -1;
    sort_distinct(memory.high, found, Earlier());
    return found < want ? found : want;
}

// Called by the threads whose candidates named an item that another one has named too: whether an earlier one did.
static __device__ RCEKD_APART bool named_before(const Proposals& p, int t) {
    for (int i = 0; i < t; ++i)
        if (p.candidate[i / kWarp] >> (i % kWarp) & 1 && p.item[i] == p.item[t]) return true;
    return false;
}

// Marks each thread's proposal as a candidate or not, each item once, and closes them. Those that come after the race's
// end are closed as well, which nobody asks about any more.
__device__ inline bool is_candidate(const Marks& closed, bool lucky, Proposals* p) {
    const int t = (int)threadIdx.x;
    const unsigned all = __ballot_sync(kAllLanes, lucky);
    if (t % kWarp == 0) p->candidate[t / kWarp] = all;
    if (t == 0) p->repeated = 0;
    __syncthreads();
    if (lucky && !closed.add(p->item[t])) p->repeated = 1;
    __syncthreads();
    if (!p->repeated) return lucky;
    const bool first = lucky && !named_before(*p, t);
    const unsigned kept = __ballot_sync(kAllLanes, first);
    __syncthreads();
    if (t % kWarp == 0) p->candidate[t / kWarp] = kept;
    __syncthreads();
    return first;
}

// Every thread makes one proposal, of which the first n count; the running time is summed in their order, by one
// thread. Returns this thread's score, and whether the proposal is a candidate.
__device__ inline float propose(const Rules& rules, const Field& f, const Thresholds& thresholds, const Marks& closed,
                                uint32_t level, int64_t first, int n, int32_t z_floor, Race* race, Proposals* p,
                                bool* candidate) {
    const int t = (int)threadIdx.x;
    const rcekd_u32x4 word = rcekd_philox(rules.low_key, (uint32_t)(first + t), f.user_id, level, 0);
    const int32_t item = rcekd_arrival_item(word.v[1], word.v[3], (uint32_t)rules.n_items);
    p->item[t] = item;
    p->log_time[t] = -log_apart(((double)word.v[0] + 0.5) * (1.0 / 4294967296.0)) / (double)rules.n_items;
    const float score = chain_apart(f.user, rules.item_factor + item * rules.d, rules.d);
    const int32_t below = z_floor - thresholds.z(score);
    const double chance = rules.accept[below > 0 ? below : 0];
    const bool lucky = t < n && score <= f.floor_score && rcekd_arrival_uniform(word.v[2], word.v[3]) < chance;
    *candidate = is_candidate(closed, lucky && !closed.has(item) && rcekd_rank_key(score, item) < f.floor, p);
    if (t == 0) {
        double sum = race->time;
        RCEKD_UNROLL(16)
        for (int i = 0; i < kRaceThreads; ++i) p->log_time[i] = sum += p->log_time[i];
        race->time = sum;
    }
    __syncthreads();
    p->log_time[t] = log_apart(p->log_time[t]) - rules.log_weight[z_floor];
    __syncthreads();
    return score;
}

// How many of the sorted high arrivals come before log_time.
__device__ inline int32_t arrived_before(const Arrival* high, int32_t n, double log_time) {
    int32_t low = 0;
    while (low < n) {
        const int32_t mid = (low + n) / 2;
        if (high[mid].log_time < log_time)
            low = mid + 1;
        else
            n = mid;
    }
    return low;
}

// Takes this turn's candidates among the first `n` proposals in order, as long as fewer than `want` items have arrived;
// true when that many have. A candidate that finds `high` arrivals and `low` candidates before it is taken if these are
// fewer than `want`: both grow along the turn, so those taken are the first ones.
__device__ inline bool accept(const RaceMemory& memory, Proposals* p, bool candidate, float score, int n, int32_t want,
                              Race* race) {
    const int t = (int)threadIdx.x, warp = t / kWarp, n_low = race->n_low;
    int32_t low = n_low + __popc(p->candidate[warp] & ((1u << t % kWarp) - 1));
    for (int w = 0; w < warp; ++w) low += __popc(p->candidate[w]);
    const bool taken = candidate && arrived_before(memory.high, race->n_high, p->log_time[t]) + low < want;
    if (taken) memory.low[low] = {p->log_time[t], p->item[t], score + 0.0f};
    const unsigned all_taken = __ballot_sync(kAllLanes, taken);
    if (t % kWarp == 0) p->taken[warp] = __popc(all_taken);
    __syncthreads();
    if (t == 0) {
        int32_t total = n_low;
        for (int w = 0; w < kRaceWarps; ++w) total += p->taken[w];
        const int32_t high = arrived_before(memory.high, race->n_high, p->log_time[n - 1]);
        race->n_low = total;
        race->done = high + total >= want;
        race->passed = race->done ? want - total : high;
    }
    return publish(race->done) != 0;
}

// True when `want` items have arrived: race->passed of memory.high and race->n_low of memory.low. False when the
// proposals allowed have been spent; they are looked at in sixteens.
__device__ inline bool race_low(const Rules& rules, const Field& f, const Thresholds& thresholds, const Marks& closed,
                                const RaceMemory& memory, uint32_t level, int64_t want, Race* race) {
    __shared__ Proposals proposals;
    const int64_t allowed = ceil_div(rcekd_race_proposals(want, rules.n_items), kTogether) * kTogether;
    const int32_t z_floor = thresholds.z(f.floor_score);
    for (int64_t first = 0; first < allowed; first += kRaceThreads) {
        bool candidate;
        const int n = allowed - first < kRaceThreads ? (int)(allowed - first) : kRaceThreads;
        const float score =
            propose(rules, f, thresholds, closed, level, first, n, z_floor, race, &proposals, &candidate);
        if (accept(memory, &proposals, candidate, score, n, (int32_t)want, race)) return true;
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
