cdef extern from "rcekd/propagate.h" nogil:
    ctypedef struct rcekd_propagate_args:
        const int64_t* indptr
        const int32_t* indices
        const float* row_scale
        const float* column_scale
        const float* x
        const float* base
        int64_t rows
        int64_t columns
        int64_t width
        float factor
        float* y
        int threads
    int rcekd_propagate(rcekd_propagate_args* args)


def propagate(
    uintptr_t indptr,
    uintptr_t indices,
    uintptr_t row_scale,
    uintptr_t column_scale,
    uintptr_t x,
    uintptr_t base,
    int64_t rows,
    int64_t columns,
    int64_t width,
    float factor,
    uintptr_t y,
    int threads,
) -> int:
    """csrc/include/rcekd/propagate.h: status."""
    cdef rcekd_propagate_args args
    args.indptr = <const int64_t*>indptr
    args.indices = <const int32_t*>indices
    args.row_scale = <const float*>row_scale
    args.column_scale = <const float*>column_scale
    args.x = <const float*>x
    args.base = <const float*>base
    args.rows = rows
    args.columns = columns
    args.width = width
    args.factor = factor
    args.y = <float*>y
    args.threads = threads
    cdef int status
    with nogil:
        status = rcekd_propagate(&args)
    return status
