// g = grad + λp;  m += (1 − β₁)(g − m);  v = β₂v + (1 − β₂)g²;  p −= rate · m / (√v + ε′), lane by lane, so that the
// cut into threads and rows leaves no trace in the result. Rows without an entry in a sparse gradient have grad = 0.
// The lazy variant leaves rows with grad = 0 as they are.
#include "rcekd/adam.h"

#include <string.h>

#include "simd.h"
#include "workspace.h"

namespace rcekd {
namespace RCEKD_ISA {
namespace {

constexpr int64_t kBlock = 2048;  // elements, 8 KB: fits the first cache beside the three arrays
constexpr int64_t kWideRow = 64;
constexpr int64_t kChunk = 16 * kBlock;  // elements a thread takes at a time

struct Step {
    Vec decay, take, keep_sq, take_sq, rate, eps;
    explicit Step(const rcekd_adam_args& a)
        : decay(Vec::fill(a.weight_decay)),
          take(Vec::fill(a.take)),
          keep_sq(Vec::fill(a.keep_sq)),
          take_sq(Vec::fill(a.take_sq)),
          rate(Vec::fill(-(a.rates ? a.rates[0] : a.rate))),
          eps(Vec::fill(a.rates ? a.rates[1] : a.eps)) {}

    void one(Vec grad, float* param, float* avg, float* avg_sq) const {
        const Vec p = Vec::load(param), m0 = Vec::load(avg), v0 = Vec::load(avg_sq);
        const Vec g = fma(decay, p, grad);
        const Vec m = fma(take, sub(g, m0), m0);
        const Vec v = fma(mul(take_sq, g), g, mul(keep_sq, v0));
        m.store(avg);
        v.store(avg_sq);
        fma(rate, div(m, add(sqrt(v), eps)), p).store(param);
    }
};

// `grad` null: zero.
void sweep(const Step& step, const float* grad, float* param, float* avg, float* avg_sq, int64_t n) {
    const Vec zero = Vec::fill(0.0f);
    int64_t i = 0;
    for (; i + Vec::width <= n; i += Vec::width)
        step.one(grad ? Vec::load(grad + i) : zero, param + i, avg + i, avg_sq + i);
    if (i == n) return;
    float tail[4][Vec::width] = {};
    for (int64_t j = i; j < n; ++j) {
        tail[0][j - i] = grad ? grad[j] : 0.0f;
        tail[1][j - i] = param[j];
        tail[2][j - i] = avg[j];
        tail[3][j - i] = avg_sq[j];
    }
    step.one(Vec::load(tail[0]), tail[1], tail[2], tail[3]);
    for (int64_t j = i; j < n; ++j) {
        param[j] = tail[1][j - i];
        avg[j] = tail[2][j - i];
        avg_sq[j] = tail[3][j - i];
    }
}

// First entry whose row is ≥ `row`.
int64_t lower_bound(const int64_t* rows, int64_t n, int64_t row) {
    int64_t low = 0;
    while (low < n) {
        const int64_t mid = (low + n) / 2;
        if (rows[mid] < row)
            low = mid + 1;
        else
            n = mid;
    }
    return low;
}

// Elements [first, last) of a table of narrow rows: block by block the named rows are spread over zeros, then swept
// like the rest, so that no row's odd end is met.
void sweep_narrow(const Step& step, const rcekd_adam_args& a, int64_t first, int64_t last) {
    alignas(64) float grad[kBlock];
    int64_t entry = lower_bound(a.row, a.entries, first / a.width);
    for (int64_t at = first; at < last; at += kBlock) {
        const int64_t end = at + kBlock < last ? at + kBlock : last;
        memset(grad, 0, sizeof(grad));
        while (entry < a.entries) {
            const int64_t begin = a.row[entry] * a.width, from = begin > at ? begin : at;
            const int64_t to = begin + a.width < end ? begin + a.width : end;
            if (from < to)
                memcpy(grad + (from - at), a.grad + entry * a.width + (from - begin),
                       sizeof(float) * (size_t)(to - from));
            if (begin + a.width > end) break;
            ++entry;
        }
        sweep(step, grad, a.param + at, a.exp_avg + at, a.exp_avg_sq + at, end - at);
    }
}

// The same for wide rows: runs of unnamed rows and named rows in turn; zeros need not be read.
void sweep_wide(const Step& step, const rcekd_adam_args& a, int64_t first, int64_t last) {
    int64_t entry = lower_bound(a.row, a.entries, first / a.width);
    for (int64_t at = first; at < last;) {
        const int64_t begin = entry < a.entries ? a.row[entry] * a.width : last;
        const bool named = begin <= at;
        const int64_t stop = named ? begin + a.width : begin, end = stop < last ? stop : last;
        const float* grad = named ? a.grad + entry * a.width + (at - begin) : nullptr;
        sweep(step, grad, a.param + at, a.exp_avg + at, a.exp_avg_sq + at, end - at);
        entry += named && end == stop;
        at = end;
    }
}

bool is_zero(const float* row, int64_t width) {
    uint32_t any = 0;
    for (int64_t i = 0; i < width; ++i) {
        uint32_t bits;
        memcpy(&bits, row + i, sizeof bits);
        any |= bits << 1;  // without the sign: −0 is zero
    }
    return any == 0;
}

// Only the rows whose gradient is not zero, wherever they are named or lie.
void sweep_lazily(const Step& step, const rcekd_adam_args& a) {
    const int64_t rows = a.entries < 0 ? a.rows : a.entries, share = kChunk / (a.width + 1) + 1;
#pragma omp parallel for num_threads(team(a.threads, rows* a.width, kChunk)) schedule(static)
    for (int64_t first = 0; first < rows; first += share)
        for (int64_t i = first; i < rows && i < first + share; ++i) {
            const float* grad = a.grad + i * a.width;
            const int64_t at = (a.entries < 0 ? i : a.row[i]) * a.width;
            if (!is_zero(grad, a.width)) sweep(step, grad, a.param + at, a.exp_avg + at, a.exp_avg_sq + at, a.width);
        }
}

}  // namespace
}  // namespace RCEKD_ISA
}  // namespace rcekd

extern "C" int RCEKD_ENTRY(adam)(rcekd_adam_args* args) {
    using namespace rcekd::RCEKD_ISA;
    const rcekd_adam_args& a = *args;
    const Step step(a);
    if (a.lazy) {
        sweep_lazily(step, a);
        return RCEKD_OK;
    }
    const int64_t n = a.rows * a.width;
#pragma omp parallel for num_threads(team(a.threads, n, kChunk)) schedule(static)
    for (int64_t first = 0; first < n; first += kChunk) {
        const int64_t last = first + kChunk < n ? first + kChunk : n;
        if (a.entries < 0)
            sweep(step, a.grad + first, a.param + first, a.exp_avg + first, a.exp_avg_sq + first, last - first);
        else if (a.width < kWideRow)
            sweep_narrow(step, a, first, last);
        else
            sweep_wide(step, a, first, last);
    }
    return RCEKD_OK;
}
