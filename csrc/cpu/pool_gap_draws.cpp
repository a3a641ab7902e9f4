// Row by row: the pool's scores, their ranks, the gaps to the places in the pool, and for each request the race among
// those whose weight is above 0 (gap_race.h). By tanh an entry runs for one direction only.
#include "rcekd/pool_gap_draws.h"

#include <float.h>
#include <omp.h>

#include "gap_race.h"
#include "listed.h"
#include "pool_ranks.h"
#include "workspace.h"

namespace rcekd {
namespace RCEKD_ISA {
namespace {

// The logarithm of each request's weight by gap, [requests][listed] for gaps 1 ... listed − 1; of no use where weights
// are exponential, for there it is a product.
void tabulate(const rcekd_pool_gap_draws_args& a, double* table) {
    for (int64_t q = 0; q < a.requests; ++q) {
        const rcekd_gap_request& one = a.request[q];
        if (one.flags & RCEKD_GAP_EXPONENTIAL) continue;
        for (int64_t gap = 1; gap < a.listed; ++gap)
            table[q * a.listed + gap] = rcekd_gap_log_weight(one.flags, one.eps, (int32_t)gap);
    }
}

// One thread's scratch memory.
struct Memory {
    float* score;
    int32_t* gap;  // rank by score − place in the pool
    PoolRanks ranks;
    GapRace race;

    Memory(int64_t listed, Arena* arena)
        : score(arena->take<float>(listed + lanes::kWide)),
          gap(arena->take<int32_t>(listed)),
          ranks(listed, arena),
          race(listed, arena) {}
};

class Worker {
  public:
    Worker(const rcekd_pool_gap_draws_args& args, const double* log_weight, const Memory& memory)
        : a_(args), log_weight_(log_weight), m_(memory) {}

    // False when a score is NaN or infinite.
    bool draw(int64_t row) {
        const int32_t* pool = a_.pool + row * a_.listed;
        scores_of_list(a_.row_factor + row * a_.d, a_.candidate_factor, a_.d, pool, a_.listed, m_.score);
        if (!finite()) return false;
        set_gaps(pool);
        const uint32_t number = (uint32_t)(a_.number ? a_.number[row] : (int32_t)row);
        for (int64_t q = 0; q < a_.requests; ++q) {
            const rcekd_gap_request& one = a_.request[q];
            int32_t* item = one.item + row * one.draws;
            const int64_t count = draw(one, log_weight_ + q * a_.listed, pool, number);
            for (int64_t l = 0; l < count; ++l) item[l] = pool[m_.race.number[l]];
            for (int64_t l = count; l < one.draws; ++l) item[l] = -1;
        }
        return true;
    }

  private:
    bool finite() const {
        uint32_t bad = 0;
        for (int64_t p = 0; p < a_.listed; ++p) bad |= fabsf(m_.score[p]) <= FLT_MAX ? 0 : 1;
        return bad == 0;
    }

    void set_gaps(const int32_t* pool) {
        int64_t n = 0;
        const uint64_t* order = m_.ranks.order(m_.score, pool, a_.listed, &n);
        for (int64_t p = 0; p < a_.listed; ++p) m_.gap[p] = 0;
        for (int64_t rank = 0; rank < n; ++rank) {
            const int32_t place = (int32_t)(uint32_t)order[rank];
            m_.gap[place] = (int32_t)rank - place;
        }
    }

    // The places drawn into the race's numbers; returns how many.
    int64_t draw(const rcekd_gap_request& q, const double* log_weight, const int32_t* pool, uint32_t number) {
        const bool exponential = q.flags & RCEKD_GAP_EXPONENTIAL, ascending = q.flags & RCEKD_GAP_IN_ORDER;
        const int32_t sign = q.flags & RCEKD_GAP_OVER ? -1 : 1, *gap = m_.gap;
        int64_t n = 0;
        for (int64_t p = 0; p < a_.listed; ++p) {
            m_.race.number[n] = (int32_t)p;
            n += (exponential ? pool[p] >= 0 : sign * gap[p] > 0) ? 1 : 0;
        }
        const int64_t want = std::min(n, q.draws);
        if (exponential)
            m_.race.run(q.key, number, n, want, ascending, [&](int32_t p) { return q.eps * (double)(sign * gap[p]); });
        else
            m_.race.run(q.key, number, n, want, ascending, [&](int32_t p) { return log_weight[sign * gap[p]]; });
        return want;
    }

    const rcekd_pool_gap_draws_args& a_;
    const double* log_weight_;
    Memory m_;
};

int pool_gap_draws(rcekd_pool_gap_draws_args* a) {
    const int threads = team(a->threads, a->rows * a->listed, 2048);
    Arena measure(nullptr);
    Memory(a->listed, &measure);
    Workspace<char> scratch(threads * measure.used());
    Workspace<double> log_weight(a->requests * a->listed);
    if (scratch.failed() || log_weight.failed()) return RCEKD_NO_MEMORY;
    tabulate(*a, log_weight.data());
    int64_t bad_row = a->rows;
#pragma omp parallel num_threads(threads) reduction(min : bad_row)
    {
        Arena arena(scratch.data() + omp_get_thread_num() * measure.used());
        Worker worker(*a, log_weight.data(), Memory(a->listed, &arena));
#pragma omp for schedule(dynamic, 16)
        for (int64_t row = 0; row < a->rows; ++row)
            if (!worker.draw(row)) bad_row = std::min(bad_row, row);
    }
    a->bad_row = bad_row;
    return bad_row < a->rows ? RCEKD_NAN : RCEKD_OK;
}

}  // namespace
}  // namespace RCEKD_ISA
}  // namespace rcekd

extern "C" int RCEKD_ENTRY(pool_gap_draws)(rcekd_pool_gap_draws_args* args) {
    return rcekd::RCEKD_ISA::pool_gap_draws(args);
}
