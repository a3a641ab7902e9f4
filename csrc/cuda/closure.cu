// The closure pass, a chunk of users at a time: thresholds from the pilot items, one scan that notes the few hundred
// items above them (scan.h), then a block per user that makes the lists, the split and the draws, in shared memory
// where there is room. A user whose threshold was a bad guess waits for a second kernel, which has room for every
// item's score and can lower the threshold. The same numbers, step by step, as csrc/cpu/closure.cpp.
#include "closure_user.h"

namespace rcekd {
namespace cuda {
namespace {

__global__ void prepare_kernel(Pass p) {
    for (int64_t z = first_index(); z <= p.a.k; z += index_step()) {
        p.arrays.log_weight[z] = (double)z / p.a.tau;
        p.arrays.accept[z] = rcekd_exp_nonpositive(-(double)z / p.a.tau);
    }
    if (first_index() == 0) *p.arrays.n_late = 0;
}

// ---- thresholds ----------------------------------------------------------------------------------------------------

// The weights of the pilot's items relative to that of its best, of every fourth group of sixteen, and their mean,
// summed in order by the first thread alone.
__device__ inline double mean_weight(const Pass& p, const Thresholds& thresholds, const float* score, int32_t top) {
    __shared__ double weight[kRcekdMostPilot / 4 + kTogether];
    const int64_t groups = (p.plan.size / kTogether + 3) / 4, n = groups * kTogether;
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x) {
        const int32_t z = thresholds.z(score[i / kTogether * 4 * kTogether + i % kTogether]);
        weight[i] = p.arrays.accept[z < top ? top - z : 0];
    }
    __syncthreads();
    double mean = 0.0;
    if (threadIdx.x == 0) RCEKD_UNROLL(16)
    for (int64_t i = 0; i < n; ++i) mean += weight[i];
    return mean / (double)n;
}

__device__ inline float row_threshold(const Pass& p, int64_t row, int64_t r, float* raising, uint64_t* spare) {
    constexpr int kBest = 256;
    __shared__ uint64_t few[kBest];
    __shared__ int32_t n;
    const float* user = p.a.user_factor + (int64_t)p.a.user[row] * p.a.d;
    const float* score = p.arrays.pilot_score + r * p.plan.size;
    if (threadIdx.x == 0) n = 0;
    __syncthreads();
    for (int64_t i = threadIdx.x; i < p.a.k; i += blockDim.x) {
        const int32_t item = teacher_id(p.a, row * p.a.k + i);
        if (item >= 0)
            raising[atomicAdd(&n, 1)] = as_threshold(chain(user, p.a.item_factor + item * p.a.d, p.a.d), p.a.inclusive);
    }
    const Thresholds thresholds = close_thresholds(raising, publish(n), p.a.clip);
    const int64_t* indptr = p.a.seen_indptr;
    const int64_t seen = indptr ? indptr[p.a.user[row] + 1] - indptr[p.a.user[row]] : 0;
    const int64_t ranks = rcekd_closure_rank(p.plan, seen) << (p.plan.choices - 1);
    uint64_t* best = ranks <= kBest ? few : spare;
    best_of_pilot(score, p.plan.size, ranks, best);
    const int32_t top = thresholds.z(rcekd_rank_score(best[0]));  // about what the student misses
    const double mean = mean_weight(p, thresholds, score, top);
    const uint64_t* rank_key = best;
    float found = 0.0f;
    if (threadIdx.x == 0)
        found = rcekd_choose_threshold(
            p.plan, p.arrays.accept, seen, p.a.draws, p.a.d, top, mean,
            [&thresholds](float x) { return thresholds.z(x); },
            [rank_key](int64_t rank) { return rcekd_rank_score(rank_key[rank - 1]); });
    __syncthreads();
    return found;
}

__global__ void __launch_bounds__(kThresholdThreads, 20) threshold_kernel(Pass p, int64_t first) {
    __shared__ float held[2 * kShort];
    Carver carver(p.arrays.scratch + blockIdx.x * p.scratch_bytes);
    const Scratch scratch = carve_scratch(p.a, p.scratch_high, false, &carver);
    float* raising = p.a.k <= kShort ? held : scratch.raising;
    for (int64_t r = blockIdx.x; r < p.scan.tables.rows; r += gridDim.x) {
        const float threshold = p.plan.size > 0 ? row_threshold(p, first + r, r, raising, scratch.high) : -INFINITY;
        if (threadIdx.x == 0) p.arrays.threshold[r] = threshold, p.scan.count[r] = 0;
    }
}

// ---- lists and draws -----------------------------------------------------------------------------------------------

__device__ inline Rules rules_of(const Pass& p) {
    return {p.a.item_factor,
            p.a.n_items,
            p.a.d,
            p.a.draws,
            rcekd_key(p.a.seed, p.a.epoch, RCEKD_STREAM_CLOSURE_HIGH),
            rcekd_key(p.a.seed, p.a.epoch, RCEKD_STREAM_CLOSURE_LOW),
            p.arrays.log_weight,
            p.arrays.accept};
}

// The same places, those that fit in shared memory there.
__device__ inline Scratch held_where_it_fits(const Pass& p, Scratch scratch, Held* held) {
    if (p.a.k <= kShort) {
        scratch.list = held->list;
        scratch.raising = held->raising;
        scratch.taught_score = held->taught_score;
        scratch.taught = held->taught;
    }
    if (p.a.draws <= kShort) {
        scratch.race.high = held->arrived;
        scratch.race.low = held->low;
    }
    if (Marks::words(p.a.n_items) <= kHeldMarks) scratch.closed.word = held->closed;
    return scratch;
}

__global__ void __launch_bounds__(kRaceThreads, 6) finish_kernel(Pass p, int64_t first) {
    __shared__ User user;
    __shared__ Held held;
    Carver carver(p.arrays.scratch + blockIdx.x * p.scratch_bytes);
    const Scratch anywhere = carve_scratch(p.a, p.scratch_high, false, &carver);
    const Rules rules = rules_of(p);
    for (int64_t r = blockIdx.x; r < p.scan.tables.rows; r += gridDim.x) {
        const int32_t above = p.scan.count[r];
        const float threshold = p.arrays.threshold[r];
        Scratch scratch = held_where_it_fits(p, anywhere, &held);
        if (above <= kHeld) scratch.high = held.high, scratch.race.early = held.early;
        const uint64_t* survivor = p.scan.survivor + r * p.scan.limit;
        if (!Worker<false>(p, rules, scratch, &user).run(first + r, threshold, above, survivor, false) &&
            threadIdx.x == 0)
            p.arrays.late[atomicAdd(p.arrays.n_late, 1)] = {first + r, threshold, above};
        __syncthreads();
    }
}

__device__ inline Scratch late_scratch(const Pass& p, int64_t block) {
    Carver carver(p.arrays.late_scratch + block * p.late_bytes);
    return carve_scratch(p.a, p.a.n_items, true, &carver);
}

// Scores all items for the first late user of every block of late_kernel: many blocks a user.
__global__ void __launch_bounds__(kRaceThreads) late_scores_kernel(Pass p) {
    constexpr int64_t kItems = 4 * kRaceThreads;
    const int64_t users = *p.arrays.n_late < p.late_blocks ? *p.arrays.n_late : p.late_blocks;
    const int64_t pieces = ceil_div(p.a.n_items, kItems);
    for (int64_t work = blockIdx.x; work < users * pieces; work += gridDim.x) {
        const int64_t at = work / pieces, first = work % pieces * kItems, end = first + kItems;
        score_items(p, p.arrays.late[at].row, first, end < p.a.n_items ? end : p.a.n_items, late_scratch(p, at).all);
    }
}

__global__ void __launch_bounds__(kRaceThreads) late_kernel(Pass p) {
    __shared__ User user;
    const Scratch scratch = late_scratch(p, blockIdx.x);
    const Rules rules = rules_of(p);
    Worker<true> worker(p, rules, scratch, &user);
    for (int64_t at = blockIdx.x; at < *p.arrays.n_late; at += gridDim.x) {
        const Late one = p.arrays.late[at];
        const bool done = worker.run(one.row, one.threshold, one.above, nullptr, at == blockIdx.x);
        demand(done, "closure: more items arrive at the very same time than there is room for; raise tau");
    }
}

void run_chunk(Pass& p, int64_t first, int64_t rows, void* stream) {
    const rcekd_closure_args& a = p.a;
    const Tables pilot = {a.user_factor, a.user + first, a.item_factor, p.arrays.pilot, rows, p.plan.size, a.d};
    const unsigned blocks = blocks_for(rows, p.blocks);
    p.scan.tables = {a.user_factor, a.user + first, a.item_factor, nullptr, rows, a.n_items, a.d};
    p.scan.first_row = first;
    launch_pilot_scores(pilot, p.arrays.pilot_score, stream);
    RCEKD_LAUNCH(threshold_kernel, blocks, kThresholdThreads, stream, p, first);
    if (a.high < 0) launch_scan(p.scan, stream);
    RCEKD_LAUNCH(finish_kernel, blocks, kRaceThreads, stream, p, first);
}

}  // namespace
}  // namespace cuda
}  // namespace rcekd

extern "C" int64_t rcekd_cuda_closure_workspace(const rcekd_closure_args* a) {
    int64_t bytes = 0;
    rcekd::cuda::lay_out(*a, nullptr, &bytes);
    return bytes;
}

extern "C" int rcekd_cuda_closure(const rcekd_closure_args* a, const rcekd_cuda_call* call) {
    using namespace rcekd::cuda;
    if (const int error = begin(call)) return error;
    if (a->rows == 0) return 0;
    int64_t bytes = 0;
    Pass pass = lay_out(*a, call->workspace, &bytes);
    pass.scan.bad_row = call->bad_row;
    pass.scan.tables = {a->user_factor, a->user, a->item_factor, nullptr, a->rows, a->n_items, a->d};
    RCEKD_LAUNCH(prepare_kernel, blocks_of(a->k + 1), kThreads, call->stream, pass);
    RCEKD_LAUNCH(pilot_items_kernel, blocks_of(pass.plan.size), kThreads, call->stream, pass.arrays.pilot,
                 pass.plan.size, a->n_items, rcekd_key(a->seed, a->epoch, RCEKD_STREAM_PILOT));
    launch_scan_items(pass.scan, call->stream);
    for (int64_t first = 0; first < a->rows; first += pass.chunk) {
        const int64_t rows = a->rows - first < pass.chunk ? a->rows - first : pass.chunk;
        run_chunk(pass, first, rows, call->stream);
    }
    const int64_t pieces = ceil_div(a->n_items, 4 * kRaceThreads) * pass.late_blocks;
    RCEKD_LAUNCH(late_scores_kernel, blocks_for(pieces, 2048), kRaceThreads, call->stream, pass);
    RCEKD_LAUNCH(late_kernel, (unsigned)pass.late_blocks, kRaceThreads, call->stream, pass);
    return (int)cudaGetLastError();
}
