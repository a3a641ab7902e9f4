// First the rows: scores, softmax, loss, dloss/dscore of every slot, and the row's share of its user's gradient while
// the item rows are in cache. Then the tables, as owners.h says.
#include "rcekd/set_cross_entropy.h"

#include "owners.h"
#include "rcekd/loss_sum.h"
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

// Σ slot · item row: the row's share of its user's gradient.
WeightedItems<false> user_part(const Task& t, int64_t row) {
    return {t.items(row), t.slot + t.offset[row],       t.a.item_factor, t.length(row),
            t.a.width,    t.user_part + row * t.a.width};
}

void visit_row(const Task& t, int64_t row) {
    t.row_loss[row] = 0.0f;
    if (t.length(row)) t.row_loss[row] = row_loss(t, row, row_scores(t, row));
    if (t.a.user_grad) for_column_blocks(t.a.width, user_part(t, row));
}

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

ScatteredUser<false> item_share(const Task& t, int64_t row, int64_t count, const int32_t* mine) {
    return {t.items(row), t.slot + t.offset[row], t.user(row), mine, count, t.a.width, t.a.item_grad};
}

void fill_tables(const Task& t, const Owner& owner, int32_t* mine) {
    owner.clear(t.a.user_grad, t.a.users, t.a.width);
    owner.clear(t.a.item_grad, t.a.items, t.a.width);
    for (int64_t row = 0; row < t.a.rows; ++row) {
        if (t.a.user_grad && owner.of(t.a.user[row]) == owner.me) for_column_blocks(t.a.width, UserShare{t, row});
        if (!t.a.item_grad) continue;
        const int64_t count = owner.pick(t.items(row), t.length(row), mine);
        if (count) for_column_blocks(t.a.width, item_share(t, row, count, mine));
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
    Workspace<int32_t> mine((longest + Owner::kRoom) * a.threads);
    if (slot.failed() || loss.failed() || part.failed() || mine.failed()) return RCEKD_NO_MEMORY;
    const Task task{a, offset.data(), slot.data(), loss.data(), part.data(), longest};
#pragma omp parallel num_threads(team(a.threads, offset[a.rows] * a.width, 16384))
    {
#pragma omp for schedule(dynamic, 16)
        for (int64_t row = 0; row < a.rows; ++row) visit_row(task, row);
        const Owner owner{(uint32_t)omp_get_thread_num(), (uint32_t)omp_get_num_threads()};
        fill_tables(task, owner, mine.data() + owner.me * (longest + Owner::kRoom));
    }
    *a.loss = rcekd_sum_losses(loss.data(), a.rows);
    return RCEKD_OK;
}
