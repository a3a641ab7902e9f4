"""What makes two runs the same, and what does not."""

from dataclasses import fields, replace

import pytest
import torch

from rcekd.config import RunSettings, parse_assignment, resolve
from rcekd.datasets import Interactions, Times
from rcekd.datasets.item_features import ItemFeatures
from rcekd.errors import InputError
from rcekd.experiments.identity import as_before, digest, renewed, student_identity, teacher_identity


def settings(*assignments: str) -> RunSettings:
    return resolve([("test", {"dataset": "synthetic"}), *((text, parse_assignment(text)) for text in assignments)])


def identities(data: Interactions, *assignments: str) -> tuple[str, str, str]:
    """Of the teacher, the student alone, and the distilled student."""
    chosen = settings(*assignments)
    teacher = teacher_identity(chosen, data)
    return teacher, student_identity(chosen, data, None), student_identity(chosen, data, teacher)


@pytest.mark.parametrize(
    ("change", "teacher", "alone", "distilled"),
    [
        ("train.checkpoint_seconds=1", False, False, False),
        ("teacher.train.checkpoint_seconds=1", False, False, False),
        ("train.cuda_graph=false", False, False, False),
        ("teacher.train.cuda_graph=false", False, False, False),
        ("method.beta=5", False, False, True),
        ("method.gamma.shape=linear", False, False, True),
        ("method.lambda=3", False, False, True),
        ("train.epochs=3", False, True, True),
        ("student.dim=3", False, True, True),
        ("teacher.dim=3", True, False, True),
        ("teacher.train.patience=3", True, False, True),
        ("teacher.seed=3", True, False, True),
        ("seed=3", True, True, True),
        ("eval.mask=train+valid", True, True, True),
        ("eval.history=train+valid", True, True, True),
        ("eval.history=train", False, False, False),
        ("teacher.temperature=auto", False, False, True),
        ("teacher.temperature=2", False, False, True),
        ("teacher.temperature=1", False, False, False),
        ("teacher.mix=per-user", False, False, False),  # several given teachers have an identity of their own
    ],
)
def test_each_run_depends_on_its_own_settings(
    tiny_interactions: Interactions, change: str, teacher: bool, alone: bool, distilled: bool
) -> None:
    pairs = zip(identities(tiny_interactions), identities(tiny_interactions, change), strict=True)
    assert tuple(before != after for before, after in pairs) == (teacher, alone, distilled)


def test_settings_that_came_later_leave_identities_as_they_were() -> None:
    """Runs and cells of before are found again."""
    values = settings().to_values()
    kept = as_before(values)
    assert ("history" in values["eval"], "temperature" in values["teacher"]) == (True, True)
    assert ("history" in kept["eval"], "temperature" in kept["teacher"]) == (False, False)
    assert [group["train"].get("optimizer") for group in (kept, kept["teacher"])] == [None, None]
    assert [group["train"].get("cuda_graph") for group in (kept, kept["teacher"])] == [None, None]
    both = ("", "teacher.")
    other = [f"{whose}train.optimizer=lazy-adam" for whose in both]
    changed = as_before(settings("eval.history=train+valid", "teacher.temperature=3", *other).to_values())
    assert (changed["eval"]["history"], changed["teacher"]["temperature"]) == ("train+valid", 3)
    assert [group["train"].get("optimizer") for group in (changed, changed["teacher"])] == ["lazy-adam"] * 2
    # Whether steps are played says nothing about what they come to.
    assert as_before(settings(*(f"{whose}train.cuda_graph=false" for whose in both)).to_values()) == kept


def test_other_data_makes_every_run_another(tiny_interactions: Interactions) -> None:
    other = replace(tiny_interactions, fingerprint="another")
    assert not set(identities(tiny_interactions)) & set(identities(other))


def test_the_name_of_the_dataset_does_not_matter(tiny_interactions: Interactions) -> None:
    renamed = replace(tiny_interactions, name="renamed")
    assert identities(tiny_interactions) == identities(renamed)


def test_the_order_of_keys_does_not_matter() -> None:
    assert digest({"a": 1, "b": {"c": 2, "d": 3}}) == digest({"b": {"d": 3, "c": 2}, "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})


def with_times(data: Interactions, start: int) -> Interactions:
    train, valid, test = (
        torch.arange(start, start + part.indices.numel()) for part in (data.train, data.valid, data.test)
    )
    return replace(data, times=Times.of(train, valid, test))


def test_features_count_where_they_are_read(tiny_interactions: Interactions) -> None:
    one, other = (
        replace(tiny_interactions, features={"text": ItemFeatures(torch.ones(40, 2), torch.zeros(40).bool(), digest)})
        for digest in ("one", "other")
    )
    bm3 = ("teacher.model=bm3", "student.model=bm3")
    assert identities(one) == identities(other) == identities(tiny_interactions), "MF reads none"
    assert len({*identities(one, *bm3), *identities(other, *bm3)}) == 6


HSTU = ("teacher.model=hstu", "student.model=hstu")


def test_times_count_where_they_are_read(tiny_interactions: Interactions) -> None:
    """What reads none is the run that it was before there were times; on and auto are one where there are some."""
    plain, timed, other = tiny_interactions, with_times(tiny_interactions, 0), with_times(tiny_interactions, 5)
    before = identities(plain, *HSTU)
    auto = ("teacher.time_bias=auto", "student.time_bias=auto")
    assert before == identities(timed, *HSTU) == identities(plain, *HSTU, *auto)
    assert before == identities(timed, *HSTU, "teacher.time_bias=off", "student.time_bias=false")
    read = identities(timed, *HSTU, *auto)
    assert read == identities(timed, *HSTU, "teacher.time_bias=on", "student.time_bias=true")
    assert len({*before, *read, *identities(other, *HSTU, *auto)}) == 9
    student = identities(timed, *HSTU, "student.time_bias=on")
    assert (student[0], student[1]) == (before[0], read[1])
    assert identities(timed) == identities(plain), "MF reads none"


def test_a_setting_at_what_it_was_is_the_digest_of_before(tiny_interactions: Interactions) -> None:
    """Written out, as the version before times and optimisers made it."""
    values = settings("student.model=hstu").to_values()
    own = {key: value for key, value in values["student"].items() if key != "time_bias"}
    later = ("checkpoint_seconds", "optimizer", "cuda_graph")
    train = {key: value for key, value in values["train"].items() if key not in later}
    evaluation = {key: value for key, value in values["eval"].items() if key != "history"}
    told = {"kind": "student", "data": tiny_interactions.fingerprint, "student": own, "seed": 0}
    expected = digest(told | {"eval": evaluation, "train": train})
    assert student_identity(settings("student.model=hstu"), tiny_interactions, None) == expected


def test_times_that_are_not_there_have_no_identity(tiny_interactions: Interactions) -> None:
    with pytest.raises(InputError, match="time_bias=on needs times of interactions, and checkerboard has none"):
        identities(tiny_interactions, *HSTU, "teacher.time_bias=on")


def test_without_validation_it_is_no_run_of_an_earlier_version(tiny_interactions: Interactions) -> None:
    """Which kept the first epoch there: of the same data, all identities are others."""

    class Unvalidated(Interactions):
        is_validated = False  # type: ignore[assignment]

    unvalidated = Unvalidated(**{field.name: getattr(tiny_interactions, field.name) for field in fields(Interactions)})
    assert unvalidated.fingerprint == tiny_interactions.fingerprint
    pairs = zip(identities(tiny_interactions), identities(unvalidated), strict=True)
    assert all(one != other for one, other in pairs)


def test_a_student_as_wide_as_its_teacher_starts_elsewhere_and_is_no_run_of_an_earlier_version() -> None:
    same, other_seed, wider = "student.dim=400", "teacher.seed=7", "student.dim=399"
    assert settings(same).student_start != settings(same).seed == 0
    assert settings(same, other_seed).student_start == settings(wider).student_start == settings().student_start == 0
    assert renewed(settings(same)) == {"start": settings(same).student_start}
    assert renewed(settings(wider)) == {}
    assert len({settings(same, f"seed={seed}").student_start for seed in range(5)}) == 5


def test_tables_at_a_temperature_are_others_than_before_for_losses_on_factors() -> None:
    assert renewed(settings("method.name=de", "teacher.temperature=2")) == {"temperature_on": "both sides"}
    assert renewed(settings("method.name=de")) == renewed(settings("teacher.temperature=2")) == {}


def test_a_student_alone_knows_no_temperature(tiny_interactions: Interactions) -> None:
    plain, warm = (identities(tiny_interactions, "method.name=de", *more) for more in ((), ("teacher.temperature=2",)))
    assert (plain[1] == warm[1], plain[2] == warm[2]) == (True, False)
