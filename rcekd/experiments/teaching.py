"""The teacher of a distillation: trained, given by its run folder, or several; and its assistant, if one is wanted."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from rcekd.config import RunSettings, TeacherSettings, resolve, split_run_config
from rcekd.datasets import Interactions
from rcekd.errors import InputError
from rcekd.evaluation.ranking import evaluate, per_user, rank
from rcekd.experiments import imported, runs
from rcekd.experiments.identity import digest, features_read
from rcekd.experiments.place import Place
from rcekd.models import MODELS, ModelSettings
from rcekd.teachers import Ensemble, FactorTeacher, TeacherKnowledge
from rcekd.teachers.ensemble import check_members
from rcekd.teachers.temperature import calibrate
from rcekd.training.run_folder import RunFolder

OTHERS = "give the data that its config.yaml names under `data` (--dataset, --set data.…)"
CHANGED = "what its config.yaml names under `dataset` has changed since: put that back, or train on the new data"


class Teaching(NamedTuple):
    """A teacher as a run sees it: its summary (or what stands for one), and what it knows.

    temperature: what its scores have been divided by; an ensemble's, after its members were mixed.
    """

    summary: dict[str, Any]
    knowledge: TeacherKnowledge
    temperature: float = 1.0


def find_or_train(settings: RunSettings, data: Interactions, place: Place, folders: Sequence[Path]) -> Teaching:
    """The teacher in `folders`, all of them mixed where they are several; the settings' own where there is none."""
    if not folders:
        wanted = "trajectory" in settings.method.needs()
        summary = runs.teacher(settings, data, place, keep_trajectory=wanted)
        folder = runs.teacher_folder(settings, data, place.runs_dir)
        return tempered(Teaching(summary, _trained(folder, settings.teacher.backbone, data)), settings, data, place)
    found = [given(RunFolder(path), data) for path in folders]
    # Mixed first: an ensemble brings its members to one scale, which would undo what each had been divided by.
    return tempered(found[0] if len(found) == 1 else mixed(found, settings, data), settings, data, place)


def find(settings: RunSettings, data: Interactions, place: Place, folders: Sequence[Path]) -> Teaching:
    """The teacher, or its assistant, that a finished run learnt from. InputError where it is gone; nothing is trained.

    folders: of the teachers that were given to the run.
    """
    if folders:
        teaching = find_or_train(settings, data, place, folders)
    else:
        folder = runs.teacher_folder(settings, data, place.runs_dir)
        _check_there(folder, "teacher")
        trained = Teaching(runs.finished(folder), _trained(folder, settings.teacher.backbone, data))
        teaching = tempered(trained, settings, data, place)
    student = _assistant(teaching, settings)
    if student is None:
        return teaching
    own = settings.model_copy(update={"student": student})
    _check_there(runs.assistant_folder(own, data, place.runs_dir, teaching.summary["identity"]), "assistant")
    return assisted(teaching, settings, data, place)


def _check_there(folder: RunFolder, what: str) -> None:
    if not folder.is_complete():
        raise InputError(
            f"{folder.path}: the run's {what} is not here; put its folder back beside the run, or distil again"
        )


def given(folder: RunFolder, data: Interactions) -> Teaching:
    """The teacher in a run folder, of whatever kind. InputError unless it has finished and belongs to this data."""
    config, summary = check_given(folder, data)
    if config["kind"] == "imported":
        return Teaching(summary, imported.load(folder, data))
    own, values = split_run_config(config)
    settings = resolve([(str(folder.config_file), values)])
    backbone = settings.teacher.backbone if own.get("kind") == "teacher" else settings.student
    return Teaching(summary, _trained(folder, backbone, data))


def adopted(settings: RunSettings, folders: Sequence[Path]) -> RunSettings:
    """Settings that say of their teacher what the run in `folders` says: model, training, and seed of its first values.

    Of several, the one that the student would start like (`RunSettings.student_start`), else the first. An imported
    teacher has no settings, and the given ones stay.
    """
    found = [settings.model_copy(update={"teacher": own}) for own in map(_own_teacher, folders) if own is not None]
    if not found:
        return settings
    chosen = next((each for each in found if each.student_start != settings.seed), found[0])
    kept = {"mix": settings.teacher.mix, "temperature": settings.teacher.temperature}
    return chosen.model_copy(update={"teacher": chosen.teacher.model_copy(update=kept)})


def _own_teacher(path: Path) -> TeacherSettings | None:
    """What the run in a folder would be as the teacher of another; None for an imported one."""
    folder = RunFolder(path)
    own, values = split_run_config(folder.read_config())
    if own.get("kind") == "imported":
        return None
    settings = resolve([(str(folder.config_file), values)])
    if own.get("kind") == "teacher":
        return settings.teacher.model_copy(update={"seed": settings.teacher_seed})
    return TeacherSettings(backbone=settings.student, train=settings.train, seed=settings.student_start)


def tempered(teaching: Teaching, settings: RunSettings, data: Interactions, place: Place) -> Teaching:
    """The teacher at `teacher.temperature`. Only what is frozen is changed: a live model teaches as it is.

    Where `auto` finds none, its scores stay as they are, and place.tell hears why. InputError for a teacher
    of lists, whose scores were put on their scale when they were imported.
    """
    wanted, knowledge = settings.teacher.temperature, teaching.knowledge
    if wanted == 1.0:
        return teaching
    if not isinstance(knowledge, FactorTeacher):
        raise InputError(
            f"teacher.temperature={wanted}: {teaching.summary['run_dir']} is a teacher of top-N lists, which has its "
            "temperature from its import; leave the setting out, or import it again with --temperature"
        )
    if wanted != "auto":
        return teaching._replace(knowledge=knowledge.at(wanted), temperature=wanted)
    found = calibrate(knowledge.tables, data)
    if found.temperature is not None:
        return teaching._replace(knowledge=knowledge.at(found.temperature), temperature=found.temperature)
    if place.tell is not None:
        place.tell(f"teacher.temperature=auto finds none ({found.reason}): the teacher's scores stay as they are")
    return teaching


def check_given(folder: RunFolder, data: Interactions) -> tuple[dict[str, Any], dict[str, Any]]:
    """Config and summary of a finished run on this data; InputError where it is not."""
    config, summary = folder.read_config(), folder.read_summary()
    check_same_data(summary, data, folder)
    return config, summary


def check_same_data(
    summary: dict[str, Any], data: Interactions, folder: RunFolder, *, read_as_told: bool = False
) -> None:
    """InputError where a run was made for other data. read_as_told: these were read as its own config.yaml says."""
    made_for = summary["dataset"]
    if made_for["fingerprint"] != data.fingerprint:
        raise InputError(
            f"{folder.path}: this model was made for other data ({made_for['name']}, split {made_for['split']}, "
            f"{made_for['users']} users × {made_for['items']} items), not for {data.name}, split {data.split}, "
            f"{data.n_users} × {data.n_items}; {CHANGED if read_as_told else OTHERS}"
        )
    _check_same_features(summary, data, folder)
    _check_same_times(made_for.get("times"), data, folder)


def _check_same_features(summary: dict[str, Any], data: Interactions, folder: RunFolder) -> None:
    """InputError where a model that reads features of items was made with others."""
    entry = MODELS.get(summary["model"])
    if entry is None or not entry.settings.READS_FEATURES:
        return
    digests = {name: features["digest"] for name, features in summary["dataset"].get("features", {}).items()}
    if digests != features_read(entry.settings.model_validate({"model": summary["model"]}), data):
        here = ", ".join(data.features) or "none"
        raise InputError(
            f"{folder.path}: this {summary['model']} was made with other features of items ({', '.join(digests)}; "
            f"here: {here}); give the same files as data.features.NAME"
        )


def _check_same_times(digest_then: str | None, data: Interactions, folder: RunFolder) -> None:
    """InputError where a model that reads times was made with others. digest_then: None for one that reads none."""
    if digest_then is not None and (data.times is None or data.times.digest != digest_then):
        here = "none" if data.times is None else "others"
        raise InputError(
            f"{folder.path}: this model reads the times of interactions, and {data.name} has {here} here; "
            "give the file that it was made with"
        )


def mixed(found: Sequence[Teaching], settings: RunSettings, data: Interactions) -> Teaching:
    """Several teachers as one, by `teacher.mix`; its summary speaks of the whole."""
    mix = settings.teacher.mix
    # Runs of an earlier version found a temperature for every member, and only the first one's came to bear.
    auto = {"auto": "of the whole"} if settings.teacher.temperature == "auto" else {}
    members = [teaching.knowledge for teaching in found]
    check_members(members)
    knowledge = Ensemble(members, _best_member(members, data) if mix == "per-user" else None)
    first = found[0].summary
    summary = {
        **{key: first[key] for key in ("dataset", "seed", "run_dir", "seconds_per_epoch", "training_peak_rss_bytes")},
        **{key: sum(teaching.summary[key] for teaching in found) for key in ("parameters", "epochs")},
        "model": "+".join(teaching.summary["model"] for teaching in found),
        "dim": sum(teaching.summary["dim"] for teaching in found),
        "best_epoch": first["best_epoch"],
        "identity": digest({"mix": mix, "members": [teaching.summary["identity"] for teaching in found], **auto}),
        **evaluate(knowledge.tables, data, settings.eval),
    }
    return Teaching(summary, knowledge)


def assisted(teaching: Teaching, settings: RunSettings, data: Interactions, place: Place) -> Teaching:
    """The teacher's assistant where the method wants one, distilled first and found again later; else the teacher."""
    student = _assistant(teaching, settings)
    if student is None:
        return teaching
    own = settings.model_copy(update={"student": student})
    summary = runs.assistant(own, data, place, teaching.summary["identity"], teaching.knowledge)
    folder = runs.assistant_folder(own, data, place.runs_dir, teaching.summary["identity"])
    return Teaching(summary, _trained(folder, student, data))


def check_assistant(teaching: Teaching, settings: RunSettings) -> None:
    """InputError where the assistant, which teaches in the teacher's place, lacks what the method asks of a teacher."""
    student = _assistant(teaching, settings)
    if student is None:
        return
    gives = {"lists", "scores", "factors", "live"} | ({"modalities"} if student.READS_FEATURES else set())
    lacking = sorted(settings.method.needs() - gives)
    if lacking:
        raise InputError(
            f"method {settings.method.name} distils an assistant first, which then teaches the student and has no "
            f"{' or '.join(lacking)} to teach from; do without it, by method.assistant=0 (in a combination "
            "method.tarec.assistant=0)"
        )


def _assistant(teaching: Teaching, settings: RunSettings) -> ModelSettings | None:
    """The assistant's settings, where the method wants one between this teacher and the student."""
    dim = getattr(settings.student, "dim", None)
    if dim is None:
        return None
    # Of a teacher of lists the summary has their length, which is no width.
    teacher_dim = teaching.summary["dim"] if "factors" in teaching.knowledge.gives else None
    wanted = settings.method.assistant_dim(teacher_dim, dim)
    if wanted is None:
        return None
    student = settings.student.of_width(wanted)
    width = getattr(student, "dim")  # noqa: B009 - like the student it has one
    return student if dim < width and (teacher_dim is None or width < teacher_dim) else None


def _trained(folder: RunFolder, backbone: ModelSettings, data: Interactions) -> FactorTeacher:
    model = runs.load_model(folder, backbone, data, "teacher")
    tables, moments = model.tables(), [moment.to(data.device) for moment in folder.trajectory.read()]
    trajectory = [*moments, tables] if moments else ()
    return FactorTeacher(tables, trajectory=trajectory, modalities=model.modality_tables(), model=model)


def _best_member(members: Sequence[TeacherKnowledge], data: Interactions) -> Tensor:
    """Per user, 1 for the member with the best validation NDCG@20; all members alike where none finds anything."""
    value_UT = torch.stack(
        [per_user(rank(member.tables, data.seen), data.valid_targets)["ndcg@20"] for member in members], dim=1
    ).nan_to_num(0.0)
    best_U = value_UT.max(dim=1).values
    return (value_UT == best_U[:, None]).float()
