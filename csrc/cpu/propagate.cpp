// A row's sum is one chain of fused multiply-adds over its indices as they stand, 64 columns at a time in registers, so
// that no cut into threads, chunks or column blocks leaves a trace. Work is cut by edges, not by rows. Rows of x that
// are all zeros, most of a batch's gradient, are found first and passed over: they would add nothing to any bit.
#include "rcekd/propagate.h"

#include "columns.h"
#include "workspace.h"

namespace rcekd {
namespace RCEKD_ISA {
namespace {

using namespace lanes;

constexpr int64_t kAhead = 8;               // edges from the prefetch to the use
constexpr int64_t kChunk = 2048;            // rows and edges of a task
constexpr int64_t kWidest = 512;            // columns of a task
constexpr int64_t kOwnCache = 512 << 10;    // bytes, of a core
constexpr int64_t kSharedCache = 16 << 20;  // bytes, of all

// Columns of a task: as many as let all rows' parts stay in the core's cache, where that is a register's worth. Else a
// register's worth, where those stay in the cache that cores share; else many, as every row's part is fetched anew
// then.
int64_t task_width(int64_t columns) {
    constexpr int64_t kPass = 4 * kWide;
    const int64_t bytes = (int64_t)sizeof(float) * (columns ? columns : 1);
    const int64_t fits = kOwnCache / bytes / kPass * kPass;
    if (fits >= kPass) return fits < kWidest ? fits : kWidest;
    return kPass * bytes <= kSharedCache ? kPass : kWidest;
}

// Columns [from, from + width) of one row. A body for for_column_blocks.
template <bool holes>
struct RowSum {
    const rcekd_propagate_args& a;
    const uint8_t* live;
    int64_t row, from;

    template <int N>
    void run(int64_t k, int64_t n) const {
        const float* x = a.x + from + k;
        const int64_t width = a.width, end = a.indptr[row + 1], last = a.indptr[a.rows] - 1;
        const int32_t* id = a.indices;
        Columns<N> sum = Columns<N>::zero();
        for (int64_t p = a.indptr[row]; p < end; ++p) {
            const int64_t next = id[p + kAhead < last ? p + kAhead : last];
            for (int64_t line = 0; line < N && (!holes || live[next]); ++line)
                __builtin_prefetch(x + next * width + line * kWide);
            const int64_t c = id[p];
            if (holes && !live[c]) continue;
            sum.add(a.column_scale[c], Columns<N>::load(x + c * width, n));
        }
        const int64_t at = row * width + from + k;
        Columns<N> y = a.base ? Columns<N>::load(a.base + at, n) : Columns<N>::zero();
        y.add(a.row_scale[row], sum);
        const F16 factor = F16::fill(a.factor);
        for (int i = 0; i < N; ++i) y.v[i] = mul(factor, y.v[i]);
        y.store(a.y + at, n);
    }
};

// First row that has `work` rows and edges before it; the number of rows where none has.
int64_t row_at(const rcekd_propagate_args& a, int64_t work) {
    int64_t low = 0, high = a.rows;
    while (low < high) {
        const int64_t mid = (low + high) / 2;
        if (a.indptr[mid] + mid < work)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

bool is_zero(const float* row, int64_t width) {
    for (int64_t k = 0; k < width; ++k)
        if (row[k] != 0.0f) return false;
    return true;
}

template <bool holes>
void sum_rows(const rcekd_propagate_args& a, const uint8_t* live, int64_t first, int64_t last, int64_t from,
              int64_t width) {
    for (int64_t row = first; row < last; ++row) for_column_blocks(width, RowSum<holes>{a, live, row, from});
}

}  // namespace
}  // namespace RCEKD_ISA
}  // namespace rcekd

extern "C" int RCEKD_ENTRY(propagate)(rcekd_propagate_args* args) {
    using namespace rcekd::RCEKD_ISA;
    const rcekd_propagate_args& a = *args;
    const int64_t work = a.rows + a.indptr[a.rows];
    const int64_t block = task_width(a.columns);
    const int64_t blocks = (a.width + block - 1) / block, chunks = (work + kChunk - 1) / kChunk;
    Workspace<uint8_t> live(a.columns);
    if (live.failed()) return RCEKD_NO_MEMORY;
    int64_t zeros = 0;
#pragma omp parallel num_threads(team(a.threads, work* a.width, 32768))
    {
#pragma omp for schedule(static) reduction(+ : zeros)
        for (int64_t c = 0; c < a.columns; ++c) {
            live[c] = !is_zero(a.x + c * a.width, a.width);
            zeros += !live[c];
        }
#pragma omp for schedule(dynamic)
        for (int64_t task = 0; task < blocks * chunks; ++task) {
            const int64_t from = task / chunks * block, part = task % chunks;
            const int64_t width = a.width - from < block ? a.width - from : block;
            const int64_t first = row_at(a, part * kChunk), last = row_at(a, (part + 1) * kChunk);
            if (zeros)
                sum_rows<true>(a, live.data(), first, last, from, width);
            else
                sum_rows<false>(a, live.data(), first, last, from, width);
        }
    }
    return RCEKD_OK;
}
