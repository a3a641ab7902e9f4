// BPR loss of a batch and its row-sparse gradients.
#pragma once
#include "rcekd/common.h"

typedef struct {
    const float* user_factor;  // [users, width]
    const float* item_factor;  // [items, width]
    const int32_t* user;       // [batch]
    const int32_t* positive;   // [batch]
    const int32_t* negative;   // [batch, negatives]
    int64_t batch, negatives, width;
    float* loss;        // [1]
    int64_t* user_row;  // [batch], the first user_rows ascending; user_grad [batch, width] beside it
    float* user_grad;
    int64_t* item_row;  // [batch · (1 + negatives)], the first item_rows ascending; item_grad beside it, or null
    float* item_grad;
    int64_t user_rows, item_rows;  // out
    int threads;
} rcekd_bpr_args;

#ifdef __cplusplus
extern "C" {
#endif
int rcekd_bpr(rcekd_bpr_args* args);
#ifdef __cplusplus
}
#endif
