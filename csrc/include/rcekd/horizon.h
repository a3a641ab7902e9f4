// Draws without replacement from the head of the student's list, weighted by the teacher items below each position.
#pragma once
#include "rcekd/common.h"
#include "rcekd/maths.h"
#include "rcekd/philox.h"

enum rcekd_horizon_flags {
    RCEKD_HORIZON_MISSING = 1,          // only teacher items beyond the first top_k positions raise
    RCEKD_HORIZON_INCLUSIVE = 2,        // an item counts itself
    RCEKD_HORIZON_EXCLUDE_TEACHER = 4,  // teacher items cannot be drawn
    RCEKD_HORIZON_BY_RANK = 8,          // weight e^{−(p + 1) / τ}, the teacher ignored
};

typedef struct {
    const int32_t* student;  // [batch, listed], best first, −1: nothing
    const int32_t* teacher;  // [batch, taught], −1: nothing
    const int32_t* user;     // [batch], or null: 0 … batch − 1
    int64_t batch, listed, taught, draws, top_k;
    int64_t n_items;  // every id is below
    int64_t clip;     // z is at most this
    double tau;
    uint64_t key;
    int flags;
    int32_t* item;  // [batch, draws], −1 padded
    int threads;
} rcekd_horizon_args;

// log of a standard exponential belonging to (user, position).
RCEKD_HD double rcekd_horizon_log_exponential(uint64_t key, uint32_t user, uint32_t position) {
    const rcekd_u32x4 word = rcekd_philox(key, user, position, 0, 0);
    return rcekd_log(-rcekd_log(rcekd_uniform53(word.v[0], word.v[1])));
}

#ifdef __cplusplus
extern "C" {
#endif
int rcekd_horizon(rcekd_horizon_args* args);
#ifdef __cplusplus
}
#endif
