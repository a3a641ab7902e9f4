cdef extern from "rcekd/unseen_draws.h" nogil:
    ctypedef struct rcekd_unseen_draws_args:
        const int32_t* user
        const int64_t* seen_indptr
        const int32_t* seen_item
        int64_t batch
        int64_t draws
        int64_t n_items
        uint64_t key
        int32_t* item
        int threads
    int rcekd_unseen_draws(rcekd_unseen_draws_args* args)


def unseen_draws(
    uintptr_t user,
    uintptr_t seen_indptr,
    uintptr_t seen_item,
    int64_t batch,
    int64_t draws,
    int64_t n_items,
    uint64_t key,
    uintptr_t item,
    int threads,
) -> int:
    """csrc/include/rcekd/unseen_draws.h: status."""
    cdef rcekd_unseen_draws_args args
    args.user = <const int32_t*>user
    args.seen_indptr = <const int64_t*>seen_indptr
    args.seen_item = <const int32_t*>seen_item
    args.batch = batch
    args.draws = draws
    args.n_items = n_items
    args.key = key
    args.item = <int32_t*>item
    args.threads = threads
    cdef int status
    with nogil:
        status = rcekd_unseen_draws(&args)
    return status
