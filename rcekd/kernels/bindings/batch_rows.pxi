cdef extern from "rcekd/batch_rows.h" nogil:
    ctypedef struct rcekd_batch_rows_args:
        const int32_t* user
        const float* share
        const float* scale
        int64_t batch
        int64_t lists
        int64_t users
        int32_t* row_user
        int32_t* row_set
        float* row_weight
        int threads
    int rcekd_batch_rows(rcekd_batch_rows_args* args)


def batch_rows(
    uintptr_t user,
    uintptr_t share,
    uintptr_t scale,
    int64_t batch,
    int64_t lists,
    int64_t users,
    uintptr_t row_user,
    uintptr_t row_set,
    uintptr_t row_weight,
) -> int:
    """csrc/include/rcekd/batch_rows.h: status."""
    cdef rcekd_batch_rows_args args
    args.user = <const int32_t*>user
    args.share = <const float*>share
    args.scale = <const float*>scale
    args.batch = batch
    args.lists = lists
    args.users = users
    args.row_user = <int32_t*>row_user
    args.row_set = <int32_t*>row_set
    args.row_weight = <float*>row_weight
    args.threads = 1
    cdef int status
    with nogil:
        status = rcekd_batch_rows(&args)
    return status
