"""What both sequential backbones promise: causality, padding, one forward a step, histories, keyed dropout."""

import copy
from typing import Any

import pytest
import torch

from rcekd.datasets import History
from rcekd.models import MODELS, Backbone, SASRecSettings, build_model
from rcekd.models.sequential import SequentialBackbone, next_item_loss
from tests.models.sequences import batch_of, csr, interactions, loud

ITEMS = 12
ROWS = [[3, 1, 4, 1, 5, 9, 2], [], [6], [2, 7, 1], [8, 2, 8, 1, 8, 2, 8, 4, 5]]
NAMES = pytest.mark.parametrize("name", ["sasrec", "hstu"])


def make(name: str, rows: list[list[int]] = ROWS, **changed: Any) -> SequentialBackbone:
    settings = {"model": name, "dim": 8, "blocks": 2, "heads": 2, "window": 6, "dropout": 0.0, **changed}
    model = build_model(MODELS[name].settings.model_validate(settings), interactions(rows, ITEMS), seed=0)
    assert isinstance(model, SequentialBackbone)
    loud(model)
    return model


def states(model: SequentialBackbone, user: int) -> torch.Tensor:
    state_RTD, row_B, length_B = model._read(torch.tensor([user]))
    return state_RTD[row_B[0], : int(length_B[0]) + 1].detach()


@NAMES
def test_a_later_item_changes_nothing_before_it(name: str) -> None:
    """States 0 … t are those of the same history with other items after the t-th, to the bit."""
    whole = states(make(name), 0)
    for place in range(1, 7):
        rows = copy.deepcopy(ROWS)
        rows[0][place] = 10
        changed = states(make(name, rows), 0)
        assert torch.equal(whole[:place], changed[:place])
        assert all(not torch.allclose(old, new) for old, new in zip(whole[place:], changed[place:], strict=True))


@NAMES
def test_padding_changes_nothing(name: str) -> None:
    """A user alone and beside longer ones, whatever item stands for the padding."""
    model = make(name).eval()
    alone = model.user_factors(torch.tensor([3]))
    model = make(name).eval()
    beside = model.user_factors(torch.tensor([4, 3]))[1:]
    torch.testing.assert_close(alone, beside, rtol=1e-5, atol=1e-6)
    model = make(name).eval()
    before = model.user_factors(torch.tensor([4, 3]))[1:]
    other = make(name).eval()
    with torch.no_grad():
        other.item[0] += 5.0  # item 0 pads; nobody has it
    assert torch.equal(before, other.user_factors(torch.tensor([4, 3]))[1:])


@NAMES
def test_the_window_is_all_that_is_read(name: str) -> None:
    short = make(name, [row[-6:] for row in ROWS]).eval().user_factors()
    assert torch.equal(make(name).eval().user_factors(), short)
    assert not torch.equal(make(name, [row[-5:] for row in ROWS]).eval().user_factors()[0], short[0])


@NAMES
def test_users_with_nothing_share_the_start(name: str) -> None:
    model = make(name, [[], [4], [], []]).eval()
    factor_UD = model.user_factors()
    assert torch.isfinite(factor_UD).all()
    torch.testing.assert_close(factor_UD[0], factor_UD[3])
    assert not torch.allclose(factor_UD[0], factor_UD[1])
    torch.testing.assert_close(model.user_factors(torch.tensor([2, 1])), factor_UD[[2, 1]])
    assert model.user_factors(torch.tensor([], dtype=torch.int64)).shape == (0, model.dim)


@NAMES
def test_tables_after_other_histories(name: str) -> None:
    model = make(name)
    longer = [[*row, 11] for row in ROWS]
    torch.testing.assert_close(model.tables(History(csr(longer))).user_UD, make(name, longer).tables().user_UD)
    assert torch.equal(model.tables(History(csr(ROWS))).user_UD, model.tables().user_UD)
    assert model.training


def test_a_model_without_a_window_ignores_histories() -> None:
    model: Backbone = build_model(MODELS["mf"].settings(model="mf"), interactions(ROWS, ITEMS), seed=0)
    assert torch.equal(model.tables(History(csr([[1]] * 5))).user_UD, model.tables().user_UD)


@NAMES
def test_a_step_is_one_forward(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The distillation loss sees the states, and the dropout, of the base loss; one backward serves both."""
    model = make(name, dropout=0.5)
    calls = []
    encode = type(model).encode
    monkeypatch.setattr(type(model), "encode", lambda self, *x: calls.append(1) or encode(self, *x))
    batch = batch_of(ROWS, [4, 0, 3], 6, 10)
    base = model.loss(batch)
    again = model.user_factors(torch.tensor([0, 3, 4]))
    assert torch.equal(again[2], model.user_factors(torch.tensor([4]))[0])
    assert len(calls) == 1
    (base + again.sum()).backward()
    model.loss(batch).backward()
    assert len(calls) == 2, "the graph of the first is spent"
    with torch.no_grad():
        model.start += 1.0
    model.user_factors(torch.tensor([0, 3, 4]))
    model.user_factors(torch.tensor([0, 2]))
    assert len(calls) == 4


@NAMES
def test_the_loss_is_the_next_item_from_the_state_before(name: str) -> None:
    """By states of the prefixes, each read on its own."""
    model = make(name).eval()
    batch = batch_of(ROWS, [4, 2], 6, 10)
    prefixes = [ROWS[4][-6:][:n] for n in range(6)] + [[]]
    factor_BD = make(name, prefixes).eval().user_factors()
    item_ID = model.item_factors()
    score_B2 = torch.stack([(factor_BD * item_ID[batch.positive_B.long()]).sum(1), factor_BD @ item_ID[10]], 1)
    wanted = next_item_loss(score_B2, model.sequence_loss)
    assert model.loss(batch).item() == pytest.approx(wanted.item(), rel=1e-5)


@NAMES
def test_fewer_interactions_than_the_window_are_the_last_ones(name: str) -> None:
    model = make(name).eval()
    whole = batch_of(ROWS, [4], 6, 10)
    tail = [field[-2:] for field in whole]
    left = [field[:-2] for field in whole]
    shorter = make(name, [[], [], [], [], ROWS[4][-6:-2]]).eval()
    rest = shorter.loss(type(whole)(*left))
    assert model.loss(type(whole)(*tail)).item() == pytest.approx((model.loss(whole) - rest).item(), rel=1e-4)
    with pytest.raises(ValueError, match="more interactions of a user than the window of 6 shows"):
        model.loss(batch_of(ROWS, [4], 8, 10))


@NAMES
def test_dropout_follows_the_epoch(name: str) -> None:
    model, batch = make(name, dropout=0.5), batch_of(ROWS, [4, 0], 6, 10)

    def loss(seed: int, epoch: int) -> float:
        fresh = copy.deepcopy(model)  # with nothing kept from the step before
        fresh.begin_epoch(seed, epoch)
        return fresh.loss(batch).item()

    first = loss(1, 2)
    torch.manual_seed(3)
    assert loss(1, 3) != first
    assert loss(1, 2) == first


@NAMES
def test_a_copy_shares_the_data_and_nothing_else(name: str) -> None:
    model = make(name)
    copied = copy.deepcopy(model)
    assert copied._data is model._data
    assert copied.item is not model.item
    assert torch.equal(copied.tables().user_UD, model.tables().user_UD)


def test_losses_by_hand() -> None:
    score = torch.tensor([[1.0, 0.0, -1.0], [0.5, 0.5, 2.0]], dtype=torch.float64)
    shares = score.exp() / score.exp().sum(1, keepdim=True)
    assert next_item_loss(score, "softmax").item() == pytest.approx(-shares[:, 0].log().sum().item())
    sigma = 1 / (1 + (-score).exp())
    wanted = -sigma[:, 0].log().sum() - (1 - sigma[:, 1:]).log().mean(1).sum()
    assert next_item_loss(score, "bce").item() == pytest.approx(wanted.item())


@NAMES
def test_heads_share_the_width(name: str) -> None:
    with pytest.raises(ValueError, match="dim=8 cannot be shared by heads=3"):
        make(name, heads=3)


@pytest.mark.parametrize(("dim", "width"), [(16, 16), (15, 16), (13, 12), (1, 4)])
def test_another_width_is_the_nearest_that_the_heads_share(dim: int, width: int) -> None:
    assert SASRecSettings(dim=8, heads=4).of_width(dim).dim == width
