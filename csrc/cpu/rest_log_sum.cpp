// Forward, users lie in lanes and the items pass by in chunks, under a running maximum: the sum, and the mean item,
// which is the gradient of the sum for its user. Backward, items lie in lanes and the rows pass by: their shares are
// made again. Left-out items are skipped by a score of −∞. A tile of lanes is one thread's, so no cut into threads
// shows.
#include "rcekd/rest_log_sum.h"

#include <float.h>
#include <omp.h>

#include "arena.h"
#include "crossed.h"
#include "rcekd/maths.h"
#include "workspace.h"

namespace rcekd {
namespace RCEKD_ISA {
namespace {

using namespace crossed;

constexpr int64_t kChunk = RCEKD_REST_CHUNK;
static_assert(kChunk % kPanel == 0, "a chunk is whole panels");

// One thread's scratch memory.
struct Memory {
    float* lane;   // [width][kLaneRows]: the rows in lanes
    float* total;  // [width][kLaneRows]: Σ share · row
    float* score;  // [kChunk][kLaneRows]: then share
    int64_t* at;   // per row: the first left-out item not yet passed

    Memory(const rcekd_rest_log_sum_args& a, Arena* arena)
        : lane(arena->take<float>(a.width * kLaneRows)),
          total(arena->take<float>(a.width * kLaneRows)),
          score(arena->take<float>(kChunk * kLaneRows)),
          at(arena->take<int64_t>(a.item_grad ? a.rows : kLaneRows)) {}
};

int64_t at_most(int64_t n, int64_t most) { return n < most ? n : most; }

int64_t list_begin(const rcekd_rest_log_sum_args& a, int64_t row) { return a.left_indptr[a.user[row]]; }
int64_t list_end(const rcekd_rest_log_sum_args& a, int64_t row) { return a.left_indptr[a.user[row] + 1]; }

// Calls hide(item) for the row's left-out items below `bound`, from where the last call ended.
template <class Hide>
void pass(const rcekd_rest_log_sum_args& a, int64_t row, int64_t bound, int64_t* at, Hide hide) {
    const int64_t end = list_end(a, row);
    for (; *at < end && a.left_item[*at] < bound; ++*at) hide(a.left_item[*at]);
}

void score_chunk(const Memory& m, const float* packed, int64_t first, int64_t n, int64_t width) {
    for (int64_t p = 0; p < panels(n); ++p)
        score_panel(m.lane, packed + (first / kPanel + p) * width * kPanel, width, m.score + p * kPanel * kLaneRows);
}

// A row's e^score, whichever vector it lies in, and the score's shift.
inline Vec shifted_exp(float* score, int64_t j, int v, Vec shift) {
    float* here = score + j * kLaneRows + v * Vec::width;
    const Vec e = lanes::exp_nonpositive(sub(Vec::load(here), shift));
    e.store(here);
    return e;
}

// Running sums of e^score under running maxima, for the rows in lanes.
struct RunningSum {
    Vec top[2] = {Vec::fill(-FLT_MAX), Vec::fill(-FLT_MAX)};
    Vec sum[2] = {Vec::fill(0.0f), Vec::fill(0.0f)};

    // Takes n scores each, and leaves e^(score − top) there. keep: what sums so far are worth now.
    void take(float* score, int64_t n, Vec keep[2]) {
        Vec low = top[0], high = top[1];
        for (int64_t j = 0; j < n; ++j) {
            low = lanes::larger(Vec::load(score + j * kLaneRows), low);
            high = lanes::larger(Vec::load(score + j * kLaneRows + Vec::width), high);
        }
        Vec low_sum = Vec::fill(0.0f), high_sum = Vec::fill(0.0f);
        for (int64_t j = 0; j < n; ++j) {
            low_sum = add(low_sum, shifted_exp(score, j, 0, low));
            high_sum = add(high_sum, shifted_exp(score, j, 1, high));
        }
        renew(0, low, low_sum, keep);
        renew(1, high, high_sum, keep);
    }

  private:
    void renew(int v, Vec new_top, Vec more, Vec keep[2]) {
        keep[v] = lanes::exp_nonpositive(sub(top[v], new_top));
        sum[v] = fma(sum[v], keep[v], more);
        top[v] = new_top;
    }
};

// top + log sum; −∞ where the sum is nothing, NaN where a score was not finite.
float log_of(float top, float sum) {
    if (sum == 0.0f) return -INFINITY;
    return sum <= FLT_MAX ? (float)((double)top + rcekd_log((double)sum)) : NAN;
}

void finish_users(const rcekd_rest_log_sum_args& a, const Memory& m, const RunningSum& run, int64_t first) {
    float top[kLaneRows], sum[kLaneRows];
    for (int v = 0; v < 2; ++v) run.top[v].store(top + v * Vec::width), run.sum[v].store(sum + v * Vec::width);
    for (int64_t i = 0; i < at_most(a.rows - first, kLaneRows); ++i) {
        a.sum[first + i] = log_of(top[i], sum[i]);
        const float whole = sum[i] == 0.0f ? 1.0f : sum[i];
        for (int64_t k = 0; a.mean && k < a.width; ++k)
            a.mean[(first + i) * a.width + k] = m.total[k * kLaneRows + i] / whole;
    }
}

// Users [first, first + kLaneRows) against all items.
void visit_users(const rcekd_rest_log_sum_args& a, const Memory& m, const float* packed, int64_t first) {
    const int64_t users = at_most(a.rows - first, kLaneRows);
    load_lanes(a.user_factor, first, a.rows, a.width, m.lane);
    for (int64_t i = 0; i < users; ++i) m.at[i] = list_begin(a, first + i);
    memset(m.total, 0, sizeof(float) * (size_t)(a.width * kLaneRows));
    RunningSum run;
    Vec keep[2];
    for (int64_t begin = 0; begin < a.items; begin += kChunk) {
        const int64_t n = at_most(a.items - begin, kChunk);
        score_chunk(m, packed, begin, n, a.width);
        for (int64_t i = 0; i < users; ++i)
            pass(a, first + i, begin + n, m.at + i,
                 [&](int32_t item) { m.score[(item - begin) * kLaneRows + i] = -INFINITY; });
        run.take(m.score, n, keep);
        if (a.mean) add_rows(m.score, a.item_factor + begin * a.width, n, a.width, keep, m.total);
    }
    finish_users(a, m, run, first);
}

// What the rows bring backward: packed for their scores, and scaled by their gradients.
struct Rows {
    const float *packed, *scaled;
};

// Items [first, first + kLaneRows) against all rows. at: as the tile before left it.
void visit_items(const rcekd_rest_log_sum_args& a, const Memory& m, const Rows& rows, int64_t first) {
    const Vec keep[2] = {Vec::fill(1.0f), Vec::fill(1.0f)};
    load_lanes(a.item_factor, first, a.items, a.width, m.lane);
    memset(m.total, 0, sizeof(float) * (size_t)(a.width * kLaneRows));
    for (int64_t begin = 0; begin < a.rows; begin += kChunk) {
        const int64_t n = at_most(a.rows - begin, kChunk);
        score_chunk(m, rows.packed, begin, n, a.width);
        for (int64_t j = 0; j < n; ++j) {
            float* score = m.score + j * kLaneRows;
            pass(a, begin + j, first + kLaneRows, m.at + begin + j,
                 [&](int32_t item) { score[item - first] = -INFINITY; });
            const Vec shift = Vec::fill(a.sum[begin + j] == -INFINITY ? 0.0f : a.sum[begin + j]);
            shifted_exp(score, 0, 0, shift);  // a score exceeds the logarithm of its sum by a rounding at most
            shifted_exp(score, 0, 1, shift);
        }
        add_rows(m.score, rows.scaled + begin * a.width, n, a.width, keep, m.total);
    }
    for (int64_t i = 0; i < at_most(a.items - first, kLaneRows); ++i)
        for (int64_t k = 0; k < a.width; ++k) a.item_grad[(first + i) * a.width + k] = m.total[k * kLaneRows + i];
}

// Puts every row's place at its first left-out item of `first` or above.
void seek(const rcekd_rest_log_sum_args& a, int64_t first, int64_t* at) {
    for (int64_t row = 0; row < a.rows; ++row) {
        int64_t low = list_begin(a, row), high = list_end(a, row);
        while (low < high) {
            const int64_t mid = (low + high) / 2;
            if (a.left_item[mid] < first)
                low = mid + 1;
            else
                high = mid;
        }
        at[row] = low;
    }
}

void scale_rows(const rcekd_rest_log_sum_args& a, float* scaled) {
    for (int64_t row = 0; row < a.rows; ++row)
        for (int64_t k = 0; k < a.width; ++k)
            scaled[row * a.width + k] = a.grad[row] * a.user_factor[row * a.width + k];
}

int64_t tiles(int64_t rows) { return (rows + kLaneRows - 1) / kLaneRows; }

void forward(const rcekd_rest_log_sum_args& a, const float* packed, char* scratch, int64_t share, int threads) {
#pragma omp parallel num_threads(threads)
    {
        Arena arena(scratch + omp_get_thread_num() * share);
        const Memory m(a, &arena);
#pragma omp for schedule(dynamic, 1)
        for (int64_t tile = 0; tile < tiles(a.rows); ++tile) visit_users(a, m, packed, tile * kLaneRows);
    }
}

void backward(const rcekd_rest_log_sum_args& a, const Rows& rows, char* scratch, int64_t share, int threads) {
    constexpr int64_t kRun = 16;  // tiles in a row, for which places are sought once
#pragma omp parallel num_threads(threads)
    {
        Arena arena(scratch + omp_get_thread_num() * share);
        const Memory m(a, &arena);
#pragma omp for schedule(dynamic, 1)
        for (int64_t begin = 0; begin < tiles(a.items); begin += kRun) {
            seek(a, begin * kLaneRows, m.at);
            for (int64_t tile = begin; tile < at_most(tiles(a.items), begin + kRun); ++tile)
                visit_items(a, m, rows, tile * kLaneRows);
        }
    }
}

}  // namespace
}  // namespace RCEKD_ISA
}  // namespace rcekd

extern "C" int RCEKD_ENTRY(rest_log_sum)(rcekd_rest_log_sum_args* args) {
    using namespace rcekd::RCEKD_ISA;
    const rcekd_rest_log_sum_args& a = *args;
    const int threads = team(a.threads, a.rows * a.items * a.width, 1 << 20);
    const int64_t passing = a.item_grad ? a.rows : a.items;
    Arena measure(nullptr);
    Memory(a, &measure);
    Workspace<float> packed(panels(passing) * kPanel * a.width), scaled(a.item_grad ? a.rows * a.width : 0);
    Workspace<char> scratch(threads * measure.used());
    if (packed.failed() || scaled.failed() || scratch.failed()) return RCEKD_NO_MEMORY;
    pack(a.item_grad ? a.user_factor : a.item_factor, passing, a.width, threads, packed.data());
    if (a.item_grad) {
        scale_rows(a, scaled.data());
        backward(a, {packed.data(), scaled.data()}, scratch.data(), measure.used(), threads);
    } else {
        forward(a, packed.data(), scratch.data(), measure.used(), threads);
    }
    return RCEKD_OK;
}
