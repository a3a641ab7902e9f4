cdef extern from "rcekd/set_softmax.h" nogil:
    ctypedef struct rcekd_set_softmax_args:
        const float* score
        const int64_t* indptr
        int64_t rows
        float tau
        float* prob
        int threads
    int rcekd_set_softmax(rcekd_set_softmax_args* args)


def set_softmax(
    uintptr_t score,
    uintptr_t indptr,
    int64_t rows,
    float tau,
    uintptr_t prob,
    int threads,
) -> int:
    """csrc/include/rcekd/set_softmax.h: status."""
    cdef rcekd_set_softmax_args args
    args.score = <const float*>score
    args.indptr = <const int64_t*>indptr
    args.rows = rows
    args.tau = tau
    args.prob = <float*>prob
    args.threads = threads
    cdef int status
    with nogil:
        status = rcekd_set_softmax(&args)
    return status
