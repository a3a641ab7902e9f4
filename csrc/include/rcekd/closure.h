// The closure pass of RCE-KD: the student's top-K, which of the teacher's items are in it, and the rank-aware draws.
#pragma once
#include "rcekd/common.h"

typedef struct rcekd_closure_args {
    const float* user_factor;     // [*, d]
    const float* item_factor;     // [n_items, d]
    const int32_t* user;          // [rows] which rows of user_factor; the draws are keyed by it
    const int64_t* seen_indptr;   // [n_users + 1], or null: nothing is left out
    const int32_t* seen_item;     // per user
    const int32_t* teacher_item;  // [rows, k], -1: nothing
    int64_t rows, n_items, d, k, draws;
    double tau;
    uint64_t seed, epoch;
    int64_t clip;         // z is at most this; -1: no bound
    int all_raise;        // every teacher item raises z, not only those the student misses
    int inclusive;        // s_i <= s_j raises z_j, not only s_i < s_j
    int exclude_teacher;  // teacher items cannot be drawn
    int64_t high;  // how many best items of a user are raced one by one; -1: chosen. The law does not depend on it
    int32_t* student_item;  // out [rows, k], best first, -1 beyond the candidates
    float* student_score;   // out [rows, k], -inf beyond the candidates
    uint8_t* mastered;      // out [rows, k]: is teacher_item in student_item?
    int32_t* draw;          // out [rows, draws], in order of drawing, -1 when none is left
    float* draw_score;      // out [rows, draws], -inf when none is left
    int64_t bad_row;        // out: the first row with a NaN or infinite score, when RCEKD_NAN is returned
    int threads;
} rcekd_closure_args;

#ifdef __cplusplus
extern "C" {
#endif
int rcekd_closure(rcekd_closure_args* args);
#ifdef __cplusplus
}
#endif
