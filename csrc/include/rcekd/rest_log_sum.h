// log Σ e^score over all items but each row's left-out ones, and the gradients through it; no score matrix.
#pragma once
#include "rcekd/common.h"

// Rows, or items, whose scores are made at once and summed before the sum joins the others: part of the result's bits.
enum { RCEKD_REST_CHUNK = 96 };

typedef struct {
    const float* user_factor;    // [rows, width]
    const float* item_factor;    // [items, width]
    const int32_t* user;         // [rows]: which list of left-out items
    const int64_t* left_indptr;  // list l: left_item[left_indptr[l]] … left_item[left_indptr[l + 1] − 1]
    const int32_t* left_item;    // ascending without repeats within a list
    int64_t rows, items, width;
    float* sum;         // [rows]: log Σ, −∞ where nothing is left. Written where item_grad is null, else read
    float* mean;        // out [rows, width]: the items' mean under the rest's softmax, 0 where nothing is left; or null
    const float* grad;  // [rows]: d loss / d sum; read where item_grad is not null
    float* item_grad;   // [items, width], filled entirely; or null: sum and mean are wanted
    int threads;
} rcekd_rest_log_sum_args;

#ifdef __cplusplus
extern "C" {
#endif
int rcekd_rest_log_sum(rcekd_rest_log_sum_args* args);
#ifdef __cplusplus
}
#endif
