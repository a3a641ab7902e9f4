// Whether a user has seen an item, in a CSR whose rows ascend.
#pragma once
#include "launch.h"

namespace rcekd {
namespace cuda {

struct Seen {
    const int64_t* indptr;  // null: nothing is seen
    const int32_t* item;

    __device__ bool has(int64_t user, int32_t wanted) const {
        if (indptr == nullptr) return false;
        int64_t low = indptr[user], high = indptr[user + 1];
        const int64_t end = high;
        while (low < high) {
            const int64_t mid = (low + high) / 2;
            if (item[mid] < wanted)
                low = mid + 1;
            else
                high = mid;
        }
        return low < end && item[low] == wanted;
    }
};

}  // namespace cuda
}  // namespace rcekd
