"""`rcekd doctor`: what it reports, and what it calls wrong."""

import re
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from rcekd.extras import EXTRAS
from rcekd.kernels import _native, self_check
from rcekd.kernels.self_check import CHECKS
from tests.conftest import ROOT
from tests.flows.conftest import Outcome

Command = Callable[..., Outcome]


def test_all_is_well(rcekd: Command) -> None:
    found = rcekd("doctor", "--json")
    assert found.code == 0
    told = found.result
    assert told["problems"] == []
    assert torch.__version__.startswith(told["versions"]["torch"])
    assert "scalar" in told["native"]["compiled"]
    assert set(told["native"]["usable"]) <= set(told["native"]["compiled"])
    assert told["native"]["used"] == _native.isa()
    assert set(told["native"]["operations"].values()) == {None}
    assert not told["cuda"]["kernels"]
    assert told["machine"]["usable_cores"] >= told["machine"]["worth_threads"] >= 1
    assert told["machine"]["available_bytes"] > 2**20
    assert told["datasets"]["synthetic"] == "generated"
    assert "recbole==1.2.1" in told["datasets"]["ml-100k"] or "ml-100k" in told["datasets"]["ml-100k"]
    assert set(told["extras"]) == set(EXTRAS)


def test_for_people(rcekd: Command) -> None:
    shown = rcekd("doctor")
    assert shown.code == 0
    assert "--device auto takes the CPU" in shown.out
    assert f"all {len(CHECKS)} operations answer like their twins" in shown.out
    assert shown.out.endswith("all is well\n")
    assert rcekd("doctor", "--quiet") == (0, "", "")


def test_it_finds_datasets_where_they_are(rcekd: Command, tmp_path: Path) -> None:
    own = tmp_path / "own"
    (own / "citeulike").mkdir(parents=True)
    (own / "citeulike" / "users.dat").write_text("1 2\n")
    (own / "gowalla").mkdir()
    (own / "gowalla" / "train.txt").write_text("0 1\n")
    found = rcekd("doctor", "--json", "--data-dir", own).result["datasets"]
    assert found["citeulike"] == str(own / "citeulike")
    assert f"put valid.txt, test.txt into {own / 'gowalla'}" in found["gowalla"]


def test_what_has_to_be_mended(rcekd: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One line, exit code 2; with --json the object is there all the same."""
    refused = rcekd("doctor", "--quiet", "--data-dir", "nowhere")
    assert (refused.code, refused.out) == (2, "")
    assert "no data folder nowhere" in refused.error
    (tmp_path / "file").touch()
    monkeypatch.setenv("RCEKD_CACHE_DIR", str(tmp_path / "file"))
    monkeypatch.setenv("RCEKD_ISA", "sse2")
    refused = rcekd("doctor", "--json", "--quiet")
    assert refused.code == 2
    assert len(refused.result["problems"]) == 2
    assert "RCEKD_ISA=sse2 cannot be had here" in refused.error
    assert "set RCEKD_CACHE_DIR" in refused.error


def test_a_wrong_answer_is_found(rcekd: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> tuple[torch.Tensor, ...]:
        raise RuntimeError("refused")

    wrong = (lambda: (torch.ones(2),), lambda: (torch.zeros(2),))
    other = (lambda: (torch.ones(3),), lambda: (torch.zeros(2),))
    checks = {"topk": wrong, "adam": (fail, fail), "bpr": other, "closure": CHECKS["closure"]}
    monkeypatch.setattr(self_check, "CHECKS", checks)
    refused = rcekd("doctor", "--json", "--quiet")
    assert refused.code == 2
    found = refused.result["native"]["operations"]
    assert found["topk"] == "answer 0 differs from the twin's"
    assert found["adam"] == "RuntimeError: refused"
    assert found["bpr"] == "answer 0 is torch.float32 [3], not torch.float32 [2]"
    assert found["closure"] is None
    assert "topk: answer 0 differs" in refused.error


def test_every_extra_is_known() -> None:
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = {
        extra: {re.split(r"[><=]", package)[0] for package in packages}
        for extra, packages in declared.items()
        if extra not in ("test", "lint", "peers")
    }
    assert named == {name: set(extra.packages) for name, extra in EXTRAS.items()}


def test_every_operation_is_checked() -> None:
    operations = re.findall(r"^RCEKD_OP\((\w+),", (ROOT / "csrc/cpu/ops.def").read_text(), flags=re.MULTILINE)
    assert sorted(CHECKS) == sorted(operations)


@pytest.mark.parametrize("isa", ["scalar", "avx2", "avx512"])
def test_the_self_check_holds_on_every_instruction_set(isa: str) -> None:
    if not _native.set_isa(isa):
        pytest.skip(f"this processor has no {isa}")
    assert set(self_check.self_check().values()) == {None}
