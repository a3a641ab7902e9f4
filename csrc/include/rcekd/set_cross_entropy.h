// Cross-entropy of a softmax over ragged item sets against given probabilities, with its gradients.
#pragma once
#include "rcekd/common.h"

typedef struct {
    const float* user_factor;  // [users, width]
    const float* item_factor;  // [items, width]
    int64_t users, items, width;
    const int64_t* indptr;  // set s: entries indptr[s] … indptr[s + 1] − 1
    const int32_t* item;    // [entries]
    const float* prob;      // [entries]
    const int32_t* user;    // [rows]
    const int32_t* set;     // [rows]
    const float* weight;    // [rows]
    int64_t rows;
    int64_t sets, entries, slots;  // how many there are, and a bound of the rows' entries together; for CUDA alone
    float tau;
    float* loss;       // [1]
    float* user_grad;  // [users, width], filled entirely; or null
    float* item_grad;  // [items, width], filled entirely; or null
    int threads;
} rcekd_set_cross_entropy_args;

#ifdef __cplusplus
extern "C" {
#endif
int rcekd_set_cross_entropy(rcekd_set_cross_entropy_args* args);
#ifdef __cplusplus
}
#endif
