cdef extern from "rcekd/topk.h" nogil:
    ctypedef struct rcekd_topk_args:
        const float* user_factor
        const float* item_factor
        const int32_t* user
        const int64_t* seen_indptr
        const int32_t* seen_item
        int64_t rows
        int64_t n_items
        int64_t d
        int64_t k
        int32_t* item
        float* score
        int64_t bad_row
        int threads
    int rcekd_topk(rcekd_topk_args* args)


def topk(
    uintptr_t user_factor,
    uintptr_t item_factor,
    uintptr_t user,
    uintptr_t seen_indptr,
    uintptr_t seen_item,
    int64_t rows,
    int64_t n_items,
    int64_t d,
    int64_t k,
    uintptr_t item,
    uintptr_t score,
    int threads,
) -> tuple[int, int]:
    """csrc/include/rcekd/topk.h: status and bad_row."""
    cdef rcekd_topk_args args
    args.user_factor = <const float*>user_factor
    args.item_factor = <const float*>item_factor
    args.user = <const int32_t*>user
    args.seen_indptr = <const int64_t*>seen_indptr
    args.seen_item = <const int32_t*>seen_item
    args.rows = rows
    args.n_items = n_items
    args.d = d
    args.k = k
    args.item = <int32_t*>item
    args.score = <float*>score
    args.bad_row = 0
    args.threads = threads
    cdef int status
    with nogil:
        status = rcekd_topk(&args)
    return status, args.bad_row
