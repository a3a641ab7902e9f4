cdef extern from "rcekd/pool_gap_draws.h" nogil:
    ctypedef struct rcekd_pool_gap_draws_args:
        const float* row_factor
        const float* candidate_factor
        const int32_t* pool
        const int32_t* number
        int64_t rows
        int64_t d
        int64_t listed
        const rcekd_gap_request* request
        int64_t requests
        int64_t bad_row
        int threads
    int rcekd_pool_gap_draws(rcekd_pool_gap_draws_args* args)


def pool_gap_draws(
    uintptr_t row_factor,
    uintptr_t candidate_factor,
    uintptr_t pool,
    uintptr_t number,
    int64_t rows,
    int64_t d,
    int64_t listed,
    list requests,
    int threads,
) -> tuple[int, int]:
    """csrc/include/rcekd/pool_gap_draws.h: status and bad_row; requests are (draws, flags, eps, key, item)."""
    cdef rcekd_pool_gap_draws_args args
    cdef rcekd_gap_request* request = gap_requests(requests)
    cdef int status
    args.row_factor = <const float*>row_factor
    args.candidate_factor = <const float*>candidate_factor
    args.pool = <const int32_t*>pool
    args.number = <const int32_t*>number
    args.rows = rows
    args.d = d
    args.listed = listed
    args.request = request
    args.requests = len(requests)
    args.bad_row = 0
    args.threads = threads
    with nogil:
        status = rcekd_pool_gap_draws(&args)
    free(request)
    return status, args.bad_row
