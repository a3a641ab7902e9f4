// Streaming top-K: a running threshold per user, tightened to the K-th best whenever the user's buffer fills.
#include "rcekd/topk.h"

#include <omp.h>

#include "marks.h"
#include "rcekd/rank_key.h"
#include "scan.h"

namespace rcekd {
namespace RCEKD_ISA {
namespace {

struct Worker {
    const rcekd_topk_args& a;
    Group group;
    uint64_t* key;   // [capacity]
    int32_t* clean;  // per row: leading survivors already known to be candidates
    Marks seen;
    int64_t first = 0;

    // Drops seen and filling items and keeps the best k; returns how many are left, as keys, the k-th best in place.
    int64_t compact(int64_t row) {
        const float* score = group.score + row * group.capacity;
        const int32_t* id = group.id + row * group.capacity;
        const int64_t user = a.user[first + row];
        const int32_t* from = a.seen_indptr ? a.seen_item + a.seen_indptr[user] : nullptr;
        const int32_t* to = a.seen_indptr ? a.seen_item + a.seen_indptr[user + 1] : nullptr;
        seen.set(from, to);
        int64_t n = 0;
        for (int32_t i = 0; i < group.count[row]; ++i)
            if (i < clean[row] || (id[i] < a.n_items && !seen.has(id[i]))) key[n++] = rcekd_rank_key(score[i], id[i]);
        seen.clear(from, to);
        if (n < a.k) return n;
        std::nth_element(key, key + a.k - 1, key + n, Better());
        return a.k;
    }

    void tighten(int64_t row) {
        const int64_t n = compact(row);
        for (int64_t i = 0; i < n; ++i) {
            group.score[row * group.capacity + i] = rcekd_rank_score(key[i]);
            group.id[row * group.capacity + i] = rcekd_rank_id(key[i]);
        }
        group.count[row] = clean[row] = (int32_t)n;
        // Later items have higher ids, so one that only equals the K-th score cannot displace it.
        if (n == a.k) group.threshold[row] = rcekd_rank_score(key[a.k - 1]);
    }

    void finish(int64_t row) {
        const int64_t n = compact(row);
        std::sort(key, key + n, Better());
        int32_t* item = a.item + (first + row) * a.k;
        float* score = a.score + (first + row) * a.k;
        for (int64_t i = 0; i < a.k; ++i) {
            item[i] = i < n ? rcekd_rank_id(key[i]) : -1;
            score[i] = i < n ? rcekd_rank_score(key[i]) : -INFINITY;
        }
    }

    void run(const Panels& items, int64_t begin, int64_t rows) {
        first = begin;
        load_users(a.user_factor, a.user, begin, rows, a.d, &group);
        for (int64_t r = 0; r < rows; ++r) clean[r] = 0;
        scan(items, &group, [this](int64_t row) { tighten(row); });
        for (int64_t r = 0; r < rows; ++r) finish(r);
    }
};

// Room for k, the survivors between two tightenings, and a panel; never more than the catalogue asks for.
int64_t buffer_capacity(int64_t k, int64_t n_items) {
    return std::min(k + std::max<int64_t>(k, 256), round_up(n_items, kPanel)) + kPanel;
}

int topk(rcekd_topk_args* a) {
    const int threads = std::max(1, a->threads);
    Block<float> largest(a->d), panels(panels_size(a->n_items, a->d));
    if (!largest.ok() || !panels.ok()) return RCEKD_NO_MEMORY;
    a->bad_row =
        first_bad_row(a->user_factor, a->user, a->rows, a->item_factor, a->n_items, a->d, threads, largest.get());
    if (a->bad_row < a->rows) return RCEKD_NAN;

    pack_panels(a->item_factor, a->n_items, a->d, threads, panels.get());
    const Panels items{panels.get(), a->n_items, a->d};
    const int64_t capacity = buffer_capacity(a->k, a->n_items), size = group_size(a->rows, threads, capacity);
    const int64_t words = Marks::words(a->n_items);
    Block<float> user(threads * size * a->d), threshold(threads * size), score(threads * size * capacity);
    Block<int32_t> count(threads * size), clean(threads * size), id(threads * size * capacity);
    Block<uint64_t> key(threads * capacity), mark(threads * words);
    if (!user.ok() || !threshold.ok() || !score.ok() || !count.ok() || !clean.ok() || !id.ok() || !key.ok() ||
        !mark.ok())
        return RCEKD_NO_MEMORY;
#pragma omp parallel num_threads(threads)
    {
        const int64_t t = omp_get_thread_num();
        Worker worker{*a,
                      {0, capacity, &user[t * size * a->d], &threshold[t * size], &count[t * size],
                       &score[t * size * capacity], &id[t * size * capacity]},
                      &key[t * capacity],
                      &clean[t * size],
                      Marks(&mark[t * words], a->n_items)};
#pragma omp for schedule(dynamic, 1)
        for (int64_t begin = 0; begin < a->rows; begin += size)
            worker.run(items, begin, std::min(size, a->rows - begin));
    }
    return RCEKD_OK;
}

}  // namespace
}  // namespace RCEKD_ISA
}  // namespace rcekd

extern "C" int RCEKD_ENTRY(topk)(rcekd_topk_args* args) { return rcekd::RCEKD_ISA::topk(args); }
