// One hop over a graph: every row's sum of its neighbours, scaled by both ends, on top of what the row has already.
#pragma once
#include "rcekd/common.h"

typedef struct {
    const int64_t* indptr;      // [rows + 1]
    const int32_t* indices;     // [indptr[rows]], below columns
    const float* row_scale;     // [rows]
    const float* column_scale;  // [columns]
    const float* x;             // [columns, width]
    const float* base;          // [rows, width]; or null: nothing
    int64_t rows, columns, width;
    float factor;
    float* y;  // [rows, width]: factor · (base_r + row_scale_r · Σ_c column_scale_c x_c), c over the row's indices
    int threads;
} rcekd_propagate_args;

#ifdef __cplusplus
extern "C" {
#endif
int rcekd_propagate(rcekd_propagate_args* args);
#ifdef __cplusplus
}
#endif
