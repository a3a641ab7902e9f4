// A block per user: which listed items the teacher lists too, how many of these raise each position, and the positions
// with the smallest keys log E − log w in ascending order.
#include "race.h"
#include "rcekd/horizon.h"

namespace rcekd {
namespace cuda {
namespace {

struct Lists {
    rcekd_horizon_args a;
    char* scratch;
    int64_t scratch_bytes;
};

struct Room {
    Arrival* timed;  // [listed]: key and position
    int32_t* z;      // [listed]: how many items raise the position, −1 where it cannot be drawn
    Marks taught;
};

RCEKD_HD Room carve(const rcekd_horizon_args& a, Carver* carver) {
    Room r;
    r.timed = carver->take<Arrival>(a.listed);
    r.z = carver->take<int32_t>(a.listed);
    r.taught.word = carver->take<unsigned>(Marks::words(a.n_items));
    return r;
}

// One warp, from the end of the list to its head, 32 positions at a time.
__device__ inline void count_raising(const rcekd_horizon_args& a, const int32_t* student, const Room& room) {
    const int lane = (int)threadIdx.x;
    int32_t below = 0;
    for (int64_t first = (a.listed - 1) / kWarp * kWarp; first >= 0; first -= kWarp) {
        const int64_t p = first + lane;
        const int32_t item = p < a.listed ? student[p] : -1;
        const bool known = item >= 0 && room.taught.has(item);
        const bool raises = known && (!(a.flags & RCEKD_HORIZON_MISSING) || p >= a.top_k);
        const unsigned raising = __ballot_sync(kAllLanes, raises), after = ~1u << lane;
        const int32_t beyond = below + __popc(raising & after);
        const bool closed = item < 0 || (known && (a.flags & RCEKD_HORIZON_EXCLUDE_TEACHER));
        if (p < a.listed) room.z[p] = closed ? -1 : beyond + ((a.flags & RCEKD_HORIZON_INCLUSIVE) && raises ? 1 : 0);
        below += __popc(raising);
    }
}

// Keys of the positions that can be drawn; returns how many.
__device__ inline int64_t set_keys(const rcekd_horizon_args& a, int64_t row, const Room& room) {
    __shared__ int32_t n;
    if (threadIdx.x == 0) n = 0;
    __syncthreads();
    const uint32_t user = (uint32_t)(a.user ? a.user[row] : (int32_t)row);
    for (int64_t p = threadIdx.x; p < a.listed; p += blockDim.x) {
        if (room.z[p] < 0) continue;
        const double z = (double)(room.z[p] < a.clip ? room.z[p] : a.clip);
        const double key = ((a.flags & RCEKD_HORIZON_BY_RANK) ? (double)(p + 1) : -z) / a.tau;
        const double time = key + rcekd_horizon_log_exponential(a.key, user, (uint32_t)p);
        room.timed[atomicAdd(&n, 1)] = {time, (int32_t)p, 0.0f};
    }
    return publish(n);
}

__device__ inline void draw_row(const rcekd_horizon_args& a, int64_t row, const Room& room) {
    const int32_t *student = a.student + row * a.listed, *teacher = a.teacher + row * a.taught;
    room.taught.clear(a.n_items);
    __syncthreads();
    for (int64_t i = threadIdx.x; i < a.taught; i += blockDim.x)
        if (teacher[i] >= 0) room.taught.add(teacher[i]);
    __syncthreads();
    if (threadIdx.x < kWarp) count_raising(a, student, room);
    __syncthreads();
    int64_t n = set_keys(a, row, room);
    if (n > a.draws && a.draws > 0) {
        const Arrival* timed = room.timed;
        const auto late = [timed](uint32_t i) { return ~time_order(timed[i].log_time); };
        const uint64_t last = ~kth_largest_of(late, n, a.draws);
        n = keep_if(room.timed, n, [last](const Arrival& one) { return time_order(one.log_time) <= last; });
    }
    sort(room.timed, n, Earlier());
    for (int64_t l = threadIdx.x; l < a.draws; l += blockDim.x)
        a.item[row * a.draws + l] = l < n ? student[room.timed[l].item] : -1;
    __syncthreads();
}

__global__ void __launch_bounds__(kThreads) horizon_kernel(Lists lists) {
    Carver carver(lists.scratch + blockIdx.x * lists.scratch_bytes);
    const Room room = carve(lists.a, &carver);
    for (int64_t row = blockIdx.x; row < lists.a.batch; row += gridDim.x) draw_row(lists.a, row, room);
}

int64_t room_bytes(const rcekd_horizon_args& a) {
    Carver carver(nullptr);
    carve(a, &carver);
    return carver.used();
}

unsigned block_count(const rcekd_horizon_args& a) {
    constexpr int64_t kMost = 2048;
    return blocks_for(a.batch, at_once(kMost, room_bytes(a)));
}

}  // namespace
}  // namespace cuda
}  // namespace rcekd

extern "C" int64_t rcekd_cuda_horizon_workspace(const rcekd_horizon_args* a) {
    return rcekd::cuda::block_count(*a) * rcekd::cuda::room_bytes(*a);
}

extern "C" int rcekd_cuda_horizon(const rcekd_horizon_args* a, const rcekd_cuda_call* call) {
    using namespace rcekd::cuda;
    if (const int error = begin(call)) return error;
    const Lists lists = {*a, (char*)call->workspace, room_bytes(*a)};
    RCEKD_LAUNCH(horizon_kernel, block_count(*a), kThreads, call->stream, lists);
    return (int)cudaGetLastError();
}
