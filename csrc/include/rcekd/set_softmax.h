// Softmax within ragged sets.
#pragma once
#include "rcekd/common.h"

typedef struct {
    const float* score;     // [entries]
    const int64_t* indptr;  // [rows + 1]
    int64_t rows;
    float tau;
    float* prob;  // [entries]
    int threads;
} rcekd_set_softmax_args;

#ifdef __cplusplus
extern "C" {
#endif
int rcekd_set_softmax(rcekd_set_softmax_args* args);
#ifdef __cplusplus
}
#endif
