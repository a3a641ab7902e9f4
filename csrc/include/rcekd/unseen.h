// Counting off the items outside an ascending list without repeats.
#pragma once
#include "rcekd/common.h"

// The rank-th item (from 0) outside seen[0 … n): below seen[j] lie seen[j] − j of them, so it is rank plus the number
// of j with seen[j] − j ≤ rank.
RCEKD_HD int32_t rcekd_nth_unseen(const int32_t* seen, int64_t n, int32_t rank) {
    int64_t low = 0;
    while (low < n) {
        const int64_t mid = (low + n) / 2;
        if (seen[mid] - mid <= rank)
            low = mid + 1;
        else
            n = mid;
    }
    return rank + (int32_t)low;
}
