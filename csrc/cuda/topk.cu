// Top-K: the scores of a few pilot items tell each user's threshold, above which lie a little more than K items; one
// scan notes them (scan.h); a block per user takes the best K that are not seen. A user with fewer than K above the
// threshold, or with more than there was room for, is scored alone.
#include "pilot.h"
#include "rcekd/topk.h"
#include "scan.h"
#include "seen.h"

namespace rcekd {
namespace cuda {
namespace {

constexpr int kFinishThreads = 128, kThresholdThreads = 64;
constexpr int kHeld = 1024, kListed = 256;  // keys and list in shared memory, if there are no more

struct Pass {
    rcekd_topk_args a;
    rcekd_closure_plan plan;
    ScanTask scan;
    int32_t *pilot, *alone, *n_alone;  // [plan.size]; [chunk] users to be scored alone; how many
    float *pilot_score, *threshold;    // [chunk, plan.size]; [chunk]
    uint64_t *key, *every;             // [blocks, limit]; [alone_blocks, n_items]: for users with many, for users alone
    uint64_t *list, *best;             // [the larger number of blocks, k]; [threshold_blocks, plan.size]
    int64_t chunk, blocks, alone_blocks, threshold_blocks;
};

// A threshold twice as deep as need be on average, and twice as much room again: hardly any user is scored alone.
rcekd_closure_plan make_plan(int64_t n_items, int64_t k) {
    rcekd_closure_plan plan = rcekd_make_closure_plan(n_items, k, 0);
    if (plan.choices > 3) plan.choices = 3, plan.limit = rcekd_closure_reach(plan);
    return plan;
}

Pass lay_out(const rcekd_topk_args& a, void* start, int64_t* bytes) {
    constexpr int64_t kSurvivorBytes = (int64_t)512 << 20, kMostBlocks = 4096;
    Pass p;
    p.a = a;
    p.plan = make_plan(a.n_items, a.k);
    const int64_t limit = p.plan.limit > 0 ? p.plan.limit : 1;
    const int64_t each = 8 * limit + 4 * p.plan.size + 2 * scan_width(a.d);
    const int64_t fit = at_once(INT64_MAX, each, kSurvivorBytes);
    p.chunk = even_chunk(a.rows, fit);
    p.blocks = blocks_for(p.chunk, at_once(kMostBlocks, 8 * (limit + a.k)));
    p.alone_blocks = blocks_for(p.chunk, at_once(kMostBlocks, 8 * (a.n_items + a.k)));
    p.threshold_blocks = blocks_for(p.chunk, kMostBlocks);
    Carver carver(start);
    p.pilot = carver.take<int32_t>(p.plan.size);
    p.n_alone = carver.take<int32_t>(1);
    p.alone = carver.take<int32_t>(p.chunk);
    p.pilot_score = carver.take<float>(p.chunk * p.plan.size);
    p.threshold = carver.take<float>(p.chunk);
    p.scan.threshold = p.threshold;
    p.scan.limit = limit;
    p.scan.count = carver.take<int32_t>(p.chunk);
    p.scan.survivor = carver.take<uint64_t>(p.chunk * limit);
    carve_scan(&p.scan, p.chunk, a.n_items, a.d, &carver);
    p.key = carver.take<uint64_t>(p.blocks * limit);
    p.every = carver.take<uint64_t>(p.alone_blocks * a.n_items);
    p.list = carver.take<uint64_t>((p.blocks > p.alone_blocks ? p.blocks : p.alone_blocks) * a.k);
    p.best = carver.take<uint64_t>(p.threshold_blocks * p.plan.size);
    *bytes = carver.used();
    return p;
}

__device__ inline int64_t seen_by(const rcekd_topk_args& a, int64_t row) {
    return a.seen_indptr ? a.seen_indptr[a.user[row] + 1] - a.seen_indptr[a.user[row]] : 0;
}

__global__ void __launch_bounds__(kThresholdThreads) threshold_kernel(Pass p, int64_t first) {
    constexpr int kBest = 256;
    __shared__ uint64_t few[kBest];
    uint64_t* spare = p.best + blockIdx.x * p.plan.size;
    for (int64_t r = blockIdx.x; r < p.scan.tables.rows; r += gridDim.x) {
        float threshold = -INFINITY;
        if (p.plan.size > 0) {
            const int64_t rank = 2 * rcekd_closure_rank(p.plan, seen_by(p.a, first + r));
            uint64_t* best = rank <= kBest ? few : spare;
            const int64_t found = best_of_pilot(p.pilot_score + r * p.plan.size, p.plan.size, rank, best);
            threshold = rcekd_rank_score(best[(rank < found ? rank : found) - 1]);
            __syncthreads();
        }
        if (threadIdx.x == 0) p.threshold[r] = threshold, p.scan.count[r] = 0;
    }
    if (blockIdx.x == 0 && threadIdx.x == 0) *p.n_alone = 0;
}

// The best of the candidates key[0 … n − 1] as the row's list; list has room for k.
__device__ inline void write_list(const rcekd_topk_args& a, int64_t row, const uint64_t* key, int64_t n,
                                  uint64_t* list) {
    __shared__ int32_t listed;
    const uint64_t last = n > a.k ? kth_largest(key, n, a.k, false) : 0;
    if (threadIdx.x == 0) listed = 0;
    __syncthreads();
    append_wanted(key, n, [last](uint64_t one) { return one >= last; }, list, &listed);
    const int64_t found = publish(listed);
    sort_distinct(list, found, Descending());
    for (int64_t i = threadIdx.x; i < a.k; i += blockDim.x) {
        a.item[row * a.k + i] = i < found ? rcekd_rank_id(list[i]) : -1;
        a.score[row * a.k + i] = i < found ? rcekd_rank_score(list[i]) : -INFINITY;
    }
    __syncthreads();
}

// The keys of a row's survivors that are not seen go to `key`; returns how many.
__device__ inline int64_t take_unseen(const Pass& p, int64_t row, int64_t r, uint64_t* key) {
    __shared__ int32_t taken;
    const Seen seen = {p.a.seen_indptr, p.a.seen_item};
    const int64_t n = p.scan.count[r];
    if (threadIdx.x == 0) taken = 0;
    __syncthreads();
    const int64_t user = p.a.user[row];
    const auto unseen = [&](uint64_t one) { return !seen.has(user, rcekd_rank_id(one)); };
    append_wanted(p.scan.survivor + r * p.scan.limit, n, unseen, key, &taken);
    return publish(taken);
}

__global__ void __launch_bounds__(kFinishThreads) finish_kernel(Pass p, int64_t first) {
    __shared__ uint64_t held[kHeld], listed[kListed];
    uint64_t* list = p.a.k <= kListed ? listed : p.list + blockIdx.x * p.a.k;
    for (int64_t r = blockIdx.x; r < p.scan.tables.rows; r += gridDim.x) {
        const int64_t n = p.scan.count[r];
        const bool fits = n <= p.scan.limit;
        uint64_t* key = n <= kHeld ? held : p.key + blockIdx.x * p.scan.limit;
        const int64_t taken = fits ? take_unseen(p, first + r, r, key) : 0;
        // With a threshold below everything, all candidates are here.
        if (fits && (taken >= p.a.k || p.plan.size == 0))
            write_list(p.a, first + r, key, taken, list);
        else if (threadIdx.x == 0)
            p.alone[atomicAdd(p.n_alone, 1)] = (int32_t)r;
        __syncthreads();
    }
}

// Scores every item for one user at a time.
__global__ void __launch_bounds__(kFinishThreads) alone_kernel(Pass p, int64_t first) {
    __shared__ int32_t taken;
    const Seen seen = {p.a.seen_indptr, p.a.seen_item};
    uint64_t *key = p.every + blockIdx.x * p.a.n_items, *list = p.list + blockIdx.x * p.a.k;
    for (int64_t at = blockIdx.x; at < *p.n_alone; at += gridDim.x) {
        const int64_t row = first + p.alone[at];
        const float* user = p.a.user_factor + (int64_t)p.a.user[row] * p.a.d;
        if (threadIdx.x == 0) taken = 0;
        __syncthreads();
        const auto score = [&](uint32_t i) { return chain(user, p.a.item_factor + i * p.a.d, p.a.d); };
        for_all(p.a.n_items, score, [&](uint32_t i, float one) {
            const bool there = i < p.a.n_items;
            if (there && !is_finite(one)) note_bad_row(p.scan.bad_row, row);
            const bool wanted = there && !seen.has(p.a.user[row], (int32_t)i);
            const int32_t place = next_place(wanted, &taken);
            if (place >= 0) key[place] = rcekd_rank_key(one, (int32_t)i);
        });
        write_list(p.a, row, key, publish(taken), list);
    }
}

void run_chunk(Pass& p, int64_t first, int64_t rows, void* stream) {
    const rcekd_topk_args& a = p.a;
    p.scan.tables = {a.user_factor, a.user + first, a.item_factor, nullptr, rows, a.n_items, a.d};
    p.scan.first_row = first;
    const unsigned blocks = blocks_for(rows, p.blocks);
    const Tables pilot = {a.user_factor, a.user + first, a.item_factor, p.pilot, rows, p.plan.size, a.d};
    launch_pilot_scores(pilot, p.pilot_score, stream);
    RCEKD_LAUNCH(threshold_kernel, blocks_for(rows, p.threshold_blocks), kThresholdThreads, stream, p, first);
    launch_scan(p.scan, stream);
    RCEKD_LAUNCH(finish_kernel, blocks, kFinishThreads, stream, p, first);
    RCEKD_LAUNCH(alone_kernel, blocks_for(rows, p.alone_blocks), kFinishThreads, stream, p, first);
}

}  // namespace
}  // namespace cuda
}  // namespace rcekd

extern "C" int64_t rcekd_cuda_topk_workspace(const rcekd_topk_args* a) {
    int64_t bytes = 0;
    rcekd::cuda::lay_out(*a, nullptr, &bytes);
    return bytes;
}

extern "C" int rcekd_cuda_topk(const rcekd_topk_args* a, const rcekd_cuda_call* call) {
    using namespace rcekd::cuda;
    if (const int error = begin(call)) return error;
    if (a->rows == 0) return 0;
    int64_t bytes = 0;
    Pass pass = lay_out(*a, call->workspace, &bytes);
    pass.scan.bad_row = call->bad_row;
    pass.scan.tables = {a->user_factor, a->user, a->item_factor, nullptr, a->rows, a->n_items, a->d};
    // Any items will do: the answer does not depend on them.
    RCEKD_LAUNCH(pilot_items_kernel, blocks_of(pass.plan.size), kThreads, call->stream, pass.pilot, pass.plan.size,
                 a->n_items, 0);
    launch_scan_items(pass.scan, call->stream);
    for (int64_t first = 0; first < a->rows; first += pass.chunk) {
        const int64_t rows = a->rows - first < pass.chunk ? a->rows - first : pass.chunk;
        run_chunk(pass, first, rows, call->stream);
    }
    return (int)cudaGetLastError();
}
