"""The argument structs of csrc/include/rcekd as the CUDA library takes them: the same fields in the same order."""

import ctypes
from collections.abc import Mapping
from types import MappingProxyType

_TYPES = {
    "p": ctypes.c_void_p,
    "i": ctypes.c_int,
    "q": ctypes.c_int64,
    "Q": ctypes.c_uint64,
    "f": ctypes.c_float,
    "d": ctypes.c_double,
}


class Call(ctypes.Structure):
    """csrc/include/rcekd/cuda.h: where an operation runs, and on what scratch memory."""

    _fields_ = (
        ("workspace", ctypes.c_void_p),
        ("stream", ctypes.c_void_p),
        ("bad_row", ctypes.c_void_p),
        ("device", ctypes.c_int),
    )


def _struct(name: str, layout: str) -> type[ctypes.Structure]:
    """A struct from words like "rows:q" (a letter of `_TYPES`); "a,b:p" are two fields of one type."""
    words = (word.split(":") for word in layout.split())
    fields = [(field, _TYPES[letter]) for names, letter in words for field in names.split(",")]
    return type(name, (ctypes.Structure,), {"_fields_": fields})


_LAYOUTS = {
    "topk": "user_factor,item_factor,user,seen_indptr,seen_item:p rows,n_items,d,k:q item,score:p bad_row:q threads:i",
    "closure": "user_factor,item_factor,user,seen_indptr,seen_item,teacher_item:p rows,n_items,d,k,draws:q tau:d"
    " seed,epoch:Q clip:q all_raise,inclusive,exclude_teacher:i high:q student_item,student_score,mastered,draw,"
    "draw_score:p bad_row:q threads:i",
}

ARGUMENTS: Mapping[str, type[ctypes.Structure]] = MappingProxyType(
    {name: _struct(name, layout) for name, layout in _LAYOUTS.items()}
)
"""By the operation's name in csrc/cuda/ops.def."""
