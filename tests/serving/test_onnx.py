"""The ONNX graphs against our own scan, and the comparison itself."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from rcekd.datasets import Interactions
from rcekd.errors import InputError
from rcekd.kernels.csr import CSR
from rcekd.models import FactorTables
from rcekd.serving import onnx_check, onnx_graph
from rcekd.serving.fold_in import FoldIn
from rcekd.serving.rows import between, stacked
from rcekd.serving.top import Lists, rank

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture
def tables() -> FactorTables:
    generator = torch.Generator().manual_seed(3)
    return FactorTables(torch.randn(30, 7, generator=generator), torch.randn(40, 7, generator=generator))


@pytest.fixture
def map_() -> FoldIn:
    generator = torch.Generator().manual_seed(4)
    weight, bias = torch.randn(7, 7, generator=generator), torch.randn(7, generator=generator)
    return FoldIn(weight, bias, power=0.5, typical=3.0, ridge=0.1, valid=0.0, trained=0.0)


@pytest.fixture
def folder(tmp_path: Path, tables: FactorTables, map_: FoldIn) -> Path:
    stored = {"user": tables.user_UD, "item": tables.item_ID}
    stored |= {"fold_in_weight": map_.weight_DD, "fold_in_bias": map_.bias_D}
    save_file(stored, tmp_path / "factors.safetensors")
    places = onnx_graph.stored_tensors(tmp_path / "factors.safetensors")
    onnx_graph.write_user_model(tmp_path / "model.onnx", places)
    onnx_graph.write_history_model(tmp_path / "history.onnx", places, map_.power, map_.typical)
    return tmp_path


@pytest.mark.parametrize("k", [1, 10, 40, 50])
@pytest.mark.parametrize("users", [[0], [29, 3, 3, 11]])
def test_users(folder: Path, tables: FactorTables, tiny_interactions: Interactions, k: int, users: list[int]) -> None:
    model = onnx_check.session(folder / "model.onnx")
    seen = stacked([between(tiny_interactions.seen, user, user + 1).indices for user in users])
    ours = rank(tables.user_UD[users], tables.item_ID, k, seen)
    theirs = onnx_check.run(model, "user", np.array(users), seen, k)
    assert theirs.item_BK.shape == (len(users), min(k, 41))  # one column more than there are items
    found = onnx_check.compare(theirs, ours)
    assert found.largest_difference < 1e-6
    assert found.lists_with_other_items == 0


def test_nothing_seen_and_everything_seen(folder: Path, tables: FactorTables) -> None:
    model = onnx_check.session(folder / "model.onnx")
    seen = stacked([torch.arange(0), torch.arange(40)])
    theirs = onnx_check.run(model, "user", np.array([5, 6]), seen, 3)
    ours = rank(tables.user_UD[5:6], tables.item_ID, 3, stacked([torch.arange(0)]))
    assert torch.equal(theirs.item_BK[0], ours.item_BK[0])
    assert theirs.item_BK[1].tolist() == [-1, -1, -1]
    assert theirs.score_BK[1].isinf().all()


def test_histories(folder: Path, tables: FactorTables, map_: FoldIn) -> None:
    model = onnx_check.session(folder / "history.onnx")
    history = stacked([torch.tensor([1, 5, 39]), torch.tensor([0]), torch.arange(0)])
    ours = rank(map_(history, tables.item_ID), tables.item_ID, 8, history)
    theirs = onnx_check.run(model, "history", onnx_check.padded(history), history, 8)
    assert onnx_check.compare(theirs, ours).largest_difference < 1e-6
    assert torch.equal(theirs.item_BK, ours.item_BK)


def test_the_graphs_hold_no_tables(folder: Path) -> None:
    assert (folder / "model.onnx").stat().st_size < 2000
    assert (folder / "history.onnx").stat().st_size < 3000


def test_padding() -> None:
    rows = CSR(torch.tensor([0, 2, 2, 3]), torch.tensor([4, 7, 1], dtype=torch.int32))
    assert onnx_check.padded(rows).tolist() == [[4, 7], [-1, -1], [1, -1]]
    assert onnx_check.padded(stacked([])).shape == (0, 1)


def test_other_scores_are_refused() -> None:
    ours = Lists(torch.tensor([[2, 1]]), torch.tensor([[4.0, 2.0]]))
    swapped = onnx_check.compare(Lists(torch.tensor([[1, 2]]), ours.score_BK), ours)
    assert (swapped.largest_difference, swapped.lists_with_other_items) == (0.0, 1)
    onnx_check.require_parity(Path("model.onnx"), swapped)
    for score in (2.1, -torch.inf, torch.nan):
        other = onnx_check.compare(Lists(ours.item_BK, torch.tensor([[4.0, score]])), ours)
        with pytest.raises(InputError, match=r"model\.onnx: scores of onnxruntime differ"):
            onnx_check.require_parity(Path("model.onnx"), other)


def test_a_difference_is_relative_to_the_largest_score() -> None:
    """Of two lists one names other items, and one's scores are off by 0.1 of 4; both end alike."""
    ours = Lists(torch.tensor([[2, 1, -1], [0, 3, 5]]), torch.tensor([[4.0, 2.0, -torch.inf], [-1.0, -2.0, -3.0]]))
    theirs = Lists(torch.tensor([[2, 1, -1], [0, 5, 3]]), torch.tensor([[4.0, 2.1, -torch.inf], [-1.0, -2.0, -3.0]]))
    found = onnx_check.compare(theirs, ours)
    assert found == pytest.approx((0.1 / 4.0, 1, 2))
    longer = Lists(ours.item_BK, ours.score_BK.masked_fill(ours.score_BK.isinf(), 1.0))
    assert onnx_check.compare(longer, ours).largest_difference == float("inf")
