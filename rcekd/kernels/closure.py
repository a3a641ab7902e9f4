"""The closure pass of RCE-KD: the student's top-K, its split against the teacher's, and rank-aware draws, in one scan.

Paper: "RCE-KD" (arXiv 2509.20989), equations 7-9 and section 5.3. No score matrix is stored and the catalogue's low
items are never enumerated; the draws have exactly the law of successive draws without replacement.
"""

import math
from typing import Any

import torch
from torch import Tensor

from rcekd.kernels import _native, cuda_library, reference, scan_inputs
from rcekd.kernels.checks import INT32_MAX, INT64_MAX, check_count, has_kernels
from rcekd.kernels.csr import CSR
from rcekd.kernels.library import address, as_signed, as_unsigned, register
from rcekd.kernels.reference.closure import Closure, RaisedBy
from rcekd.work import report

__all__ = ["Closure", "RaisedBy", "closure"]


def closure(
    user_factor_UD: Tensor,
    item_factor_ID: Tensor,
    teacher_item_BK: Tensor,
    *,
    draws: int,
    tau: float,
    seed: int,
    epoch: int,
    users_B: Tensor | None = None,
    seen: CSR | None = None,
    raised_by: RaisedBy = "missing",
    inclusive: bool = False,
    clip: int | None = None,
    exclude_teacher: bool = True,
) -> Closure:
    """Top-K, mastered teacher items and `draws` sampled items for each user of `users_B` (all users when None).

    teacher_item_BK: the teacher's top-K per row, distinct ids, -1 where short; its width is K. With QT these ids, QS
    the student's top-K (order and ties as in `topk`), Q1 = QT ∩ QS and Q2 = QT \\ Q1,

        z_j = #{i in Q2 : s_i < s_j},   p_j ∝ exp(z_j / tau)   on I \\ QT,

    and L = `draws` items are drawn one after the other without replacement; where fewer are left, all of them and -1.
    `seen` (a CSR over all users, rows ascending) takes items out of QT, QS and the draws alike.

    The other options serve the authors' code (methods.md, section C): `raised_by="teacher"` lets all of QT raise z,
    `inclusive` counts s_i <= s_j, `clip` bounds z, `exclude_teacher=False` admits QT to the draws.

    Same arguments, same bytes: random numbers are keyed by (seed, epoch, user, item or arrival), never by thread,
    batch or instruction set. Raises FloatingPointError, naming the user, when a score is NaN or infinite.
    """
    user_factor_UD, item_factor_ID = scan_inputs.factor_tables(user_factor_UD, item_factor_ID)
    n_users, n_items = user_factor_UD.shape[0], item_factor_ID.shape[0]
    device = user_factor_UD.device
    users_B = scan_inputs.chosen_users(users_B, n_users, device)
    native = has_kernels(device)
    teacher_item_BK = scan_inputs.ids("teacher_item_BK", teacher_item_BK, 2, -1, n_items, device, kernel_checks=native)
    _check(teacher_item_BK, users_B.numel(), draws, tau, epoch, raised_by, clip)
    seen = scan_inputs.seen_items(seen, n_users, n_items, device)
    if not native:
        tables = user_factor_UD, item_factor_ID, teacher_item_BK
        law: dict[str, Any] = {"draws": draws, "tau": tau, "seed": seed, "epoch": epoch, "raised_by": raised_by}
        law |= {"inclusive": inclusive, "clip": clip, "exclude_teacher": exclude_teacher}
        return reference.closure(*tables, users_B=users_B, seen=seen, **law)
    indptr, indices = seen or (None, None)
    options = [
        as_signed(as_unsigned(seed)),
        epoch,
        -1 if clip is None else min(clip, INT32_MAX),  # z is at most K
        raised_by == "teacher",
        inclusive,
        exclude_teacher,
    ]
    found: tuple[Tensor, Tensor, Tensor, Tensor, Tensor] = _closure(
        user_factor_UD, item_factor_ID, teacher_item_BK, users_B, indptr, indices, draws, tau, options, _CORE_CHOOSES
    )
    return Closure(*found)


# `high`, how many of a user's best items are raced one by one, is left to the core; the law does not depend on it, and
# the tests force other numbers.
_CORE_CHOOSES = -1
# z / tau is a double: at this tau it still tells apart arrival times that differ by a millionth.
_LOWEST_TAU = 1e-6


def _check(
    teacher_item_BK: Tensor, rows: int, draws: int, tau: float, epoch: int, raised_by: str, clip: int | None
) -> None:
    if teacher_item_BK.shape[0] != rows or teacher_item_BK.shape[1] < 1:
        raise ValueError(f"teacher_item_BK must be [{rows}, K] with K >= 1, not {list(teacher_item_BK.shape)}")
    check_count("draws", draws)
    check_count("epoch", epoch, highest=INT64_MAX)
    if not (math.isfinite(tau) and tau >= _LOWEST_TAU):
        raise ValueError(f"tau must be finite and at least {_LOWEST_TAU}, not {tau}")
    if raised_by not in ("missing", "teacher"):
        raise ValueError(f"raised_by must be 'missing' or 'teacher', not {raised_by!r}")
    if clip is not None:
        check_count("clip", clip, highest=INT64_MAX)


def _room(teacher_item_BK: Tensor, draws: int) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """The five columns of a `Closure`, to be filled."""
    (rows, k), device = teacher_item_BK.shape, teacher_item_BK.device
    return (
        torch.empty(rows, k, dtype=torch.int32, device=device),
        torch.empty(rows, k, dtype=torch.float32, device=device),
        torch.empty(rows, k, dtype=torch.bool, device=device),
        torch.empty(rows, draws, dtype=torch.int32, device=device),
        torch.empty(rows, draws, dtype=torch.float32, device=device),
    )


def _closure_cpu(
    user_factor_UD: Tensor,
    item_factor_ID: Tensor,
    teacher_item_BK: Tensor,
    users_B: Tensor,
    seen_indptr: Tensor | None,
    seen_item: Tensor | None,
    draws: int,
    tau: float,
    options: list[int],
    high: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    rows, k = teacher_item_BK.shape
    out = _room(teacher_item_BK, draws)
    inputs = (user_factor_UD, item_factor_ID, users_B, seen_indptr, seen_item, teacher_item_BK)
    report(lambda: _work(item_factor_ID, rows, k, draws))
    status, bad_row = _native.closure(
        *map(address, inputs),
        rows,
        *item_factor_ID.shape,
        k,
        draws,
        tau,
        as_unsigned(options[0]),
        *options[1:],
        high,
        *map(address, out),
        torch.get_num_threads(),
    )
    scan_inputs.raise_for_status(status, users_B, bad_row)
    return out


def _work(item_factor_ID: Tensor, rows: int, k: int, draws: int) -> tuple[float, float]:
    """Every score once, the tables read, the lists and draws written."""
    catalogue, width = item_factor_ID.shape
    return 2 * rows * catalogue * width, 4 * ((rows + catalogue) * width + 2 * rows * (2 * k + draws))


_COLUMNS = ("student_item", "student_score", "mastered", "draw", "draw_score")


def _closure_cuda(
    user_factor_UD: Tensor,
    item_factor_ID: Tensor,
    teacher_item_BK: Tensor,
    users_B: Tensor,
    seen_indptr: Tensor | None,
    seen_item: Tensor | None,
    draws: int,
    tau: float,
    options: list[int],
    high: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    (rows, k), (catalogue, width) = teacher_item_BK.shape, item_factor_ID.shape
    report(lambda: _work(item_factor_ID, rows, k, draws))
    out = _room(teacher_item_BK, draws)
    filled: dict[str, Any] = dict(zip(_COLUMNS, out, strict=True))
    bad_row = scan_inputs.no_bad_row(users_B)
    cuda_library.run(
        "closure",
        users_B,
        beside={"bad_row": bad_row},
        user_factor=user_factor_UD,
        item_factor=item_factor_ID,
        user=users_B,
        seen_indptr=seen_indptr,
        seen_item=seen_item,
        teacher_item=teacher_item_BK,
        rows=rows,
        n_items=catalogue,
        d=width,
        k=k,
        draws=draws,
        tau=tau,
        seed=as_unsigned(options[0]),
        **dict(zip(("epoch", "clip", "all_raise", "inclusive", "exclude_teacher"), options[1:], strict=True)),
        high=high,
        **filled,
    )
    scan_inputs.raise_for_bad_row(users_B, bad_row)
    return out


_closure = register(
    "closure(Tensor user_factor_UD, Tensor item_factor_ID, Tensor teacher_item_BK, Tensor users_B, Tensor? seen_indptr,"
    " Tensor? seen_item, int draws, float tau, int[] options, int high) -> (Tensor, Tensor, Tensor, Tensor, Tensor)",
    _closure_cpu,
    _closure_cuda,
)
