// The closure pass, a chunk of users at a time: thresholds from the pilot items, one scan that notes the few hundred
// items above them (scan.h), then a block per user that makes the lists, the split and the draws, in shared memory
// where there is room. A user whose threshold was a bad guess waits for a second kernel, which has room for every
// item's score and can lower the threshold. The same numbers, step by step, as csrc/cpu/closure.cpp.
#include "pilot.h"
#include "race.h"
#include "rcekd/closure.h"
#include "scan.h"

namespace rcekd {
namespace cuda {
namespace {

constexpr int kHeld = 1024;             // high items in shared memory, if there are no more
constexpr int kShort = 128;             // K and L up to which all lists are there too
constexpr int kHeldMarks = 65536 / 32;  // words of the closed items' marks

// What a block works on.
struct Scratch {
    uint64_t *all, *high;  // rank keys of every item, for a user alone; of the candidates that are high
    uint64_t* list;        // the student's top-K
    float *raising, *taught_score;
    int32_t* taught;  // teacher items that are candidates, each once
    RaceMemory race;
    Marks closed;
};

// The part of it that is in shared memory.
struct Held {
    uint64_t high[kHeld], list[kShort];
    double time[kHeld];
    Arrival arrived[kShort + kTies], low[kShort];
    float raising[2 * kShort], taught_score[kShort];
    int32_t taught[kShort];
    unsigned closed[kHeldMarks];
};

struct Late {
    int64_t row;
    float threshold;
    int32_t above;
};

struct Arrays {
    double *log_weight, *accept;     // [k + 1]
    int32_t* pilot;                  // [plan.size]
    float *pilot_score, *threshold;  // [rows of a chunk, plan.size]; [rows of a chunk]
    Late* late;                      // [rows]: users for the second kernel
    int32_t* n_late;                 // how many
    char *scratch, *late_scratch;    // [blocks][scratch_bytes], [late_blocks][late_bytes]
};

struct Pass {
    rcekd_closure_args a;
    rcekd_closure_plan plan;
    Arrays arrays;
    ScanTask scan;
    int64_t chunk, blocks, scratch_high, scratch_bytes, late_blocks, late_bytes;
};

// Room for `high` high items, and for every item's score where `everything` is wanted.
RCEKD_HD Scratch carve_scratch(const rcekd_closure_args& a, int64_t high, bool everything, Carver* carver) {
    Scratch s;
    s.all = carver->take<uint64_t>(everything ? a.n_items : 0);
    s.high = carver->take<uint64_t>(high);
    s.list = carver->take<uint64_t>(a.k);
    s.raising = carver->take<float>(thresholds_room(a.k));
    s.taught_score = carver->take<float>(a.k);
    s.taught = carver->take<int32_t>(a.k);
    s.race.time = carver->take<double>(high);
    s.race.high = carver->take<Arrival>(a.draws + kTies);
    s.race.low = carver->take<Arrival>(a.draws);
    s.closed.word = carver->take<unsigned>(Marks::words(a.n_items));
    return s;
}

int64_t scratch_bytes(const rcekd_closure_args& a, int64_t high, bool everything) {
    Carver one(nullptr);
    carve_scratch(a, high, everything, &one);
    return one.used();
}

// Lays a call out in the workspace at `start`; with a null one it measures.
Pass lay_out(const rcekd_closure_args& a, void* start, int64_t* bytes) {
    constexpr int64_t kChunkBytes = (int64_t)512 << 20, kScratchBytes = (int64_t)768 << 20, kMostBlocks = 2048;
    Pass p;
    p.a = a;
    p.plan = rcekd_make_closure_plan(a.n_items, a.k, a.draws);
    const int64_t limit = p.plan.limit > 0 ? p.plan.limit : 1;
    const int64_t each = 8 * limit + 4 * p.plan.size + 2 * scan_width(a.d), fit = at_once(INT64_MAX, each, kChunkBytes);
    p.chunk = a.rows < fit ? a.rows : ceil_div(fit, kScanUsers) * kScanUsers;
    p.scratch_high = limit > p.plan.size ? limit : p.plan.size;  // the pilot's best want room there, too
    p.scratch_bytes = scratch_bytes(a, p.scratch_high, false);
    p.blocks = blocks_for(p.chunk, at_once(kMostBlocks, p.scratch_bytes, kScratchBytes));
    p.late_bytes = scratch_bytes(a, a.n_items, true);
    p.late_blocks = (int64_t)blocks_for(a.rows, at_once(kMostBlocks, p.late_bytes));
    Carver carver(start);
    p.arrays.log_weight = carver.take<double>(a.k + 1);
    p.arrays.accept = carver.take<double>(a.k + 1);
    p.arrays.pilot = carver.take<int32_t>(p.plan.size);
    p.arrays.pilot_score = carver.take<float>(p.chunk * p.plan.size);
    p.arrays.threshold = carver.take<float>(p.chunk);
    p.arrays.late = carver.take<Late>(a.rows);
    p.arrays.n_late = carver.take<int32_t>(1);
    p.scan.threshold = p.arrays.threshold;
    p.scan.limit = limit;
    p.scan.count = carver.take<int32_t>(p.chunk);
    p.scan.survivor = carver.take<uint64_t>(p.chunk * limit);
    carve_scan(&p.scan, p.chunk, a.n_items, a.d, &carver);
    p.arrays.scratch = carver.take<char>(p.blocks * p.scratch_bytes);
    p.arrays.late_scratch = carver.take<char>(p.late_blocks * p.late_bytes);
    *bytes = carver.used();
    return p;
}

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
    const int32_t* teacher = p.a.teacher_item + row * p.a.k;
    const float* score = p.arrays.pilot_score + r * p.plan.size;
    if (threadIdx.x == 0) n = 0;
    __syncthreads();
    for (int64_t i = threadIdx.x; i < p.a.k; i += blockDim.x)
        if (teacher[i] >= 0)
            raising[atomicAdd(&n, 1)] =
                as_threshold(chain(user, p.a.item_factor + teacher[i] * p.a.d, p.a.d), p.a.inclusive);
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

__global__ void __launch_bounds__(kRaceThreads, 10) threshold_kernel(Pass p, int64_t first) {
    __shared__ float held[2 * kShort];
    Carver carver(p.arrays.scratch + blockIdx.x * p.scratch_bytes);
    const Scratch scratch = carve_scratch(p.a, p.scratch_high, false, &carver);
    float* raising = p.a.k <= kShort ? held : scratch.raising;
    for (int64_t r = blockIdx.x; r < p.scan.tables.rows; r += gridDim.x) {
        const float threshold = p.plan.size > 0 ? row_threshold(p, first + r, r, raising, scratch.high) : -INFINITY;
        if (threadIdx.x == 0) p.arrays.threshold[r] = threshold, p.scan.count[r] = 0;
    }
}

// ---- a user's lists and draws --------------------------------------------------------------------------------------

// What a block knows of the user it works on, in shared memory.
struct User {
    Field field;
    int64_t n_above, n_listed;
    int32_t n_high, n_taught, n_raising;
};

// Rank keys of items first … end − 1 for a row's user, into all[item].
__device__ inline void score_items(const Pass& p, int64_t row, int64_t first, int64_t end, uint64_t* all) {
    const float* user = p.a.user_factor + (int64_t)p.a.user[row] * p.a.d;
    for (int64_t i = first + threadIdx.x; i < end; i += blockDim.x) {
        const float score = chain(user, p.a.item_factor + i * p.a.d, p.a.d);
        if (!is_finite(score)) note_bad_row(p.scan.bad_row, row);
        all[i] = rcekd_rank_key(score, (int32_t)i);
    }
}

class Worker {
  public:
    __device__ Worker(const Pass& pass, const Rules& rules, const Scratch& scratch, User* user)
        : p_(pass), a_(pass.a), rules_(rules), m_(scratch), u_(user) {}

    // The user of a row, with `above` items above the threshold, which are in `survivor` if they found room there.
    // Without a survivor list all items are scored, or were by somebody else. False where the user needs more room than
    // there is.
    __device__ bool run(int64_t row, float threshold, int64_t above, const uint64_t* survivor, bool scored = false) {
        row_ = row;
        const bool fits = a_.high < 0 && above <= p_.plan.limit;
        if (!fits && survivor) return false;
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
        if (!survivor && !scored) score_alone();
        const uint64_t floor = ((rcekd_rank_key(threshold, 0) >> 32) + 1) << 32;
        if (fits && survivor)
            gather(survivor, above, 0, above, floor, threshold);
        else if (fits)
            gather(m_.all, a_.n_items, floor, above, floor, threshold);
        else
            look_again(a_.high >= 0 ? a_.high : p_.plan.wanted + (to - from));
        while (u_->field.n_high < a_.k && !u_->field.everything_high)
            if (!lower()) return false;
        list_student();
        const Thresholds thresholds = compare_with_teacher();
        const int64_t drawn = draw(
            rules_, u_->field, thresholds, m_.closed, m_.race, [this] { return lower(); },
            [this](int64_t place, const Arrival& one) {
                a_.draw[row_ * a_.draws + place] = one.item;
                a_.draw_score[row_ * a_.draws + place] = one.score;
            });
        if (drawn < 0) return false;
        for (int64_t i = drawn + threadIdx.x; i < a_.draws; i += blockDim.x)
            a_.draw[row_ * a_.draws + i] = -1, a_.draw_score[row_ * a_.draws + i] = -INFINITY;
        __syncthreads();
        return true;
    }

  private:
    // False where there is no room for it.
    __device__ bool lower() {
        if (m_.all == nullptr) return false;
        look_again(4 * u_->n_above > a_.k ? 4 * u_->n_above : a_.k);
        return true;
    }

    // Takes the best `wanted` of all items as high, whatever they were before.
    __device__ void look_again(int64_t wanted) {
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
        const auto open = [&](uint64_t one) { return one >= cut && !m_.closed.has(rcekd_rank_id(one)); };
        append_wanted(key, n, open, m_.high, &u_->n_high);
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
        score_items(p_, row_, 0, a_.n_items, m_.all);
        __syncthreads();
    }

    __device__ void list_student() {
        const int64_t n = u_->field.n_high, listed = n < a_.k ? n : a_.k;
        const uint64_t* high = m_.high;
        const uint64_t last = n > a_.k ? kth_largest_of([high](uint32_t i) { return high[i]; }, n, a_.k, false) : 0;
        __shared__ int32_t count;
        if (threadIdx.x == 0) count = 0, u_->n_listed = listed;
        __syncthreads();
        append_wanted(high, n, [last](uint64_t one) { return one >= last; }, m_.list, &count);
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

    const Pass& p_;
    const rcekd_closure_args& a_;
    const Rules& rules_;
    const Scratch& m_;
    User* u_;
    int64_t row_ = 0;
};

__device__ inline Rules rules_of(const Pass& p) {
    return {p.a.item_factor,
            p.a.n_items,
            p.a.d,
            p.a.draws,
            rcekd_key(p.a.seed, p.a.epoch, RCEKD_STREAM_CLOSURE_HIGH),
            rcekd_key(p.a.seed, p.a.epoch, RCEKD_STREAM_CLOSURE_LOW),
            p.arrays.log_weight,
            p.arrays.accept,
            p.a.k};
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
        scratch.all = nullptr;
        if (above <= kHeld) scratch.high = held.high, scratch.race.time = held.time;
        const uint64_t* survivor = p.scan.survivor + r * p.scan.limit;
        if (!Worker(p, rules, scratch, &user).run(first + r, threshold, above, survivor) && threadIdx.x == 0)
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
    Worker worker(p, rules, scratch, &user);
    for (int64_t at = blockIdx.x; at < *p.arrays.n_late; at += gridDim.x) {
        const Late one = p.arrays.late[at];
        worker.run(one.row, one.threshold, one.above, nullptr, at == blockIdx.x);
    }
}

void run_chunk(Pass& p, int64_t first, int64_t rows, void* stream) {
    const rcekd_closure_args& a = p.a;
    const Tables pilot = {a.user_factor, a.user + first, a.item_factor, p.arrays.pilot, rows, p.plan.size, a.d};
    const unsigned blocks = blocks_for(rows, p.blocks);
    p.scan.tables = {a.user_factor, a.user + first, a.item_factor, nullptr, rows, a.n_items, a.d};
    p.scan.first_row = first;
    launch_pilot_scores(pilot, p.arrays.pilot_score, stream);
    RCEKD_LAUNCH(threshold_kernel, blocks, kRaceThreads, stream, p, first);
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
