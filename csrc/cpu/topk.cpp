// Streaming top-K: a running threshold per user, tightened to the K-th best whenever the user's buffer fills.
#include "rcekd/topk.h"

#include <omp.h>

#include "marks.h"
#include "rcekd/rank_key.h"
#include "scan.h"
#include "select.h"
#include "workspace.h"

namespace rcekd {
namespace RCEKD_ISA {
namespace {

// One thread's scratch memory.
struct Memory {
    Group group;
    float *copy, *spare;        // [capacity]
    uint64_t *key, *key_spare;  // [capacity]
    int32_t* clean;             // per row: leading survivors already known to be candidates
    uint64_t* mark;

    Memory(const rcekd_topk_args& a, int64_t rows, int64_t capacity, Arena* arena)
        : group(make_group(rows, a.d, capacity, arena)),
          copy(arena->take<float>(capacity + Vec::width)),
          spare(arena->take<float>(capacity + Vec::width)),
          key(arena->take<uint64_t>(capacity)),
          key_spare(arena->take<uint64_t>(capacity)),
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
        scan(items, &group_, [this](int64_t row) { group_.threshold[row] = tighten(row); });
        for (int64_t r = 0; r < rows; ++r) finish(r);
    }

  private:
    // Leaves the best k candidates in the buffer, in ascending id; returns the k-th score, -infinity when there are
    // fewer. Later items have higher ids, so one that only equals the k-th score cannot displace it.
    float tighten(int64_t row) {
        drop_hidden(row);
        float* score = group_.score + row * group_.capacity;
        int32_t* id = group_.id + row * group_.capacity;
        const int64_t n = group_.count[row];
        if (n < a_.k) return -INFINITY;
        for (int64_t i = 0; i < n; ++i) m_.copy[i] = score[i];
        const float last = kth_largest(m_.copy, m_.spare, n, a_.k);
        int64_t room = a_.k, kept = 0;  // room: for items that share the k-th score
        for (int64_t i = 0; i < n; ++i) room -= score[i] > last ? 1 : 0;
        for (int64_t i = 0; i < n; ++i) {
            const bool tie = score[i] == last && room > 0, keep = tie || score[i] > last;
            room -= tie ? 1 : 0;
            score[kept] = score[i];
            id[kept] = id[i];
            kept += keep ? 1 : 0;
        }
        group_.count[row] = m_.clean[row] = (int32_t)kept;
        return last;
    }

    // Drops seen items and those that fill the last panel.
    void drop_hidden(int64_t row) {
        float* score = group_.score + row * group_.capacity;
        int32_t* id = group_.id + row * group_.capacity;
        const int64_t user = a_.user[first_ + row];
        const int32_t* from = a_.seen_indptr ? a_.seen_item + a_.seen_indptr[user] : nullptr;
        const int32_t* to = a_.seen_indptr ? a_.seen_item + a_.seen_indptr[user + 1] : nullptr;
        seen_.set(from, to);
        int32_t n = m_.clean[row];
        for (int32_t i = n; i < group_.count[row]; ++i) {
            score[n] = score[i];
            id[n] = id[i];
            n += id[i] < a_.n_items && !seen_.has(id[i]) ? 1 : 0;
        }
        seen_.clear(from, to);
        group_.count[row] = m_.clean[row] = n;
    }

    void finish(int64_t row) {
        tighten(row);
        const int64_t n = group_.count[row];
        for (int64_t i = 0; i < n; ++i)
            m_.key[i] = rcekd_rank_key(group_.score[row * group_.capacity + i], group_.id[row * group_.capacity + i]);
        sort_all(m_.key, n, m_.key_spare, Better());
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

// Room for k, the survivors between two tightenings, and a panel; never more than the catalogue asks for. A tightening
// is cheap beside the survivors it saves, each of which is a branch mispredicted.
int64_t buffer_capacity(int64_t k, int64_t n_items) {
    return std::min(k + std::max<int64_t>(k / 2, 48), round_up(n_items, kPanel)) + kPanel;
}

int topk(rcekd_topk_args* a) {
    const int threads = std::max(1, a->threads);
    const int64_t capacity = buffer_capacity(a->k, a->n_items), rows = group_size(a->rows, threads, capacity);
    Arena measure(nullptr);
    Memory(*a, rows, capacity, &measure);
    Workspace<float> panels(panels_size(a->n_items, a->d));
    Workspace<char> scratch(threads * measure.used());
    if (panels.failed() || scratch.failed()) return RCEKD_NO_MEMORY;
    a->bad_row = first_bad_row(a->user_factor, a->user, a->rows, a->item_factor, a->n_items, a->d, threads);
    if (a->bad_row < a->rows) return RCEKD_NAN;

    const Panels items{panels.data(), a->n_items, a->d};
    pack_panels(a->item_factor, nullptr, a->n_items, a->d, threads, panels.data());
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
