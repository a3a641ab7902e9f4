"""What makes two runs the same, and what does not."""

from dataclasses import replace

import pytest

from rcekd.config import RunSettings, parse_assignment, resolve
from rcekd.datasets import Interactions
from rcekd.experiments.identity import as_before, digest, student_identity, teacher_identity


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
    changed = settings("eval.history=train+valid", "teacher.temperature=3").to_values()
    assert as_before(changed) == changed


def test_other_data_makes_every_run_another(tiny_interactions: Interactions) -> None:
    other = replace(tiny_interactions, fingerprint="another")
    assert not set(identities(tiny_interactions)) & set(identities(other))


def test_the_name_of_the_dataset_does_not_matter(tiny_interactions: Interactions) -> None:
    renamed = replace(tiny_interactions, name="renamed")
    assert identities(tiny_interactions) == identities(renamed)


def test_the_order_of_keys_does_not_matter() -> None:
    assert digest({"a": 1, "b": {"c": 2, "d": 3}}) == digest({"b": {"d": 3, "c": 2}, "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
