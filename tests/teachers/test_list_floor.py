"""The floor of unlisted items: found back in a world that has one, and close to what the cut-off scores were."""

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from rcekd.datasets import Interactions
from rcekd.kernels.csr import CSR
from rcekd.kernels.topk import topk
from rcekd.models import FactorTables
from rcekd.teachers.list_floor import calibrate_lists, expected_margin, floors
from rcekd.teachers.temperature import calibrate
from tests.teachers.world import world_of

USERS, ITEMS, N, TRUE = 600, 200, 30, 0.4


@pytest.fixture(scope="module")
def world() -> tuple[FactorTables, Interactions]:
    """Validation items drawn from softmax(score / 0.4) without the user's one training item."""
    generator = torch.Generator().manual_seed(5)
    tables = FactorTables(*(torch.randn(n, 4, generator=generator) * 0.7 for n in (USERS, ITEMS)))
    return tables, drawn(tables.user_UD @ tables.item_ID.T / TRUE, generator)


def drawn(logit_UI: Tensor, generator: torch.Generator) -> Interactions:
    train_UN = (torch.arange(USERS) % ITEMS)[:, None]
    valid_UN = torch.multinomial(torch.softmax(logit_UI, 1).scatter(1, train_UN, 0.0), 5, True, generator=generator)
    return world_of(train_UN, valid_UN, ITEMS)


def test_the_lists_lead_to_the_temperature_of_the_factors(world: tuple[FactorTables, Interactions]) -> None:
    tables, data = world
    found, _ = calibrate_lists(*topk(tables.user_UD, tables.item_ID, N), data)
    assert found.temperature == pytest.approx(TRUE, rel=0.15)
    whole = calibrate(tables, data)
    assert found.temperature == pytest.approx(whole.temperature, rel=0.15)
    assert found.after is not None
    assert whole.after is not None
    assert whole.after.nll < found.after.nll < found.flat


def test_the_floor_stands_for_the_scores_that_were_cut_off(world: tuple[FactorTables, Interactions]) -> None:
    """At the true temperature: as far below the last listed as τ · ln mean exp(score / τ) of the unlisted items is."""
    tables, data = world
    item_UN, score_UN = topk(tables.user_UD, tables.item_ID, N)
    _, margin = calibrate_lists(item_UN, score_UN, data, tau=TRUE)
    rest_UI = (tables.user_UD @ tables.item_ID.T).scatter(1, item_UN.long(), -torch.inf)
    cut_U = TRUE * (torch.logsumexp(rest_UI / TRUE, 1) - math.log(ITEMS - N))
    assert margin == pytest.approx(float((score_UN[:, -1] - cut_U).mean()), rel=0.1)


def test_a_world_with_a_floor(world: tuple[FactorTables, Interactions]) -> None:
    """Where unlisted items do all have one score, 1.1 below the last listed one, that is what is found."""
    tables, _ = world
    item_UN, score_UN = topk(tables.user_UD, tables.item_ID, N)
    score_UI = (score_UN[:, -1:] - 1.1).expand(USERS, ITEMS).scatter(1, item_UN.long(), score_UN)
    data = drawn(score_UI / TRUE, torch.Generator().manual_seed(8))
    found, margin = calibrate_lists(item_UN, score_UN, data)
    assert found.temperature == pytest.approx(TRUE, rel=0.1)
    assert margin == pytest.approx(1.1, rel=0.1)


def test_without_validation_the_scores_are_drawn_out(world: tuple[FactorTables, Interactions]) -> None:
    """Scores 3 − 0.5 ln r go on to the middle of the unlisted ranks, 115."""
    _, data = world
    nothing = replace(data, valid=CSR(torch.zeros(USERS + 1, dtype=torch.int64), data.valid.indices[:0]))
    item_UN = torch.arange(N, dtype=torch.int32).repeat(USERS, 1)
    score_UN = (3.0 - 0.5 * torch.arange(1, N + 1).log()).repeat(USERS, 1)
    found, margin = calibrate_lists(item_UN, score_UN, nothing)
    assert found.temperature is None
    assert margin == pytest.approx(0.5 * math.log((N + ITEMS) / 2 / N))
    assert margin == expected_margin(item_UN, score_UN, ITEMS)


def test_floors_of_short_and_empty_lists() -> None:
    item_UN = torch.tensor([[3, 1, 2], [5, -1, -1], [-1, -1, -1]], dtype=torch.int32)
    score_UN = torch.tensor([[3.0, 2.0, 1.0], [9.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    assert floors(item_UN, score_UN, 0.5).tolist() == [0.5, 8.5, -0.5]
    assert expected_margin(item_UN, score_UN, 10) == 1.0


def test_its_likelihood_is_that_of_a_softmax_over_what_is_unseen(tiny_interactions: Interactions) -> None:
    """Every item of the catalogue, user by user: its listed score or the floor, nothing where it is seen."""
    data = tiny_interactions
    generator = torch.Generator().manual_seed(2)
    item_UN, score_UN = topk(*(torch.randn(n, 3, generator=generator) for n in (30, 40)), 9)
    found, margin = calibrate_lists(item_UN, score_UN, data, tau=1.0)
    loss = []
    for user in range(30):
        logit_I = (score_UN[user, -1] - margin).expand(40).scatter(0, item_UN[user].long(), score_UN[user])
        logit_I = logit_I.scatter(0, rows(data.seen)[user].long(), -torch.inf)
        loss += (logit_I.logsumexp(0) - logit_I[rows(data.valid)[user].long()]).tolist()
    assert found.before is not None
    assert found.before.nll == pytest.approx(sum(loss) / len(loss), rel=1e-5)


def rows(part: CSR) -> list[Tensor]:
    return list(part.indices.split(part.lengths().tolist()))
