// Draws weighted by the gap between a candidate's place in its row's pool and its rank there by a model's scores.
#pragma once
#include "rcekd/gap.h"

typedef struct rcekd_pool_gap_draws_args {
    const float *row_factor, *candidate_factor;  // [rows, d], [*, d]
    const int32_t* pool;                         // [rows, listed] candidates, best first, -1: nothing
    const int32_t* number;                       // [rows] by which the draws are keyed, or null: the row
    int64_t rows, d, listed;
    const rcekd_gap_request* request;  // without replacement; their items are candidates
    int64_t requests;
    int64_t bad_row;  // out: the first row with a NaN or infinite score, when RCEKD_NAN is returned
    int threads;
} rcekd_pool_gap_draws_args;

#ifdef __cplusplus
extern "C" {
#endif
int rcekd_pool_gap_draws(rcekd_pool_gap_draws_args* args);
#ifdef __cplusplus
}
#endif
