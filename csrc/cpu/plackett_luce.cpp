// With m_k the largest score from place k on, r_k = Σ_{i ≥ k} e^{s_i − m_k} and z_k = m_k + log r_k, a row's loss is
//     Σ_k (m_k − s_k) + log Π_k r_k      over the ranked places that count,
// where nothing is negative and so nothing cancels. With q_k = p_k + 1 / r_k and p_k = q_{k−1} e^{m_k − m_{k−1}}, the
// chances of coming earlier, its slopes are, K being the last ranked place,
//     e^{s_k − m_k} p_k − (r_{k+1} e^{m_{k+1} − m_k}) / r_k  for a ranked place,  e^{s_i − m_K} q_K  for another,
// the ranked places' own share 1 / r_k not being taken from 1, which would lose the digits of a small slope. No
// exponent is above 0, and 1 ≤ r_k ≤ width: sound for any finite scores. The scans go from place to place, in double
// precision; exponentials, inverses and the others' sum are made in lanes, so that every instruction set gives the
// same bits.
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

constexpr int kRows = 4;        // side by side, their places interleaved, so that a step of a scan is one of all four
constexpr int64_t kTurns = 32;  // factors of at most 2^31 that a product takes before it must be normalised

// One number of each row, in the compiler's vectors: every lane rounds as a lone number does.
typedef float Floats __attribute__((vector_size(4 * kRows)));
typedef double Doubles __attribute__((vector_size(8 * kRows)));
typedef int64_t Counts __attribute__((vector_size(8 * kRows)));  // all bits where the place counts, else none

template <class V, class T>
inline void load(V& v, const T* from) {
    memcpy(&v, from, sizeof v);
}
template <class V, class T>
inline void store(const V& v, T* to) {
    memcpy(to, &v, sizeof v);
}
#define RCEKD_WIDENED(v) __builtin_convertvector(v, Doubles)
#define RCEKD_NARROWED(v) __builtin_convertvector(v, Floats)

// The ranked places of a tile, place k of row j at [k · kRows + j].
struct Places {
    float* share;  // s_k, −∞ where the place does not count; s_k − m_k; its exponential; in the end the slope
    float* drop;   // e^{m_{k+1} − m_k}
    float* sum;    // r_k, its inverse, p_k
    float* rest;   // r_k without the place's own share; relative to r_k
    int64_t* counts;
    Places(int64_t positives, Arena* arena)
        : share(arena->take<float>(positives * kRows)),
          drop(arena->take<float>(positives * kRows)),
          sum(arena->take<float>(positives * kRows)),
          rest(arena->take<float>(positives * kRows)),
          counts(arena->take<int64_t>(positives * kRows)) {}
};

// A tile of four rows; those beyond the last have no place that counts.
struct Tile {
    const rcekd_plackett_luce_args& a;
    int64_t first, rows;
    Places p;
    float top[kRows];   // of what comes from behind the largest score, −FLT_MAX while there is none,
    double sum[kRows];  // and the sum relative to it
    double loss[kRows];
    double chance[kRows];   // q_K e^{m_{K+1} − m_K}, the others' rate
    float inverses[kRows];  // Σ 1 / r_k over the places that count, in any order: only whether it is a number matters

    int64_t at(int j) const { return (first + j) * a.width; }
    int64_t entries() const { return a.positives * kRows; }
};

// The largest of a row's other scores, and their exponentials into their slopes.
void others(Tile& t, int j) {
    const int64_t n = t.a.width - t.a.positives, begin = t.at(j) + t.a.positives;
    float* e = t.a.slope + begin;
    F16 top = F16::fill(-FLT_MAX), total = F16::fill(0.0f);
    for (int64_t i = 0; i < n; i += kWide) {
        const F16 score = load_where(t.a.score + begin + i, t.a.mask + begin + i, n - i, -INFINITY);
        top = larger(score, top);
        score.store(e + i, n - i);
    }
    t.top[j] = largest(top);
    const F16 shift = F16::fill(t.top[j]);
    for (int64_t i = 0; i < n; i += kWide) {
        const F16 share = exp_nonpositive(sub(F16::load(e + i, n - i, -INFINITY), shift));
        total = add(total, share);
        share.store(e + i, n - i);
    }
    t.sum[j] = (double)sum(total);
}

// Row j into its places.
void gather(const Tile& t, int j) {
    const float* score = t.a.score + t.at(j);
    const uint8_t* mask = t.a.mask + t.at(j);
    for (int64_t begin = 0; begin < t.a.positives; begin += kWide) {
        const int64_t n = t.a.positives - begin < kWide ? t.a.positives - begin : kWide;
        float lane[kWide];
        load_where(score + begin, mask + begin, n, -INFINITY).store(lane);
        for (int64_t i = 0; i < n; ++i) {
            t.p.share[(begin + i) * kRows + j] = lane[i];
            t.p.counts[(begin + i) * kRows + j] = -(int64_t)(mask[begin + i] != 0);
        }
    }
}

void gather_nothing(Tile& t, int j) {
    for (int64_t i = j; i < t.entries(); i += kRows) {
        t.p.share[i] = -INFINITY;
        t.p.counts[i] = 0;
    }
    t.top[j] = -FLT_MAX;
    t.sum[j] = 0.0;
}

void exponentials(float* x, int64_t n) {
    for (int64_t i = 0; i < n; i += kWide) exp_nonpositive(F16::load(x + i, n - i)).store(x + i, n - i);
}

// Shares and drops, and Σ (m_k − s_k), last place to first.
void exponents(Tile& t) {
    Floats top;
    load(top, t.top);
    Doubles loss = {};
    for (int64_t i = t.entries() - kRows; i >= 0; i -= kRows) {
        Floats score;
        Counts counts;
        load(score, t.p.share + i);
        load(counts, t.p.counts + i);
        const Floats before = top;
        top = score > before ? score : before;
        store(score - top, t.p.share + i);
        store(before - top, t.p.drop + i);
        loss += counts ? RCEKD_WIDENED(top - score) : Doubles{};
    }
    store(loss, t.loss);
    exponentials(t.p.share, t.entries());
    exponentials(t.p.drop, t.entries());
}

void normalise(Doubles& factor, int64_t* exponent) {
    for (int j = 0; j < kRows; ++j) {
        const rcekd_product product = rcekd_normalised({factor[j], exponent[j]});
        factor[j] = product.factor;
        exponent[j] = product.exponent;
    }
}

// Sums and rests, last place to first, and the logarithm of the sums' product into the losses.
void sums(Tile& t) {
    int64_t exponent[kRows] = {0};
    const Doubles one = Doubles{} + 1.0, infinite = one * (double)INFINITY;
    Doubles factor = one, sum;
    load(sum, t.sum);
    for (int64_t k = t.a.positives - 1; k >= 0; --k) {
        Floats share, drop;
        Counts counts;
        load(share, t.p.share + k * kRows);
        load(drop, t.p.drop + k * kRows);
        load(counts, t.p.counts + k * kRows);
        const Doubles rest = sum * RCEKD_WIDENED(drop);
        sum = rest + RCEKD_WIDENED(share);
        store(RCEKD_NARROWED(rest), t.p.rest + k * kRows);
        store(RCEKD_NARROWED(counts ? sum : infinite), t.p.sum + k * kRows);
        factor *= counts ? sum : one;
        if (k % kTurns == 0) normalise(factor, exponent);
    }
    for (int j = 0; j < kRows; ++j) t.loss[j] += rcekd_log_of_product({factor[j], exponent[j]});
}

// Turns r_k into its inverse, the rest into its share of r_k.
void divide(Tile& t) {
    F16 total = F16::fill(0.0f);
    const int64_t n = t.entries();
    for (int64_t i = 0; i < n; i += kWide) {
        const F16 sum = F16::load(t.p.sum + i, n - i, INFINITY), inverse = div(F16::fill(1.0f), sum);
        div(F16::load(t.p.rest + i, n - i), sum).store(t.p.rest + i, n - i);
        inverse.store(t.p.sum + i, n - i);
        total = add(total, inverse);
    }
    float lane[kWide];
    total.store(lane);
    for (float& inverses : t.inverses) inverses = 0.0f;
    for (int l = 0; l < kWide; ++l) t.inverses[l % kRows] += lane[l];
}

// p_k first place to last, and the ranked places' slopes.
void prefixes(Tile& t) {
    Doubles chance = {};
    for (int64_t i = 0; i < t.entries(); i += kRows) {
        Floats share, drop, inverse, rest;
        load(share, t.p.share + i);
        load(drop, t.p.drop + i);
        load(inverse, t.p.sum + i);
        load(rest, t.p.rest + i);
        store(share * RCEKD_NARROWED(chance) - rest, t.p.share + i);
        chance = (chance + RCEKD_WIDENED(inverse)) * RCEKD_WIDENED(drop);
    }
    store(chance, t.chance);
}

void scatter(const Tile& t, int j) {
    float* slope = t.a.slope + t.at(j);
    const int64_t positives = t.a.positives, width = t.a.width;
    for (int64_t k = 0; k < positives; ++k) slope[k] = t.p.share[k * kRows + j];
    const F16 rate = F16::fill((float)t.chance[j]);
    for (int64_t i = positives; i < width; i += kWide)
        mul(F16::load(slope + i, width - i), rate).store(slope + i, width - i);
    t.a.loss[t.first + j] = (float)t.loss[j];
    if (t.inverses[j] > 0.0f && t.inverses[j] <= FLT_MAX) return;
    const float instead = t.inverses[j] == 0.0f ? 0.0f : NAN;  // no ranked place counts; the probability is no number
    t.a.loss[t.first + j] = instead;
    const uint8_t* mask = t.a.mask + t.at(j);
    for (int64_t i = 0; i < width; ++i) slope[i] = mask[i] ? instead : 0.0f;
}

void visit(Tile t) {
    for (int j = 0; j < t.rows; ++j) {
        gather(t, j);
        others(t, j);
    }
    for (int j = (int)t.rows; j < kRows; ++j) gather_nothing(t, j);
    exponents(t);
    sums(t);
    divide(t);
    prefixes(t);
    for (int j = 0; j < t.rows; ++j) scatter(t, j);
}

}  // namespace
}  // namespace RCEKD_ISA
}  // namespace rcekd

extern "C" int RCEKD_ENTRY(plackett_luce)(rcekd_plackett_luce_args* args) {
    using namespace rcekd::RCEKD_ISA;
    const rcekd_plackett_luce_args& a = *args;
    const int threads = team(a.threads, a.rows * a.width, 8192);
    Arena measure(nullptr);
    Places(a.positives, &measure);
    Workspace<char> scratch(threads * measure.used());
    if (scratch.failed()) return RCEKD_NO_MEMORY;
#pragma omp parallel num_threads(threads)
    {
        Arena arena(scratch.data() + omp_get_thread_num() * measure.used());
        const Places places(a.positives, &arena);
#pragma omp for schedule(static)
        for (int64_t first = 0; first < a.rows; first += kRows)
            visit({a, first, a.rows - first < kRows ? a.rows - first : kRows, places, {}, {}, {}, {}, {}});
    }
    return RCEKD_OK;
}
