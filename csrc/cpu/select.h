// Selecting and sorting, without branches that depend on the data. Not std::nth_element and std::sort: their helpers
// would be compiled once per instruction set and merged by the linker, so that an old processor could meet new
// instructions.
#pragma once
#include <stdint.h>

#include "simd.h"

namespace rcekd {
namespace RCEKD_ISA {

template <class T>
inline void exchange(T& a, T& b) {
    const T c = a;
    a = b;
    b = c;
}

// Reorders a[0..n) so that its k foremost elements come first and the k-th of them is at a[k - 1]; 1 <= k <= n.
template <class T, class Before>
inline void select_first(T* a, int64_t n, int64_t k, Before before) {
    uint64_t random = 0x9E3779B97F4A7C15ull;
    int64_t from = 0, to = n;
    while (to - from > 1) {
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        const uint64_t span = (uint64_t)(to - from);
        int64_t p[3];
        for (int i = 0; i < 3; ++i) p[i] = from + (int64_t)((random >> (21 * i) & 0x1FFFFF) * span >> 21);
        if (before(a[p[1]], a[p[0]])) exchange(p[0], p[1]);  // the median of three is the pivot
        if (before(a[p[2]], a[p[1]])) exchange(p[1], p[2]);
        if (before(a[p[1]], a[p[0]])) exchange(p[0], p[1]);
        exchange(a[p[1]], a[to - 1]);
        const T pivot = a[to - 1];
        int64_t middle = from;
        for (int64_t i = from; i < to - 1; ++i) {
            const T x = a[i];
            a[i] = a[middle];
            a[middle] = x;
            middle += before(x, pivot) ? 1 : 0;
        }
        exchange(a[middle], a[to - 1]);
        if (middle == k - 1) return;
        (middle < k - 1 ? from : to) = middle < k - 1 ? middle + 1 : middle;
    }
}

// The k-th largest of a[0..n), which is used up, as `spare` is; both have room for a vector beyond n. 1 <= k <= n.
inline float kth_largest(float* a, float* spare, int64_t n, int64_t k) {
    uint64_t random = 0x9E3779B97F4A7C15ull;
    for (;;) {
        random = random * 6364136223846793005ull + 1442695040888963407ull;
        float p[3];
        for (int i = 0; i < 3; ++i) p[i] = a[(random >> (21 * i) & 0x1FFFFF) * (uint64_t)n >> 21];
        const float low = p[0] < p[1] ? p[0] : p[1], high = p[0] < p[1] ? p[1] : p[0];
        const float median = p[2] < low ? low : p[2] < high ? p[2] : high;
        const Vec pivot = Vec::fill(median);
        int64_t above = 0, below = 0;  // those above go to spare, those below stay in front
        for (int64_t i = 0; i < n; i += Vec::width) {
            const Vec x = Vec::load(a + i);
            const uint32_t here = n - i < Vec::width ? (1u << (n - i)) - 1u : ~0u;
            const uint32_t over = greater(x, pivot) & here, under = greater(pivot, x) & here;
            above += append(spare + above, x, over);
            below += append(a + below, x, under);
        }
        if (k <= above) {
            n = above;
            exchange(a, spare);
        } else if (k <= n - below) {
            return median;
        } else {
            k -= n - below;
            n = below;
        }
    }
}

// Sorts up to kRun elements, equal ones in the order given, by counting for each those before it; `spare` is scratch of
// n.
constexpr int64_t kRun = 32;
template <class T, class Before>
inline void sort_run(T* a, int64_t n, T* spare, Before before) {
    for (int64_t i = 0; i < n; ++i) spare[i] = a[i];
    for (int64_t i = 0; i < n; ++i) {
        int64_t rank = 0;
        for (int64_t j = 0; j < i; ++j) rank += before(spare[i], spare[j]) ? 0 : 1;
        for (int64_t j = i + 1; j < n; ++j) rank += before(spare[j], spare[i]) ? 1 : 0;
        a[rank] = spare[i];
    }
}

template <class T, class Before>
inline void merge_runs(const T* a, int64_t na, const T* b, int64_t nb, T* out, Before before) {
    int64_t i = 0, j = 0;
    while (i < na && j < nb) {
        const bool second = before(b[j], a[i]);
        out[i + j] = second ? b[j] : a[i];
        i += second ? 0 : 1;
        j += second ? 1 : 0;
    }
    for (; i < na; ++i) out[i + j] = a[i];
    for (; j < nb; ++j) out[i + j] = b[j];
}

// Sorts a[0..n) by runs that are merged; `spare` is scratch of n.
template <class T, class Before>
inline void sort_merging(T* a, int64_t n, T* spare, Before before) {
    for (int64_t i = 0; i < n; i += kRun) sort_run(a + i, n - i < kRun ? n - i : kRun, spare, before);
    T *from = a, *to = spare;
    for (int64_t run = kRun; run < n; run *= 2) {
        for (int64_t i = 0; i < n; i += 2 * run) {
            const int64_t na = n - i < run ? n - i : run, nb = n - i - na < run ? n - i - na : run;
            merge_runs(from + i, na, from + i + na, nb, to + i, before);
        }
        exchange(from, to);
    }
    if (from != a)
        for (int64_t i = 0; i < n; ++i) a[i] = from[i];
}

// Sorts a[0..n) by Before::word, smallest first and equal ones in the order given, a byte at a time from the lowest;
// bytes that all words share cost nothing. `spare` is scratch of n.
template <class Before, class T>
inline void sort_words(T* a, int64_t n, T* spare) {
    constexpr int kBytes = sizeof(decltype(Before::word(*a)));
    int64_t place[kBytes][256] = {};
    for (int64_t i = 0; i < n; ++i)
        for (int b = 0; b < kBytes; ++b) ++place[b][Before::word(a[i]) >> (8 * b) & 0xFF];
    T *from = a, *to = spare;
    for (int b = 0; b < kBytes; ++b) {
        int64_t* const next = place[b];
        if (next[Before::word(from[0]) >> (8 * b) & 0xFF] == n) continue;
        for (int64_t v = 0, before = 0; v < 256; ++v) {
            const int64_t here = next[v];
            next[v] = before;
            before += here;
        }
        for (int64_t i = 0; i < n; ++i) to[next[Before::word(from[i]) >> (8 * b) & 0xFF]++] = from[i];
        exchange(from, to);
    }
    if (from != a)
        for (int64_t i = 0; i < n; ++i) a[i] = from[i];
}

// Sorts a[0..n); `spare` is scratch of n. Before::word maps an element to an unsigned word whose order never
// contradicts `before`; elements of equal words are told apart by `before`.
constexpr int64_t kLong = 256;  // from about here on, bytes are faster than merging
template <class T, class Before>
inline void sort_all(T* a, int64_t n, T* spare, Before before) {
    if (n <= kLong) return sort_merging(a, n, spare, before);
    sort_words<Before>(a, n, spare);
    for (int64_t i = 0, run = 1; i < n; i += run, run = 1) {
        while (i + run < n && Before::word(a[i]) == Before::word(a[i + run])) ++run;
        if (run > 1) sort_merging(a + i, run, spare, before);
    }
}

}  // namespace RCEKD_ISA
}  // namespace rcekd
