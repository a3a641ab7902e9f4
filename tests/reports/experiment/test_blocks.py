"""Which cells stand side by side, and which may not."""

import json
from pathlib import Path

import numpy as np
import pytest

from rcekd.errors import InputError
from rcekd.reports.experiment.blocks import Block, Role, every_block, with_variants
from rcekd.reports.experiment.evidence import read_evidence
from tests.reports.experiment.folders import add_cell, add_failure, add_plan, whole


def blocks_of(folder: Path, subject: str = "rcekd") -> list[Block]:
    return with_variants(every_block(read_evidence(folder), subject))


def test_rows_stand_from_the_teacher_to_the_method_under_test(tmp_path: Path) -> None:
    (block,) = blocks_of(whole(tmp_path))
    assert [row.name for row in block.rows] == ["teacher", "none", "de", "rrd", "rcekd"]
    assert block.title == "board, mf → mf"
    assert [row.role for row in blocks_of(tmp_path, "rrd")[0].rows][-1] is Role.SUBJECT


def test_mean_deviation_time_and_memory(tmp_path: Path) -> None:
    for seed, value in enumerate((0.1, 0.2, 0.6)):
        peak, seconds = 100 * (seed + 1), (0.5, 0.1, 0.2)[seed]
        add_cell(tmp_path, "rcekd", value, seed=seed, training_peak_rss_bytes=peak, seconds_per_epoch=seconds)
    ((row,),) = [block.rows for block in blocks_of(tmp_path)]
    assert row.mean("recall@10") == pytest.approx(0.3)
    assert row.deviation("recall@10") == pytest.approx(((0.04 + 0.01 + 0.09) / 2) ** 0.5)
    assert (row.seconds(), row.peak_bytes()) == ({"big iron": 0.2}, 300)


def test_a_combination_with_the_method_under_test_is_no_baseline(tmp_path: Path) -> None:
    for label, name in (("rcekd", "rcekd"), ("both", "rcekd+de"), ("code", "rcekd"), ("de", "de")):
        add_cell(tmp_path, label, 0.2, settings={"method": {"name": name}})
    (block,) = blocks_of(tmp_path)
    assert {row.name: row.role for row in block.rows} == {
        "de": Role.BASELINE, "both": Role.KIN, "code": Role.KIN, "rcekd": Role.SUBJECT
    }  # fmt: skip


def test_kin_are_no_baselines_while_the_method_under_test_is_unfinished(tmp_path: Path) -> None:
    labels = {"linear": "rcekd", "exponential": "rcekd", "both": "rcekd+de", "alone": "none"}
    add_plan(tmp_path, methods=[{"label": label, "method": name} for label, name in labels.items()])
    add_cell(tmp_path, "linear", 0.2, settings={"method": {"name": "rcekd"}})
    add_cell(tmp_path, "none", 0.1)
    for label in ("exponential", "both", "alone"):
        add_failure(tmp_path, label, "loss is not finite")
    (block,) = blocks_of(tmp_path, "exponential")
    assert {row.name: row.role for row in block.rows} == {
        "none": Role.ALONE, "alone": Role.ALONE, "linear": Role.KIN, "both": Role.KIN, "exponential": Role.SUBJECT
    }  # fmt: skip


def test_variants_are_blocks_of_their_own_and_stand_beside_each_other(tmp_path: Path) -> None:
    whole(tmp_path, seeds=2)
    for seed in range(2):
        add_cell(tmp_path, "rcekd", 0.3, seed=seed, variant="method.lambda=5", settings={"train": {"epochs": 3}})
        add_cell(tmp_path, "rcekd", 0.3, seed=seed, variant="other data", dataset__fingerprint="e" * 64)
    first, other, beside = blocks_of(tmp_path)
    assert (first.variant, other.variant, beside.of_variants) == ("", "other data", True)
    assert [row.name for row in beside.rows] == ["as it is", "method.lambda=5"], "other data do not compare"
    assert [row.name for row in other.rows] == ["rcekd"]


def test_the_teacher_of_every_variant_is_shown(tmp_path: Path) -> None:
    for dim in (8, 16):
        for seed in range(2):
            for method in ("teacher", "rcekd"):
                own = {"teacher": {"model": "mf", "dim": dim}}
                add_cell(tmp_path, method, dim / 50, seed=seed, variant=f"T{dim}", settings=own)
    add_cell(tmp_path, "rcekd", 0.3, variant="a third, taught by the first")
    blocks = blocks_of(tmp_path)
    assert [(b.variant, [row.name for row in b.rows]) for b in blocks] == [
        ("T16", ["teacher", "rcekd"]),
        ("T8", ["teacher", "rcekd"]),
        ("variants of rcekd", ["T16", "T8", "a third, taught by the first"]),
    ]


def test_the_block_of_variants_names_what_failed_of_those_it_stands_for(tmp_path: Path) -> None:
    for variant in ("", "beta 5"):
        add_cell(tmp_path, "rcekd", 0.3, variant=variant)
    add_failure(tmp_path, "rcekd", "loss is not finite", variant="beta 5", seed=1)
    add_failure(tmp_path, "rcekd", "K is too large", variant="bad")
    first, beside = blocks_of(tmp_path)
    assert (first.failed, beside.of_variants) == ([], True)
    assert [failure.error for failure in beside.failed] == ["loss is not finite", "K is too large"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"dataset__fingerprint": "e" * 64}, "data boardfffffffffff"),
        ({"protocol__mask": "train+valid"}, "protocol mask train, users all"),
        ({"protocol__history": "train+valid"}, "mask train, users all, history train+valid"),
    ],
)
def test_what_does_not_compare_is_refused_by_name(tmp_path: Path, change: dict[str, str], says: str) -> None:
    add_cell(tmp_path, "none", 0.2)
    add_cell(tmp_path, "rcekd", 0.3, **change)
    with pytest.raises(InputError) as caught:
        blocks_of(tmp_path)
    message = str(caught.value)
    assert says in message
    assert "board-mf-mf-none--0" in message
    assert "board-mf-mf-rcekd--0" in message
    assert "\n" not in message


def test_seeds_of_other_settings_have_no_common_mean(tmp_path: Path) -> None:
    add_cell(tmp_path, "rcekd", 0.3, seed=0)
    add_cell(tmp_path, "rcekd", 0.3, seed=1, settings={"train": {"epochs": 7}})
    with pytest.raises(InputError, match="differ in more than their seeds"):
        blocks_of(tmp_path)


def test_a_teacher_is_the_same_whatever_its_students_settings(tmp_path: Path) -> None:
    add_cell(tmp_path, "teacher", 0.3, seed=0)
    add_cell(tmp_path, "teacher", 0.3, seed=1, settings={"train": {"epochs": 7}, "method": {"name": "de"}})
    tempered = {"teacher": {"model": "mf", "dim": 40, "temperature": "auto"}}
    add_cell(tmp_path, "teacher", 0.3, seed=2, settings=tempered)
    assert len(blocks_of(tmp_path)[0].rows[0].records) == 3
    add_cell(tmp_path, "none", 0.3, seed=0)
    add_cell(tmp_path, "none", 0.3, seed=1, settings=tempered)
    with pytest.raises(InputError, match="differ in more than their seeds"):
        blocks_of(tmp_path)


def test_two_cells_of_one_place_are_refused(tmp_path: Path) -> None:
    first = add_cell(tmp_path, "rcekd", 0.3)
    first.with_name("twin.json").write_text(first.read_text())
    with pytest.raises(InputError, match=r"twin.json both are board mf-mf rcekd seed 0; move the outdated one away"):
        blocks_of(tmp_path)


def test_failures_stand_by_until_the_cell_succeeds(tmp_path: Path) -> None:
    whole(tmp_path, seeds=1)
    add_failure(tmp_path, "rrd", "loss is not finite", seed=3)
    assert [failure.error for failure in blocks_of(tmp_path)[0].failed] == ["loss is not finite"]


def test_a_method_that_only_the_paper_has_is_an_empty_row(tmp_path: Path) -> None:
    add_plan(
        tmp_path,
        paper=[
            {"dataset": "board", "pair": "mf-mf", "method": "cd", "metric": "ndcg@10", "value": 0.1, "source": "T1"}
        ],
    )
    (block,) = blocks_of(whole(tmp_path))
    row = next(row for row in block.rows if row.name == "cd")
    assert (row.records, row.mean("ndcg@10"), row.paper["ndcg@10"].value) == ([], None, 0.1)


@pytest.mark.parametrize(
    ("text", "says"),
    [("{", "is no JSON of a cell"), ('{"id": "x"}', "labels: field required"), ("[]", "valid dictionary")],
)
def test_a_broken_cell_is_one_line(tmp_path: Path, text: str, says: str) -> None:
    add_cell(tmp_path, "rcekd", 0.3).write_text(text)
    with pytest.raises(InputError, match=says):
        blocks_of(tmp_path)


def test_values_per_user_that_are_not_the_summary_s_are_refused(tmp_path: Path) -> None:
    file = add_cell(tmp_path, "rcekd", 0.3)
    record = json.loads(file.read_text())
    record["summary"]["test"]["ndcg@10"] = 0.5
    file.write_text(json.dumps(record))
    with pytest.raises(InputError, match=r"averages 0\.31000, the summary says 0\.50000"):
        read_evidence(tmp_path).placed[0].record.per_user("ndcg@10")


@pytest.mark.parametrize("damage", ["empty", "truncated", "swapped"])
def test_damaged_values_per_user_are_one_line(tmp_path: Path, damage: str) -> None:
    file = add_cell(tmp_path, "rcekd", 0.3)
    users = file.with_suffix(".npz")
    whole, middle = users.read_bytes(), 100  # in the compressed numbers of the first array
    swapped = whole[:middle] + bytes(byte ^ 255 for byte in whole[middle : middle + 20]) + whole[middle + 20 :]
    users.write_bytes({"empty": b"", "truncated": whole[:-50], "swapped": swapped}[damage])
    with pytest.raises(InputError, match=r"cannot read the values per user \(.+\); delete .*json and run") as caught:
        read_evidence(tmp_path).placed[0].record.per_user("recall@10")
    assert "\n" not in str(caught.value)


def test_users_who_are_not_judged_count_for_no_mean(tmp_path: Path) -> None:
    file = add_cell(tmp_path, "rcekd", 0.3, protocol__users="with-targets")
    with np.load(file.with_suffix(".npz")) as arrays:
        users = {name: np.append(value_U, np.float32("nan")) for name, value_U in arrays.items()}
    record = json.loads(file.read_text())
    record["summary"]["dataset"]["users"] += 1
    file.write_text(json.dumps(record))
    np.savez_compressed(file.with_suffix(".npz"), **users)
    found = read_evidence(tmp_path).placed[0].record.per_user("ndcg@10")
    assert found is not None
    assert np.isnan(found).sum() == 1
    np.savez_compressed(file.with_suffix(".npz"), **{name: np.nan_to_num(value_U) for name, value_U in users.items()})
    with pytest.raises(InputError, match=r"averages 0\.30244, the summary says 0\.31000; delete"):
        read_evidence(tmp_path).placed[0].record.per_user("ndcg@10")


def test_an_empty_folder_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no finished cell in"):
        read_evidence(tmp_path)


def test_a_part_has_its_rows_alone(tmp_path: Path) -> None:
    number = {"dataset": "board", "pair": "mf-mf", "metric": "ndcg@10", "value": 0.15}
    methods, paper = ["none", "rrd", "rcekd"], [{**number, "method": "none"}, {**number, "method": "tarec"}]
    add_plan(tmp_path, methods=methods, pairs=["mf-mf", "hstu-mf"], paper=paper)
    whole(tmp_path, seeds=2)
    add_failure(tmp_path, "rrd", "loss is not finite", seed=2)
    evidence = read_evidence(tmp_path, ["mf-mf", "none", "rcekd", "1"])
    assert {labels[1:] for labels in evidence.places} == {("mf-mf", "none", "", 1), ("mf-mf", "rcekd", "", 1)}
    assert (evidence.failed, evidence.open, [figure.method for figure in evidence.paper]) == ([], [], ["none"])
    assert "--only 'none'" in evidence.notes[-1]
    (block,) = every_block(evidence, "rcekd")
    assert [(row.name, list(row.seeds)) for row in block.rows] == [("none", [1]), ("rcekd", [1])]


def test_a_part_of_which_nothing_is_finished_is_refused(tmp_path: Path) -> None:
    add_cell(whole(tmp_path), "de", 0.1, dataset="shelf")
    add_failure(tmp_path, "rcekd", "loss is not finite", dataset="shelf")
    why = r"^--only 'shelf' --only 'rcekd': nothing of 1 cell is finished; failed: shelf mf-mf rcekd seed 0: loss is"
    with pytest.raises(InputError, match=why):
        read_evidence(tmp_path, ["shelf", "rcekd"])
