"""What captions say of the analyses behind them."""

from pathlib import Path

from rcekd.reports.experiment.blocks import every_block
from rcekd.reports.experiment.evidence import read_evidence
from rcekd.reports.figures.captions import moments_taken, users_drawn, variants_chosen
from tests.reports.experiment.folders import USERS, add_cell
from tests.reports.figures.worked import moment

WANTED = (("beginning", 0.02), ("middle", 0.2), ("end", 1.0))


def test_moments_by_name_and_those_that_are_one() -> None:
    apart, merged = ({"moments": [moment(epoch, 0.5) for epoch in kept]} for kept in ((0, 1, 10, 50), (0, 50)))
    exact = "the nearest kept moments: beginning at 2 %, middle at 20 %, end at 100 % of the epochs"
    assert moments_taken([apart], WANTED) == [exact]
    assert moments_taken([apart, merged], WANTED) == [
        "the nearest kept moments: beginning at 2 to 100 %, middle at 20 to 100 %, end at 100 % of the epochs",
        "beginning and middle are one moment where no other was kept",
        "middle and end are one moment where no other was kept",
    ]
    assert moments_taken([{"moments": []}], WANTED) == []


def test_users_are_named_where_some_were_drawn(tmp_path: Path) -> None:
    add_cell(tmp_path, "rcekd", 0.3)
    (block,) = every_block(read_evidence(tmp_path), "rcekd")
    assert users_drawn([(block, [{"users": USERS}, {}])]) == []
    assert users_drawn([(block, [{"users": USERS}, {"users": 12}])]) == ["of at most 12 drawn users of a dataset"]


def test_variants_are_named_where_there_are_several(tmp_path: Path) -> None:
    for dataset, variants in (("board", ("first", "second")), ("garden", ("second", "third"))):
        for variant in variants:
            add_cell(tmp_path, "rcekd", 0.3, dataset=dataset, variant=variant)
    blocks = every_block(read_evidence(tmp_path), "rcekd")
    first, second, other, _ = blocks
    assert variants_chosen([first, other], [first, other]) == []
    assert variants_chosen([first], [first, second]) == ["of several variants the first that has it: first"]
    assert variants_chosen([first, other], blocks) == [
        "of several variants the first that has it: board, MF → MF, first; garden, MF → MF, second"
    ]
