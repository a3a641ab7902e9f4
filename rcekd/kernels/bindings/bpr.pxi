cdef extern from "rcekd/bpr.h" nogil:
    ctypedef struct rcekd_bpr_args:
        const float* user_factor
        const float* item_factor
        const int32_t* user
        const int32_t* positive
        const int32_t* negative
        int64_t batch
        int64_t negatives
        int64_t width
        float* loss
        int64_t* user_row
        float* user_grad
        int64_t* item_row
        float* item_grad
        int64_t user_rows
        int64_t item_rows
        int threads
    int rcekd_bpr(rcekd_bpr_args* args)


def bpr(
    uintptr_t user_factor,
    uintptr_t item_factor,
    uintptr_t user,
    uintptr_t positive,
    uintptr_t negative,
    int64_t batch,
    int64_t negatives,
    int64_t width,
    uintptr_t loss,
    uintptr_t user_row,
    uintptr_t user_grad,
    uintptr_t item_row,
    uintptr_t item_grad,
    int threads,
) -> tuple[int, int, int]:
    """csrc/include/rcekd/bpr.h: status, user_rows, item_rows."""
    cdef rcekd_bpr_args args
    args.user_factor = <const float*>user_factor
    args.item_factor = <const float*>item_factor
    args.user = <const int32_t*>user
    args.positive = <const int32_t*>positive
    args.negative = <const int32_t*>negative
    args.batch = batch
    args.negatives = negatives
    args.width = width
    args.loss = <float*>loss
    args.user_row = <int64_t*>user_row
    args.user_grad = <float*>user_grad
    args.item_row = <int64_t*>item_row
    args.item_grad = <float*>item_grad
    args.user_rows = 0
    args.item_rows = 0
    args.threads = threads
    cdef int status
    with nogil:
        status = rcekd_bpr(&args)
    return status, args.user_rows, args.item_rows
