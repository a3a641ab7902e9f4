// Shifted by the set's largest score; sums in sixteen lanes, so that every instruction set gives the same bits.
#include "rcekd/set_softmax.h"

#include "lanes.h"
#include "workspace.h"

namespace rcekd {
namespace RCEKD_ISA {
namespace {

using namespace lanes;

void softmax(const float* score, float* prob, int64_t n, float tau) {
    F16 top = F16::fill(-INFINITY), total = F16::fill(0.0f);
    for (int64_t i = 0; i < n; i += kWide) top = larger(F16::load(score + i, n - i, -INFINITY), top);
    const float highest = largest(top);
    const F16 shift = F16::fill(highest), scale = F16::fill(1.0f / tau);
    for (int64_t i = 0; i < n; i += kWide) {
        const F16 below = mul(sub(F16::load(score + i, n - i, highest), shift), scale);
        const F16 e = keep(exp_nonpositive(below), n - i);
        total = add(total, e);
        e.store(prob + i, n - i);
    }
    const F16 inverse = F16::fill(1.0f / sum(total));
    for (int64_t i = 0; i < n; i += kWide) mul(F16::load(prob + i, n - i), inverse).store(prob + i, n - i);
}

}  // namespace
}  // namespace RCEKD_ISA
}  // namespace rcekd

extern "C" int RCEKD_ENTRY(set_softmax)(rcekd_set_softmax_args* args) {
    using namespace rcekd::RCEKD_ISA;
    const rcekd_set_softmax_args& a = *args;
#pragma omp parallel for num_threads(team(a.threads, a.indptr[a.rows], 8192)) schedule(static)
    for (int64_t row = 0; row < a.rows; ++row) {
        const int64_t first = a.indptr[row];
        softmax(a.score + first, a.prob + first, a.indptr[row + 1] - first, a.tau);
    }
    return RCEKD_OK;
}
