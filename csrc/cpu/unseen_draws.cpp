// The head of a Fisher–Yates shuffle of the user's unseen items, of which only the places it touches are kept.
#include "rcekd/unseen_draws.h"

#include <omp.h>

#include "simd.h"
#include "workspace.h"

extern "C" int RCEKD_ENTRY(unseen_draws)(rcekd_unseen_draws_args* args) {
    using namespace rcekd::RCEKD_ISA;
    const rcekd_unseen_draws_args& a = *args;
    const int threads = team(a.threads, a.batch * a.draws, 1024);
    const int64_t room = rcekd_places_room(a.draws < a.n_items ? a.draws : a.n_items);
    Workspace<int32_t> table(2 * room * threads);
    if (table.failed()) return RCEKD_NO_MEMORY;
#pragma omp parallel num_threads(threads)
    {
        int32_t* mine = table.data() + 2 * room * omp_get_thread_num();
        const rcekd_places places{mine, mine + room, (uint32_t)(room - 1)};
#pragma omp for schedule(static)
        for (int64_t b = 0; b < a.batch; ++b) rcekd_draw_unseen(a, b, places);
    }
    return RCEKD_OK;
}
