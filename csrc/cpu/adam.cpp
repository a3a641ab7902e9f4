// g = grad + λp;  m += (1 − β₁)(g − m);  v = β₂v + (1 − β₂)g²;  p −= rate · m / (√v + ε′), lane by lane, so that the
// cut into threads and rows leaves no trace in the result. Rows without an entry in a sparse gradient have grad = 0.
#include "rcekd/adam.h"

#include "simd.h"

namespace rcekd {
namespace RCEKD_ISA {
namespace {

struct Step {
    Vec decay, take, keep_sq, take_sq, rate, eps;
    explicit Step(const rcekd_adam_args& a)
        : decay(Vec::fill(a.weight_decay)),
          take(Vec::fill(a.take)),
          keep_sq(Vec::fill(a.keep_sq)),
          take_sq(Vec::fill(a.take_sq)),
          rate(Vec::fill(-a.rate)),
          eps(Vec::fill(a.eps)) {}

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

void sweep_sparse(const Step& step, const rcekd_adam_args& a, int64_t first, int64_t last) {
    int64_t entry = lower_bound(a.row, a.entries, first);
    for (int64_t row = first; row < last;) {
        const int64_t named = entry < a.entries && a.row[entry] < last ? a.row[entry] : last;
        const int64_t at = row * a.width;
        sweep(step, nullptr, a.param + at, a.exp_avg + at, a.exp_avg_sq + at, (named - row) * a.width);
        if (named == last) return;
        const int64_t here = named * a.width;
        sweep(step, a.grad + entry * a.width, a.param + here, a.exp_avg + here, a.exp_avg_sq + here, a.width);
        row = named + 1;
        ++entry;
    }
}

}  // namespace
}  // namespace RCEKD_ISA
}  // namespace rcekd

extern "C" int RCEKD_ENTRY(adam)(rcekd_adam_args* args) {
    using namespace rcekd::RCEKD_ISA;
    const rcekd_adam_args& a = *args;
    const Step step(a);
    const int64_t chunk = a.width ? 1 + 16384 / a.width : 1;  // rows of about 64 KB per array
    const int64_t chunks = (a.rows + chunk - 1) / chunk;
#pragma omp parallel for num_threads(a.threads) schedule(static)
    for (int64_t c = 0; c < chunks; ++c) {
        const int64_t first = c * chunk, last = first + chunk < a.rows ? first + chunk : a.rows;
        if (a.row) {
            sweep_sparse(step, a, first, last);
        } else {
            const int64_t at = first * a.width;
            sweep(step, a.grad + at, a.param + at, a.exp_avg + at, a.exp_avg_sq + at, (last - first) * a.width);
        }
    }
    return RCEKD_OK;
}
