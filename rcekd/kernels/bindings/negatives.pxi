cdef extern from "rcekd/negatives.h" nogil:
    ctypedef struct rcekd_negatives_args:
        const int32_t* user
        const int64_t* seen_indptr
        const int32_t* seen_item
        int64_t batch
        int64_t negatives
        int64_t n_items
        uint64_t key
        uint64_t first
        int32_t* item
        int threads
    int rcekd_negatives(rcekd_negatives_args* args)


def negatives(
    uintptr_t user,
    uintptr_t seen_indptr,
    uintptr_t seen_item,
    int64_t batch,
    int64_t negatives,
    int64_t n_items,
    uint64_t key,
    uint64_t first,
    uintptr_t item,
    int threads,
) -> int:
    """csrc/include/rcekd/negatives.h: status."""
    cdef rcekd_negatives_args args
    args.user = <const int32_t*>user
    args.seen_indptr = <const int64_t*>seen_indptr
    args.seen_item = <const int32_t*>seen_item
    args.batch = batch
    args.negatives = negatives
    args.n_items = n_items
    args.key = key
    args.first = first
    args.item = <int32_t*>item
    args.threads = threads
    cdef int status
    with nogil:
        status = rcekd_negatives(&args)
    return status
