// First the rows: scores, softmax, loss, dloss/dscore of every slot, and the row's share of its user's gradient while
// the item rows are in cache. Then the tables: every thread owns granules of sixteen rows of the gradient tables (whole
// cache lines), walks all slots in order and adds those that fall to it. Each sum so follows slot order for any thread
// count.
#include "rcekd/set_cross_entropy.h"

#include "columns.h"
#include "rcekd/maths.h"
#include "workspace.h"

#if defined(_OPENMP)
#include <omp.h>
#endif

namespace rcekd {
namespace RCEKD_ISA {
namespace {

using namespace lanes;

struct Task {
    const rcekd_set_cross_entropy_args& a;
    const int64_t* offset;  // [rows + 1]: first slot of each row
    float* slot;            // [slots]: score, then d loss / d score
    float* row_loss;        // [rows]
    float* user_part;       // [rows, width]: a row's share of its user's gradient
    int64_t longest;        // slots of the longest row

    int64_t first(int64_t row) const { return a.indptr[a.set[row]]; }
    int64_t length(int64_t row) const { return offset[row + 1] - offset[row]; }
    const int32_t* items(int64_t row) const { return a.item + first(row); }
    const float* user(int64_t row) const { return a.user_factor + a.user[row] * a.width; }
};

// Scores / τ of a row into its slots; returns the largest.
float row_scores(const Task& t, int64_t row) {
    const int32_t* id = t.items(row);
    float* s = t.slot + t.offset[row];
    const int64_t n = t.length(row);
    const float* user = t.user(row);
    const F16 scale = F16::fill(1.0f / t.a.tau);
    F16 top = F16::fill(-INFINITY);
    for (int64_t i = 0; i < n; i += kWide) {
        const float* item[kWide];
        for (int j = 0; j < kWide; ++j) item[j] = t.a.item_factor + id[i + j < n ? i + j : i] * t.a.width;
        const F16 score = mul(scores_of_user(user, item, t.a.width), scale);
        top = larger(score, top);
        score.store(s + i, n - i);
    }
    return largest(top);
}

// Loss of a row; its slots' scores give way to weight / τ · (Σp · softmax − p).
float row_loss(const Task& t, int64_t row, float top) {
    const float* prob = t.a.prob + t.first(row);
    float* s = t.slot + t.offset[row];
    const int64_t n = t.length(row);
    const F16 shift = F16::fill(top);
    F16 total = F16::fill(0.0f), mass = total, bent = total;
    for (int64_t i = 0; i < n; i += kWide) {
        const F16 below = sub(F16::load(s + i, n - i, top), shift);
        const F16 p = F16::load(prob + i, n - i);
        const F16 e = keep(exp_nonpositive(below), n - i);
        total = add(total, e);
        mass = add(mass, p);
        bent = sub(bent, mul(p, below));
        e.store(s + i, n - i);
    }
    const float sum_exp = sum(total), sum_prob = sum(mass);
    const float scale = t.a.weight[row] / t.a.tau;
    const F16 rate = F16::fill(scale * sum_prob / sum_exp), minus = F16::fill(-scale);
    for (int64_t i = 0; i < n; i += kWide)
        fma(rate, F16::load(s + i, n - i), mul(minus, F16::load(prob + i, n - i))).store(s + i, n - i);
    return t.a.weight[row] * (sum(bent) + sum_prob * (float)rcekd_log((double)sum_exp));
}

// user_part[row] = Σ slot · item row, even and odd slots apart.
struct UserPart {
    const Task& t;
    int64_t row;
    template <int N>
    void run(int64_t k, int64_t n) const {
        const int32_t* id = t.items(row);
        const float *s = t.slot + t.offset[row], *table = t.a.item_factor + k;
        const int64_t length = t.length(row), d = t.a.width;
        Columns<N> even = Columns<N>::zero(), odd = even;
        int64_t i = 0;
        for (; i + 2 <= length; i += 2) {
            even.add(s[i], Columns<N>::load(table + id[i] * d, n));
            odd.add(s[i + 1], Columns<N>::load(table + id[i + 1] * d, n));
        }
        if (i < length) even.add(s[i], Columns<N>::load(table + id[i] * d, n));
        even.add(1.0f, odd);
        even.store(t.user_part + row * d + k, n);
    }
};

void visit_row(const Task& t, int64_t row) {
    t.row_loss[row] = 0.0f;
    if (t.length(row)) t.row_loss[row] = row_loss(t, row, row_scores(t, row));
    if (t.a.user_grad) for_column_blocks(t.a.width, UserPart{t, row});
}

// Which of `threads` owners a table row belongs to: rows of one granule together, granules spread by a hash.
struct Owner {
    static constexpr uint32_t kHash = 0x9E3779B1u;
    uint32_t me, threads;
    uint32_t of(int32_t id) const { return (((uint32_t)id >> 4) * 0x9E3779B1u >> 16) * threads >> 16; }
    // Lists the positions i < n with id[i] mine in `mine` (which has room for sixteen more); returns how many.
    int64_t pick(const int32_t* id, int64_t n, int32_t* mine) const {
        int64_t count = 0, i = 0;
#if defined(__AVX512F__)
        __m512i position = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        for (; i + kWide <= n; i += kWide, position = _mm512_add_epi32(position, _mm512_set1_epi32(kWide))) {
            const __m512i granule = _mm512_srli_epi32(_mm512_loadu_si512(id + i), 4);
            const __m512i hash = _mm512_srli_epi32(_mm512_mullo_epi32(granule, _mm512_set1_epi32((int)kHash)), 16);
            const __m512i owner = _mm512_srli_epi32(_mm512_mullo_epi32(hash, _mm512_set1_epi32((int)threads)), 16);
            const __mmask16 mask = _mm512_cmpeq_epi32_mask(owner, _mm512_set1_epi32((int)me));
            _mm512_storeu_si512(mine + count, _mm512_maskz_compress_epi32(mask, position));
            count += __builtin_popcount(mask);
        }
#endif
        for (; i < n; ++i) {
            mine[count] = (int32_t)i;
            count += of(id[i]) == me;
        }
        return count;
    }
};

// item_grad[item] += slot · user row, for the picked slots of one row.
struct ItemShare {
    const Task& t;
    int64_t row, count;
    const int32_t* mine;
    template <int N>
    void run(int64_t k, int64_t n) const {
        const int32_t* id = t.items(row);
        const float* s = t.slot + t.offset[row];
        const Columns<N> user = Columns<N>::load(t.user(row) + k, n);
        float* const table = t.a.item_grad + k;
        const int64_t width = t.a.width;
        const int32_t* const picked = mine;
        for (int64_t j = 0, last = count; j < last; ++j) {
            float* grad = table + id[picked[j]] * width;
            Columns<N> sum = Columns<N>::load(grad, n);
            sum.add(s[picked[j]], user);
            sum.store(grad, n);
        }
    }
};

struct UserShare {
    const Task& t;
    int64_t row;
    template <int N>
    void run(int64_t k, int64_t n) const {
        float* grad = t.a.user_grad + t.a.user[row] * t.a.width + k;
        Columns<N> sum = Columns<N>::load(grad, n);
        sum.add(1.0f, Columns<N>::load(t.user_part + row * t.a.width + k, n));
        sum.store(grad, n);
    }
};

void clear_mine(const Owner& owner, float* table, int64_t rows, int64_t width) {
    for (int64_t row = 0; table && row < rows; row += kWide)
        if (owner.of((int32_t)row) == owner.me)
            memset(table + row * width, 0, sizeof(float) * (size_t)((rows - row < kWide ? rows - row : kWide) * width));
}

void fill_tables(const Task& t, const Owner& owner, int32_t* mine) {
    clear_mine(owner, t.a.user_grad, t.a.users, t.a.width);
    clear_mine(owner, t.a.item_grad, t.a.items, t.a.width);
    for (int64_t row = 0; row < t.a.rows; ++row) {
        if (t.a.user_grad && owner.of(t.a.user[row]) == owner.me) for_column_blocks(t.a.width, UserShare{t, row});
        if (!t.a.item_grad) continue;
        const int64_t count = owner.pick(t.items(row), t.length(row), mine);
        if (count) for_column_blocks(t.a.width, ItemShare{t, row, count, mine});
    }
}

int64_t lay_out(const rcekd_set_cross_entropy_args& a, int64_t* offset) {
    int64_t longest = 0;
    offset[0] = 0;
    for (int64_t row = 0; row < a.rows; ++row) {
        const int64_t n = a.indptr[a.set[row] + 1] - a.indptr[a.set[row]];
        offset[row + 1] = offset[row] + n;
        longest = n > longest ? n : longest;
    }
    return longest;
}

}  // namespace
}  // namespace RCEKD_ISA
}  // namespace rcekd

extern "C" int RCEKD_ENTRY(set_cross_entropy)(rcekd_set_cross_entropy_args* args) {
    using namespace rcekd::RCEKD_ISA;
    const rcekd_set_cross_entropy_args& a = *args;
    Workspace<int64_t> offset(a.rows + 1);
    if (offset.failed()) return RCEKD_NO_MEMORY;
    const int64_t longest = lay_out(a, offset.data());
    Workspace<float> slot(offset[a.rows]), loss(a.rows), part(a.user_grad ? a.rows * a.width : 0);
    Workspace<int32_t> mine((longest + 16) * a.threads);
    if (slot.failed() || loss.failed() || part.failed() || mine.failed()) return RCEKD_NO_MEMORY;
    const Task task{a, offset.data(), slot.data(), loss.data(), part.data(), longest};
#pragma omp parallel num_threads(team(a.threads, offset[a.rows] * a.width, 16384))
    {
#pragma omp for schedule(dynamic, 16)
        for (int64_t row = 0; row < a.rows; ++row) visit_row(task, row);
        const Owner owner{(uint32_t)omp_get_thread_num(), (uint32_t)omp_get_num_threads()};
        fill_tables(task, owner, mine.data() + owner.me * (longest + 16));
    }
    double total = 0.0;
    for (int64_t row = 0; row < a.rows; ++row) total += loss[row];
    *a.loss = (float)total;
    return RCEKD_OK;
}
