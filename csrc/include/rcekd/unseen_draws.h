// Uniform draws without replacement from the items outside each user's row of seen items.
#pragma once
#include "rcekd/common.h"
#include "rcekd/philox.h"

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

#ifdef __cplusplus
extern "C" {
#endif
int rcekd_unseen_draws(rcekd_unseen_draws_args* args);
#ifdef __cplusplus
}
#endif
