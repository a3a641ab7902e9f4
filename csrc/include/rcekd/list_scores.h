// Scores of one item list per row, and the gradients through them.
#pragma once
#include "rcekd/common.h"

typedef struct {
    const float* user_factor;  // [rows, width]
    const float* item_factor;  // [items, width]
    const int32_t* item;       // [rows, listed], -1: nothing
    int64_t rows, items, width, listed;
    float* score;       // [rows, listed], 0 for nothing; or null: not wanted
    const float* grad;  // [rows, listed]: d loss / d score
    float* user_grad;   // [rows, width], filled entirely; or null
    float* item_grad;   // [items, width], filled entirely; or null
    int threads;
} rcekd_list_scores_args;

#ifdef __cplusplus
extern "C" {
#endif
int rcekd_list_scores(rcekd_list_scores_args* args);
#ifdef __cplusplus
}
#endif
