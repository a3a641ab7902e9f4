"""The closure pass of RCE-KD: the student's top-K, its split against the teacher's, and rank-aware draws, in one scan.

Paper: "RCE-KD" (arXiv 2509.20989), equations 7-9 and section 5.3. No score matrix is stored and the catalogue's low
items are never enumerated; the draws have exactly the law of successive draws without replacement.
"""

import math

from torch import Tensor

from rcekd.kernels import scan_inputs
from rcekd.kernels.csr import CSR
from rcekd.kernels.reference.closure import Closure, RaisedBy
from rcekd.kernels.reference.closure import closure as reference_closure

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
    users_B = scan_inputs.chosen_users(users_B, n_users)
    teacher_item_BK = scan_inputs.ids("teacher_item_BK", teacher_item_BK, 2, -1, n_items)
    _check(teacher_item_BK, users_B.numel(), draws, tau, raised_by, clip)
    return reference_closure(
        user_factor_UD,
        item_factor_ID,
        teacher_item_BK,
        draws=draws,
        tau=tau,
        seed=seed,
        epoch=epoch,
        users_B=users_B,
        seen=scan_inputs.seen_items(seen, n_users, n_items),
        raised_by=raised_by,
        inclusive=inclusive,
        clip=clip,
        exclude_teacher=exclude_teacher,
    )


def _check(teacher_item_BK: Tensor, rows: int, draws: int, tau: float, raised_by: str, clip: int | None) -> None:
    if teacher_item_BK.shape[0] != rows or teacher_item_BK.shape[1] < 1:
        raise ValueError(f"teacher_item_BK must be [{rows}, K] with K >= 1, not {list(teacher_item_BK.shape)}")
    if draws < 0:
        raise ValueError(f"draws must not be negative, not {draws}")
    if not (math.isfinite(tau) and tau > 0):
        raise ValueError(f"tau must be positive and finite, not {tau}")
    if raised_by not in ("missing", "teacher"):
        raise ValueError(f"raised_by must be 'missing' or 'teacher', not {raised_by!r}")
    if clip is not None and clip < 0:
        raise ValueError(f"clip must not be negative, not {clip}")
