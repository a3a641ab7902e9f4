"""SASRec beside a float64 twin written as loops, from the paper's equations."""

import math

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from rcekd.models import SASRec, SASRecSettings, build_model
from rcekd.models.sasrec import softmax_attention
from rcekd.models.sequential import Drop
from tests.models.sequences import batch_of, counting, interactions, loud, twins

ROWS = [[3, 1, 4, 1, 5], [], [6, 2]]


def attention_twin(query_TD: Tensor, key_TD: Tensor, value_TD: Tensor, heads: int) -> Tensor:
    length, dim = query_TD.shape
    width = dim // heads
    out = torch.zeros(length, dim, dtype=torch.float64)
    for head in range(heads):
        own = slice(head * width, (head + 1) * width)
        for t in range(length):
            logits = [float(query_TD[t, own] @ key_TD[j, own]) / math.sqrt(width) for j in range(t + 1)]
            total = sum(math.exp(logit) for logit in logits)
            out[t, own] = sum(math.exp(logit) / total * value_TD[j, own] for j, logit in enumerate(logits))
    return out


def norm(x_D: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    return (x_D - x_D.mean()) / (x_D.var(unbiased=False) + 1e-5).sqrt() * scale + shift


def as_it_is(x: Tensor) -> Tensor:
    return x


def states_twin(model: SASRec, row: list[int], heads: int, blocks: int, drop: Drop = as_it_is) -> Tensor:
    """Every state of one history, token by token; drop: what is linear and may stand after the weights' product."""
    p = twins(model)
    dim = p["item"].shape[1]
    tokens = [p["start"], *(p["item"][item] for item in row)]
    last = p["position"].shape[0] - 1
    x = torch.stack([token * math.sqrt(dim) + p["position"][min(t, last)] for t, token in enumerate(tokens)])
    x = drop(x)
    for b in range(blocks):
        own = {key.removeprefix(f"blocks.{b}."): value for key, value in p.items() if key.startswith(f"blocks.{b}.")}
        normed = torch.stack([norm(token, own["attend.scale"], own["attend.shift"]) for token in x])
        query, key, value = (normed @ weight.T for weight in own["qkv"].chunk(3))
        x = x + drop(drop(attention_twin(query, key, value, heads)))
        normed = torch.stack([norm(token, own["feed.scale"], own["feed.shift"]) for token in x])
        hidden = drop((normed @ own["inner"].T + own["inner_bias"]).clamp(min=0.0))
        x = x + drop(hidden @ own["outer"].T + own["outer_bias"])
    return torch.stack([norm(token, p["norm.scale"], p["norm.shift"]) for token in x])


def test_attention_is_the_loops() -> None:
    parts = torch.randn(3, 2, 7, 12, generator=torch.Generator().manual_seed(0))
    found = softmax_attention(*parts, heads=3, drop=as_it_is)
    for row in range(2):
        wanted = attention_twin(*(part[row].double() for part in parts), heads=3)
        torch.testing.assert_close(found[row].double(), wanted, rtol=1e-5, atol=1e-5)


def test_the_model_is_the_loops() -> None:
    settings = SASRecSettings(dim=6, blocks=2, heads=2, window=5, dropout=0.3)
    model = build_model(settings, interactions(ROWS, 9), seed=0)
    assert isinstance(model, SASRec)
    loud(model)
    tables = model.tables()
    for user, row in enumerate(ROWS):
        wanted = states_twin(model, row, 2, 2)[-1]
        torch.testing.assert_close(tables.user_UD[user].double(), wanted, rtol=1e-4, atol=1e-5)
    assert torch.equal(tables.item_ID, model.item)


def test_dropout_stands_where_the_paper_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """On the embedded tokens, the weights of attention, what it gives, the hidden layer and what that gives."""
    model = build_model(SASRecSettings(dim=6, blocks=2, heads=2, window=5), interactions(ROWS[:1], 9), seed=0)
    loud(model)
    monkeypatch.setattr(model, "dropped", counting())
    wanted = states_twin(model, ROWS[0], 2, 2, counting())[-1]
    torch.testing.assert_close(model.tables().user_UD[0].double(), wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("objective", ["bce", "softmax"])
def test_its_loss_is_the_objective_that_was_chosen(objective: str) -> None:
    settings = SASRecSettings.model_validate({"dim": 6, "objective": objective, "window": 5, "dropout": 0.0})
    model = build_model(settings, interactions(ROWS, 9), seed=0)
    loud(model)
    batch = batch_of(ROWS, [2], 5, 8)
    p = twins(model)
    states = states_twin(model, ROWS[2], 1, 1)[:2]
    score_B2 = torch.stack([(states * p["item"][ROWS[2]]).sum(1), states @ p["item"][8]], dim=1)
    gap_B = score_B2[:, 0] - score_B2[:, 1]
    terms = {"softmax": softplus(-gap_B), "bce": softplus(-score_B2[:, 0]) + softplus(score_B2[:, 1])}
    assert model.loss(batch).item() == pytest.approx(terms[objective].sum().item(), rel=1e-4)


def test_each_map_starts_as_glorot_and_bengio_have_it() -> None:
    """Uniform within ±√(6 / (in + out)), queries', keys' and values' each a map of its own."""
    model = build_model(SASRecSettings(dim=48, blocks=1), interactions(ROWS, 9), seed=0)
    weights = {name: weight.detach() for name, weight in model.named_parameters()}
    for weight in (*weights["blocks.0.qkv"].chunk(3), weights["blocks.0.inner"], weights["blocks.0.outer"]):
        assert 0.98 * 0.25 < float(weight.abs().max()) <= 0.25


def test_the_first_place_of_a_full_window_is_the_starts() -> None:
    """A window of 3: the state after the third item shares the position of the one before it."""
    model = build_model(SASRecSettings(dim=6, blocks=1, window=3), interactions([[1, 2, 3]], 5), seed=0)
    assert model.position.shape == (3, 6)
    torch.testing.assert_close(
        model.tables().user_UD[0].double(), states_twin(model, [1, 2, 3], 1, 1)[-1], rtol=1e-4, atol=1e-5
    )
