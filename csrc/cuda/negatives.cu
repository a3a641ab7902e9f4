#include "launch.h"
#include "rcekd/negatives.h"

namespace rcekd {
namespace cuda {
namespace {

__global__ void negatives_kernel(rcekd_negatives_args a) {
    for (int64_t i = first_index(); i < a.batch * a.negatives; i += index_step()) {
        const int64_t b = i / a.negatives, begin = a.seen_indptr[a.user[b]];
        a.item[i] = rcekd_negative(a.key, a.first + (uint64_t)b, (uint32_t)(i % a.negatives), a.seen_item + begin,
                                   a.seen_indptr[a.user[b] + 1] - begin, a.n_items);
    }
}

}  // namespace
}  // namespace cuda
}  // namespace rcekd

extern "C" int64_t rcekd_cuda_negatives_workspace(const rcekd_negatives_args*) { return 0; }

extern "C" int rcekd_cuda_negatives(const rcekd_negatives_args* a, const rcekd_cuda_call* call) {
    using namespace rcekd::cuda;
    if (const int error = begin(call)) return error;
    RCEKD_LAUNCH(negatives_kernel, blocks_of(a->batch * a->negatives), kThreads, call->stream, *a);
    return (int)cudaGetLastError();
}
