// The head of a Fisher–Yates shuffle of the user's unseen items, of which only the places it touches are kept.
#include "rcekd/unseen_draws.h"

#include <omp.h>

#include "rcekd/unseen.h"
#include "simd.h"
#include "workspace.h"

namespace rcekd {
namespace RCEKD_ISA {
namespace {

// What stands at places that do not hold their own number; open addressing, at most half full.
struct Places {
    int32_t *place, *held;  // [mask + 1]; place -1: free
    uint32_t mask;

    static int64_t room(int64_t draws) {
        int64_t size = 16;
        while (size < 2 * draws) size *= 2;
        return size;
    }
    void empty() {
        for (uint32_t i = 0; i <= mask; ++i) place[i] = -1;
    }
    uint32_t find(int32_t at) const {
        uint32_t i = (uint32_t)at * 0x9E3779B1u >> 7 & mask;
        while (place[i] >= 0 && place[i] != at) i = (i + 1) & mask;
        return i;
    }
    int32_t at(int32_t wanted) const {
        const uint32_t i = find(wanted);
        return place[i] < 0 ? wanted : held[i];
    }
    // Puts `value` at a place; returns what stood there.
    int32_t exchange(int32_t wanted, int32_t value) {
        const uint32_t i = find(wanted);
        const int32_t before = place[i] < 0 ? wanted : held[i];
        place[i] = wanted;
        held[i] = value;
        return before;
    }
};

void draw(const rcekd_unseen_draws_args& a, int64_t b, Places* places) {
    const int64_t begin = a.seen_indptr[a.user[b]], n = a.seen_indptr[a.user[b] + 1] - begin, left = a.n_items - n;
    const int32_t* seen = a.seen_item + begin;
    int32_t* item = a.item + b * a.draws;
    const int64_t drawn = left < a.draws ? left : a.draws;
    rcekd_u32x4 word = {{0, 0, 0, 0}};
    places->empty();
    for (int64_t l = 0; l < drawn; ++l) {
        if (!(l & 1)) word = rcekd_philox(a.key, (uint32_t)a.user[b], (uint32_t)(l >> 1), 0, 0);
        const int half = l & 1 ? 2 : 0;
        const int32_t target = (int32_t)l + (int32_t)rcekd_below(word.v[half], word.v[half + 1], (uint32_t)(left - l));
        const int32_t here = places->at((int32_t)l);  // place l is never looked at again
        item[l] = rcekd_nth_unseen(seen, n, target == l ? here : places->exchange(target, here));
    }
    for (int64_t l = drawn; l < a.draws; ++l) item[l] = -1;
}

}  // namespace
}  // namespace RCEKD_ISA
}  // namespace rcekd

extern "C" int RCEKD_ENTRY(unseen_draws)(rcekd_unseen_draws_args* args) {
    using namespace rcekd::RCEKD_ISA;
    const rcekd_unseen_draws_args& a = *args;
    const int threads = team(a.threads, a.batch * a.draws, 1024);
    const int64_t room = Places::room(a.draws < a.n_items ? a.draws : a.n_items);
    Workspace<int32_t> table(2 * room * threads);
    if (table.failed()) return RCEKD_NO_MEMORY;
#pragma omp parallel num_threads(threads)
    {
        int32_t* mine = table.data() + 2 * room * omp_get_thread_num();
        Places places{mine, mine + room, (uint32_t)(room - 1)};
#pragma omp for schedule(static)
        for (int64_t b = 0; b < a.batch; ++b) draw(a, b, &places);
    }
    return RCEKD_OK;
}
