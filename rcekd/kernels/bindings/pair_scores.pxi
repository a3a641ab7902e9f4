cdef extern from "rcekd/pair_scores.h" nogil:
    ctypedef struct rcekd_pair_scores_args:
        const float* user_factor
        const float* item_factor
        int64_t width
        const int32_t* user
        const int64_t* indptr
        const int32_t* item
        int64_t rows
        float* score
        int threads
    int rcekd_pair_scores(rcekd_pair_scores_args* args)


def pair_scores(
    uintptr_t user_factor,
    uintptr_t item_factor,
    int64_t width,
    uintptr_t user,
    uintptr_t indptr,
    uintptr_t item,
    int64_t rows,
    uintptr_t score,
    int threads,
) -> int:
    """csrc/include/rcekd/pair_scores.h: status."""
    cdef rcekd_pair_scores_args args
    args.user_factor = <const float*>user_factor
    args.item_factor = <const float*>item_factor
    args.width = width
    args.user = <const int32_t*>user
    args.indptr = <const int64_t*>indptr
    args.item = <const int32_t*>item
    args.rows = rows
    args.score = <float*>score
    args.threads = threads
    cdef int status
    with nogil:
        status = rcekd_pair_scores(&args)
    return status
