// A chunk of users at a time: a block per user ranks the unseen items by both models, then for each request a block per
// user draws. The method, and every number drawn, are those of csrc/cpu/rank_gap_draws.cpp; the proposals, which must
// be looked at in order, and the sums of weights are one thread's.
#include "gap_race.h"
#include "rcekd/rank_gap_draws.h"
#include "rcekd/unseen.h"

namespace rcekd {
namespace cuda {
namespace {

struct Pass {
    rcekd_rank_gap_draws_args a;
    int32_t* gap;  // [rows of a chunk][n_items]: of the user's unseen items, own rank − other rank
    char* scratch;
    int64_t chunk, blocks, scratch_bytes;
    int64_t* bad_row;

    __device__ int64_t seen_count(int64_t row) const {
        return a.seen_indptr ? a.seen_indptr[a.user[row] + 1] - a.seen_indptr[a.user[row]] : 0;
    }
    __device__ const int32_t* seen(int64_t row) const {
        return a.seen_indptr ? a.seen_item + a.seen_indptr[a.user[row]] : nullptr;
    }
};

// One block's memory: ranking needs keys, drawing the rest.
struct Room {
    uint64_t* key;   // [n_items], the same memory as timed
    Arrival* timed;  // [n_items]
    double* sum;     // [n_items], the same memory as timed
    int32_t* drawn;  // [most draws]: unseen items by their number
    Marks taken;
};

RCEKD_HD Room carve(int64_t n_items, int64_t draws, Carver* carver) {
    Room r;
    r.timed = carver->take<Arrival>(n_items);
    r.key = (uint64_t*)r.timed;
    r.sum = (double*)r.timed;
    r.drawn = carver->take<int32_t>(draws);
    r.taken.word = carver->take<unsigned>(Marks::words(n_items));
    return r;
}

// How many of the ascending seen[0 ... n) are below the item; whether the item is there too.
__device__ inline int64_t seen_below(const int32_t* seen, int64_t n, int32_t item, bool* there) {
    int64_t low = 0, high = n;
    while (low < high) {
        const int64_t mid = (low + high) / 2;
        if (seen[mid] < item)
            low = mid + 1;
        else
            high = mid;
    }
    *there = low < n && seen[low] == item;
    return low;
}

// ---- ranks ---------------------------------------------------------------------------------------------------------

// Ranks the row's unseen items by one model: into its gaps, or subtracted from them.
__device__ inline void rank_items(const Pass& p, int64_t row, const float* user, const float* item_factor, int64_t d,
                                  uint64_t* key, int32_t* gap, bool subtract) {
    const int64_t n_seen = p.seen_count(row), n = p.a.n_items - n_seen;
    for (int64_t i = threadIdx.x; i < p.a.n_items; i += blockDim.x) {
        const float score = chain(user, item_factor + i * d, d);
        if (!is_finite(score)) note_bad_row(p.bad_row, row);
        bool seen = false;
        const int64_t at = i - seen_below(p.seen(row), n_seen, (int32_t)i, &seen);
        if (!seen) key[at] = rcekd_rank_key(score, (int32_t)at);
    }
    sort(key, n, Descending());
    for (int64_t i = threadIdx.x; i < n; i += blockDim.x) {
        const int32_t at = rcekd_rank_id(key[i]), rank = (int32_t)i + 1;
        gap[at] = subtract ? gap[at] - rank : rank;
    }
    __syncthreads();
}

__global__ void __launch_bounds__(kRaceThreads) rank_kernel(Pass p, int64_t draws, int64_t first, int64_t rows) {
    Carver carver(p.scratch + blockIdx.x * p.scratch_bytes);
    const Room room = carve(p.a.n_items, draws, &carver);
    for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
        const int64_t row = first + r, user = p.a.user[row];
        int32_t* gap = p.gap + r * p.a.n_items;
        rank_items(p, row, p.a.user_factor + user * p.a.d, p.a.item_factor, p.a.d, room.key, gap, false);
        rank_items(p, row, p.a.other_user_factor + user * p.a.other_d, p.a.other_item_factor, p.a.other_d, room.key,
                   gap, true);
    }
}

// ---- draws ---------------------------------------------------------------------------------------------------------

// One request of one user.
struct Drawer {
    const rcekd_gap_request& q;
    uint32_t user;
    const int32_t* row_gap;
    int64_t n;  // unseen items
    const Room& m;
    int64_t* count;  // shared

    __device__ bool has(int flag) const { return (q.flags & flag) != 0; }
    __device__ int32_t gap(int64_t at) const { return has(RCEKD_GAP_OVER) ? -row_gap[at] : row_gap[at]; }
    __device__ double weight(int64_t at, int32_t highest) const {
        return rcekd_gap_weight(q.flags, q.eps, gap(at), highest);
    }

    // Every thread makes a proposal; one looks at them in order.
    __device__ void propose() const {
        __shared__ int32_t at[kRaceThreads];
        __shared__ uint8_t lucky[kRaceThreads];
        const int64_t allowed = rcekd_gap_proposals(n, q.draws);
        for (int64_t first = 0; first < allowed && publish(*count) < q.draws; first += kRaceThreads) {
            const int t = (int)threadIdx.x;
            const rcekd_u32x4 word = rcekd_philox(q.key, (uint32_t)(first + t), user, RCEKD_GAP_PROPOSE, 0);
            at[t] = (int32_t)rcekd_below(word.v[0], word.v[1], (uint32_t)n);
            lucky[t] = rcekd_uniform53(word.v[2], word.v[3]) < weight(at[t], (int32_t)n - 1);
            __syncthreads();
            if (t > 0) continue;
            for (int l = 0; l < kRaceThreads && first + l < allowed && *count < q.draws; ++l) {
                if (!lucky[l] || (!has(RCEKD_GAP_REPLACEMENT) && !m.taken.add(at[l]))) continue;
                m.drawn[(*count)++] = at[l];
            }
        }
        __syncthreads();
    }

    // The rest without replacement: the earliest of the times E / w.
    __device__ void race() const {
        const auto runs = [this](int64_t at) {
            return (has(RCEKD_GAP_EXPONENTIAL) || gap(at) > 0) && !m.taken.has((int32_t)at);
        };
        const auto gap_of = [this](int64_t at) { return gap(at); };
        const int64_t found = race_gaps(q, user, n, q.draws - *count, runs, gap_of, m.timed);
        for (int64_t i = threadIdx.x; i < found; i += blockDim.x) m.drawn[*count + i] = m.timed[i].item;
        __syncthreads();
        if (threadIdx.x == 0) *count += found;
        __syncthreads();
    }

    // The rest with replacement: by inversion of the summed weights.
    __device__ void replace() const {
        __shared__ int32_t highest;
        __shared__ int64_t last;
        if (threadIdx.x == 0) highest = gap(0), last = 0;
        __syncthreads();
        for (int64_t at = threadIdx.x; at < n; at += blockDim.x) atomicMax(&highest, gap(at));
        const int32_t top = publish(highest);
        for (int64_t at = threadIdx.x; at < n; at += blockDim.x) m.sum[at] = weight(at, top);
        __syncthreads();
        if (threadIdx.x == 0) {
            double total = 0.0;
            for (int64_t at = 0; at < n; ++at) {
                if (m.sum[at] > 0.0) last = at;
                m.sum[at] = total += m.sum[at];
            }
        }
        const int64_t end = publish(last);
        const double total = m.sum[n - 1];
        if (total == 0.0) return;
        for (int64_t l = *count + threadIdx.x; l < q.draws; l += blockDim.x) {
            const rcekd_u32x4 word = rcekd_philox(q.key, (uint32_t)l, user, RCEKD_GAP_REPLACE, 0);
            const double goal = rcekd_uniform53(word.v[0], word.v[1]) * total;
            int64_t low = 0, high = end;  // the first whose sum is above the goal, which rounding may have made total
            while (low < high) {
                const int64_t mid = (low + high) / 2;
                if (m.sum[mid] > goal)
                    high = mid;
                else
                    low = mid + 1;
            }
            m.drawn[l] = (int32_t)low;
        }
        __syncthreads();
        if (threadIdx.x == 0) *count = q.draws;
        __syncthreads();
    }
};

__device__ inline void draw_row(const Pass& p, const rcekd_gap_request& request, int64_t row, int64_t r,
                                const Room& room) {
    __shared__ int64_t count;
    const int64_t n_seen = p.seen_count(row), n = p.a.n_items - n_seen;
    if (threadIdx.x == 0) count = 0;
    room.taken.clear(p.a.n_items);
    __syncthreads();
    const Drawer drawer = {request, (uint32_t)p.a.user[row], p.gap + r * p.a.n_items, n, room, &count};
    if (n > 0) drawer.propose();
    if (n > 0 && publish(count) < request.draws) {
        if (drawer.has(RCEKD_GAP_REPLACEMENT))
            drawer.replace();
        else
            drawer.race();
    }
    const int64_t drawn = publish(count);
    for (int64_t l = threadIdx.x; l < request.draws; l += blockDim.x)
        request.item[row * request.draws + l] = l < drawn ? rcekd_nth_unseen(p.seen(row), n_seen, room.drawn[l]) : -1;
    __syncthreads();
}

__global__ void __launch_bounds__(kRaceThreads)
    draw_kernel(Pass p, rcekd_gap_request request, int64_t draws, int64_t first, int64_t rows) {
    Carver carver(p.scratch + blockIdx.x * p.scratch_bytes);
    const Room room = carve(p.a.n_items, draws, &carver);
    for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) draw_row(p, request, first + r, r, room);
}

int64_t most_draws(const rcekd_rank_gap_draws_args& a) {
    int64_t most = 0;
    for (int64_t q = 0; q < a.requests; ++q) most = a.request[q].draws > most ? a.request[q].draws : most;
    return most;
}

// Lays a call out in the workspace at `start`; with a null one it measures.
Pass lay_out(const rcekd_rank_gap_draws_args& a, void* start, int64_t* bytes) {
    constexpr int64_t kScratchBytes = (int64_t)512 << 20, kMostBlocks = 1024;
    Pass p;
    p.a = a;
    Carver one(nullptr);
    carve(a.n_items, most_draws(a), &one);
    p.scratch_bytes = one.used();
    p.chunk = at_once(a.rows, 4 * (a.n_items + 1));
    p.blocks = blocks_for(p.chunk, at_once(kMostBlocks, p.scratch_bytes, kScratchBytes));
    Carver carver(start);
    p.gap = carver.take<int32_t>(p.chunk * a.n_items);
    p.scratch = carver.take<char>(p.blocks * p.scratch_bytes);
    *bytes = carver.used();
    return p;
}

}  // namespace
}  // namespace cuda
}  // namespace rcekd

extern "C" int64_t rcekd_cuda_rank_gap_draws_workspace(const rcekd_rank_gap_draws_args* a) {
    int64_t bytes = 0;
    rcekd::cuda::lay_out(*a, nullptr, &bytes);
    return bytes;
}

// `request` is host memory; the item lists it points to are on the device.
extern "C" int rcekd_cuda_rank_gap_draws(const rcekd_rank_gap_draws_args* a, const rcekd_cuda_call* call) {
    using namespace rcekd::cuda;
    if (const int error = begin(call)) return error;
    if (a->rows == 0) return 0;
    int64_t bytes = 0;
    Pass pass = lay_out(*a, call->workspace, &bytes);
    pass.bad_row = call->bad_row;
    const int64_t draws = most_draws(*a);
    for (int64_t first = 0; first < a->rows; first += pass.chunk) {
        const int64_t rows = a->rows - first < pass.chunk ? a->rows - first : pass.chunk;
        const unsigned blocks = blocks_for(rows, pass.blocks);
        RCEKD_LAUNCH(rank_kernel, blocks, kRaceThreads, call->stream, pass, draws, first, rows);
        for (int64_t q = 0; q < a->requests; ++q)
            RCEKD_LAUNCH(draw_kernel, blocks, kRaceThreads, call->stream, pass, a->request[q], draws, first, rows);
    }
    return (int)cudaGetLastError();
}
