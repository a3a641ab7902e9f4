// Every score is the FMA chain of simd.h; sixteen items of a user go side by side, transposed in registers.
#include "rcekd/pair_scores.h"

#include "lanes.h"
#include "workspace.h"

namespace rcekd {
namespace RCEKD_ISA {
namespace {

using namespace lanes;

void score_row(const rcekd_pair_scores_args& a, int64_t row) {
    const float* user = a.user_factor + a.user[row] * a.width;
    const int64_t end = a.indptr[row + 1];
    for (int64_t e = a.indptr[row]; e < end; e += kWide) {
        const float* item[kWide];
        for (int j = 0; j < kWide; ++j) item[j] = a.item_factor + a.item[e + j < end ? e + j : e] * a.width;
        scores_of_user(user, item, a.width).store(a.score + e, end - e);
    }
}

}  // namespace
}  // namespace RCEKD_ISA
}  // namespace rcekd

extern "C" int RCEKD_ENTRY(pair_scores)(rcekd_pair_scores_args* args) {
    using namespace rcekd::RCEKD_ISA;
    const rcekd_pair_scores_args& a = *args;
#pragma omp parallel for num_threads(team(a.threads, a.indptr[a.rows] * a.width, 32768)) schedule(dynamic, 8)
    for (int64_t row = 0; row < a.rows; ++row) score_row(a, row);
    return RCEKD_OK;
}
