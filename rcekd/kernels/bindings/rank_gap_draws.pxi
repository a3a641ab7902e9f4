cdef extern from "rcekd/rank_gap_draws.h" nogil:
    ctypedef struct rcekd_rank_gap_draws_args:
        const float* user_factor
        const float* item_factor
        const float* other_user_factor
        const float* other_item_factor
        const int32_t* user
        const int64_t* seen_indptr
        const int32_t* seen_item
        int64_t rows
        int64_t n_items
        int64_t d
        int64_t other_d
        const rcekd_gap_request* request
        int64_t requests
        int64_t bad_row
        int threads
    int rcekd_rank_gap_draws(rcekd_rank_gap_draws_args* args)


def rank_gap_draws(
    uintptr_t user_factor,
    uintptr_t item_factor,
    uintptr_t other_user_factor,
    uintptr_t other_item_factor,
    uintptr_t user,
    uintptr_t seen_indptr,
    uintptr_t seen_item,
    int64_t rows,
    int64_t n_items,
    int64_t d,
    int64_t other_d,
    list requests,
    int threads,
) -> tuple[int, int]:
    """csrc/include/rcekd/rank_gap_draws.h: status and bad_row; requests are (draws, flags, eps, key, item)."""
    cdef rcekd_rank_gap_draws_args args
    cdef rcekd_gap_request* request = gap_requests(requests)
    cdef int status
    args.user_factor = <const float*>user_factor
    args.item_factor = <const float*>item_factor
    args.other_user_factor = <const float*>other_user_factor
    args.other_item_factor = <const float*>other_item_factor
    args.user = <const int32_t*>user
    args.seen_indptr = <const int64_t*>seen_indptr
    args.seen_item = <const int32_t*>seen_item
    args.rows = rows
    args.n_items = n_items
    args.d = d
    args.other_d = other_d
    args.request = request
    args.requests = len(requests)
    args.bad_row = 0
    args.threads = threads
    with nogil:
        status = rcekd_rank_gap_draws(&args)
    free(request)
    return status, args.bad_row
