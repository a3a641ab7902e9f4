// Two factor tables crossed, a chunk of scores at a time. Rows of one table lie in lanes, two vectors of them; the rows
// of the other are broadcast. Every lane is a row of its own, so that nothing is ever summed across lanes and a lane's
// operations are the same whatever the vector's width.
#pragma once
#include <stdint.h>

#include "lanes.h"

namespace rcekd {
namespace RCEKD_ISA {
namespace crossed {

constexpr int64_t kLaneRows = 2 * Vec::width;
#if defined(__AVX512F__)
constexpr int kPanel = 12;    // broadcast rows whose scores are made at once: 24 accumulators of 32 registers
constexpr int kColumns = 10;  // columns summed at once
#else
constexpr int kPanel = 4;  // as many chains as two multipliers of four cycles' latency can have under way
constexpr int kColumns = 4;
#endif

inline int64_t panels(int64_t rows) { return (rows + kPanel - 1) / kPanel; }

// Rows as panels [panel][width][kPanel], the last filled up with zeros.
inline void pack(const float* table, int64_t rows, int64_t width, int threads, float* data) {
#pragma omp parallel for num_threads(threads) schedule(static)
    for (int64_t p = 0; p < panels(rows); ++p)
        for (int64_t i = 0; i < kPanel; ++i)
            for (int64_t k = 0, row = p * kPanel + i; k < width; ++k)
                data[(p * width + k) * kPanel + i] = row < rows ? table[row * width + k] : 0.0f;
}

// Rows [first, first + kLaneRows) of a table as lane [width][kLaneRows], zeros beyond its `rows`.
inline void load_lanes(const float* table, int64_t first, int64_t rows, int64_t width, float* lane) {
    for (int64_t i = 0; i < kLaneRows; ++i)
        for (int64_t k = 0; k < width; ++k)
            lane[k * kLaneRows + i] = first + i < rows ? table[(first + i) * width + k] : 0.0f;
}

// score [kPanel][kLaneRows] of a panel: each is the FMA chain of simd.h.
inline void score_panel(const float* lane, const float* panel, int64_t width, float* score) {
    Vec sum[kPanel][2];
#pragma GCC unroll 12
    for (int j = 0; j < kPanel; ++j) sum[j][0] = sum[j][1] = Vec::fill(0.0f);
    for (int64_t k = 0; k < width; ++k) {
        const Vec low = Vec::load(lane + k * kLaneRows), high = Vec::load(lane + k * kLaneRows + Vec::width);
#pragma GCC unroll 12
        for (int j = 0; j < kPanel; ++j) {
            const Vec one = Vec::fill(panel[k * kPanel + j]);
            sum[j][0] = fma(low, one, sum[j][0]);
            sum[j][1] = fma(high, one, sum[j][1]);
        }
    }
#pragma GCC unroll 12
    for (int j = 0; j < kPanel; ++j) {
        sum[j][0].store(score + j * kLaneRows);
        sum[j][1].store(score + j * kLaneRows + Vec::width);
    }
}

// total [N][kLaneRows] = total · keep + Σ_j weight_j · N numbers of row j; weight is [n][kLaneRows].
template <int N>
inline void add_columns(const float* weight, const float* row, int64_t n, int64_t width, const Vec keep[2],
                        float* total) {
    Vec sum[N][2];
#pragma GCC unroll 10
    for (int k = 0; k < N; ++k) sum[k][0] = sum[k][1] = Vec::fill(0.0f);
    for (int64_t j = 0; j < n; ++j) {
        const Vec low = Vec::load(weight + j * kLaneRows), high = Vec::load(weight + j * kLaneRows + Vec::width);
#pragma GCC unroll 10
        for (int k = 0; k < N; ++k) {
            const Vec one = Vec::fill(row[j * width + k]);
            sum[k][0] = fma(low, one, sum[k][0]);
            sum[k][1] = fma(high, one, sum[k][1]);
        }
    }
#pragma GCC unroll 10
    for (int k = 0; k < N; ++k)
#pragma GCC unroll 2
        for (int v = 0; v < 2; ++v) {
            float* here = total + k * kLaneRows + v * Vec::width;
            fma(Vec::load(here), keep[v], sum[k][v]).store(here);
        }
}

// total [width][kLaneRows] = total · keep + Σ_j weight_j · row_j over n rows.
inline void add_rows(const float* weight, const float* row, int64_t n, int64_t width, const Vec keep[2], float* total) {
    int64_t k = 0;
    for (; k + kColumns <= width; k += kColumns)
        add_columns<kColumns>(weight, row + k, n, width, keep, total + k * kLaneRows);
    for (; k + 4 <= width; k += 4) add_columns<4>(weight, row + k, n, width, keep, total + k * kLaneRows);
    for (; k < width; ++k) add_columns<1>(weight, row + k, n, width, keep, total + k * kLaneRows);
}

}  // namespace crossed
}  // namespace RCEKD_ISA
}  // namespace rcekd
