from libc.stdlib cimport free, malloc

cdef extern from "rcekd/gap.h" nogil:
    ctypedef struct rcekd_gap_request:
        int64_t draws
        int flags
        double eps
        uint64_t key
        int32_t* item


cdef rcekd_gap_request* gap_requests(list requests) except NULL:
    """The requests (draws, flags, eps, key, item) in memory that the caller frees."""
    cdef rcekd_gap_request* request = <rcekd_gap_request*>malloc((len(requests) + 1) * sizeof(rcekd_gap_request))
    if request == NULL:
        raise MemoryError
    try:
        for q, (draws, flags, eps, key, item) in enumerate(requests):
            request[q].draws = draws
            request[q].flags = flags
            request[q].eps = eps
            request[q].key = key
            request[q].item = <int32_t*><uintptr_t>item
    except BaseException:
        free(request)
        raise
    return request
