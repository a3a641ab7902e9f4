"""`rcekd analyze`: a run replayed at the moments it kept, beside a slow computation of the same."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, median
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.flows.conftest import SMALL, Outcome, assignments
from tests.methods import oracle

Command = Callable[..., Outcome]
USERS, ITEMS, K = 50, 80, 10


def scores(file: Path) -> torch.Tensor:
    tables = load_file(file)
    return tables["user"].double() @ tables["item"].double().T


def analysis(rcekd: Command, folder: str | Path, *words: object) -> dict[str, Any]:
    done = rcekd("analyze", folder, "--json", "--threads", 1, *words)
    assert done.code == 0, done.err
    assert json.loads((Path(folder) / "analysis.json").read_text()) == done.result
    return done.result


@pytest.fixture
def kept(distill: Command) -> Callable[..., dict[str, Any]]:
    """A distillation with its moments; its summary."""
    return lambda *words, **changes: distill("--keep-trajectory", *words, **changes).result


def judged_slowly(student_I: list[float], teacher_I: list[float], chosen: list[int]) -> dict[str, float]:
    """Section 4 of the paper for one user."""
    rank = {item: place for place, item in enumerate(oracle.best(student_I, ITEMS), start=1)}
    share = torch.softmax(torch.tensor(teacher_I), dim=0)
    dcg = sum(float(share[i]) / math.log2(1 + rank[i]) for i in chosen)
    ideal = sum(float(p) / math.log2(1 + place) for place, p in enumerate(sorted(share[chosen], reverse=True), start=1))
    ce = float(oracle.cross_entropy(torch.tensor(teacher_I), torch.tensor(student_I), chosen, 1.0))
    missing = max(rank[i] for i in chosen) - len(chosen)
    log_ndcg, log_mass = math.log(dcg / ideal), math.log(float(share[chosen].sum()))
    bound = log_mass - ce
    found = {"size": len(chosen), "missing": missing, "closed_share": float(missing == 0)}
    found |= {"ce": ce, "log_ndcg": log_ndcg, "log_mass": log_mass, "bound": bound}
    return found | {"slack": log_ndcg - bound, "sharp_slack": log_ndcg + ce}


def check_sets(found: dict[str, Any], student_UI: torch.Tensor, teacher_UI: torch.Tensor) -> None:
    """All but A, which is drawn, from nothing but the scores; s_u and the ranks too."""
    lists = {
        "student_top": [oracle.best(row, K) for row in student_UI.tolist()],
        "teacher_top": [oracle.best(row, K) for row in teacher_UI.tolist()],
        "catalogue": [list(range(ITEMS))] * USERS,
    }
    for name, chosen_U in lists.items():
        slow_U = [
            judged_slowly(student, teacher, chosen)
            for student, teacher, chosen in zip(student_UI.tolist(), teacher_UI.tolist(), chosen_U, strict=True)
        ]
        for key in slow_U[0]:
            wanted = fmean(one[key] for one in slow_U)
            assert found["sets"][name][key] == pytest.approx(wanted, rel=1e-5, abs=1e-5), (name, key)
    shares = [len({*s} & {*t}) / K for s, t in zip(lists["student_top"], lists["teacher_top"], strict=True)]
    assert found["su"]["mean"] == pytest.approx(fmean(shares))
    assert sum(found["su"]["share"]) == pytest.approx(1.0)
    orders = [
        (oracle.best(s, ITEMS), oracle.best(t, ITEMS))
        for s, t in zip(student_UI.tolist(), teacher_UI.tolist(), strict=True)
    ]
    for place in (0, 3, ITEMS - 1):
        ranks = [student.index(teacher[place]) + 1 for student, teacher in orders]
        assert found["ranks"]["student_rank_mean"][place] == pytest.approx(fmean(ranks))
        assert found["ranks"]["student_rank_median"][place] == median(ranks)
    assert found["ranks"]["teacher_rank"] == list(range(1, ITEMS + 1))


@pytest.mark.parametrize("variant", ["paper", "code"])
def test_a_run_is_replayed(kept: Command, rcekd: Command, variant: str) -> None:
    horizon = {"method__horizon": 20} if variant == "code" else {}
    run: Any = kept("--set", f"method.variant={variant}", **horizon)
    folder = Path(run["run_dir"])
    found = analysis(rcekd, folder)
    heading = {"run_dir": str(folder), "method": "rcekd", "dataset": "synthetic", "pair": "mf-mf", "seed": 0}
    assert found.items() >= (heading | {"epochs": 4, "best_epoch": run["best_epoch"], "users": USERS}).items()
    assert [moment["epoch"] for moment in found["moments"]] == [0, 1, 2, 3, 4]
    assert [moment["share"] for moment in found["moments"]] == [0.0, 0.25, 0.5, 0.75, 1.0]
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    teacher_UI = scores(Path(run["teacher"]["run_dir"]) / "model.safetensors")
    for moment in found["moments"]:
        student_UI = scores(folder / "moments" / f"epoch-{moment['epoch']:05d}.safetensors")
        check_sets(moment, student_UI, teacher_UI)
        for one in moment["sets"].values():
            assert one["violations_among_closed"] == one["sharp_violations_among_closed"] == 0
        if variant == "paper":  # K = L, and Q₁ is never drawn though all of it is in Ideal (docs/theory.md)
            assert moment["ov"]["all"] <= 1.0 - moment["su"]["mean"] + 1e-9
        assert moment["sets"]["student_top"]["closed"] == moment["sets"]["catalogue"]["closed"] == USERS
    for line, before, after in zip(lines, found["moments"], found["moments"][1:], strict=False):
        assert line["overlap"] == pytest.approx(before["su"]["mean"]), "the sets are those of the training"
        assert line["valid"] == after["valid"]


def test_the_draws_are_those_of_the_training(kept: Command, rcekd: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """A of every epoch, taken down while the run trains, gives the numbers of the analysis."""
    from rcekd.methods import rcekd as module

    seen: list[torch.Tensor] = []
    original = module.judged_sets

    def taken_down(teacher: Any, lists: list[torch.Tensor], tau: float) -> Any:
        seen.append(lists[1].clone())
        return original(teacher, lists, tau)

    with monkeypatch.context() as patch:
        patch.setattr(module, "judged_sets", taken_down)
        run: Any = kept("--seed", 3)
    found = analysis(rcekd, run["run_dir"])
    teacher_UI = scores(Path(run["teacher"]["run_dir"]) / "model.safetensors")
    for mixed_UW, moment in zip(seen, found["moments"], strict=False):
        file = Path(run["run_dir"]) / "moments" / f"epoch-{moment['epoch']:05d}.safetensors"
        student_UI = scores(file).tolist()
        sets = [[item for item in row if item >= 0] for row in mixed_UW.tolist()]
        slow = [judged_slowly(s, t, chosen) for s, t, chosen in zip(student_UI, teacher_UI.tolist(), sets, strict=True)]
        for key in slow[0]:
            wanted = fmean(one[key] for one in slow)
            assert moment["sets"]["mixed"][key] == pytest.approx(wanted, rel=1e-5, abs=1e-5), key
        ideal = [{*oracle.best(row, len(chosen))} for row, chosen in zip(student_UI, sets, strict=True)]
        overlaps = [len({*a} & b) / len({*a} | b) for a, b in zip(sets, ideal, strict=True)]
        assert moment["ov"]["all"] == pytest.approx(fmean(overlaps))
    assert len(seen) == 4


def test_keeping_moments_changes_nothing_else(kept: Command, distill: Command) -> None:
    plain, run = distill().result, kept()
    assert {key: run[key] for key in ("identity", "valid", "test")} == {  # type: ignore[index]
        key: plain[key] for key in ("identity", "valid", "test")
    }
    models = [Path(one["run_dir"]) / "model.safetensors" for one in (plain, run)]  # type: ignore[index]
    assert models[0].read_bytes() == models[1].read_bytes()
    assert not (Path(plain["run_dir"]) / "moments").exists()


def test_another_method_has_no_draws(kept: Command, rcekd: Command) -> None:
    run: Any = kept("--method", "ce", method__L=None)
    found = analysis(rcekd, run["run_dir"])
    teacher_UI = scores(Path(run["teacher"]["run_dir"]) / "model.safetensors")
    for moment in found["moments"]:
        assert moment["ov"] is None
        assert moment["sets"]["mixed"] is None
        check_sets(
            moment, scores(Path(run["run_dir"], "moments", f"epoch-{moment['epoch']:05d}.safetensors")), teacher_UI
        )
    shown = rcekd("analyze", run["run_dir"])
    assert "log NDCG ≥ −CE + log C (Theorems 4.1 and 4.4) held on all" in shown.out


def test_the_teacher_of_an_assisted_student_is_its_assistant(kept: Command, rcekd: Command) -> None:
    run: Any = kept("--method", "tarec", method__L=None)
    found = analysis(rcekd, run["run_dir"])
    assistant_UI = scores(Path(run["assistant"]["run_dir"]) / "model.safetensors")
    last = Path(run["run_dir"]) / "moments" / "epoch-00004.safetensors"
    check_sets(found["moments"][-1], scores(last), assistant_UI)


def test_a_given_teacher_is_found_again(kept: Command, rcekd: Command, finished: Path) -> None:
    (teacher,) = finished.parent.glob("teacher-*")
    run: Any = kept("--teacher", teacher, "--runs-dir", "elsewhere")
    found = analysis(rcekd, run["run_dir"])
    last = Path(run["run_dir"]) / "moments" / "epoch-00004.safetensors"
    check_sets(found["moments"][-1], scores(last), scores(teacher / "model.safetensors"))


def test_a_combination_is_analysed_by_its_part(kept: Command, rcekd: Command) -> None:
    lists = {"method__K": None, "method__L": None, "method__rcekd__K": K, "method__rcekd__L": K}
    run: Any = kept("--method", "rcekd+de", **lists)
    assert all(moment["ov"] for moment in analysis(rcekd, run["run_dir"])["moments"])


def test_a_combination_is_judged_at_rcekds_own_temperature(kept: Command, rcekd: Command) -> None:
    lists = {"method__K": None, "method__L": None, "method__ce__K": K, "method__rcekd__K": K, "method__rcekd__L": K}
    run: Any = kept("--method", "ce+rcekd", **lists, method__ce__logit_tau=5, method__rcekd__logit_tau=2)
    assert analysis(rcekd, run["run_dir"])["logit_tau"] == 2


def test_a_run_without_moments_has_its_beginning_and_its_end(finished: Path, rcekd: Command) -> None:
    best = json.loads((finished / "summary.json").read_text())["best_epoch"] + 1
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    found = analysis(rcekd, finished, "--users", 7)
    assert [moment["epoch"] for moment in found["moments"]] == [0, best]
    assert found["users"] == 7
    assert found["moments"][0]["sets"]["catalogue"]["users"] == 7
    assert {path: path.stat().st_mtime_ns for path in before if path != finished} == {
        path: time for path, time in before.items() if path != finished
    }, "only reads"


def test_a_run_that_is_resumed_keeps_the_same(kept: Command, rcekd: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    from rcekd.training.loop import Trainer

    whole: Any = kept("--set", "train.checkpoint_seconds=0")
    steps, original = [0], Trainer._step

    def stopping(self: Any, batch: Any) -> Any:
        steps[0] += 1
        if steps[0] == 20:
            raise KeyboardInterrupt
        return original(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_step", stopping)
        words = ["distill", "--dataset", "synthetic", "--keep-trajectory", "--threads", 1, *assignments()]
        assert rcekd(*words, "--set", "train.checkpoint_seconds=0").code == 130
    resumed = rcekd("distill", "--resume", "runs/distill-synthetic-mf-mf-rcekd-s0-002", "--json").result
    files = [sorted(Path(run["run_dir"], "moments").iterdir()) for run in (whole, resumed)]
    assert [path.name for path in files[0]] == [path.name for path in files[1]]
    assert len(files[0]) == 5
    for one, other in zip(*files, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_what_cannot_be_analysed_is_refused(finished: Path, rcekd: Command) -> None:
    (teacher,) = finished.parent.glob("teacher-*")
    done = rcekd("analyze", teacher)
    assert done.code == 2
    assert "a run of kind teacher; give the folder of a student" in done.error
    teacher.rename(teacher.with_name("elsewhere"))
    done = rcekd("analyze", finished)
    assert done.code == 2
    assert "the run's teacher is not here" in done.error


def test_an_experiment_keeps_what_it_is_told_to(rcekd: Command) -> None:
    settings = {**SMALL, "method.K": K, "method.L": K}
    grid = {"datasets": ["synthetic"], "methods": ["rcekd"], "seeds": [0], "teachers": False, "set": settings}
    for name, more in (("plain", {}), ("kept", {"keep_trajectory": True})):
        Path(f"{name}.yaml").write_text(json.dumps(grid | more))
        assert rcekd("run", f"{name}.yaml", "--threads", 1).code == 0
        (folder,) = Path("runs").glob("cell-*")
        assert (folder / "moments").exists() == bool(more)
    assert len(analysis(rcekd, folder)["moments"]) == 5


def test_a_student_alone_is_set_beside_a_teacher(distill: Command, rcekd: Command) -> None:
    distilled = Path(distill("--with-scratch").result["run_dir"])
    (alone,), (teacher,) = Path("runs").glob("alone-*"), Path("runs").glob("teacher-*")
    found = analysis(rcekd, alone, "--teacher", teacher)
    assert (found["method"], found["pair"], found["teacher"]) == ("none", "mf-mf", str(teacher))
    last = found["moments"][-1]
    assert (last["sets"]["mixed"], last["ov"], last["sets"]["teacher_top"]["size"]) == (None, None, 50)
    tops = zip(*(scores(folder / "model.safetensors").tolist() for folder in (alone, teacher)), strict=True)
    shares = [len({*oracle.best(own, 50)} & {*oracle.best(taught, 50)}) / 50 for own, taught in tops]
    assert last["su"]["mean"] == pytest.approx(fmean(shares))
    for words, says in (
        ((alone,), "a student alone has no teacher; say beside which it is set by --teacher FOLDER"),
        ((distilled, "--teacher", teacher), "leave --teacher out"),
    ):
        done = rcekd("analyze", *words)
        assert (done.code, says in done.error) == (2, True), done.err
