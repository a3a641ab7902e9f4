// Gradients of factor tables from rows of slots, a slot being a weight on an item of its row's list. Every thread owns
// granules of sixteen rows of a gradient table (whole cache lines), walks all slots in order and adds those that fall
// to it. Each sum so follows slot order for any thread count. With `padded`, an item -1 is nothing.
#pragma once
#include "columns.h"

namespace rcekd {
namespace RCEKD_ISA {

// Which of `threads` owners a table row belongs to: rows of one granule together, granules spread by a hash.
struct Owner {
    static constexpr uint32_t kHash = 0x9E3779B1u;
    static constexpr int64_t kRoom = 16;  // what `mine` has beyond n
    uint32_t me, threads;
    uint32_t of(int32_t id) const { return (((uint32_t)id >> 4) * kHash >> 16) * threads >> 16; }
    // Lists the positions i < n with id[i] mine in `mine`; returns how many.
    int64_t pick(const int32_t* id, int64_t n, int32_t* mine) const {
        int64_t count = 0, i = 0;
#if defined(__AVX512F__)
        constexpr int kWide = 16;
        __m512i position = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
        for (; i + kWide <= n; i += kWide, position = _mm512_add_epi32(position, _mm512_set1_epi32(kWide))) {
            const __m512i granule = _mm512_srli_epi32(_mm512_loadu_si512(id + i), 4);
            const __m512i hash = _mm512_srli_epi32(_mm512_mullo_epi32(granule, _mm512_set1_epi32((int)kHash)), 16);
            const __m512i owner = _mm512_srli_epi32(_mm512_mullo_epi32(hash, _mm512_set1_epi32((int)threads)), 16);
            const __mmask16 mask = _mm512_cmpeq_epi32_mask(owner, _mm512_set1_epi32((int)me));
            _mm512_storeu_si512(mine + count, _mm512_maskz_compress_epi32(mask, position));
            count += __builtin_popcount(mask);
        }
#endif
        for (; i < n; ++i) {
            mine[count] = (int32_t)i;
            count += of(id[i]) == me;
        }
        return count;
    }
    // Zeroes this owner's rows of a table; null: none.
    void clear(float* table, int64_t rows, int64_t width) const {
        constexpr int64_t kGranule = 16;
        for (int64_t row = 0; table && row < rows; row += kGranule)
            if (of((int32_t)row) == me)
                memset(table + row * width, 0,
                       sizeof(float) * (size_t)((rows - row < kGranule ? rows - row : kGranule) * width));
    }
};

// into = Σ slot · item row over a list, even and odd slots apart. A body for for_column_blocks.
template <bool padded>
struct WeightedItems {
    const int32_t* id;
    const float *slot, *item_factor;
    int64_t length, width;
    float* into;

    template <int N>
    void run(int64_t k, int64_t n) const {
        const float *s = slot, *table = item_factor + k;
        lanes::Columns<N> even = lanes::Columns<N>::zero(), odd = even;
        int64_t i = 0;
        for (; i + 2 <= length; i += 2) {
            if (!padded || id[i] >= 0) even.add(s[i], lanes::Columns<N>::load(table + id[i] * width, n));
            if (!padded || id[i + 1] >= 0) odd.add(s[i + 1], lanes::Columns<N>::load(table + id[i + 1] * width, n));
        }
        if (i < length && (!padded || id[i] >= 0)) even.add(s[i], lanes::Columns<N>::load(table + id[i] * width, n));
        even.add(1.0f, odd);
        even.store(into + k, n);
    }
};

// item_grad[item] += slot · user row, for the picked slots of one list. A body for for_column_blocks.
template <bool padded>
struct ScatteredUser {
    const int32_t* id;
    const float *slot, *user_row;
    const int32_t* mine;
    int64_t count, width;
    float* item_grad;

    template <int N>
    void run(int64_t k, int64_t n) const {
        const float* s = slot;
        const lanes::Columns<N> user = lanes::Columns<N>::load(user_row + k, n);
        float* const table = item_grad + k;
        const int32_t *const picked = mine, *const item = id;
        for (int64_t j = 0, last = count, d = width; j < last; ++j) {
            if (padded && item[picked[j]] < 0) continue;
            float* grad = table + item[picked[j]] * d;
            lanes::Columns<N> sum = lanes::Columns<N>::load(grad, n);
            sum.add(s[picked[j]], user);
            sum.store(grad, n);
        }
    }
};

}  // namespace RCEKD_ISA
}  // namespace rcekd
