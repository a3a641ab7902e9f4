// With m_k the largest score from place k on, r_k = Σ_{i ≥ k} e^{s_i − m_k} and z_k = m_k + log r_k, a row's loss is
//     Σ_k (m_k − s_k) + log Π_k r_k      over the ranked places that count,
// where nothing is negative and so nothing cancels. With q_k = p_k + 1 / r_k and p_k = q_{k−1} e^{m_k − m_{k−1}}, the
// chances of coming earlier, its slopes are, K being the last ranked place,
//     e^{s_k − m_k} p_k − (r_{k+1} e^{m_{k+1} − m_k}) / r_k  for a ranked place,  e^{s_i − m_K} q_K  for another,
// the ranked places' own share 1 / r_k not being taken from 1, which would lose the digits of a small slope. No
// exponent is above 0, and 1 ≤ r_k ≤ width: sound for any finite scores. The scans go from place to place, in double
// precision; exponentials, inverses and the others' sum are made in sixteen lanes, so that every instruction set gives
// the same bits.
#include "rcekd/plackett_luce.h"

#include <float.h>

#include "arena.h"
#include "lanes.h"
#include "rcekd/maths.h"
#include "workspace.h"

#if defined(_OPENMP)
#include <omp.h>
#endif

namespace rcekd {
namespace RCEKD_ISA {
namespace {

using namespace lanes;

struct Row {
    const float* score;
    const uint8_t* mask;
    int64_t width, positives;
    float* slope;  // on the way e^{s_i − m_k}
    float* drop;   // [positives]: e^{m_{k+1} − m_k}
    float* sum;    // [positives]: r_k, infinite where the place does not count
    float* rest;   // [positives]: r_k without the place's own share

    // −∞ where the place does not count.
    float counted(int64_t i) const { return mask[i] ? score[i] : -INFINITY; }
};

// What comes from behind: the largest score, −FLT_MAX while there is none, and the sum relative to it.
struct Tail {
    float top;
    double sum;
};

// Of the others, whose exponentials go into their slopes.
Tail others(const Row& r) {
    const int64_t n = r.width - r.positives;
    float* e = r.slope + r.positives;
    for (int64_t i = 0; i < n; ++i) e[i] = r.counted(r.positives + i);
    F16 top = F16::fill(-FLT_MAX), total = F16::fill(0.0f);
    for (int64_t i = 0; i < n; i += kWide) top = larger(F16::load(e + i, n - i, -INFINITY), top);
    const float highest = largest(top);
    const F16 shift = F16::fill(highest);
    for (int64_t i = 0; i < n; i += kWide) {
        const F16 share = exp_nonpositive(sub(F16::load(e + i, n - i, -INFINITY), shift));
        total = add(total, share);
        share.store(e + i, n - i);
    }
    return {highest, (double)sum(total)};
}

// Fills slope, drop, sum and rest of the ranked places, last to first; returns the loss.
double suffixes(const Row& r, Tail tail) {
    rcekd_product product = {1.0, 0};
    double below_top = 0.0;
    for (int64_t end = r.positives; end > 0; end = (end - 1) / kWide * kWide) {
        const int64_t begin = (end - 1) / kWide * kWide;
        float below[kWide], drop[kWide];
        for (int64_t k = end - 1; k >= begin; --k) {
            const float score = r.counted(k), top = score > tail.top ? score : tail.top;
            below[k - begin] = score - top;
            drop[k - begin] = tail.top - top;
            below_top += r.mask[k] ? (double)(top - score) : 0.0;
            tail.top = top;
        }
        exp_nonpositive(F16::load(below, end - begin)).store(r.slope + begin, end - begin);
        exp_nonpositive(F16::load(drop, end - begin)).store(r.drop + begin, end - begin);
        for (int64_t k = end - 1; k >= begin; --k) {
            const double rest = tail.sum * (double)r.drop[k];
            tail.sum = rest + (double)r.slope[k];
            r.rest[k] = (float)rest;
            r.sum[k] = r.mask[k] ? (float)tail.sum : INFINITY;
            product.factor *= r.mask[k] ? tail.sum : 1.0;
        }
        product = rcekd_normalised(product);
    }
    return below_top + rcekd_log_of_product(product);
}

// Turns the exponentials into slopes, first to last; returns Σ 1 / r_k over the places that count.
float prefixes(const Row& r) {
    F16 total = F16::fill(0.0f);
    double q = 0.0;
    for (int64_t begin = 0; begin < r.positives; begin += kWide) {
        const int64_t n = r.positives - begin < kWide ? r.positives - begin : kWide;
        const F16 sums = F16::load(r.sum + begin, n, INFINITY), left = div(F16::load(r.rest + begin, n), sums);
        const F16 inverses = div(F16::fill(1.0f), sums);
        float inverse[kWide], earlier[kWide];
        inverses.store(inverse);
        total = add(total, inverses);
        for (int64_t i = 0; i < n; ++i) {
            const double chance = begin + i ? q * (double)r.drop[begin + i - 1] : 0.0;
            earlier[i] = (float)chance;
            q = chance + (double)inverse[i];
        }
        sub(mul(F16::load(r.slope + begin, n), F16::load(earlier, n)), left).store(r.slope + begin, n);
    }
    const F16 rate = F16::fill((float)(q * (double)r.drop[r.positives - 1]));
    for (int64_t i = r.positives; i < r.width; i += kWide)
        mul(F16::load(r.slope + i, r.width - i), rate).store(r.slope + i, r.width - i);
    return sum(total);
}

float visit(const Row& r) {
    const double loss = suffixes(r, others(r));
    const float inverses = prefixes(r);
    if (inverses > 0.0f && inverses <= FLT_MAX) return (float)loss;
    const float instead = inverses == 0.0f ? 0.0f : NAN;  // no ranked place counts, or the probability is no number
    for (int64_t i = 0; i < r.width; ++i) r.slope[i] = r.mask[i] ? instead : 0.0f;
    return instead;
}

}  // namespace
}  // namespace RCEKD_ISA
}  // namespace rcekd

extern "C" int RCEKD_ENTRY(plackett_luce)(rcekd_plackett_luce_args* args) {
    using namespace rcekd::RCEKD_ISA;
    const rcekd_plackett_luce_args& a = *args;
    const int threads = team(a.threads, a.rows * a.width, 8192);
    Workspace<float> scratch(3 * a.positives * threads);
    if (scratch.failed()) return RCEKD_NO_MEMORY;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t row = 0; row < a.rows; ++row) {
        float* mine = scratch.data() + 3 * a.positives * omp_get_thread_num();
        const int64_t first = row * a.width;
        a.loss[row] = visit({a.score + first, a.mask + first, a.width, a.positives, a.slope + first, mine,
                             mine + a.positives, mine + 2 * a.positives});
    }
    return RCEKD_OK;
}
