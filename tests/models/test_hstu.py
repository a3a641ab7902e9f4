"""HSTU beside a float64 twin written as loops, from the paper's equations."""

import math

import pytest
import torch
from torch import Tensor

from rcekd.models import HSTU, HSTUSettings, build_model
from rcekd.models.hstu import pointwise_attention
from tests.models.sequences import interactions, loud, twins

ROWS = [[3, 1, 4, 1, 5], [], [6, 2]]


def silu(x: float) -> float:
    return x / (1 + math.exp(-x))


def attention_twin(query_TD: Tensor, key_TD: Tensor, value_TD: Tensor, bias_HW: Tensor) -> Tensor:
    length, dim = query_TD.shape
    heads, window = bias_HW.shape
    width = dim // heads
    out = torch.zeros(length, dim, dtype=torch.float64)
    for head in range(heads):
        own = slice(head * width, (head + 1) * width)
        for t in range(length):
            for j in range(t + 1):
                bias = bias_HW[head, min(t - j, window - 1)]
                out[t, own] += silu(float(query_TD[t, own] @ key_TD[j, own] + bias)) * value_TD[j, own] / (t + 1)
    return out


def norm(x_TD: Tensor) -> Tensor:
    return (x_TD - x_TD.mean(1, keepdim=True)) / (x_TD.var(1, unbiased=False, keepdim=True) + 1e-6).sqrt()


def state_twin(model: HSTU, row: list[int], blocks: int) -> Tensor:
    """The last state of one history."""
    p = twins(model)
    dim = p["item"].shape[1]
    last = p["position"].shape[0] - 1
    tokens = [p["start"], *(p["item"][item] for item in row)]
    x = torch.stack([token * math.sqrt(dim) + p["position"][min(t, last)] for t, token in enumerate(tokens)])
    for b in range(blocks):
        own = {key.removeprefix(f"blocks.{b}."): value for key, value in p.items() if key.startswith(f"blocks.{b}.")}
        product = norm(x) @ own["uvqk"].T
        gate, value, query, key = (product / (1 + (-product).exp())).chunk(4, dim=1)
        attended = attention_twin(query, key, value, own["bias_HW"])
        x = x + (gate * norm(attended)) @ own["out"].T + own["out_bias"]
    return x[-1]


def make(rows: list[list[int]], **settings: float) -> HSTU:
    model = build_model(HSTUSettings.model_validate({"dim": 6, **settings}), interactions(rows, 9), seed=0)
    assert isinstance(model, HSTU)
    loud(model)
    return model


@pytest.mark.parametrize("window", [4, 7, 20])
def test_attention_is_the_loops(window: int) -> None:
    generator = torch.Generator().manual_seed(0)
    parts, bias_HW = torch.randn(3, 2, 7, 12, generator=generator), torch.randn(3, window, generator=generator)
    found = pointwise_attention(*parts, bias_HW)
    for row in range(2):
        wanted = attention_twin(*(part[row].double() for part in parts), bias_HW.double())
        torch.testing.assert_close(found[row].double(), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("window", [5, 8])
def test_the_model_is_the_loops(window: int) -> None:
    model = make(ROWS, blocks=2, heads=2, window=window, dropout=0.3, tau=0.1)
    tables = model.tables()
    for user, row in enumerate(ROWS):
        state = state_twin(model, row, 2)
        wanted = state / state.norm() / math.sqrt(0.1)
        torch.testing.assert_close(tables.user_UD[user].double(), wanted, rtol=1e-4, atol=1e-5)


def test_scores_are_cosines_by_the_temperature() -> None:
    model = make(ROWS, tau=0.25)
    user_UD, item_ID = model.tables()
    torch.testing.assert_close(user_UD.norm(dim=1), torch.full((3,), 2.0))
    torch.testing.assert_close(item_ID.norm(dim=1), torch.full((9,), 2.0))
    cosine = torch.nn.functional.cosine_similarity(item_ID[2], user_UD[0], dim=0)
    assert (user_UD[0] @ item_ID[2]).item() == pytest.approx(cosine.item() / 0.25, rel=1e-5)
