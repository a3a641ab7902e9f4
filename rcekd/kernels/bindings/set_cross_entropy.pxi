cdef extern from "rcekd/set_cross_entropy.h" nogil:
    ctypedef struct rcekd_set_cross_entropy_args:
        const float* user_factor
        const float* item_factor
        int64_t users
        int64_t items
        int64_t width
        const int64_t* indptr
        const int32_t* item
        const float* prob
        const int32_t* user
        const int32_t* set
        const float* weight
        int64_t rows
        int64_t sets
        int64_t entries
        int64_t slots
        float tau
        float* loss
        float* user_grad
        float* item_grad
        int threads
    int rcekd_set_cross_entropy(rcekd_set_cross_entropy_args* args)


def set_cross_entropy(
    uintptr_t user_factor,
    uintptr_t item_factor,
    int64_t users,
    int64_t items,
    int64_t width,
    uintptr_t indptr,
    uintptr_t item,
    uintptr_t prob,
    uintptr_t user,
    uintptr_t set,
    uintptr_t weight,
    int64_t rows,
    float tau,
    uintptr_t loss,
    uintptr_t user_grad,
    uintptr_t item_grad,
    int threads,
) -> int:
    """csrc/include/rcekd/set_cross_entropy.h: status."""
    cdef rcekd_set_cross_entropy_args args
    args.user_factor = <const float*>user_factor
    args.item_factor = <const float*>item_factor
    args.users = users
    args.items = items
    args.width = width
    args.indptr = <const int64_t*>indptr
    args.item = <const int32_t*>item
    args.prob = <const float*>prob
    args.user = <const int32_t*>user
    args.set = <const int32_t*>set
    args.weight = <const float*>weight
    args.rows = rows
    args.sets = args.entries = args.slots = 0
    args.tau = tau
    args.loss = <float*>loss
    args.user_grad = <float*>user_grad
    args.item_grad = <float*>item_grad
    args.threads = threads
    cdef int status
    with nogil:
        status = rcekd_set_cross_entropy(&args)
    return status
