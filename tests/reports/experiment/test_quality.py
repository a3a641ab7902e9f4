"""The main table: marks, groups, costs and what is cut short."""

from pathlib import Path

from rcekd.reports.experiment.blocks import Block, every_block, with_variants
from rcekd.reports.experiment.evidence import read_evidence
from rcekd.reports.experiment.quality import quality_sheet, shortened
from rcekd.reports.experiment.sheets import Mark
from tests.reports.experiment.folders import add_cell, whole


def block_of(folder: Path) -> Block:
    return with_variants(every_block(read_evidence(folder), "rcekd"))[0]


def test_a_baseline_that_is_best_of_all_has_both_marks(tmp_path: Path) -> None:
    for method, value in (("none", 0.2), ("de", 0.4), ("rcekd", 0.3)):
        add_cell(tmp_path, method, value)
    sheet = quality_sheet("block1", block_of(tmp_path), ["recall@10"])
    assert [row[1].mark for row in sheet.rows] == [Mark.NONE, Mark.BOLD | Mark.UNDERLINED, Mark.NONE]
    assert [row[1].plain for row in sheet.rows] == ["0.2000", "0.4000*°", "0.3000"]
    assert [[entry.text for entry in row[:2]] for row in sheet.foot] == [["gain over the best baseline", "−25.0 %"]]


def test_lines_part_the_teacher_the_baselines_and_the_method_under_test(tmp_path: Path) -> None:
    block = block_of(whole(tmp_path, seeds=1))
    assert [row.name for row in block.rows] == ["teacher", "none", "de", "rrd", "rcekd"]
    sheet = quality_sheet("block1", block, ["ndcg@10"])
    assert sheet.rules == {1, 4}
    assert [row[1].plain.lstrip("0123456789.") for row in sheet.rows] == ["", "", "", "°", "*"]


def test_times_of_several_machines_have_no_order(tmp_path: Path) -> None:
    for seed, machine in enumerate(("big", "small", "big")):
        add_cell(tmp_path, "rcekd", 0.3, seed=seed, seconds_per_epoch=1.0 + seed, versions__machine=machine)
        add_cell(tmp_path, "none", 0.2, seed=seed, seconds_per_epoch=0.5, versions__machine="big")
    block = block_of(tmp_path)
    assert [row.seconds() for row in block.rows] == [{"big": 0.5}, {"big": 2.0, "small": 2.0}]
    sheet = quality_sheet("block1", block, ["ndcg@10"])
    assert [row[3].order for row in sheet.rows] == [0.5, None]


def test_long_lists_are_cut_short() -> None:
    lines = [str(number) for number in range(8)]
    assert shortened(lines[:6]) == lines[:6]
    assert shortened(lines) == [*lines[:6], "2 more"]
