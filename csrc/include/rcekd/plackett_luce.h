// −log of the probability that the first places of each row come first and in their order, with its gradient.
#pragma once
#include "rcekd/common.h"

typedef struct {
    const float* score;   // [rows, width]
    const uint8_t* mask;  // [rows, width]: 0 where a place does not count, whatever its score
    int64_t rows, width;
    int64_t positives;  // in [1, width]: the places that are ranked; the order of the others is left open
    float* loss;        // [rows]
    float* slope;       // [rows, width]: d loss / d score
    int threads;
} rcekd_plackett_luce_args;

#ifdef __cplusplus
extern "C" {
#endif
int rcekd_plackett_luce(rcekd_plackett_luce_args* args);
#ifdef __cplusplus
}
#endif
