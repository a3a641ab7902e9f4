"""The authors' sampler: draws from the head of the student's list, favouring items above what it ranks too low."""

from typing import Literal

import torch
from torch import Tensor

from rcekd.kernels import _native, cuda_library, reference
from rcekd.kernels.checks import INT32_MAX, as_ids, check_count, check_shape, check_tau, has_kernels
from rcekd.kernels.library import address, as_signed, as_unsigned, raise_for_memory, register
from rcekd.kernels.reference.philox import Stream, philox_key

NO_BOUND = INT32_MAX
# enum rcekd_horizon_flags
MISSING, INCLUSIVE, EXCLUDE_TEACHER, BY_RANK = 1, 2, 4, 8


def horizon_draws(
    student_item_BM: Tensor,
    teacher_item_BK: Tensor,
    *,
    draws: int,
    tau: float,
    seed: int,
    epoch: int,
    users_B: Tensor | None = None,
    top_k: int,
    raised_by: Literal["teacher", "missing"] = "teacher",
    inclusive: bool = True,
    clip: int | None = 50,
    exclude_teacher: bool = False,
    by_rank: bool = False,
) -> Tensor:
    """int32 [B, L]: L draws without replacement among each user's M listed items, in draw order, −1 padded.

    `student_item_BM` is the student's ranking (best first, −1 padded), `teacher_item_BK` the teacher's top-K (−1
    padded). The item at position p has weight exp(z_p / τ): z_p counts the raising items at positions ≥ p
    (`inclusive`) or > p, at most `clip`. Raising are all listed teacher items (`raised_by="teacher"`) or only those
    beyond the first `top_k` positions, the student's own top-K ("missing"). `exclude_teacher` takes teacher items out
    of the draw; `by_rank` uses exp(−(p + 1) / τ) instead. Draws are keyed by (seed, epoch, user, position).

    Source: the authors' code, departures 1–5 and 7 from the paper (woriazzc/RCEKD). Raises ValueError for bad shapes.
    """
    check_count("draws", draws)
    check_count("top_k", top_k)
    check_tau(tau)
    if clip is not None:
        check_count("clip", clip)
    if raised_by not in ("teacher", "missing"):
        raise ValueError(f"raised_by must be 'teacher' or 'missing', not {raised_by!r}")
    student_item_BM, teacher_item_BK, users_B = _check_lists(student_item_BM, teacher_item_BK, users_B)
    if not has_kernels(student_item_BM.device):
        return reference.horizon_draws(
            student_item_BM,
            teacher_item_BK,
            draws=draws,
            tau=tau,
            seed=seed,
            epoch=epoch,
            users_B=users_B,
            top_k=top_k,
            raised_by=raised_by,
            inclusive=inclusive,
            clip=clip,
            exclude_teacher=exclude_teacher,
            by_rank=by_rank,
        )
    flags = MISSING * (raised_by == "missing") + INCLUSIVE * inclusive
    flags += EXCLUDE_TEACHER * exclude_teacher + BY_RANK * by_rank
    key = as_signed(philox_key(seed, epoch, Stream.HORIZON))
    bound = NO_BOUND if clip is None else clip
    item_BL: Tensor = _operation(student_item_BM, teacher_item_BK, users_B, draws, top_k, bound, tau, key, flags)
    return item_BL


def _check_lists(
    student_item_BM: Tensor, teacher_item_BK: Tensor, users_B: Tensor | None
) -> tuple[Tensor, Tensor, Tensor | None]:
    student_item_BM = as_ids("student_item_BM", student_item_BM, NO_BOUND, lowest=-1, dims=2)
    teacher_item_BK = as_ids("teacher_item_BK", teacher_item_BK, NO_BOUND, lowest=-1, dims=2)
    batch = student_item_BM.shape[0]
    check_shape("teacher_item_BK", teacher_item_BK, (batch, teacher_item_BK.shape[1]))
    if users_B is not None:
        check_shape("users_B", users_B, (batch,))
        users_B = as_ids("users_B", users_B, NO_BOUND)
    return student_item_BM, teacher_item_BK, users_B


def _horizon_cpu(
    student_item_BM: Tensor,
    teacher_item_BK: Tensor,
    users_B: Tensor | None,
    draws: int,
    top_k: int,
    clip: int,
    tau: float,
    key: int,
    flags: int,
) -> Tensor:
    batch, listed = student_item_BM.shape
    item_BL = torch.empty(batch, draws, dtype=torch.int32)
    status = _native.horizon(
        student_item_BM.data_ptr(),
        teacher_item_BK.data_ptr(),
        address(users_B),
        batch,
        listed,
        teacher_item_BK.shape[1],
        draws,
        top_k,
        _n_items(student_item_BM, teacher_item_BK),
        clip,
        tau,
        as_unsigned(key),
        flags,
        item_BL.data_ptr(),
        torch.get_num_threads(),
    )
    raise_for_memory(status)
    return item_BL


def _n_items(student_item_BM: Tensor, teacher_item_BK: Tensor) -> int:
    """A number above every id."""
    return 1 + max((int(ids.max()) for ids in (student_item_BM, teacher_item_BK) if ids.numel()), default=-1)


def _horizon_cuda(
    student_item_BM: Tensor,
    teacher_item_BK: Tensor,
    users_B: Tensor | None,
    draws: int,
    top_k: int,
    clip: int,
    tau: float,
    key: int,
    flags: int,
) -> Tensor:
    batch, listed = student_item_BM.shape
    item_BL = student_item_BM.new_empty(batch, draws)
    cuda_library.run(
        "horizon",
        student_item_BM,
        student=student_item_BM,
        teacher=teacher_item_BK,
        user=users_B,
        batch=batch,
        listed=listed,
        taught=teacher_item_BK.shape[1],
        draws=draws,
        top_k=top_k,
        n_items=_n_items(student_item_BM, teacher_item_BK),
        clip=clip,
        tau=tau,
        key=as_unsigned(key),
        flags=flags,
        item=item_BL,
    )
    return item_BL


_operation = register(
    "horizon(Tensor student_item_BM, Tensor teacher_item_BK, Tensor? users_B, int draws, int top_k, int clip,"
    " float tau, int key, int flags) -> Tensor",
    _horizon_cpu,
    _horizon_cuda,
)
