"""The main job, beside other processes that are at the same."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from rcekd.config import RunSettings
from rcekd.experiments import pipeline, runs
from rcekd.experiments.place import Place


def test_a_distillation_waits_while_another_process_trains_its_teacher(
    settings: RunSettings, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = runs.teacher_folder(settings, place.data(settings), place.runs_dir)
    teacher.hold()
    looks = iter([lambda: None, teacher.unlock])
    # Not time.sleep itself: threads that measure memory sleep too.
    monkeypatch.setattr("rcekd.experiments.runs.time", SimpleNamespace(sleep=lambda _: next(looks)()))
    said: list[str] = []
    summary = pipeline.distill(settings, replace(place, tell=said.append))
    assert said == [
        f"{summary['run_dir']} waits: {teacher.path}: another process is running in this folder; wait for it to end"
    ]
    assert next(looks, None) is None
    assert summary["teacher"]["run_dir"] == str(teacher.path)
