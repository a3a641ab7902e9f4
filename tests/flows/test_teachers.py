"""Teachers of a distillation: several at once, with a trajectory, and which are refused."""

from collections.abc import Callable
from pathlib import Path

import pytest
from torch import Tensor

from rcekd.training.early_stopping import BestEpoch
from tests.flows.conftest import Outcome, assignments

Command = Callable[..., Outcome]


@pytest.fixture
def teachers(rcekd: Command) -> list[Path]:
    """Two teachers of different seeds."""
    found = []
    for seed in (0, 1):
        words = ["train-teacher", "--dataset", "synthetic", "--json", "--threads", 1, "--seed", seed]
        found.append(Path(rcekd(*words, *assignments(method__K=None, method__L=None)).result["run_dir"]))
    return found


@pytest.mark.parametrize("mix", ["average", "per-user"])
def test_several_teachers_are_mixed(distill: Command, teachers: list[Path], mix: str) -> None:
    words = [word for folder in teachers for word in ("--teacher", folder)]
    done = distill(*words, teacher__mix=mix)
    assert done.code == 0, done.err
    teacher = done.result["teacher"]
    assert (teacher["model"], teacher["dim"], teacher["parameters"]) == ("mf+mf", 16, 2 * 8 * 130)
    assert teacher["temperatures"] == [1.0]


def test_the_temperature_found_is_that_of_the_mixture(distill: Command, teachers: list[Path]) -> None:
    """And dividing the mixture by it gives the same student."""
    words = [word for folder in teachers for word in ("--teacher", folder)]
    auto = distill(*words, teacher__temperature="auto").result
    (tau,) = auto["teacher"]["temperatures"]
    fixed = distill(*words, teacher__temperature=tau).result
    assert fixed["teacher"]["temperatures"] == [tau]
    assert fixed["test"] == auto["test"]
    own = [distill("--teacher", folder, teacher__temperature="auto").result["teacher"] for folder in teachers]
    assert tau not in [found["temperatures"][0] for found in own]


def test_the_teacher_of_a_finished_run_has_its_temperature(distill: Command) -> None:
    from rcekd.config import resolve, split_run_config
    from rcekd.experiments import teaching
    from rcekd.experiments.place import Place
    from rcekd.training.run_folder import RunFolder

    run = Path(distill(teacher__temperature=2).result["run_dir"])
    settings = resolve([("config", split_run_config(RunFolder(run).read_config())[1])])
    place = Place(Path("runs"))
    assert teaching.find(settings, place.data(settings), place, []).temperature == 2.0


def test_a_model_and_a_folder_are_not_mixed(distill: Command, teachers: list[Path]) -> None:
    done = distill("--teacher", teachers[0], "--teacher", "mf")
    assert done.code == 2
    assert "--teacher 'mf': no folder of this name" in done.error


def test_keep_trajectory(rcekd: Command) -> None:
    words = ["train-teacher", "--dataset", "synthetic", "--json", "--threads", 1]
    small = assignments(method__K=None, method__L=None, teacher__train__epochs=12, teacher__train__patience=0)
    plain = rcekd(*words, *small).result
    folder = Path(plain["run_dir"])
    weights = (folder / "model.safetensors").read_bytes()
    assert not (folder / "trajectory").exists()
    kept = rcekd(*words, *small, "--keep-trajectory").result
    assert kept["run_dir"] == plain["run_dir"]
    assert (folder / "model.safetensors").read_bytes() == weights
    assert (folder / "trajectory").is_dir()
    config = ["--config", folder / "config.yaml", "--set", "train.epochs=1"]
    taught = rcekd("distill", *config, "--json", "--threads", 1, *small)
    assert not (Path(taught.result["run_dir"]) / "moments").exists()  # to keep one was asked of the teacher
    before = (folder / "summary.json").stat().st_mtime_ns
    assert rcekd(*words, *small, "--keep-trajectory").result == kept
    assert (folder / "summary.json").stat().st_mtime_ns == before, "found, not trained again"


@pytest.mark.parametrize(("best", "code"), [(2, 0), (1, 2)])
def test_a_teacher_that_was_best_early(distill: Command, monkeypatch: pytest.MonkeyPatch, best: int, code: int) -> None:
    really = BestEpoch.update

    def update(self: BestEpoch, epoch: int, value: float, weights: dict[str, Tensor]) -> bool:
        del value
        return really(self, epoch, float(epoch + 1 == best), weights)

    monkeypatch.setattr(BestEpoch, "update", update)
    changes = {"teacher__train__epochs": 12, "teacher__train__patience": 0, "method__L": None}
    done = distill("--method", "hetcomp", "--quiet", **changes)
    assert done.code == code, done.err
    (teacher,) = Path("runs").glob("teacher-*")
    assert [path.name for path in (teacher / "trajectory").iterdir()] == ["epoch-00001.safetensors"][: best - 1]
    if code:
        assert "no moment of its training from before its best epoch, the first, to teach from; lower" in done.error
