cdef extern from "rcekd/adam.h" nogil:
    ctypedef struct rcekd_adam_args:
        float* param
        float* exp_avg
        float* exp_avg_sq
        const float* grad
        const int64_t* row
        int64_t rows
        int64_t width
        int64_t entries
        float weight_decay
        float take
        float keep_sq
        float take_sq
        float rate
        float eps
        const float* rates
        int lazy
        int threads
    int rcekd_adam(rcekd_adam_args* args)


def adam(
    uintptr_t param,
    uintptr_t exp_avg,
    uintptr_t exp_avg_sq,
    uintptr_t grad,
    uintptr_t row,
    int64_t rows,
    int64_t width,
    int64_t entries,
    float weight_decay,
    float take,
    float keep_sq,
    float take_sq,
    float rate,
    float eps,
    uintptr_t rates,
    bint lazy,
    int threads,
) -> int:
    """csrc/include/rcekd/adam.h: status."""
    cdef rcekd_adam_args args
    args.param = <float*>param
    args.exp_avg = <float*>exp_avg
    args.exp_avg_sq = <float*>exp_avg_sq
    args.grad = <const float*>grad
    args.row = <const int64_t*>row
    args.rows = rows
    args.width = width
    args.entries = entries
    args.weight_decay = weight_decay
    args.take = take
    args.keep_sq = keep_sq
    args.take_sq = take_sq
    args.rate = rate
    args.eps = eps
    args.rates = <const float*>rates
    args.lazy = lazy
    args.threads = threads
    cdef int status
    with nogil:
        status = rcekd_adam(&args)
    return status
