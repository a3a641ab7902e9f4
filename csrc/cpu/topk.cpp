// Streaming top-K: a running threshold per user, tightened to the K-th best whenever the user's buffer fills.
#include "rcekd/topk.h"

#include <omp.h>

#include "marks.h"
#include "rcekd/rank_key.h"
#include "scan.h"
#include "select.h"

namespace rcekd {
namespace RCEKD_ISA {
namespace {

// One thread's scratch memory.
struct Memory {
    Group group;
    uint64_t *key, *spare;  // [capacity]
    int32_t* clean;         // per row: leading survivors already known to be candidates
    uint64_t* mark;

    Memory(const rcekd_topk_args& a, int64_t rows, int64_t capacity, Arena* arena)
        : group(make_group(rows, a.d, capacity, arena)),
          key(arena->take<uint64_t>(capacity)),
          spare(arena->take<uint64_t>(capacity)),
          clean(arena->take<int32_t>(rows)),
          mark(arena->take<uint64_t>(Marks::words(a.n_items))) {}
};

class Worker {
  public:
    Worker(const rcekd_topk_args& args, const Memory& memory)
        : a_(args), m_(memory), group_(memory.group), seen_(memory.mark, args.n_items) {}

    void run(const Panels& items, int64_t first, int64_t rows) {
        first_ = first;
        load_users(a_.user_factor, a_.user, first, rows, a_.d, &group_);
        for (int64_t r = 0; r < rows; ++r) m_.clean[r] = 0;
        scan(items, &group_, [this](int64_t row) { tighten(row); });
        for (int64_t r = 0; r < rows; ++r) finish(r);
    }

  private:
    // Drops seen and filling items and keeps the best k; returns how many are left, as keys, the k-th best in place.
    int64_t compact(int64_t row) {
        const float* score = group_.score + row * group_.capacity;
        const int32_t* id = group_.id + row * group_.capacity;
        const int64_t user = a_.user[first_ + row];
        const int32_t* from = a_.seen_indptr ? a_.seen_item + a_.seen_indptr[user] : nullptr;
        const int32_t* to = a_.seen_indptr ? a_.seen_item + a_.seen_indptr[user + 1] : nullptr;
        seen_.set(from, to);
        int64_t n = 0;
        for (int32_t i = 0; i < group_.count[row]; ++i) {
            m_.key[n] = rcekd_rank_key(score[i], id[i]);
            n += i < m_.clean[row] || (id[i] < a_.n_items && !seen_.has(id[i])) ? 1 : 0;
        }
        seen_.clear(from, to);
        if (n < a_.k) return n;
        select_first(m_.key, n, a_.k, Better());
        return a_.k;
    }

    void tighten(int64_t row) {
        const int64_t n = compact(row);
        for (int64_t i = 0; i < n; ++i) {
            group_.score[row * group_.capacity + i] = rcekd_rank_score(m_.key[i]);
            group_.id[row * group_.capacity + i] = rcekd_rank_id(m_.key[i]);
        }
        group_.count[row] = m_.clean[row] = (int32_t)n;
        // Later items have higher ids, so one that only equals the K-th score cannot displace it.
        if (n == a_.k) group_.threshold[row] = rcekd_rank_score(m_.key[a_.k - 1]);
    }

    void finish(int64_t row) {
        const int64_t n = compact(row);
        sort_all(m_.key, n, m_.spare, Better());
        int32_t* item = a_.item + (first_ + row) * a_.k;
        float* score = a_.score + (first_ + row) * a_.k;
        for (int64_t i = 0; i < a_.k; ++i) {
            item[i] = i < n ? rcekd_rank_id(m_.key[i]) : -1;
            score[i] = i < n ? rcekd_rank_score(m_.key[i]) : -INFINITY;
        }
    }

    const rcekd_topk_args& a_;
    Memory m_;
    Group group_;
    Marks seen_;
    int64_t first_ = 0;
};

// Room for k, the survivors between two tightenings, and a panel; never more than the catalogue asks for.
int64_t buffer_capacity(int64_t k, int64_t n_items) {
    return std::min(k + std::max<int64_t>(k, 256), round_up(n_items, kPanel)) + kPanel;
}

int topk(rcekd_topk_args* a) {
    const int threads = std::max(1, a->threads);
    const int64_t capacity = buffer_capacity(a->k, a->n_items), rows = group_size(a->rows, threads, capacity);
    Arena measure(nullptr);
    Memory(*a, rows, capacity, &measure);
    Block panels(panels_size(a->n_items, a->d) * (int64_t)sizeof(float)), scratch(threads * measure.used());
    if (!panels.data() || !scratch.data()) return RCEKD_NO_MEMORY;
    a->bad_row = first_bad_row(a->user_factor, a->user, a->rows, a->item_factor, a->n_items, a->d, threads);
    if (a->bad_row < a->rows) return RCEKD_NAN;

    const Panels items{(const float*)panels.data(), a->n_items, a->d};
    pack_panels(a->item_factor, nullptr, a->n_items, a->d, threads, (float*)panels.data());
#pragma omp parallel num_threads(threads)
    {
        Arena arena(scratch.data() + omp_get_thread_num() * measure.used());
        Worker worker(*a, Memory(*a, rows, capacity, &arena));
#pragma omp for schedule(dynamic, 1)
        for (int64_t first = 0; first < a->rows; first += rows)
            worker.run(items, first, std::min(rows, a->rows - first));
    }
    return RCEKD_OK;
}

}  // namespace
}  // namespace RCEKD_ISA
}  // namespace rcekd

extern "C" int RCEKD_ENTRY(topk)(rcekd_topk_args* args) { return rcekd::RCEKD_ISA::topk(args); }
