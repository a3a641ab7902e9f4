cdef extern from "rcekd/closure.h" nogil:
    ctypedef struct rcekd_closure_args:
        const float* user_factor
        const float* item_factor
        const int32_t* user
        const int64_t* seen_indptr
        const int32_t* seen_item
        const int32_t* teacher_item
        int64_t rows
        int64_t n_items
        int64_t d
        int64_t k
        int64_t draws
        double tau
        uint64_t seed
        uint64_t epoch
        int64_t clip
        int all_raise
        int inclusive
        int exclude_teacher
        int64_t high
        int32_t* student_item
        float* student_score
        uint8_t* mastered
        int32_t* draw
        float* draw_score
        int64_t bad_row
        int threads
    int rcekd_closure(rcekd_closure_args* args)


def closure(
    uintptr_t user_factor,
    uintptr_t item_factor,
    uintptr_t user,
    uintptr_t seen_indptr,
    uintptr_t seen_item,
    uintptr_t teacher_item,
    int64_t rows,
    int64_t n_items,
    int64_t d,
    int64_t k,
    int64_t draws,
    double tau,
    uint64_t seed,
    uint64_t epoch,
    int64_t clip,
    bint all_raise,
    bint inclusive,
    bint exclude_teacher,
    int64_t high,
    uintptr_t student_item,
    uintptr_t student_score,
    uintptr_t mastered,
    uintptr_t draw,
    uintptr_t draw_score,
    int threads,
) -> tuple[int, int]:
    """csrc/include/rcekd/closure.h: status and bad_row."""
    cdef rcekd_closure_args args
    args.user_factor = <const float*>user_factor
    args.item_factor = <const float*>item_factor
    args.user = <const int32_t*>user
    args.seen_indptr = <const int64_t*>seen_indptr
    args.seen_item = <const int32_t*>seen_item
    args.teacher_item = <const int32_t*>teacher_item
    args.rows = rows
    args.n_items = n_items
    args.d = d
    args.k = k
    args.draws = draws
    args.tau = tau
    args.seed = seed
    args.epoch = epoch
    args.clip = clip
    args.all_raise = all_raise
    args.inclusive = inclusive
    args.exclude_teacher = exclude_teacher
    args.high = high
    args.student_item = <int32_t*>student_item
    args.student_score = <float*>student_score
    args.mastered = <uint8_t*>mastered
    args.draw = <int32_t*>draw
    args.draw_score = <float*>draw_score
    args.bad_row = 0
    args.threads = threads
    cdef int status
    with nogil:
        status = rcekd_closure(&args)
    return status, args.bad_row
