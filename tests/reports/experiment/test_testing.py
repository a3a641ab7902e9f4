"""The table of tests and the overview: which numbers stand where, and which are strong."""

from pathlib import Path

import pytest

from rcekd.reports.experiment.blocks import every_block
from rcekd.reports.experiment.evidence import read_evidence
from rcekd.reports.experiment.judging import compare, improvement
from rcekd.reports.experiment.sheets import Mark
from rcekd.reports.experiment.testing import _p, overview_sheet
from rcekd.reports.experiment.testing import tests_sheet as sheet_of_tests
from tests.reports.experiment.folders import whole

pytest.importorskip("scipy.stats")


def test_only_a_corrected_p_below_the_level_is_strong() -> None:
    assert [_p(value).mark for value in (0.049, 0.05, 0.07, None)] == [Mark.BOLD, Mark.NONE, Mark.NONE, Mark.NONE]
    assert _p(0.001, plain=True).mark is Mark.NONE


def test_every_number_stands_in_its_column(tmp_path: Path) -> None:
    (block,) = every_block(read_evidence(whole(tmp_path)), "rcekd")
    comparisons = compare(block, "ndcg@10")
    sheet = sheet_of_tests("block1", block, "ndcg@10", comparisons)
    assert sheet is not None
    for row, entry in zip(sheet.rows, comparisons, strict=True):
        seeds, users = entry.seeds, entry.users
        assert seeds is not None
        assert users is not None
        over_seeds = [seeds.n, seeds.t, entry.t_holm, seeds.wilcoxon, entry.wilcoxon_holm, seeds.effect]
        over_users = [users.n, users.t, entry.users_holm, users.difference, users.effect]
        assert [field.order for field in row[1:]] == [seeds.difference, entry.relative, *over_seeds, *over_users]


def test_the_overview_is_against_the_best_baseline(tmp_path: Path) -> None:
    (block,) = every_block(read_evidence(whole(tmp_path)), "rcekd")
    comparisons = compare(block, "ndcg@10")
    ((title, teacher, alone, best, ours, *rest),) = overview_sheet([(block, comparisons)], "ndcg@10").rows
    mean = {row.name: row.mean("ndcg@10") for row in block.rows}
    assert title.text == "board, mf → mf"
    assert [field.order for field in (teacher, alone, best, ours)] == [
        mean[name] for name in ("teacher", "none", "rrd", "rcekd")
    ]
    assert best.text == f"{mean['rrd']:.4f} (rrd)"
    rival = next(entry for entry in comparisons if entry.other.name == "rrd")
    share = (mean["rcekd"] or 0.0) / (mean["teacher"] or 1.0)
    assert [field.order for field in rest] == [
        improvement(block, "ndcg@10"), pytest.approx(share), rival.t_holm, rival.users_holm,
    ]  # fmt: skip
    assert rest[1].text == f"{100 * share:.0f} %"
