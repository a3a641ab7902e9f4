// Scores of one row's list, sixteen items side by side; each is the FMA chain of simd.h.
#pragma once
#include "lanes.h"

namespace rcekd {
namespace RCEKD_ISA {

// score[0 .. n) of user · item_factor[id], 0 where the id is below 0.
inline void scores_of_list(const float* user, const float* item_factor, int64_t width, const int32_t* id, int64_t n,
                           float* score) {
    using namespace lanes;
    for (int64_t i = 0; i < n; i += kWide) {
        const int64_t here = n - i < kWide ? n - i : kWide;
        const float* item[kWide];
        bool padded = false;
        for (int j = 0; j < kWide; ++j) {
            const int32_t one = id[i + (j < here ? j : 0)];
            padded |= one < 0;
            item[j] = one < 0 ? user : item_factor + one * width;  // anything of this width will do for nothing
        }
        scores_of_user(user, item, width).store(score + i, here);
        if (!padded) continue;
        for (int64_t j = i; j < i + here; ++j) score[j] = id[j] < 0 ? 0.0f : score[j];
    }
}

}  // namespace RCEKD_ISA
}  // namespace rcekd
