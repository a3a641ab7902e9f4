// Rows of a batch's losses over lists of its users: one per interaction and list, each list's users ascending.
#pragma once
#include "rcekd/common.h"

typedef struct {
    const int32_t* user;  // [batch]
    const float* share;   // [users]: what a user's interaction weighs, or null: 1
    const float* scale;   // [lists, users]: what a user's list weighs
    int64_t batch, lists, users;
    int32_t* row_user;  // [lists, batch]
    int32_t* row_set;   // [lists, batch]: list · users + user
    float* row_weight;  // [lists, batch]: interactions · share · scale in a user's first row, 0 in the others
    int threads;
} rcekd_batch_rows_args;

#ifdef __cplusplus
extern "C" {
#endif
int rcekd_batch_rows(rcekd_batch_rows_args* args);
#ifdef __cplusplus
}
#endif
