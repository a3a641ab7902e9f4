cdef extern from "rcekd/horizon.h" nogil:
    ctypedef struct rcekd_horizon_args:
        const int32_t* student
        const int32_t* teacher
        const int32_t* user
        int64_t batch
        int64_t listed
        int64_t taught
        int64_t draws
        int64_t top_k
        int64_t n_items
        int64_t clip
        double tau
        uint64_t key
        int flags
        int32_t* item
        int threads
    int rcekd_horizon(rcekd_horizon_args* args)


def horizon(
    uintptr_t student,
    uintptr_t teacher,
    uintptr_t user,
    int64_t batch,
    int64_t listed,
    int64_t taught,
    int64_t draws,
    int64_t top_k,
    int64_t n_items,
    int64_t clip,
    double tau,
    uint64_t key,
    int flags,
    uintptr_t item,
    int threads,
) -> int:
    """csrc/include/rcekd/horizon.h: status."""
    cdef rcekd_horizon_args args
    args.student = <const int32_t*>student
    args.teacher = <const int32_t*>teacher
    args.user = <const int32_t*>user
    args.batch = batch
    args.listed = listed
    args.taught = taught
    args.draws = draws
    args.top_k = top_k
    args.n_items = n_items
    args.clip = clip
    args.tau = tau
    args.key = key
    args.flags = flags
    args.item = <int32_t*>item
    args.threads = threads
    cdef int status
    with nogil:
        status = rcekd_horizon(&args)
    return status
