// A block per row scores its pool, ranks it and races each request. The method, and every number drawn, are those of
// csrc/cpu/pool_gap_draws.cpp.
#include "gap_race.h"
#include "rcekd/pool_gap_draws.h"

namespace rcekd {
namespace cuda {
namespace {

struct Pass {
    rcekd_pool_gap_draws_args a;
    char* scratch;
    int64_t scratch_bytes;
    int64_t* bad_row;
};

// One block's memory.
struct Room {
    Arrival* timed;  // [listed]
    uint64_t* key;   // [listed], the same memory as timed
    int32_t* gap;    // [listed]: rank by score − place in the pool
};

RCEKD_HD Room carve(int64_t listed, Carver* carver) {
    Room r;
    r.timed = carver->take<Arrival>(listed);
    r.key = (uint64_t*)r.timed;
    r.gap = carver->take<int32_t>(listed);
    return r;
}

__device__ inline void set_gaps(const Pass& p, int64_t row, const Room& room) {
    __shared__ int32_t found;
    if (threadIdx.x == 0) found = 0;
    __syncthreads();
    const int32_t* pool = p.a.pool + row * p.a.listed;
    const float* own = p.a.row_factor + row * p.a.d;
    for (int64_t at = threadIdx.x; at < p.a.listed; at += blockDim.x) {
        room.gap[at] = 0;
        if (pool[at] < 0) continue;
        const float score = chain(own, p.a.candidate_factor + pool[at] * p.a.d, p.a.d);
        if (!is_finite(score)) note_bad_row(p.bad_row, row);
        room.key[atomicAdd(&found, 1)] = rcekd_rank_key(score, (int32_t)at);
    }
    const int64_t n = publish(found);
    sort(room.key, n, Descending());
    for (int64_t rank = threadIdx.x; rank < n; rank += blockDim.x) {
        const int32_t at = rcekd_rank_id(room.key[rank]);
        room.gap[at] = (int32_t)rank - at;
    }
    __syncthreads();
}

struct ByPlace {
    __device__ bool operator()(const Arrival& a, const Arrival& b) const { return a.item < b.item; }
};

__device__ inline void draw(const Pass& p, const rcekd_gap_request& q, int64_t row, const Room& room) {
    const int32_t *pool = p.a.pool + row * p.a.listed, *gap = room.gap;
    const int32_t sign = q.flags & RCEKD_GAP_OVER ? -1 : 1;
    const bool exponential = q.flags & RCEKD_GAP_EXPONENTIAL;
    const auto runs = [=](int64_t at) { return exponential ? pool[at] >= 0 : sign * gap[at] > 0; };
    const auto gap_of = [=](int64_t at) { return sign * gap[at]; };
    const uint32_t number = (uint32_t)(p.a.number ? p.a.number[row] : (int32_t)row);
    const int64_t count = race_gaps(q, number, p.a.listed, q.draws, runs, gap_of, room.timed);
    if (q.flags & RCEKD_GAP_IN_ORDER) sort(room.timed, count, ByPlace());
    for (int64_t l = threadIdx.x; l < q.draws; l += blockDim.x)
        q.item[row * q.draws + l] = l < count ? pool[room.timed[l].item] : -1;
    __syncthreads();
}

__global__ void __launch_bounds__(kRaceThreads) rank_pool_kernel(Pass p, int64_t first, int64_t rows) {
    for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
        Carver carver(p.scratch + r * p.scratch_bytes);
        set_gaps(p, first + r, carve(p.a.listed, &carver));
    }
}

__global__ void __launch_bounds__(kRaceThreads)
    draw_pool_kernel(Pass p, rcekd_gap_request request, int64_t first, int64_t rows) {
    for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
        Carver carver(p.scratch + r * p.scratch_bytes);
        draw(p, request, first + r, carve(p.a.listed, &carver));
    }
}

int64_t room_bytes(const rcekd_pool_gap_draws_args& a) {
    Carver carver(nullptr);
    carve(a.listed, &carver);
    return carver.used();
}

// Rows ranked before they draw, each with room of its own.
int64_t chunk_of(const rcekd_pool_gap_draws_args& a) { return at_once(a.rows, room_bytes(a)); }

}  // namespace
}  // namespace cuda
}  // namespace rcekd

extern "C" int64_t rcekd_cuda_pool_gap_draws_workspace(const rcekd_pool_gap_draws_args* a) {
    return rcekd::cuda::chunk_of(*a) * rcekd::cuda::room_bytes(*a);
}

// `request` is host memory; the lists it points to are on the device.
extern "C" int rcekd_cuda_pool_gap_draws(const rcekd_pool_gap_draws_args* a, const rcekd_cuda_call* call) {
    using namespace rcekd::cuda;
    if (const int error = begin(call)) return error;
    const Pass pass = {*a, (char*)call->workspace, room_bytes(*a), call->bad_row};
    const int64_t chunk = chunk_of(*a);
    for (int64_t first = 0; first < a->rows; first += chunk) {
        const int64_t rows = a->rows - first < chunk ? a->rows - first : chunk;
        const unsigned blocks = blocks_for(rows);
        RCEKD_LAUNCH(rank_pool_kernel, blocks, kRaceThreads, call->stream, pass, first, rows);
        for (int64_t q = 0; q < a->requests; ++q)
            RCEKD_LAUNCH(draw_pool_kernel, blocks, kRaceThreads, call->stream, pass, a->request[q], first, rows);
    }
    return (int)cudaGetLastError();
}
