cdef extern from "rcekd/plackett_luce.h" nogil:
    ctypedef struct rcekd_plackett_luce_args:
        const float* score
        const uint8_t* mask
        int64_t rows, width, positives
        float* loss
        float* slope
        int threads
    int rcekd_plackett_luce(rcekd_plackett_luce_args* args)


def plackett_luce(
    uintptr_t score,
    uintptr_t mask,
    int64_t rows,
    int64_t width,
    int64_t positives,
    uintptr_t loss,
    uintptr_t slope,
    int threads,
) -> int:
    """csrc/include/rcekd/plackett_luce.h: status."""
    cdef rcekd_plackett_luce_args args
    args.score = <const float*>score
    args.mask = <const uint8_t*>mask
    args.rows = rows
    args.width = width
    args.positives = positives
    args.loss = <float*>loss
    args.slope = <float*>slope
    args.threads = threads
    cdef int status
    with nogil:
        status = rcekd_plackett_luce(&args)
    return status
