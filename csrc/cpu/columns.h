// Sums of weighted rows, up to 64 columns at a time in registers.
#pragma once
#include "lanes.h"

namespace rcekd {
namespace RCEKD_ISA {
namespace lanes {

// N · 16 columns of one row; beyond `n` they read as 0 and are not written.
template <int N>
struct Columns {
    F16 v[N];
    static Columns load(const float* a, int64_t n) {
        Columns r;
        for (int i = 0; i < N; ++i) r.v[i] = F16::load(a + i * kWide, n - i * kWide);
        return r;
    }
    static Columns zero() {
        Columns r;
        for (int i = 0; i < N; ++i) r.v[i] = F16::fill(0.0f);
        return r;
    }
    void store(float* a, int64_t n) const {
        for (int i = 0; i < N; ++i) v[i].store(a + i * kWide, n - i * kWide);
    }
    void add(float weight, const Columns& other) {
        const F16 w = F16::fill(weight);
        for (int i = 0; i < N; ++i) v[i] = fma(w, other.v[i], v[i]);
    }
};

// Calls body.template run<N>(k, n) for consecutive column blocks from k on, n ≤ 16 N columns wide (the last: all left).
template <class Body>
inline void for_column_blocks(int64_t width, const Body& body) {
    int64_t k = 0;
    for (; width - k > 3 * kWide; k += 4 * kWide)
        body.template run<4>(k, width - k < 4 * kWide ? width - k : 4 * kWide);
    if (width - k > 2 * kWide)
        body.template run<3>(k, width - k);
    else if (width - k > kWide)
        body.template run<2>(k, width - k);
    else if (width - k > 0)
        body.template run<1>(k, width - k);
}

}  // namespace lanes
}  // namespace RCEKD_ISA
}  // namespace rcekd
