"""The theory of RCE-KD, checked on a student: what `rcekd analyze` measures and writes into analysis.json."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rcekd.config import split_run_config
from rcekd.devices import CPU
from rcekd.errors import InputError
from rcekd.evaluation.closure_theory import Judged, StudentBlock, TeacherBlock
from rcekd.experiments import teaching
from rcekd.experiments.identity import student_identity
from rcekd.experiments.moments import Moment, judged_parts, longest_list, moments
from rcekd.experiments.opening import FinishedRun, open_run
from rcekd.experiments.place import Place
from rcekd.experiments.teaching import Teaching
from rcekd.kernels.pair_scores import pair_scores
from rcekd.methods import MethodSettings, method_settings
from rcekd.training.files import write_json

USERS = 1000
TEACHER_RANKS = 200
BINS = 20
BLOCK_SCORES = 1 << 21
"""Scores of a block of users: 16 MiB in float64."""
FILE = "analysis.json"


def analyse(run_dir: Path, place: Place, *, users: int = USERS, teacher_dirs: Sequence[Path] = ()) -> dict[str, Any]:
    """Measure a student at every moment it kept, and write what is found into analysis.json, which is returned.

    users: so many are analysed, drawn by the run's seed; all where there are no more. Training and validation metrics
    are of all users. teacher_dirs: the teachers that a student alone is set beside; a distilled one has its own.
    Computes on the CPU, whatever the place. InputError where the run is no student, or its teacher is gone or another.
    """
    place = replace(place, device=CPU)
    run = _student(run_dir, place)
    beside = _teacher_of(run, place, teacher_dirs)
    teacher = beside.knowledge
    user_N = _drawn_users(run.data.n_users, users, run.settings.seed)
    found = [_Tally(moment) for moment in moments(run, teacher, user_N)]
    tau = _temperature(run.settings.method)
    rank_NR = teacher.top_items(min(TEACHER_RANKS, longest_list(teacher)))[user_N]
    for rows in _blocks(user_N.numel(), run.data.n_items):
        user_B = user_N[rows]
        listed = _whole_catalogue(user_B, run.data.n_items)
        taught = TeacherBlock(teacher.scores(*listed).view(user_B.numel(), -1), tau=tau)
        for tally in found:
            tables = tally.moment.tables
            score_BI = pair_scores(tables.user_UD, tables.item_ID, *listed).view(user_B.numel(), -1)
            tally.add(StudentBlock(score_BI, taught), rows, rank_NR[rows])
    epochs = run.summary["epochs"]
    result = {
        "run_dir": str(run_dir),
        "method": run.settings.method.name,
        "dataset": run.data.name,
        "pair": f"{beside.summary['model']}-{run.summary['model']}",
        "teacher": beside.summary["run_dir"],
        "seed": run.settings.seed,
        "epochs": epochs,
        "best_epoch": run.summary["best_epoch"],
        "users": user_N.numel(),
        "logit_tau": tau,
        "moments": [tally.result(epochs) for tally in found],
    }
    write_json(run_dir / FILE, result)
    return result


def _student(run_dir: Path, place: Place) -> FinishedRun:
    """The run in a folder; one alone without the method of the command that it was trained for."""
    run = open_run(run_dir, place)
    if run.kind != "alone":
        return run
    return replace(run, settings=run.settings.model_copy(update={"method": method_settings({"name": "none"})}))


def _teacher_of(run: FinishedRun, place: Place, given: Sequence[Path]) -> Teaching:
    """The teacher the student learnt from, its assistant where it had one; that of a student alone is given."""
    if run.kind == "alone" and given:
        return teaching.find(run.settings, run.data, place, given)
    if run.kind == "alone":
        raise InputError(f"{run.path}: a student alone has no teacher; say beside which it is set by --teacher FOLDER")
    if run.kind != "distill":
        raise InputError(f"{run.path}: a run of kind {run.kind}; give the folder of a student")
    if given:
        raise InputError(f"--teacher: {run.path} is set beside the teacher it learnt from; leave --teacher out")
    own, _ = split_run_config(run.folder.read_config())
    folders = [Path(path) for path in own.get("teacher_dirs", [])]
    found = teaching.find(run.settings, run.data, place, folders)
    if student_identity(run.settings, run.data, found.summary["identity"]) != run.summary["identity"]:
        raise InputError(f"{found.summary['run_dir']}: not the teacher that {run.path} learnt from; distil again")
    return found


def _drawn_users(n_users: int, wanted: int, seed: int) -> Tensor:
    """int64 [N], ascending."""
    if wanted >= n_users:
        return torch.arange(n_users)
    return torch.randperm(n_users, generator=torch.Generator().manual_seed(seed))[:wanted].sort().values


def _temperature(settings: MethodSettings) -> float:
    """The temperature that the method puts under both softmaxes; 1 for one that has none."""
    return next((float(part.logit_tau) for part in judged_parts(settings) if hasattr(part, "logit_tau")), 1.0)


def _blocks(n_users: int, n_items: int) -> Iterator[slice]:
    step = max(1, BLOCK_SCORES // n_items)
    for begin in range(0, n_users, step):
        yield slice(begin, min(n_users, begin + step))


def _whole_catalogue(user_B: Tensor, n_items: int) -> tuple[Tensor, Tensor, Tensor]:
    """All items of every user as ragged lists: users int32 [B], indptr [B + 1], items int32 [B·I]."""
    n_users = user_B.numel()
    items = torch.arange(n_items, dtype=torch.int32).repeat(n_users)
    return user_B.to(torch.int32), torch.arange(n_users + 1) * n_items, items


class _Tally:
    """What is measured of one moment, block of users by block."""

    def __init__(self, moment: Moment) -> None:
        self.moment = moment
        self._judged: dict[str, list[Judged]] = {}
        self._overlap: list[Tensor] = []
        self._chance: list[Tensor] = []
        self._rank: list[Tensor] = []

    def add(self, student: StudentBlock, rows: slice, rank_BR: Tensor) -> None:
        """rows: which of the analysed users the block holds. rank_BR: their items in the teacher's order, −1 padded."""
        sets = self.moment.sets
        self._judge("student_top", student.judge(sets.student_NK[rows]))
        if sets.mixed_NW is not None:
            mixed_BW = sets.mixed_NW[rows]
            self._judge("mixed", student.judge(mixed_BW))
            missing_BK = sets.teacher_NK[rows].masked_fill(sets.mastered_NK[rows], -1)
            self._overlap.append(overlap(student.rank_BI, mixed_BW))
            self._chance.append(overlap_by_chance(student.rank_BI, mixed_BW, sets.teacher_NK[rows], missing_BK))
        self._judge("teacher_top", student.judge(sets.teacher_NK[rows]))
        self._judge("catalogue", student.judge_catalogue())
        rank = student.rank_BI.gather(1, rank_BR.clamp(min=0).long())
        self._rank.append(rank.masked_fill(rank_BR < 0, 0).to(torch.int32))

    def _judge(self, name: str, found: Judged) -> None:
        self._judged.setdefault(name, []).append(found)

    def result(self, epochs: int) -> dict[str, Any]:
        moment = self.moment
        sets = {name: summary_of(blocks) for name, blocks in self._judged.items()}
        measured = bool(self._overlap)
        return {
            "epoch": moment.epochs,
            "share": moment.epochs / epochs,
            "train": moment.train,
            "valid": moment.valid,
            "su": mastery(moment.sets.teacher_NK, moment.sets.mastered_NK),
            "ov": {"all": _mean(self._overlap), "catalogue": _mean(self._chance)} if measured else None,
            "sets": {"student_top": sets["student_top"], "mixed": None, **sets},
            "ranks": _ranks(torch.cat(self._rank)),
        }


def overlap(rank_BI: Tensor, item_BW: Tensor) -> Tensor:
    """|A ∩ Ideal| / |A ∪ Ideal| with Ideal the student's top |A| (Table 7); float64 [B], NaN for an empty A."""
    size_B = (item_BW >= 0).sum(1)
    shared_B = _within(rank_BI, item_BW, size_B).sum(1)
    return shared_B.double() / (2 * size_B - shared_B)


def overlap_by_chance(rank_BI: Tensor, item_BW: Tensor, teacher_BK: Tensor, missing_BK: Tensor) -> Tensor:
    """The same for an A of this size whose draws were uniform over I ∖ Qᵀ, from their expected number in Ideal."""
    size_B = (item_BW >= 0).sum(1)
    drawn_B = size_B - (missing_BK >= 0).sum(1)
    room_B = size_B - _within(rank_BI, teacher_BK, size_B).sum(1)  # Ideal ∖ Qᵀ
    rest_B = (rank_BI.shape[1] - (teacher_BK >= 0).sum(1)).clamp(min=1)
    shared_B = _within(rank_BI, missing_BK, size_B).sum(1) + drawn_B * room_B / rest_B
    return shared_B.double() / (2 * size_B - shared_B)


def _within(rank_BI: Tensor, item_BW: Tensor, size_B: Tensor) -> Tensor:
    """Which items the student ranks within its top `size_B`; padding never. Bool [B, W]."""
    rank_BW = rank_BI.gather(1, item_BW.clamp(min=0).long())
    return (rank_BW <= size_B[:, None]) & (item_BW >= 0)


def summary_of(blocks: Sequence[Judged]) -> dict[str, float | int | None]:
    """Means over users whose set has items; how often the bound fails, and how often it does on closed sets."""
    whole = Judged(*(torch.cat(parts) for parts in zip(*blocks, strict=True)))
    there = Judged(*(values[whole.size > 0] for values in whole))
    means = {name: _mean([getattr(there, name)]) for name in ("size", "missing", "ce", "log_ndcg", "log_mass", "bound")}
    found: dict[str, float | int | None] = {**means, "closed_share": _mean([there.closed])}
    found |= {"users": there.size.numel(), "closed": int(there.closed.sum())}
    for kind in ("", "sharp_"):
        slack_U, violated_U = getattr(there, f"{kind}slack"), getattr(there, f"{kind}violated")
        found[f"{kind}slack"] = _mean([slack_U])
        found[f"{kind}slack_min"] = float(slack_U.min()) if slack_U.numel() else None
        found[f"{kind}violations"] = int(violated_U.sum())
        found[f"{kind}violations_among_closed"] = int((violated_U & there.closed).sum())
    return found


def _mean(parts: Sequence[Tensor]) -> float | None:
    """None where there is nothing to be averaged."""
    values = torch.cat(list(parts)).double()
    values = values[~values.isnan()]
    return float(values.mean()) if values.numel() else None


def mastery(teacher_NK: Tensor, mastered_NK: Tensor) -> dict[str, Any] | None:
    """s_u = |Q₁| / |Qᵀ|: its mean and its histogram (Figures 9 and 10). None where the teacher lists nothing."""
    size_N, mastered_N = (teacher_NK >= 0).sum(1), mastered_NK.sum(1)
    size_N, mastered_N = size_N[size_N > 0], mastered_N[size_N > 0]
    if not size_N.numel():
        return None
    # In whole numbers: a share such as 7 of 10 lies on an edge, and the nearest floating-point number beside it.
    bin_N = (mastered_N * BINS).div(size_N, rounding_mode="floor").clamp(max=BINS - 1)
    share_B = torch.bincount(bin_N, minlength=BINS).double() / bin_N.numel()
    mean = float((mastered_N.double() / size_N).mean())
    return {"mean": mean, "edges": np.linspace(0.0, 1.0, BINS + 1).tolist(), "share": share_B.tolist()}


def _ranks(rank_NR: Tensor) -> dict[str, list[Any]]:
    """The student's rank of what the teacher ranks r-th: mean and median over users (Figures 2 and 4)."""
    columns = [column[column > 0] for column in rank_NR.numpy().T]
    return {
        "teacher_rank": list(range(1, rank_NR.shape[1] + 1)),
        "student_rank_mean": [float(column.mean()) if column.size else None for column in columns],
        "student_rank_median": [float(np.median(column)) if column.size else None for column in columns],
    }
