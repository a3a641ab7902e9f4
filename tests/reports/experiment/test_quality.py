"""The main table: marks, groups, costs and what is cut short."""

from pathlib import Path

from rcekd.reports.experiment.blocks import Block, every_block, with_variants
from rcekd.reports.experiment.evidence import read_evidence
from rcekd.reports.experiment.quality import quality_sheet, shortened
from rcekd.reports.experiment.sheets import Mark
from tests.reports.experiment.folders import add_cell, whole

TEACHERS = {"runs/mf8": 8, "runs/mf16": 16}


def block_of(folder: Path) -> Block:
    return with_variants(every_block(read_evidence(folder), "rcekd"))[0]


def test_a_baseline_that_is_best_of_all_has_both_marks(tmp_path: Path) -> None:
    for method, value in (("none", 0.2), ("de", 0.4), ("rcekd", 0.3)):
        add_cell(tmp_path, method, value)
    sheet = quality_sheet("block1", block_of(tmp_path), ["recall@10"])
    assert [row[1].mark for row in sheet.rows] == [Mark.NONE, Mark.BOLD | Mark.UNDERLINED, Mark.NONE]
    assert [row[1].plain for row in sheet.rows] == ["0.2000", "0.4000*°", "0.3000"]
    assert [[entry.text for entry in row[:2]] for row in sheet.foot] == [["gain over the best baseline", "−25.0 %"]]


def test_two_rows_of_one_name_keep_their_marks_apart(tmp_path: Path) -> None:
    for variant, value in (("", 0.2), ("as it is", 0.3)):
        add_cell(tmp_path, "rcekd", value, variant=variant)
    beside = with_variants(every_block(read_evidence(tmp_path), "rcekd"))[-1]
    sheet = quality_sheet("block1", beside, ["ndcg@10"])
    assert [row[0].text for row in sheet.rows] == ["as it is", "as it is"]
    assert [row[1].mark for row in sheet.rows] == [Mark.NONE, Mark.BOLD]


def test_rows_with_another_teacher_than_the_one_shown_are_named(tmp_path: Path) -> None:
    for seed in (0, 1):
        own, big = ({"run_dir": f"{place}-s{seed}", "model": "mf", "dim": dim} for place, dim in TEACHERS.items())
        add_cell(tmp_path, "teacher", 0.3, seed=seed, run_dir=f"elsewhere/mf8-s{seed}")
        add_cell(tmp_path, "none", 0.2, seed=seed)
        add_cell(tmp_path, "rcekd", 0.3, seed=seed, teacher=own)
        for label in ("big", "both"):
            add_cell(tmp_path, label, 0.3, seed=seed, teacher=big)
    add_cell(tmp_path, "rcekd", 0.3, seed=2, teacher={"run_dir": "runs/mf16-s2", "model": "mf", "dim": 16})
    notes = quality_sheet("block1", block_of(tmp_path), ["ndcg@10"]).notes
    said = [note for note in notes if "teacher" in note]
    assert said == ["big, both learnt from another teacher (mf 16), which has no row here"]


def test_seeds_that_are_one_run_are_told(tmp_path: Path) -> None:
    for seed in range(3):
        add_cell(tmp_path, "teacher", 0.3, seed=seed, run_dir="runs/teacher-s7")
        add_cell(tmp_path, "none", 0.2, seed=seed, run_dir=f"runs/alone-s{seed // 2}")
        add_cell(tmp_path, "rcekd", 0.3, seed=seed)
    said = [note for note in quality_sheet("block1", block_of(tmp_path), ["ndcg@10"]).notes if "stand" in note][1:]
    assert said == [
        "teacher (mf 40): one run stands for its 3 seeds, so deviations and tests over seeds leave its variance out",
        "student alone (mf 4): 2 runs stand for its 3 seeds, so deviations and tests over seeds leave its variance out",
    ]


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
