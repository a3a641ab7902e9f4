// Uniform draws without replacement from the items outside each user's row of seen items.
#pragma once
#include "rcekd/common.h"
#include "rcekd/philox.h"
#include "rcekd/unseen.h"

typedef struct {
    const int32_t* user;         // [batch]
    const int64_t* seen_indptr;  // [users + 1]
    const int32_t* seen_item;    // ascending without repeats within a row
    int64_t batch, draws;
    int64_t n_items;
    uint64_t key;
    int32_t* item;  // [batch, draws], -1 padded
    int threads;
} rcekd_unseen_draws_args;

// What stands at places that do not hold their own number; open addressing, at most half full.
struct rcekd_places {
    int32_t *place, *held;  // [mask + 1]; place -1: free
    uint32_t mask;
};

RCEKD_HD int64_t rcekd_places_room(int64_t draws) {
    int64_t size = 16;
    while (size < 2 * draws) size *= 2;
    return size;
}

RCEKD_HD uint32_t rcekd_find_place(const rcekd_places& p, int32_t at) {
    uint32_t i = (uint32_t)at * 0x9E3779B1u >> 7 & p.mask;
    while (p.place[i] >= 0 && p.place[i] != at) i = (i + 1) & p.mask;
    return i;
}

// Draws for row b: the head of a Fisher–Yates shuffle of the user's unseen items.
RCEKD_HD void rcekd_draw_unseen(const rcekd_unseen_draws_args& a, int64_t b, const rcekd_places& p) {
    const int64_t begin = a.seen_indptr[a.user[b]], n = a.seen_indptr[a.user[b] + 1] - begin, left = a.n_items - n;
    const int32_t* seen = a.seen_item + begin;
    int32_t* item = a.item + b * a.draws;
    const int64_t drawn = left < a.draws ? left : a.draws;
    rcekd_u32x4 word = {{0, 0, 0, 0}};
    for (uint32_t i = 0; i <= p.mask; ++i) p.place[i] = -1;
    for (int64_t l = 0; l < drawn; ++l) {
        if (!(l & 1)) word = rcekd_philox(a.key, (uint32_t)a.user[b], (uint32_t)(l >> 1), 0, 0);
        const int half = l & 1 ? 2 : 0;
        const int32_t target = (int32_t)l + (int32_t)rcekd_below(word.v[half], word.v[half + 1], (uint32_t)(left - l));
        const uint32_t own = rcekd_find_place(p, (int32_t)l);
        int32_t here = p.place[own] < 0 ? (int32_t)l : p.held[own];  // place l is never looked at again
        if (target != l) {
            const uint32_t other = rcekd_find_place(p, target);
            const int32_t before = p.place[other] < 0 ? target : p.held[other];
            p.place[other] = target;
            p.held[other] = here;
            here = before;
        }
        item[l] = rcekd_nth_unseen(seen, n, here);
    }
    for (int64_t l = drawn; l < a.draws; ++l) item[l] = -1;
}

#ifdef __cplusplus
extern "C" {
#endif
int rcekd_unseen_draws(rcekd_unseen_draws_args* args);
#ifdef __cplusplus
}
#endif
