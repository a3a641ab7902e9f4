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
    """csrc/cuda/call.h: where an operation runs, and on what scratch memory."""

    _fields_ = (
        ("workspace", ctypes.c_void_p),
        ("stream", ctypes.c_void_p),
        ("bad_row", ctypes.c_void_p),
        ("device", ctypes.c_int),
    )


class GapRequest(ctypes.Structure):
    """csrc/include/rcekd/gap.h: one request, in host memory."""

    _fields_ = (
        ("draws", ctypes.c_int64),
        ("flags", ctypes.c_int),
        ("eps", ctypes.c_double),
        ("key", ctypes.c_uint64),
        ("item", ctypes.c_void_p),
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
    "adam": "param,exp_avg,exp_avg_sq,grad,row:p rows,width,entries:q weight_decay,take,keep_sq,take_sq,rate,eps:f"
    " rates:p lazy,threads:i",
    "bpr": "user_factor,item_factor,user,positive,negative:p batch,negatives,width:q loss,user_row,user_grad,item_row,"
    "item_grad:p user_rows,item_rows:q threads:i",
    "batch_rows": "user,share,scale:p batch,lists,users:q row_user,row_set,row_weight:p threads:i",
    "set_cross_entropy": "user_factor,item_factor:p users,items,width:q indptr,item,prob,user,set,weight:p"
    " rows,sets,entries,slots:q tau:f loss,user_grad,item_grad:p threads:i",
    "pair_scores": "user_factor,item_factor:p width:q user,indptr,item:p rows:q score:p threads:i",
    "list_scores": "user_factor,item_factor,item:p rows,items,width,listed:q score,grad,user_grad,item_grad:p"
    " threads:i",
    "set_softmax": "score,indptr:p rows:q tau:f prob:p threads:i",
    "negatives": "user,seen_indptr,seen_item:p batch,negatives,n_items:q key,first:Q item:p threads:i",
    "unseen_draws": "user,seen_indptr,seen_item:p batch,draws,n_items:q key:Q item:p threads:i",
    "rank_gap_draws": "user_factor,item_factor,other_user_factor,other_item_factor,user,seen_indptr,seen_item:p"
    " rows,n_items,d,other_d:q request:p requests,bad_row:q threads:i",
    "pool_gap_draws": "row_factor,candidate_factor,pool,number:p rows,d,listed:q request:p requests,bad_row:q"
    " threads:i",
    "propagate": "indptr,indices,row_scale,column_scale,x,base:p rows,columns,width:q factor:f y:p threads:i",
    "rest_log_sum": "user_factor,item_factor,user,left_indptr,left_item:p rows,items,width:q sum,mean,grad,item_grad:p"
    " threads:i",
    "plackett_luce": "score,mask:p rows,width,positives:q loss,slope:p threads:i",
    "horizon": "student,teacher,user:p batch,listed,taught,draws,top_k,n_items,clip:q tau:d key:Q flags:i item:p"
    " threads:i",
}

ARGUMENTS: Mapping[str, type[ctypes.Structure]] = MappingProxyType(
    {name: _struct(name, layout) for name, layout in _LAYOUTS.items()}
)
"""By the operation's name in csrc/cuda/ops.def."""
