"""A distilled run at the moments it kept: the student's tables, and the item sets that its method made of them."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from rcekd.evaluation.ranking import evaluate_train, evaluate_valid
from rcekd.experiments.opening import FinishedRun
from rcekd.kernels.topk import topk
from rcekd.methods import CombinedSettings, MethodSettings, RCEKDSettings, build_method
from rcekd.methods.common.item_sets import contains
from rcekd.methods.rcekd import RCEKD
from rcekd.models import FactorTables, build_model
from rcekd.teachers import TeacherKnowledge
from rcekd.teachers.lists import ListTeacher

LIST_LENGTH = 50
"""K for methods that have no list of a length of their own."""


class Sets(NamedTuple):
    """The sets of N analysed users at the start of an epoch: int32, −1 padded."""

    teacher_NK: Tensor
    student_NK: Tensor
    mastered_NK: Tensor
    """Which of the teacher's stand in the student's, bool."""
    mixed_NW: Tensor | None
    """A of RCE-KD, with the draws of that epoch; None for other methods."""


class Moment(NamedTuple):
    """A student after `epochs` epochs, which is the student that epoch number `epochs`, counted from 0, begins with."""

    epochs: int
    tables: FactorTables
    sets: Sets
    train: dict[str, float]
    """NDCG@10 on the training set, nothing masked."""
    valid: dict[str, float]


def moments(run: FinishedRun, teacher: TeacherKnowledge, user_N: Tensor) -> Iterator[Moment]:
    """Every moment that the run kept, earliest first, with the sets of the users `user_N` (int64, ascending).

    The trained model, of the best epoch, is one of them. A run that kept no others has the untrained model beside it,
    made again from its seed.
    """
    known = run.folder.moments.read_all()
    known.setdefault(run.summary["best_epoch"] + 1, run.tables)
    if len(known) == 1:
        known[0] = build_model(run.settings.student, run.data, seed=run.settings.student_start).tables()
    method = rcekd_part(run.settings.method)
    built = build_method(method, teacher, run.data, seed=run.settings.seed) if method else None
    for epochs, tables in sorted(known.items()):
        if isinstance(built, RCEKD):
            sets = _replayed(built, tables, epochs, user_N)
        else:
            sets = _generic(teacher, tables, list_length(run.settings.method, teacher), user_N)
        train = {"ndcg@10": evaluate_train(tables, run.data, run.settings.eval)["ndcg@10"]}
        yield Moment(epochs, tables, sets, train, evaluate_valid(tables, run.data, run.settings.eval))


def rcekd_part(settings: MethodSettings) -> RCEKDSettings | None:
    """RCE-KD's settings, where the method is RCE-KD or combines it with others and draws at all."""
    if isinstance(settings, CombinedSettings):
        return next((part for own in settings.parts.values() if (part := rcekd_part(own)) is not None), None)
    draws = isinstance(settings, RCEKDSettings) and settings.without in ("nothing", "split")
    return settings if isinstance(settings, RCEKDSettings) and draws else None


def judged_parts(settings: MethodSettings) -> list[MethodSettings]:
    """The settings that say what is judged, strongest first: of a combination RCE-KD's, whose sets these are."""
    parts = list(settings.parts.values()) if isinstance(settings, CombinedSettings) else [settings]
    return sorted(parts, key=lambda part: not isinstance(part, RCEKDSettings))


def list_length(settings: MethodSettings, teacher: TeacherKnowledge) -> int:
    """K of a method: its own (RCE-KD's of a combination), else 50; not more than the teacher or the catalogue has."""
    own = [part.list_lengths()["K"] for part in judged_parts(settings) if "K" in part.list_lengths()]
    return min(own[0] if own else LIST_LENGTH, longest_list(teacher))


def longest_list(teacher: TeacherKnowledge) -> int:
    """How many items of a user the teacher can put in order."""
    return teacher.length if isinstance(teacher, ListTeacher) else teacher.n_items


def _replayed(method: RCEKD, tables: FactorTables, epoch: int, user_N: Tensor) -> Sets:
    """Draws are keyed by seed, epoch and user, so these are the very sets of the training."""
    found = method.parts(tables, epoch)
    return Sets(found.teacher_UK[user_N], found.student_UK[user_N], found.mastered_UK[user_N], found.mixed_UW[user_N])


def _generic(teacher: TeacherKnowledge, tables: FactorTables, k: int, user_N: Tensor) -> Sets:
    teacher_NK = teacher.top_items(k)[user_N]
    student_NK, _ = topk(tables.user_UD, tables.item_ID, k, users_B=user_N.to(torch.int32))
    return Sets(teacher_NK, student_NK, contains(student_NK, teacher_NK), None)
