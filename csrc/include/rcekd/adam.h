// One Adam step with coupled weight decay over a whole table, from a dense or a row-sparse gradient.
#pragma once
#include "rcekd/common.h"

typedef struct {
    float* param;        // [rows, width], updated
    float* exp_avg;      // [rows, width], updated
    float* exp_avg_sq;   // [rows, width], updated
    const float* grad;   // [rows, width], or [entries, width] when it is row-sparse
    const int64_t* row;  // [entries] strictly ascending
    int64_t rows, width;
    int64_t entries;  // -1: grad is dense
    float weight_decay;
    float take;              // 1 − β₁
    float keep_sq, take_sq;  // β₂, 1 − β₂
    float rate;              // lr · √(1 − β₂ᵗ) / (1 − β₁ᵗ)
    float eps;               // ε · √(1 − β₂ᵗ)
    const float* rates;      // [2]: rate and eps, read when the step is done, in place of those above; or null
    int lazy;                // rows whose gradient is zero rest
    int threads;
} rcekd_adam_args;

#ifdef __cplusplus
extern "C" {
#endif
int rcekd_adam(rcekd_adam_args* args);
#ifdef __cplusplus
}
#endif
