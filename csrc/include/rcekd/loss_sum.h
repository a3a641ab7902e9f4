// The sum of a batch's losses, defined so that many threads can make it: in double precision, every RCEKD_LOSS_LANES-th
// loss into a lane of its own, the lanes then halved until one is left, and rounded once.
#pragma once
#include "rcekd/common.h"

#define RCEKD_LOSS_LANES 128

RCEKD_HD float rcekd_sum_losses(const float* loss, int64_t n) {
    double lane[RCEKD_LOSS_LANES] = {0.0};
    for (int64_t i = 0; i < n; ++i) lane[i % RCEKD_LOSS_LANES] += (double)loss[i];
    for (int by = RCEKD_LOSS_LANES / 2; by > 0; by /= 2)
        for (int l = 0; l < by; ++l) lane[l] += lane[l + by];
    return (float)lane[0];
}
