"""The example method of docs/extending.md, as it stands there: it teaches, and passes what methods must pass."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from rcekd.commands.application import run
from rcekd.methods import METHODS, Entry
from tests.conftest import ROOT
from tests.docs.conditions import small
from tests.docs.reading import blocks


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The document's first block of Python, as a module; its method stands in the table."""
    text = (ROOT / "docs" / "extending.md").read_text()
    (block, *_) = [block for block in blocks(text) if block.language == "python"]
    module = ModuleType("example_method")
    monkeypatch.setitem(sys.modules, "example_method", module)
    exec(compile(block.text, "docs/extending.md", "exec"), module.__dict__)
    monkeypatch.setitem(METHODS, "mse", Entry(module.MSESettings, module.MSE))
    return module


@pytest.mark.usefixtures("example")
@pytest.mark.parametrize("method", ["mse", "mse+ce"])
def test_it_distils(
    method: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RCEKD_CACHE_DIR", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.chdir(tmp_path)
    assert run(small(["distill", "--method", method, "--quiet"])) == 0


def test_its_loss_is_that_of_its_equation(example: ModuleType, tiny_interactions: Any) -> None:
    from rcekd.models import MFSettings, build_model
    from rcekd.models.base import Batch
    from tests.contracts.teacher import full_teacher

    data = tiny_interactions
    models = [build_model(MFSettings(dim=dim, init_std=1.0), data, seed=dim).tables() for dim in (6, 4)]
    student = build_model(MFSettings(dim=4, init_std=1.0), data, seed=4)
    method = example.MSE(example.MSESettings(K=5), full_teacher(models[0]), data, 0)
    method.start_epoch(student, 0)
    user_B = torch.tensor([3, 3, 8])
    found = method.loss(student, Batch(user_B, user_B.int(), user_B.int()[:, None]))
    expected = torch.zeros(())
    for user in user_B.tolist():
        teacher, own = (tables.user_UD[user] @ tables.item_ID.T for tables in models)
        top = teacher.argsort(descending=True)[:5]
        apart = (own[top] - own[top].mean()) - (teacher[top] - teacher[top].mean())
        expected += (apart**2).mean()
    assert found.item() == pytest.approx(expected.item(), rel=1e-4)
