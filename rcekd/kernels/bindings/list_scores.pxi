cdef extern from "rcekd/list_scores.h" nogil:
    ctypedef struct rcekd_list_scores_args:
        const float* user_factor
        const float* item_factor
        const int32_t* item
        int64_t rows
        int64_t items
        int64_t width
        int64_t listed
        float* score
        const float* grad
        float* user_grad
        float* item_grad
        int threads
    int rcekd_list_scores(rcekd_list_scores_args* args)


def list_scores(
    uintptr_t user_factor,
    uintptr_t item_factor,
    uintptr_t item,
    int64_t rows,
    int64_t items,
    int64_t width,
    int64_t listed,
    uintptr_t score,
    uintptr_t grad,
    uintptr_t user_grad,
    uintptr_t item_grad,
    int threads,
) -> int:
    """csrc/include/rcekd/list_scores.h: status."""
    cdef rcekd_list_scores_args args
    args.user_factor = <const float*>user_factor
    args.item_factor = <const float*>item_factor
    args.item = <const int32_t*>item
    args.rows = rows
    args.items = items
    args.width = width
    args.listed = listed
    args.score = <float*>score
    args.grad = <const float*>grad
    args.user_grad = <float*>user_grad
    args.item_grad = <float*>item_grad
    args.threads = threads
    cdef int status
    with nogil:
        status = rcekd_list_scores(&args)
    return status
