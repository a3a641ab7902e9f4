// For a group of users all scores of both models, then user by user: ranks, gaps, draws.
//
// Successive draws ∝ w are uniform proposals, each taken with probability w / max w; without replacement, one that
// proposes a taken item is passed over. Only proposed items' weights are computed. When proposals run out, weights are
// too uneven for that: the draws made so far stand, and the rest come from the weights of all items.
#include "rcekd/rank_gap_draws.h"

#include <omp.h>

#include "gap_race.h"
#include "marks.h"
#include "philox_lanes.h"
#include "ranks.h"
#include "rcekd/rank_key.h"
#include "rcekd/unseen.h"
#include "scan.h"
#include "workspace.h"

namespace rcekd {
namespace RCEKD_ISA {
namespace {

int64_t most_draws(const rcekd_rank_gap_draws_args& a) {
    int64_t most = 0;
    for (int64_t q = 0; q < a.requests; ++q) most = std::max(most, a.request[q].draws);
    return most;
}

// One thread's scratch memory.
struct Memory {
    Group own, other;
    float *own_score, *other_score;  // [rows][stride]
    int32_t *gap, *other_rank;       // per unseen item: own rank − other rank
    int32_t* drawn;                  // [most draws]: unseen items by their number
    double* sum;
    uint64_t* mark;
    Ranks ranks;
    GapRace race;

    Memory(const rcekd_rank_gap_draws_args& a, int64_t rows, int64_t stride, Arena* arena)
        : own(make_group(rows, a.d, 0, arena)),
          other(make_group(rows, a.other_d, 0, arena)),
          own_score(arena->take<float>(rows * stride)),
          other_score(arena->take<float>(rows * stride)),
          gap(arena->take<int32_t>(stride)),
          other_rank(arena->take<int32_t>(stride)),
          drawn(arena->take<int32_t>(most_draws(a))),
          sum(arena->take<double>(stride)),
          mark(arena->take<uint64_t>(Marks::words(a.n_items))),
          ranks(stride, arena),
          race(stride, arena) {}
};

// One request of one user.
class Drawer {
  public:
    Drawer(const rcekd_gap_request& request, uint32_t user, const int32_t* gap, int64_t unseen, Memory& memory,
           Marks* taken)
        : q_(request), user_(user), gap_(gap), n_(unseen), m_(memory), taken_(*taken) {}

    // Draws into memory.drawn; returns how many.
    int64_t run() {
        if (n_) propose();
        if (n_ && count_ < q_.draws) has(RCEKD_GAP_REPLACEMENT) ? replace() : race();
        if (!has(RCEKD_GAP_REPLACEMENT))
            for (int64_t l = 0; l < count_; ++l) taken_.drop(m_.drawn[l]);
        return count_;
    }

  private:
    static constexpr int kLanes = PhiloxLanes::kLanes;

    bool has(int flag) const { return (q_.flags & flag) != 0; }
    int32_t gap(int64_t at) const { return has(RCEKD_GAP_OVER) ? -gap_[at] : gap_[at]; }
    double weight(int64_t at, int32_t highest) const { return rcekd_gap_weight(q_.flags, q_.eps, gap(at), highest); }
    bool possible(int64_t at) const { return has(RCEKD_GAP_EXPONENTIAL) || gap(at) > 0; }

    void take(int32_t at) {
        m_.drawn[count_++] = at;
        if (!has(RCEKD_GAP_REPLACEMENT)) taken_.add(at);
    }

    void propose() {
        const int64_t allowed = rcekd_gap_proposals(n_, q_.draws);
        for (int64_t first = 0; first < allowed && count_ < q_.draws; first += kLanes) {
            uint32_t number[kLanes];
            PhiloxLanes random;
            for (int l = 0; l < kLanes; ++l) number[l] = (uint32_t)(first + l);
            random.draw(q_.key, number, user_, RCEKD_GAP_PROPOSE);
            for (int l = 0; l < kLanes && count_ < q_.draws; ++l) {
                const int32_t at = (int32_t)rcekd_below(random.word[0][l], random.word[1][l], (uint32_t)n_);
                if (!has(RCEKD_GAP_REPLACEMENT) && taken_.has(at)) continue;
                if (rcekd_uniform53(random.word[2][l], random.word[3][l]) < weight(at, (int32_t)n_ - 1)) take(at);
            }
        }
    }

    // The rest without replacement: the earliest of the times E / w.
    void race() {
        int64_t n = 0;
        for (int64_t at = 0; at < n_; ++at) {
            m_.race.number[n] = (int32_t)at;
            n += possible(at) && !taken_.has((int32_t)at) ? 1 : 0;
        }
        const int64_t want = std::min(n, q_.draws - count_);
        const auto log_weight = [this](int32_t at) { return rcekd_gap_log_weight(q_.flags, q_.eps, gap(at)); };
        m_.race.run(q_.key, user_, n, want, false, log_weight);
        for (int64_t i = 0; i < want; ++i) take(m_.race.number[i]);
    }

    // The rest with replacement: by inversion of the summed weights.
    void replace() {
        int32_t highest = gap(0);
        int64_t last = 0;
        for (int64_t at = 1; at < n_; ++at) highest = std::max(highest, gap(at));
        double total = 0.0;
        for (int64_t at = 0; at < n_; ++at) {
            const double w = weight(at, highest);
            m_.sum[at] = total += w;
            if (w > 0.0) last = at;
        }
        if (total == 0.0) return;
        while (count_ < q_.draws) {
            const rcekd_u32x4 word = rcekd_philox(q_.key, (uint32_t)count_, user_, RCEKD_GAP_REPLACE, 0);
            const double goal = rcekd_uniform53(word.v[0], word.v[1]) * total;
            int64_t low = 0, high = last;  // the first whose sum is above the goal, which rounding may have made total
            while (low < high) {
                const int64_t mid = (low + high) / 2;
                (m_.sum[mid] > goal ? high : low) = m_.sum[mid] > goal ? mid : mid + 1;
            }
            take((int32_t)low);
        }
    }

    const rcekd_gap_request& q_;
    uint32_t user_;
    const int32_t* gap_;
    int64_t n_;
    Memory& m_;
    Marks& taken_;
    int64_t count_ = 0;
};

// All scores of a group, row by row.
void score_group(const Panels& items, const Group& g, float* score, int64_t stride) {
    const int64_t tiles = round_up(g.rows, kTileUsers) / kTileUsers;
    for (int64_t p = 0; p < items.count(); ++p) {
        for (int64_t t = 0; t < tiles; ++t) {
            Tile tile;
            multiply(g.user + t * items.d * kTileUsers, items.data + p * kPanel * items.d, items.d, &tile);
            float* out = score + t * kTileUsers * stride + p * kPanel;
            for (int r = 0; r < kTileUsers; ++r, out += stride)
                for (int v = 0; v < kPanelVecs; ++v) tile.score[r][v].store(out + v * Vec::width);
        }
    }
}

// Leaves the scores of unseen items only, in ascending id; returns how many.
int64_t drop_seen(float* score, int64_t n_items, const int32_t* seen, int64_t n) {
    for (int64_t j = 0; j < n; ++j) {
        const int64_t from = seen[j] + 1, to = j + 1 < n ? seen[j + 1] : n_items;
        memmove(score + from - 1 - j, score + from, sizeof(float) * (size_t)(to - from));
    }
    return n_items - n;
}

class Worker {
  public:
    Worker(const rcekd_rank_gap_draws_args& args, const Memory& memory, int64_t stride)
        : a_(args), m_(memory), stride_(stride), taken_(memory.mark, args.n_items) {}

    void run(const Panels& items, const Panels& other_items, int64_t first, int64_t rows) {
        load_users(a_.user_factor, a_.user, first, rows, a_.d, &m_.own);
        load_users(a_.other_user_factor, a_.user, first, rows, a_.other_d, &m_.other);
        score_group(items, m_.own, m_.own_score, stride_);
        score_group(other_items, m_.other, m_.other_score, stride_);
        for (int64_t r = 0; r < rows; ++r) draw(first + r, m_.own_score + r * stride_, m_.other_score + r * stride_);
    }

  private:
    void draw(int64_t row, float* own, float* other) {
        const int64_t user = a_.user[row], begin = a_.seen_indptr ? a_.seen_indptr[user] : 0;
        const int64_t n_seen = a_.seen_indptr ? a_.seen_indptr[user + 1] - begin : 0;
        const int32_t* seen = n_seen ? a_.seen_item + begin : nullptr;
        const int64_t n = drop_seen(own, a_.n_items, seen, n_seen);
        drop_seen(other, a_.n_items, seen, n_seen);
        m_.ranks.rank(own, n, m_.gap);
        m_.ranks.rank(other, n, m_.other_rank);
        for (int64_t i = 0; i < n; ++i) m_.gap[i] -= m_.other_rank[i];
        for (int64_t q = 0; q < a_.requests; ++q) {
            const rcekd_gap_request& request = a_.request[q];
            const int64_t count = Drawer(request, (uint32_t)user, m_.gap, n, m_, &taken_).run();
            int32_t* item = request.item + row * request.draws;
            for (int64_t l = 0; l < request.draws; ++l)
                item[l] = l < count ? rcekd_nth_unseen(seen, n_seen, m_.drawn[l]) : -1;
        }
    }

    const rcekd_rank_gap_draws_args& a_;
    Memory m_;
    int64_t stride_;
    Marks taken_;
};

// Users whose scores are held at once: enough to reuse the item tables, few enough for every thread to have work and
// for the scores to stay within tens of megabytes.
int64_t users_at_once(int64_t rows, int threads, int64_t stride) {
    const int64_t by_memory = ((int64_t)1 << 22) / std::max<int64_t>(stride, 1),
                  by_work = rows / ((int64_t)threads * 4);
    return round_up(std::max<int64_t>(1, std::min<int64_t>({64, by_memory, by_work})), kTileUsers);
}

int rank_gap_draws(rcekd_rank_gap_draws_args* a) {
    const int threads = std::max(1, a->threads);
    const int64_t stride = round_up(a->n_items, kPanel), rows = users_at_once(a->rows, threads, stride);
    Arena measure(nullptr);
    Memory(*a, rows, stride, &measure);
    Workspace<float> own(panels_size(a->n_items, a->d)), other(panels_size(a->n_items, a->other_d));
    Workspace<char> scratch(threads * measure.used());
    if (own.failed() || other.failed() || scratch.failed()) return RCEKD_NO_MEMORY;
    const int64_t own_bad = first_bad_row(a->user_factor, a->user, a->rows, a->item_factor, a->n_items, a->d, threads);
    const int64_t other_bad =
        first_bad_row(a->other_user_factor, a->user, a->rows, a->other_item_factor, a->n_items, a->other_d, threads);
    a->bad_row = std::min(own_bad, other_bad);
    if (a->bad_row < a->rows) return RCEKD_NAN;

    const Panels items{own.data(), a->n_items, a->d};
    const Panels other_items{other.data(), a->n_items, a->other_d};
    pack_panels(a->item_factor, nullptr, a->n_items, a->d, threads, own.data());
    pack_panels(a->other_item_factor, nullptr, a->n_items, a->other_d, threads, other.data());
#pragma omp parallel num_threads(threads)
    {
        Arena arena(scratch.data() + omp_get_thread_num() * measure.used());
        Worker worker(*a, Memory(*a, rows, stride, &arena), stride);
#pragma omp for schedule(dynamic, 1)
        for (int64_t first = 0; first < a->rows; first += rows)
            worker.run(items, other_items, first, std::min(rows, a->rows - first));
    }
    return RCEKD_OK;
}

}  // namespace
}  // namespace RCEKD_ISA
}  // namespace rcekd

extern "C" int RCEKD_ENTRY(rank_gap_draws)(rcekd_rank_gap_draws_args* args) {
    return rcekd::RCEKD_ISA::rank_gap_draws(args);
}
