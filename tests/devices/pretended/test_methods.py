"""Every method trains on a device as on the CPU."""

from pathlib import Path
from typing import Any

import pytest

from rcekd.methods import METHODS
from tests.contracts.board import checkerboard
from tests.contracts.cases import CASES
from tests.devices.pretend import Pretend
from tests.devices.pretended.runs import same_run

DATA = checkerboard(24, 20)
# Rows of a GPU stand for interactions, where those of the CPU stand for users: however users count, it is the same.
COUNTED = [("rcekd", {"K": 6, "L": 5, "weighting": weighting}) for weighting in ("interaction", "distinct")]
EVERY = [(name, case) for name, entry in METHODS.items() if entry.build is not None for case in CASES.get(name, [{}])]


@pytest.mark.parametrize(("name", "case"), EVERY + COUNTED, ids=str)
def test_the_same_run(pretend: Pretend, name: str, case: dict[str, Any], tmp_path: Path) -> None:
    same_run(DATA, pretend.device, tmp_path, method=name, case=case)
