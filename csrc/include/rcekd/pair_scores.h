// Scores of ragged (user, item) pairs.
#pragma once
#include "rcekd/common.h"

typedef struct {
    const float* user_factor;  // [users, width]
    const float* item_factor;  // [items, width]
    int64_t width;
    const int32_t* user;    // [rows]
    const int64_t* indptr;  // [rows + 1]
    const int32_t* item;    // [entries]
    int64_t rows;
    float* score;  // [entries]
    int threads;
} rcekd_pair_scores_args;

#ifdef __cplusplus
extern "C" {
#endif
int rcekd_pair_scores(rcekd_pair_scores_args* args);
#ifdef __cplusplus
}
#endif
