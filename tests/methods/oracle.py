"""RCE-KD written a second time, slowly: one user and one item after the other, from the paper's and the code's words.

Nothing here is shared with rcekd. Scores are float64 rows of Python floats or tensors; sets are Python lists and sets.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Rules:
    """The text's algorithm; every field that differs from its default is one of the code's departures."""

    k: int
    draws: int
    beta: float = 3.0
    logit_tau: float = 1.0
    horizon: int | None = None
    exclude_teacher: bool = True
    raised_by: str = "missing"
    inclusive: bool = False
    clip: int | None = None
    by_rank: bool = False
    overlap: str = "student-top"
    without: str = "nothing"


def best(score_I: Sequence[float], k: int, hidden: frozenset[int] = frozenset()) -> list[int]:
    """Ids of the k largest, equal ones by lowest id."""
    order = sorted((i for i in range(len(score_I)) if i not in hidden), key=lambda i: (-score_I[i], i))
    return order[:k]


def pool(
    student_I: Sequence[float], teacher_I: Sequence[float], rules: Rules, hidden: frozenset[int] = frozenset()
) -> dict[int, float]:
    """What may be drawn, and the exponent of its weight: z_j (or −rank), for one user."""
    taught = set(best(teacher_I, rules.k, hidden))
    own = set(best(student_I, rules.k, hidden))
    everyone = best(student_I, len(student_I), hidden)
    reach = everyone if rules.horizon is None else everyone[: rules.horizon]
    raising = taught if rules.raised_by == "teacher" else taught - own
    found = {}
    for rank, j in enumerate(reach, start=1):
        if rules.exclude_teacher and j in taught:
            continue
        z = sum(1 for i in raising if i in reach and student_I[j] > student_I[i])
        z += 1 if rules.inclusive and j in raising else 0
        z = z if rules.clip is None else min(z, rules.clip)
        found[j] = float(-rank if rules.by_rank else z)
    return found


def cross_entropy(teacher_I: Tensor, student_I: Tensor, items: Sequence[int], tau: float) -> Tensor:
    """−Σ softmax(t/τ)_i log softmax(s/τ)_i over `items` (eq. 7 and 8)."""
    chosen = list(items)
    target = torch.softmax(teacher_I[chosen] / tau, dim=0)
    return -(target * torch.log_softmax(student_I[chosen] / tau, dim=0)).sum()


def gamma(teacher: Sequence[int], own: Sequence[int], drawn: Sequence[int], rules: Rules) -> float:
    """Eq. 10, or the code's version of it."""
    other = drawn if rules.overlap == "draws" else own
    return math.exp(-rules.beta * len(set(teacher) & set(other)) / len(teacher))


def user_loss(
    teacher_I: Tensor, student_I: Tensor, drawn: Sequence[int], rules: Rules, hidden: frozenset[int] = frozenset()
) -> Tensor:
    """Eq. 9 for one user, given the user's draws; with the ablations of section 6.4."""
    taught = best(teacher_I.tolist(), rules.k, hidden)
    own = best(student_I.tolist(), rules.k, hidden)
    missing = [i for i in taught if i not in own]
    approximate = missing + [j for j in drawn if j not in missing]
    tau = rules.logit_tau
    if rules.without == "student":
        return cross_entropy(teacher_I, student_I, taught, tau)
    if rules.without == "teacher":
        return cross_entropy(teacher_I, student_I, own, tau)
    if rules.without == "split":
        return cross_entropy(teacher_I, student_I, sorted({*approximate, *own}), tau)
    share = gamma(taught, own, drawn, rules)
    closed = cross_entropy(teacher_I, student_I, own, tau)
    return (1.0 - share) * closed + share * cross_entropy(teacher_I, student_I, approximate, tau)
