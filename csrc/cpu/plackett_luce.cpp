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

constexpr int kRows = 4;  // side by side

// a where it counts, else b: no jump, for where lists are padded no processor could foresee it.
inline double where(bool counts, double a, double b) {
    const uint64_t keep = 0 - (uint64_t)counts;
    uint64_t x, y;
    memcpy(&x, &a, 8);
    memcpy(&y, &b, 8);
    x = (x & keep) | (y & ~keep);
    memcpy(&a, &x, 8);
    return a;
}

struct Row {
    const float* score;
    const uint8_t* mask;
    int64_t width, positives;
    float* slope;  // on the way e^{s_i − m_k}
    float* drop;   // [positives]: e^{m_{k+1} − m_k}
    float* sum;    // [positives]: r_k
    float* rest;   // [positives]: r_k without the place's own share

    // Scores i … i + 15, those of n places at most; −∞ where a place does not count, or there is none.
    F16 counted(int64_t i, int64_t n) const { return load_where(score + i, mask + i, n, -INFINITY); }
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
    F16 top = F16::fill(-FLT_MAX), total = F16::fill(0.0f);
    for (int64_t i = 0; i < n; i += kWide) {
        const F16 score = r.counted(r.positives + i, n - i);
        top = larger(score, top);
        score.store(e + i, n - i);
    }
    const float highest = largest(top);
    const F16 shift = F16::fill(highest);
    for (int64_t i = 0; i < n; i += kWide) {
        const F16 share = exp_nonpositive(sub(F16::load(e + i, n - i, -INFINITY), shift));
        total = add(total, share);
        share.store(e + i, n - i);
    }
    return {highest, (double)sum(total)};
}

// Fills slope, drop, sum and rest of the ranked places, last to first; the losses of N rows.
template <int N>
void suffixes(const Row* r, Tail* tail, double* loss) {
    rcekd_product product[N];
    for (int j = 0; j < N; ++j) product[j] = {1.0, 0}, loss[j] = 0.0;
    for (int64_t end = r->positives; end > 0; end = (end - 1) / kWide * kWide) {
        const int64_t begin = (end - 1) / kWide * kWide, n = end - begin;
        float score[N][kWide], below[N][kWide], drop[N][kWide];
        for (int j = 0; j < N; ++j) r[j].counted(begin, n).store(score[j]);
        for (int64_t i = n - 1; i >= 0; --i)
            for (int j = 0; j < N; ++j) {
                const float before = tail[j].top, top = score[j][i] > before ? score[j][i] : before;
                below[j][i] = score[j][i] - top;
                drop[j][i] = before - top;
                loss[j] += where(r[j].mask[begin + i], (double)(top - score[j][i]), 0.0);
                tail[j].top = top;
            }
        for (int j = 0; j < N; ++j) {
            const F16 e = exp_nonpositive(F16::load(below[j], n)), keep = exp_nonpositive(F16::load(drop[j], n));
            e.store(below[j]);
            keep.store(drop[j]);
            e.store(r[j].slope + begin, n);
            keep.store(r[j].drop + begin, n);
        }
        for (int64_t i = n - 1; i >= 0; --i)
            for (int j = 0; j < N; ++j) {
                const double rest = tail[j].sum * (double)drop[j][i], sum = rest + (double)below[j][i];
                r[j].rest[begin + i] = (float)rest;
                r[j].sum[begin + i] = (float)sum;
                product[j].factor *= where(r[j].mask[begin + i], sum, 1.0);
                tail[j].sum = sum;
            }
        for (int j = 0; j < N; ++j) product[j] = rcekd_normalised(product[j]);
    }
    for (int j = 0; j < N; ++j) loss[j] += rcekd_log_of_product(product[j]);
}

// Turns the exponentials into slopes, first to last; Σ 1 / r_k over the places that count, of N rows.
template <int N>
void prefixes(const Row* r, float* inverses) {
    F16 total[N];
    double q[N];
    for (int j = 0; j < N; ++j) total[j] = F16::fill(0.0f), q[j] = 0.0;
    for (int64_t begin = 0; begin < r->positives; begin += kWide) {
        const int64_t n = r->positives - begin < kWide ? r->positives - begin : kWide;
        float inverse[N][kWide], earlier[N][kWide];
        for (int j = 0; j < N; ++j) {
            const F16 whole = load_where(r[j].sum + begin, r[j].mask + begin, n, INFINITY), one = div(F16::fill(1.0f), whole);
            total[j] = add(total[j], one);
            one.store(inverse[j]);
            div(F16::load(r[j].rest + begin, n), whole).store(r[j].rest + begin, n);
        }
        for (int64_t i = 0; i < n; ++i)
            for (int j = 0; j < N; ++j) {
                const double chance = begin + i ? q[j] * (double)r[j].drop[begin + i - 1] : 0.0;
                earlier[j][i] = (float)chance;
                q[j] = chance + (double)inverse[j][i];
            }
        for (int j = 0; j < N; ++j) {
            const F16 slope = mul(F16::load(r[j].slope + begin, n), F16::load(earlier[j], n));
            sub(slope, F16::load(r[j].rest + begin, n)).store(r[j].slope + begin, n);
        }
    }
    for (int j = 0; j < N; ++j) {
        const F16 rate = F16::fill((float)(q[j] * (double)r[j].drop[r[j].positives - 1]));
        for (int64_t i = r[j].positives; i < r[j].width; i += kWide)
            mul(F16::load(r[j].slope + i, r[j].width - i), rate).store(r[j].slope + i, r[j].width - i);
        inverses[j] = sum(total[j]);
    }
}

// The loss, or what stands in its place and in the slopes'.
float checked(const Row& r, double loss, float inverses) {
    if (inverses > 0.0f && inverses <= FLT_MAX) return (float)loss;
    const float instead = inverses == 0.0f ? 0.0f : NAN;  // no ranked place counts, or the probability is no number
    for (int64_t i = 0; i < r.width; ++i) r.slope[i] = r.mask[i] ? instead : 0.0f;
    return instead;
}

// N rows side by side, each of whose scans waits for its own last place only.
template <int N>
void visit(const rcekd_plackett_luce_args& a, int64_t first, float* scratch) {
    Row r[N];
    Tail tail[N];
    double loss[N];
    float inverses[N];
    for (int j = 0; j < N; ++j) {
        const int64_t at = (first + j) * a.width;
        float* mine = scratch + 3 * j * a.positives;
        r[j] = {a.score + at, a.mask + at, a.width, a.positives, a.slope + at, mine, mine + a.positives,
                mine + 2 * a.positives};
        tail[j] = others(r[j]);
    }
    suffixes<N>(r, tail, loss);
    prefixes<N>(r, inverses);
    for (int j = 0; j < N; ++j) a.loss[first + j] = checked(r[j], loss[j], inverses[j]);
}

}  // namespace
}  // namespace RCEKD_ISA
}  // namespace rcekd

extern "C" int RCEKD_ENTRY(plackett_luce)(rcekd_plackett_luce_args* args) {
    using namespace rcekd::RCEKD_ISA;
    const rcekd_plackett_luce_args& a = *args;
    const int threads = team(a.threads, a.rows * a.width, 8192);
    const int64_t room = 3 * kRows * a.positives;
    Workspace<float> scratch(room * threads);
    if (scratch.failed()) return RCEKD_NO_MEMORY;
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t first = 0; first < a.rows; first += kRows) {
        float* mine = scratch.data() + room * omp_get_thread_num();
        if (first + kRows <= a.rows)
            visit<kRows>(a, first, mine);
        else
            for (int64_t row = first; row < a.rows; ++row) visit<1>(a, row, mine);
    }
    return RCEKD_OK;
}
