"""The table that compares teacher, student alone and distilled student."""

from typing import Any

import pytest

from rcekd.reports.comparison import comparison, gap_closed, single

METRICS = ("recall@10", "ndcg@10", "recall@20", "ndcg@20")


def model(dim: int, value: float) -> dict[str, Any]:
    metrics = {name: value + place / 100 for place, name in enumerate(METRICS)}
    return {
        "model": "mf", "dim": dim, "parameters": 1000 * dim, "epochs": 12, "best_epoch": 4, "seconds_per_epoch": 0.25,
        "training_peak_rss_bytes": 300 << 20,
        "valid": {name: value / 2 for name, value in metrics.items()}, "test": metrics,
    }  # fmt: skip


def make_summary(teacher: float = 0.4, alone: float | None = 0.2, student: float = 0.35) -> dict[str, Any]:
    dataset = {
        "name": "board", "split": "random", "users": 30, "items": 40, "train": 3000, "valid": 60, "test": 90,
        "cold_test_share": 0.735,
    }  # fmt: skip
    summary = {
        "dataset": dataset, "protocol": {"mask": "train", "users": "all"}, "method": {"name": "rcekd"},
        "teacher": model(400, teacher), "student": model(20, student), **model(20, student),
    }  # fmt: skip
    return summary | ({} if alone is None else {"alone": model(20, alone)})


def test_rows_and_cells() -> None:
    table = comparison(make_summary())
    assert [row[0] for row in table.rows] == ["teacher (mf 400)", "student alone (mf 20)", "student, rcekd (mf 20)"]
    assert all(len(row) == len(table.columns) for row in table.rows)
    student = dict(zip(table.columns, table.rows[2], strict=True))
    assert [student[name] for name in METRICS] == ["0.3500", "0.3600", "0.3700", "0.3800"]
    assert (student["parameters"], student["smaller"], student["s/epoch"]) == ("20,000", "20×", "0.25")
    assert (student["epochs"], student["peak memory"]) == ("12 (best 5)", "300 MiB")


def test_without_the_student_alone() -> None:
    table = comparison(make_summary(alone=None))
    assert len(table.rows) == 2
    assert not any("way from" in note for note in table.notes)


def test_notes_say_how_it_was_measured() -> None:
    notes = " ".join(comparison(make_summary()).notes)
    assert "73.5% of test pairs concern items never trained on" in notes
    assert "split random: 30 users × 40 items, 3,000 / 60 / 90 interactions" in notes
    assert "all items ranked, train items masked, averaged over all users" in notes
    assert "75% on ndcg@10, 75% on ndcg@20" in notes
    assert "has read" not in notes


def test_the_temperature_that_was_found_is_told() -> None:
    found = make_summary()
    found["teacher"]["temperatures"] = [1.0]
    assert "divided" not in " ".join(comparison(found).notes)
    found["teacher"]["temperatures"] = [0.034567]
    assert "the scores that teach are divided by 0.0346 (teacher.temperature)" in comparison(found).notes


@pytest.mark.parametrize("mask", ["train", "train+valid"])
def test_validation_items_that_were_read_and_compete_are_told_of(mask: str) -> None:
    protocol = {"mask": mask, "users": "all", "history": "train+valid"}
    notes = " ".join(comparison(make_summary() | {"protocol": protocol}).notes)
    assert "a sequential model has read train+valid before the test ranking" in notes
    assert ("the validation items compete there" in notes) == (mask == "train")


@pytest.mark.parametrize(
    ("teacher", "alone", "student", "closed"),
    [
        (0.4, 0.2, 0.35, 0.75),
        (0.4, 0.2, 0.5, 1.5),
        (0.4, 0.2, 0.1, -0.5),
        (0.2, 0.2, 0.3, None),
        (0.4, None, 0.3, None),
    ],
)
def test_gap_closed(teacher: float, alone: float | None, student: float, closed: float | None) -> None:
    found = gap_closed(make_summary(teacher, alone, student), "ndcg@20")
    assert found == (None if closed is None else pytest.approx(closed))


def test_single() -> None:
    table = single(make_summary(), "mf 20")
    assert [row[0] for row in table.rows] == ["valid", "test"]
    assert table.rows[0][1:] == ("0.1750", "0.1800", "0.1850", "0.1900")
    assert table.rows[1][1:] == ("0.3500", "0.3600", "0.3700", "0.3800")
