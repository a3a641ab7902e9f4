#include "rcekd/negatives.h"

#include "simd.h"
#include "workspace.h"

extern "C" int RCEKD_ENTRY(negatives)(rcekd_negatives_args* args) {
    const rcekd_negatives_args& a = *args;
#pragma omp parallel for num_threads(rcekd::RCEKD_ISA::team(a.threads, a.batch* a.negatives, 1024)) schedule(static)
    for (int64_t b = 0; b < a.batch; ++b) {
        const int64_t begin = a.seen_indptr[a.user[b]], length = a.seen_indptr[a.user[b] + 1] - begin;
        for (int64_t n = 0; n < a.negatives; ++n)
            a.item[b * a.negatives + n] =
                rcekd_negative(a.key, a.first + (uint64_t)b, (uint32_t)n, a.seen_item + begin, length, a.n_items);
    }
    return RCEKD_OK;
}
