"""Opening a finished run: its settings, data and summary, and its model without a second copy in memory."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from rcekd.config import RunSettings, resolve, split_run_config
from rcekd.datasets import Interactions
from rcekd.errors import InputError
from rcekd.evaluation.ranking import history_of_test
from rcekd.experiments import imported, runs
from rcekd.experiments.place import Place
from rcekd.experiments.teaching import check_same_data
from rcekd.models import Backbone, FactorTables, ModelSettings
from rcekd.teachers.lists import ListTeacher
from rcekd.training.run_folder import RunFolder


@dataclass(frozen=True)
class FinishedRun:
    """A run that has ended: a teacher, trained or imported, a student alone, or a distilled one."""

    folder: RunFolder
    kind: str
    summary: dict[str, Any]
    settings: RunSettings
    data: Interactions

    @property
    def path(self) -> Path:
        return self.folder.path

    @property
    def backbone(self) -> ModelSettings:
        return self.settings.teacher.backbone if self.kind == "teacher" else self.settings.student

    @property
    def label(self) -> str:
        """Teacher, student alone or the method, and the model with its width."""
        role = {"teacher": "teacher", "imported": "teacher, imported", "alone": "student alone"}.get(self.kind)
        name = role or f"student, {self.settings.method.name}"
        return f"{name} ({self.summary['model']} {self.summary['dim']})"

    @cached_property
    def model(self) -> Backbone:
        """The trained model; an imported teacher has none."""
        return runs.load_model(self.folder, self.backbone, self.data, "model")

    @property
    def reads_histories(self) -> bool:
        """Whether the model makes users' vectors of their histories."""
        return self.kind != "imported" and self.model.window is not None

    @cached_property
    def test_tables(self) -> FactorTables:
        """The factors that the test set is ranked by: after the histories that `eval.history` says."""
        history = history_of_test(self.data, self.settings.eval)
        if history is None or not self.reads_histories:
            return self.tables
        return self.model.tables(history)

    @cached_property
    def tables(self) -> FactorTables:
        """The factors that scores are made of. InputError for an imported teacher that is lists, not factors."""
        if self.kind != "imported":
            return self.model.tables()
        knowledge = imported.load(self.folder, self.data)
        if isinstance(knowledge, ListTeacher):
            raise InputError(f"{self.path}: this teacher was imported as top-N lists; it has no vectors to score with")
        return knowledge.tables


def open_run(run_dir: Path, place: Place) -> FinishedRun:
    """A finished run. InputError where the folder is none, has not finished, or its data is no longer what it was."""
    folder = RunFolder(run_dir)
    own, config = split_run_config(folder.read_config())
    settings = resolve([(str(folder.config_file), config)])
    summary = folder.read_summary()
    data = place.data(settings)
    check_same_data(summary, data, folder, read_as_told=True)
    return FinishedRun(folder, str(own.get("kind")), summary, settings, data)
