// The closure pass, a chunk of users at a time: thresholds from the pilot items, one scan that notes the few hundred
// items above them, then a block per user that makes the lists, the split and the draws. A user whose threshold was a
// bad guess is scored alone, at any floor. The same numbers, step by step, as csrc/cpu/closure.cpp.
#include "race.h"
#include "rcekd/closure.h"
#include "rcekd/closure_plan.h"

namespace rcekd {
namespace cuda {
namespace {

// One block's scratch memory, in global memory.
struct Scratch {
    uint64_t *all, *high;  // rank keys of every item, for a user alone; of the candidates that are high
    uint64_t* list;        // the student's top-K
    float *raising, *taught_score;
    int32_t* taught;  // teacher items that are candidates, each once
    RaceMemory race;
    Arrival* drawn;
    Marks closed;
};

struct Arrays {
    double *log_weight, *accept;  // [k + 1]
    int32_t* pilot;               // [plan.size]
    float* threshold;             // [rows of a chunk]
    int32_t* count;               // [rows of a chunk]: items above the threshold, the first `limit` of them in survivor
    uint64_t* survivor;           // [rows of a chunk][limit]
    char* scratch;                // [blocks][scratch_bytes]
};

struct Pass {
    rcekd_closure_args a;
    rcekd_closure_plan plan;
    Arrays arrays;
    int64_t chunk, blocks, scratch_bytes;
    int64_t* bad_row;
};

RCEKD_HD Scratch carve_scratch(const rcekd_closure_args& a, Carver* carver) {
    Scratch s;
    s.all = carver->take<uint64_t>(a.n_items);
    s.high = carver->take<uint64_t>(a.n_items);
    s.list = carver->take<uint64_t>(a.k);
    s.raising = carver->take<float>(thresholds_room(a.k));
    s.taught_score = carver->take<float>(a.k);
    s.taught = carver->take<int32_t>(a.k);
    s.race.high = carver->take<Arrival>(a.n_items);
    s.race.low = carver->take<Arrival>(a.draws);
    s.drawn = carver->take<Arrival>(a.draws);
    s.closed.word = carver->take<unsigned>(Marks::words(a.n_items));
    return s;
}

// Lays a call out in the workspace at `start`; with a null one it measures.
Pass lay_out(const rcekd_closure_args& a, void* start, int64_t* bytes) {
    constexpr int64_t kSurvivorBytes = (int64_t)256 << 20, kScratchBytes = (int64_t)512 << 20, kMostBlocks = 1024;
    Pass p;
    p.a = a;
    p.plan = rcekd_make_closure_plan(a.n_items, a.k, a.draws);
    Carver one(nullptr);
    carve_scratch(a, &one);
    p.scratch_bytes = one.used();
    const int64_t limit = p.plan.limit > 0 ? p.plan.limit : 1, fit = at_once(INT64_MAX, 8 * limit, kSurvivorBytes);
    p.chunk = a.rows < fit ? a.rows : ceil_div(fit, kTileUsers) * kTileUsers;
    p.blocks = blocks_for(p.chunk, at_once(kMostBlocks, p.scratch_bytes, kScratchBytes));
    Carver carver(start);
    p.arrays.log_weight = carver.take<double>(a.k + 1);
    p.arrays.accept = carver.take<double>(a.k + 1);
    p.arrays.pilot = carver.take<int32_t>(p.plan.size);
    p.arrays.threshold = carver.take<float>(p.chunk);
    p.arrays.count = carver.take<int32_t>(p.chunk);
    p.arrays.survivor = carver.take<uint64_t>(p.chunk * limit);
    p.arrays.scratch = carver.take<char>(p.blocks * p.scratch_bytes);
    *bytes = carver.used();
    return p;
}

__global__ void prepare_kernel(Pass p) {
    const int64_t t = (int64_t)blockIdx.x * blockDim.x + threadIdx.x, step = (int64_t)gridDim.x * blockDim.x;
    for (int64_t z = t; z <= p.a.k; z += step) {
        p.arrays.log_weight[z] = (double)z / p.a.tau;
        p.arrays.accept[z] = rcekd_exp_nonpositive(-(double)z / p.a.tau);
    }
    const uint64_t key = rcekd_key(p.a.seed, p.a.epoch, RCEKD_STREAM_PILOT);
    for (int64_t i = t; i < p.plan.size; i += step)
        p.arrays.pilot[i] = rcekd_pilot_item(i, p.a.n_items, p.plan.size, key);
}

// ---- thresholds ----------------------------------------------------------------------------------------------------

// The pilot's mean weight relative to that of its best item, of every fourth group of sixteen, summed in order.
__device__ inline double mean_weight(const Pass& p, const Thresholds& thresholds, const float* score, int32_t top) {
    double mean = 0.0;
    for (int64_t from = 0; from + kTogether <= p.plan.size; from += 4 * kTogether)
        for (int l = 0; l < kTogether; ++l) {
            const int32_t z = thresholds.z(score[from + l]);
            mean += p.arrays.accept[z < top ? top - z : 0];
        }
    return mean / (double)((p.plan.size / kTogether + 3) / 4 * kTogether);
}

__device__ inline float row_threshold(const Pass& p, int64_t row, const Scratch& s) {
    __shared__ float score[kRcekdMostPilot], sorted[kRcekdMostPilot];
    __shared__ int32_t n;
    const float* user = p.a.user_factor + (int64_t)p.a.user[row] * p.a.d;
    const int32_t* teacher = p.a.teacher_item + row * p.a.k;
    if (threadIdx.x == 0) n = 0;
    __syncthreads();
    for (int64_t i = threadIdx.x; i < p.a.k; i += blockDim.x)
        if (teacher[i] >= 0)
            s.raising[atomicAdd(&n, 1)] =
                as_threshold(chain(user, p.a.item_factor + teacher[i] * p.a.d, p.a.d), p.a.inclusive);
    const Thresholds thresholds = close_thresholds(s.raising, publish(n), p.a.clip);
    for (int64_t i = threadIdx.x; i < p.plan.size; i += blockDim.x)
        score[i] = sorted[i] = chain(user, p.a.item_factor + p.arrays.pilot[i] * p.a.d, p.a.d);
    sort(sorted, p.plan.size, Descending());
    float found = 0.0f;
    if (threadIdx.x == 0) {
        const int64_t* indptr = p.a.seen_indptr;
        const int64_t seen = indptr ? indptr[p.a.user[row] + 1] - indptr[p.a.user[row]] : 0;
        const int32_t top = thresholds.z(sorted[0]);  // about what the student misses: weights are relative to it
        const float* rank_score = sorted;
        found = rcekd_choose_threshold(
            p.plan, p.arrays.accept, seen, p.a.draws, p.a.d, top, mean_weight(p, thresholds, score, top),
            [&thresholds](float x) { return thresholds.z(x); },
            [rank_score](int64_t rank) { return rank_score[rank - 1]; });
    }
    __syncthreads();
    return found;
}

__device__ inline Scratch my_scratch(const Pass& p) {
    Carver carver(p.arrays.scratch + blockIdx.x * p.scratch_bytes);
    return carve_scratch(p.a, &carver);
}

__global__ void __launch_bounds__(kRaceThreads) threshold_kernel(Pass p, int64_t first, int64_t rows) {
    const Scratch scratch = my_scratch(p);
    for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
        const float threshold = p.plan.size > 0 ? row_threshold(p, first + r, scratch) : -INFINITY;
        if (threadIdx.x == 0) p.arrays.threshold[r] = threshold, p.arrays.count[r] = 0;
    }
}

// ---- scan ----------------------------------------------------------------------------------------------------------

__global__ void __launch_bounds__(kTileThreads) scan_kernel(Pass p, int64_t first, int64_t rows) {
    const Tables tables = {p.a.user_factor, p.a.user + first, p.a.item_factor, rows, p.a.n_items, p.a.d};
    const int64_t row0 = (int64_t)blockIdx.x * kTileUsers, step = (int64_t)gridDim.y * kTileItems;
    for (int64_t item0 = (int64_t)blockIdx.y * kTileItems; item0 < p.a.n_items; item0 += step) {
        float score[kEach][kEach];
        score_tile(tables, row0, item0, score);
        for (int r = 0; r < kEach; ++r) {
            const int64_t row = row0 + tile_user(r);
            for (int c = 0; c < kEach && row < rows; ++c) {
                const int64_t item = item0 + tile_item(c);
                if (item >= p.a.n_items) continue;
                if (!is_finite(score[r][c])) note_bad_row(p.bad_row, first + row);
                if (!(score[r][c] > p.arrays.threshold[row])) continue;
                const int32_t slot = atomicAdd(&p.arrays.count[row], 1);
                if (slot < p.plan.limit)
                    p.arrays.survivor[row * p.plan.limit + slot] = rcekd_rank_key(score[r][c], (int32_t)item);
            }
        }
    }
}

// ---- a user's lists and draws --------------------------------------------------------------------------------------

// What a block knows of the user it works on, in shared memory.
struct User {
    Field field;
    int64_t n_above, n_listed;
    int32_t n_high, n_taught, n_raising;
    int scored;
};

class Worker {
  public:
    __device__ Worker(const Pass& pass, const Rules& rules, const Scratch& scratch, User* user)
        : p_(pass), a_(pass.a), rules_(rules), m_(scratch), u_(user) {}

    __device__ void run(int64_t row, int64_t r) {
        row_ = row;
        const int64_t user = a_.user[row];
        const int32_t* from = a_.seen_indptr ? a_.seen_item + a_.seen_indptr[user] : nullptr;
        const int32_t* to = a_.seen_indptr ? a_.seen_item + a_.seen_indptr[user + 1] : nullptr;
        if (threadIdx.x == 0) {
            *u_ = User();
            u_->field.user = a_.user_factor + user * a_.d;
            u_->field.user_id = (uint32_t)user;
            u_->field.high = m_.high;
        }
        m_.closed.clear(a_.n_items);
        __syncthreads();
        m_.closed.add_all(from, to);
        __syncthreads();
        if (a_.high >= 0 || p_.arrays.count[r] > p_.plan.limit)
            look_again(a_.high >= 0 ? a_.high : p_.plan.wanted + (to - from));
        else
            collect(r);
        while (u_->field.n_high < a_.k && !u_->field.everything_high) lower();
        list_student();
        const Thresholds thresholds = compare_with_teacher();
        write_draws(draw(rules_, u_->field, thresholds, m_.closed, m_.race, m_.drawn, [this] { lower(); }));
    }

  private:
    __device__ void lower() { look_again(4 * u_->n_above > a_.k ? 4 * u_->n_above : a_.k); }

    // Takes the scan's survivors.
    __device__ void collect(int64_t r) {
        const float threshold = p_.arrays.threshold[r];
        const uint64_t floor = ((rcekd_rank_key(threshold, 0) >> 32) + 1) << 32;
        gather(p_.arrays.survivor + r * p_.plan.limit, p_.arrays.count[r], 0, p_.arrays.count[r], floor, threshold);
    }

    // Scores every item for this user and takes the best `wanted` as high, whatever they were before.
    __device__ void look_again(int64_t wanted) {
        if (!u_->scored) score_alone();
        if (wanted > a_.n_items / 2) wanted = a_.n_items;
        const bool some = wanted > 0 && wanted < a_.n_items;
        const uint64_t cut = some ? kth_largest(m_.all, a_.n_items, wanted) : wanted > 0 ? 0 : ~(uint64_t)0;
        gather(m_.all, a_.n_items, cut, wanted, cut, wanted > 0 ? rcekd_rank_score(cut) : INFINITY);
    }

    // The open ones of n keys from `cut` on become high; n_above are there in all.
    __device__ void gather(const uint64_t* key, int64_t n, uint64_t cut, int64_t n_above, uint64_t floor,
                           float floor_score) {
        __syncthreads();
        if (threadIdx.x == 0) u_->n_high = 0;
        __syncthreads();
        for (int64_t i = threadIdx.x; i < n; i += blockDim.x)
            if (key[i] >= cut && !m_.closed.has(rcekd_rank_id(key[i]))) m_.high[atomicAdd(&u_->n_high, 1)] = key[i];
        __syncthreads();
        if (threadIdx.x == 0) {
            u_->n_above = n_above;
            u_->field.n_high = u_->n_high;
            u_->field.floor = floor;
            u_->field.floor_score = floor_score;
            u_->field.everything_high = n_above == a_.n_items;
        }
        __syncthreads();
    }

    __device__ void score_alone() {
        __syncthreads();  // all have seen that it is needed
        for (int64_t i = threadIdx.x; i < a_.n_items; i += blockDim.x) {
            const float score = chain(u_->field.user, a_.item_factor + i * a_.d, a_.d);
            if (!is_finite(score)) note_bad_row(p_.bad_row, row_);
            m_.all[i] = rcekd_rank_key(score, (int32_t)i);
        }
        if (threadIdx.x == 0) u_->scored = 1;
        __syncthreads();
    }

    __device__ void list_student() {
        const int64_t n = u_->field.n_high, listed = n < a_.k ? n : a_.k;
        const uint64_t last = n > a_.k ? kth_largest(m_.high, n, a_.k) : 0;
        __shared__ int32_t count;
        if (threadIdx.x == 0) count = 0, u_->n_listed = listed;
        __syncthreads();
        for (int64_t i = threadIdx.x; i < n; i += blockDim.x)
            if (m_.high[i] >= last) m_.list[atomicAdd(&count, 1)] = m_.high[i];
        sort(m_.list, listed, Descending());
        for (int64_t i = threadIdx.x; i < a_.k; i += blockDim.x) {
            a_.student_item[row_ * a_.k + i] = i < listed ? rcekd_rank_id(m_.list[i]) : -1;
            a_.student_score[row_ * a_.k + i] = i < listed ? rcekd_rank_score(m_.list[i]) : -INFINITY;
        }
    }

    // Which of the teacher's items the student lists, and what the others raise. A repeated id counts once.
    __device__ Thresholds compare_with_teacher() {
        const int32_t* teacher = a_.teacher_item + row_ * a_.k;
        uint8_t* mastered = a_.mastered + row_ * a_.k;
        // With fewer than K candidates the student lists them all.
        const uint64_t last = u_->n_listed == a_.k ? m_.list[u_->n_listed - 1] : 0;
        for (int64_t i = threadIdx.x; i < a_.k; i += blockDim.x) {
            const int32_t item = teacher[i];
            const float score = item < 0 ? 0.0f : chain(u_->field.user, a_.item_factor + item * a_.d, a_.d);
            m_.taught_score[i] = score;
            mastered[i] = item >= 0 && !m_.closed.has(item) && rcekd_rank_key(score, item) >= last;
        }
        __syncthreads();
        for (int64_t i = threadIdx.x; i < a_.k; i += blockDim.x) {
            if (teacher[i] < 0 || !m_.closed.add(teacher[i])) continue;  // seen, or met before
            m_.taught[atomicAdd(&u_->n_taught, 1)] = teacher[i];
            if (a_.all_raise || !mastered[i])
                m_.raising[atomicAdd(&u_->n_raising, 1)] = as_threshold(m_.taught_score[i], a_.inclusive);
        }
        __syncthreads();
        if (!a_.exclude_teacher)
            for (int64_t i = threadIdx.x; i < u_->n_taught; i += blockDim.x) m_.closed.drop(m_.taught[i]);
        return close_thresholds(m_.raising, u_->n_raising, a_.clip);
    }

    __device__ void write_draws(int64_t n) {
        for (int64_t i = threadIdx.x; i < a_.draws; i += blockDim.x) {
            a_.draw[row_ * a_.draws + i] = i < n ? m_.drawn[i].item : -1;
            a_.draw_score[row_ * a_.draws + i] = i < n ? m_.drawn[i].score : -INFINITY;
        }
        __syncthreads();
    }

    const Pass& p_;
    const rcekd_closure_args& a_;
    const Rules& rules_;
    const Scratch& m_;
    User* u_;
    int64_t row_ = 0;
};

__global__ void __launch_bounds__(kRaceThreads) finish_kernel(Pass p, int64_t first, int64_t rows) {
    __shared__ User user;
    const Scratch scratch = my_scratch(p);
    const Rules rules = {p.a.item_factor,
                         p.a.n_items,
                         p.a.d,
                         p.a.draws,
                         rcekd_key(p.a.seed, p.a.epoch, RCEKD_STREAM_CLOSURE_HIGH),
                         rcekd_key(p.a.seed, p.a.epoch, RCEKD_STREAM_CLOSURE_LOW),
                         p.arrays.log_weight,
                         p.arrays.accept,
                         p.a.k};
    Worker worker(p, rules, scratch, &user);
    for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) worker.run(first + r, r);
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
    pass.bad_row = call->bad_row;
    RCEKD_LAUNCH(prepare_kernel, 4, kRaceThreads, call->stream, pass);
    for (int64_t first = 0; first < a->rows; first += pass.chunk) {
        const int64_t rows = a->rows - first < pass.chunk ? a->rows - first : pass.chunk;
        const unsigned blocks = blocks_for(rows, pass.blocks);
        RCEKD_LAUNCH(threshold_kernel, blocks, kRaceThreads, call->stream, pass, first, rows);
        if (a->high < 0 && a->n_items > 0) {
            // Enough stripes of the catalogue for a few thousand blocks, however few the users.
            const unsigned tiles = blocks_for(ceil_div(rows, kTileUsers));
            const dim3 grid(tiles, blocks_for(ceil_div(a->n_items, kTileItems), 2048 / tiles + 1));
            RCEKD_LAUNCH(scan_kernel, grid, kTileThreads, call->stream, pass, first, rows);
        }
        RCEKD_LAUNCH(finish_kernel, blocks, kRaceThreads, call->stream, pass, first, rows);
    }
    return (int)cudaGetLastError();
}
