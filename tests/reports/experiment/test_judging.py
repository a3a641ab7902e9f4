"""Best rows and ties, the gain, and the tests of a block."""

from pathlib import Path

import numpy as np
import pytest

from rcekd.errors import InputError
from rcekd.evaluation.significance import holm
from rcekd.reports.experiment.blocks import Block, every_block, with_variants
from rcekd.reports.experiment.evidence import read_evidence
from rcekd.reports.experiment.judging import best_baselines, best_rows, caveats, compare, improvement
from rcekd.reports.experiment.quality import quality_sheet
from rcekd.reports.experiment.testing import tests_sheet as sheet_of_tests
from tests.reports.experiment.folders import add_cell, whole

stats = pytest.importorskip("scipy.stats")


def block_of(folder: Path) -> Block:
    return with_variants(every_block(read_evidence(folder), "rcekd"))[0]


def names(block: Block, metric: str = "ndcg@10") -> tuple[list[str], list[str]]:
    return [row.name for row in best_rows(block, metric)], [row.name for row in best_baselines(block, metric)]


def test_the_teacher_is_never_best_and_our_own_never_a_baseline(tmp_path: Path) -> None:
    block = block_of(whole(tmp_path))
    assert names(block) == (["rcekd"], ["rrd"])
    subject, rival = (next(row for row in block.rows if row.name == name) for name in ("rcekd", "rrd"))
    assert improvement(block, "ndcg@10") == pytest.approx(
        (subject.mean("ndcg@10") or 0) / (rival.mean("ndcg@10") or 1) - 1
    )


def test_what_a_reader_sees_as_equal_is_a_tie(tmp_path: Path) -> None:
    for method, value in (("none", 0.1), ("de", 0.30001), ("rrd", 0.29999), ("rcekd", 0.30004)):
        add_cell(tmp_path, method, value)
    assert names(block_of(tmp_path)) == (["rcekd", "de", "rrd"], ["de", "rrd"])


def test_a_baseline_may_be_best_and_the_student_alone_the_best_baseline(tmp_path: Path) -> None:
    for method, value in (("none", 0.4), ("de", 0.3), ("rcekd", 0.2)):
        add_cell(tmp_path, method, value)
    block = block_of(tmp_path)
    assert names(block) == (["none"], ["none"])
    assert improvement(block, "recall@10") == pytest.approx(-0.5, abs=1e-6)


def test_without_the_method_under_test_there_is_nothing_to_test(tmp_path: Path) -> None:
    add_cell(tmp_path, "de", 0.3)
    block = block_of(tmp_path)
    assert (compare(block, "ndcg@10"), improvement(block, "ndcg@10")) == ([], None)


def test_comparisons_are_scipy_s_over_common_seeds_with_holm_over_the_rows(tmp_path: Path) -> None:
    block = block_of(whole(tmp_path))
    (tmp_path / "cells" / "board-mf-mf-rrd--4.json").unlink()
    block = block_of(tmp_path)
    found = {entry.other.name: entry for entry in compare(block, "ndcg@10")}
    rows = {row.name: row for row in block.rows}
    assert list(found) == ["teacher", "none", "de", "rrd"]
    assert [found[name].seeds.n for name in found] == [5, 5, 5, 4]  # type: ignore[union-attr]
    seeds = rows["rrd"].seeds
    ours, theirs = (
        [record for seed, record in zip(rows[name].seeds, rows[name].records, strict=True) if seed in seeds]
        for name in ("rcekd", "rrd")
    )
    test = found["rrd"].seeds
    assert test is not None
    expected = stats.ttest_rel(*([r.summary.test["ndcg@10"] for r in side] for side in (ours, theirs)))
    assert test.t == pytest.approx(expected.pvalue)
    users = [np.mean([r.per_user("ndcg@10") for r in side], axis=0) for side in (ours, theirs)]
    assert found["rrd"].users is not None
    assert found["rrd"].users.t == pytest.approx(stats.ttest_rel(*users).pvalue)
    raw = [entry.seeds.t for entry in found.values()]  # type: ignore[union-attr]
    assert min(entry.t_holm or 0 for entry in found.values()) == pytest.approx(4 * min(raw))  # type: ignore[type-var]
    tests = [(entry.seeds, entry.users) for entry in found.values()]
    assert [entry.wilcoxon_holm for entry in found.values()] == holm([seeds.wilcoxon for seeds, _ in tests if seeds])
    assert [entry.users_holm for entry in found.values()] == holm([users.t for _, users in tests if users])
    notes = " ".join(caveats(block, list(found.values())))
    assert "with 5 seeds the least p that Wilcoxon's test can give is 0.0625" in notes
    assert "not all rows have the same seeds" in notes


def test_differences_and_gains_are_over_common_seeds(tmp_path: Path) -> None:
    """Where both have a seed, rrd is the better one; the means over all seeds say otherwise."""
    for method, values in (("rrd", {0: 0.3, 1: 0.1}), ("rcekd", {0: 0.28, 2: 0.4})):
        for seed, value in values.items():
            add_cell(tmp_path, method, value, seed=seed)
    block = block_of(tmp_path)
    (entry,) = found = compare(block, "recall@10")
    assert entry.seeds is not None
    assert entry.seeds.difference == pytest.approx(-0.02)
    assert entry.relative == improvement(block, "recall@10") == pytest.approx(0.28 / 0.3 - 1)
    sheet = sheet_of_tests("block1", block, "recall@10", found)
    assert sheet is not None
    assert [field.order for field in sheet.rows[0][1:3]] == [pytest.approx(-0.02), entry.relative]
    notes = [*sheet.notes, *quality_sheet("block1", block, ["recall@10"]).notes]
    assert sum("not all rows have the same seeds" in note for note in notes) == 2, "as many seeds, but not the same"


def test_without_a_common_seed_there_is_no_difference(tmp_path: Path) -> None:
    add_cell(tmp_path, "rrd", 0.3, seed=0)
    add_cell(tmp_path, "rcekd", 0.4, seed=1)
    block = block_of(tmp_path)
    (entry,) = found = compare(block, "recall@10")
    assert (entry.seeds, entry.relative, improvement(block, "recall@10")) == (None, None, None)
    sheet = sheet_of_tests("block1", block, "recall@10", found)
    assert sheet is not None
    assert sheet.rows[0][1].order is None


def test_one_seed_has_no_test_over_seeds_but_one_over_users(tmp_path: Path) -> None:
    block = block_of(whole(tmp_path, seeds=1))
    found = compare(block, "ndcg@10")
    assert all(entry.seeds is not None and entry.seeds.t is None and entry.t_holm is None for entry in found)
    assert all(entry.users is not None and entry.users.t is not None for entry in found)
    assert "fewer than two common seeds" in " ".join(caveats(block, found))


def test_without_values_per_user_there_is_no_test_over_users(tmp_path: Path) -> None:
    add_cell(tmp_path, "de", 0.2, per_user=False)
    add_cell(tmp_path, "rcekd", 0.3)
    block = block_of(tmp_path)
    (entry,) = compare(block, "ndcg@10")
    assert entry.users is None
    assert "no test over users" in " ".join(caveats(block, [entry]))


def test_another_number_of_users_is_refused(tmp_path: Path) -> None:
    add_cell(tmp_path, "de", 0.2)
    add_cell(tmp_path, "rcekd", 0.3, dataset__users=41)
    with pytest.raises(InputError, match=r"rcekd.*shape \(40,\), expected \(41,\)"):
        compare(block_of(tmp_path), "ndcg@10")
