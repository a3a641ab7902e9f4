cdef extern from "rcekd/rest_log_sum.h" nogil:
    ctypedef struct rcekd_rest_log_sum_args:
        const float* user_factor
        const float* item_factor
        const int32_t* user
        const int64_t* left_indptr
        const int32_t* left_item
        int64_t rows
        int64_t items
        int64_t width
        float* sum
        float* mean
        const float* grad
        float* item_grad
        int threads
    int rcekd_rest_log_sum(rcekd_rest_log_sum_args* args)


def rest_log_sum(
    uintptr_t user_factor,
    uintptr_t item_factor,
    uintptr_t user,
    uintptr_t left_indptr,
    uintptr_t left_item,
    int64_t rows,
    int64_t items,
    int64_t width,
    uintptr_t sum,
    uintptr_t mean,
    uintptr_t grad,
    uintptr_t item_grad,
    int threads,
) -> int:
    """csrc/include/rcekd/rest_log_sum.h: status."""
    cdef rcekd_rest_log_sum_args args
    args.user_factor = <const float*>user_factor
    args.item_factor = <const float*>item_factor
    args.user = <const int32_t*>user
    args.left_indptr = <const int64_t*>left_indptr
    args.left_item = <const int32_t*>left_item
    args.rows = rows
    args.items = items
    args.width = width
    args.sum = <float*>sum
    args.mean = <float*>mean
    args.grad = <const float*>grad
    args.item_grad = <float*>item_grad
    args.threads = threads
    cdef int status
    with nogil:
        status = rcekd_rest_log_sum(&args)
    return status
