# distutils: language = c++
"""Thin door to the C core (csrc/): raw addresses in, a status out, the GIL released. Checks are the callers'."""

from libc.stdint cimport int32_t, int64_t, uint8_t, uint64_t, uintptr_t

cdef extern from "rcekd/ops.h" nogil:
    const char* rcekd_isa_name()
    int rcekd_set_isa(const char* name)


def isa() -> str:
    """The instruction set in use: scalar, avx2 or avx512."""
    return rcekd_isa_name().decode()


def set_isa(name: str) -> bool:
    """Switch the instruction set; False when this processor or build has not got it."""
    return bool(rcekd_set_isa(name.encode()))


include "bindings/adam.pxi"
include "bindings/batch_rows.pxi"
include "bindings/bpr.pxi"
include "bindings/set_cross_entropy.pxi"
include "bindings/pair_scores.pxi"
include "bindings/list_scores.pxi"
include "bindings/propagate.pxi"
include "bindings/set_softmax.pxi"
include "bindings/negatives.pxi"
include "bindings/unseen_draws.pxi"
include "bindings/gap.pxi"
include "bindings/rank_gap_draws.pxi"
include "bindings/pool_gap_draws.pxi"
include "bindings/horizon.pxi"
include "bindings/rest_log_sum.pxi"
include "bindings/plackett_luce.pxi"
include "bindings/topk.pxi"
include "bindings/closure.pxi"
