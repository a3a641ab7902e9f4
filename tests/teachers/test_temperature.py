"""The proposed temperature: that of the world that made the validation items, where there is one."""

import math
from dataclasses import replace

import pytest
import torch

from rcekd.datasets import Interactions
from rcekd.errors import InputError
from rcekd.kernels.csr import CSR
from rcekd.models import FactorTables
from rcekd.teachers.temperature import calibrate, golden_section, held_out, judge, warmed
from tests.teachers.world import world_of

USERS, ITEMS, TRUE = 400, 60, 0.25


@pytest.fixture(scope="module")
def world() -> tuple[FactorTables, Interactions]:
    """Validation items drawn from softmax(score / 0.25); train is one random item each, all items are trained on."""
    generator = torch.Generator().manual_seed(3)
    tables = FactorTables(*(torch.randn(n, 4, generator=generator) * 0.5 for n in (USERS, ITEMS)))
    train_UN = (torch.arange(USERS) % ITEMS)[:, None]
    p_UI = torch.softmax(tables.user_UD @ tables.item_ID.T / TRUE, 1).scatter(1, train_UN, 0.0)
    valid_UN = torch.multinomial(p_UI, 4, replacement=True, generator=generator)
    return tables, world_of(train_UN, valid_UN, ITEMS)


def test_scores_beyond_float32_are_refused(world: tuple[FactorTables, Interactions]) -> None:
    tables, _ = world
    for temperature in (1e-40, 1e-38):
        with pytest.raises(InputError, match=rf"at temperature {temperature:g}: .* beyond the 3\.4e\+38 of float32"):
            warmed(tables, temperature)
    assert torch.isfinite(warmed(tables, 1e-30).user_UD).all()


def test_the_true_temperature_is_found(world: tuple[FactorTables, Interactions]) -> None:
    tables, data = world
    found = calibrate(tables, data)
    assert found.temperature == pytest.approx(TRUE, rel=0.1)
    assert found.before is not None
    assert found.after is not None
    assert found.after.nll < found.before.nll < found.flat + 1.0
    assert found.after.effective < found.before.effective < ITEMS


@pytest.mark.parametrize("scale", [1e-4, 30.0])
def test_it_follows_the_scale_of_the_scores(world: tuple[FactorTables, Interactions], scale: float) -> None:
    tables, data = world
    found = calibrate(FactorTables(tables.user_UD * scale, tables.item_ID), data)
    plain = calibrate(tables, data)
    assert found.temperature is not None
    assert plain.temperature is not None
    assert found.temperature == pytest.approx(plain.temperature * scale, rel=0.02)
    # Divided by its temperature, the teacher needs none.
    again = calibrate(warmed(tables, plain.temperature), data)
    assert again.temperature == pytest.approx(1.0, rel=0.02)


def test_the_judgement_against_a_dense_one(world: tuple[FactorTables, Interactions]) -> None:
    tables, data = world
    scene = held_out(data, most_users=50)
    assert scene.user_R.diff().unique().tolist() == [8, 9], "evenly over all users"
    found = judge(tables.user_UD[scene.user_R], tables.item_ID[scene.candidate_J], scene, 0.7)
    loss, effective = [], []
    for user in scene.user_R.tolist():
        score_I = tables.user_UD[user] @ tables.item_ID.T / 0.7
        score_I[data.seen.indices[data.seen.indptr[user] : data.seen.indptr[user + 1]].long()] = -torch.inf
        log_p_I = torch.log_softmax(score_I.double(), 0)
        loss += (-log_p_I[data.valid.indices[data.valid.indptr[user] : data.valid.indptr[user + 1]].long()]).tolist()
        effective.append(math.exp(float(-(log_p_I.exp() * log_p_I.clamp(min=-1e9)).sum())))
    assert found.nll == pytest.approx(sum(loss) / len(loss), rel=1e-5)
    assert found.effective == pytest.approx(sum(effective) / len(effective), rel=1e-5)


def test_cold_and_seen_validation_items_are_left_out(world: tuple[FactorTables, Interactions]) -> None:
    _, data = world
    first_U = data.valid.indices[data.valid.indptr[:-1]]
    # Who had read item 5 has read a validation item of theirs instead.
    without = replace(data, train=CSR(data.train.indptr, data.train.indices.where(data.train.indices != 5, first_U)))
    scene = held_out(without)
    assert 5 not in scene.candidate_J.tolist()
    users = scene.user_R.repeat_interleave(scene.target.lengths())
    pairs = set(zip(users.tolist(), scene.candidate_J[scene.target.indices.long()].tolist(), strict=True))
    valid = set(zip(data.valid.rows().tolist(), data.valid.indices.tolist(), strict=True))
    train = set(zip(without.train.rows().tolist(), without.train.indices.tolist(), strict=True))
    assert valid & train
    assert pairs == {pair for pair in valid - train if pair[1] != 5}


def test_scores_that_say_nothing_get_no_temperature(world: tuple[FactorTables, Interactions]) -> None:
    tables, data = world
    generator = torch.Generator().manual_seed(9)
    noise = calibrate(FactorTables(torch.randn(USERS, 4, generator=generator), tables.item_ID), data)
    assert noise.temperature is None
    assert noise.reason == "the scores tell validation items no better than chance"
    flat = calibrate(FactorTables(torch.zeros(USERS, 4), tables.item_ID), data)
    assert (flat.temperature, flat.reason) == (None, "all scores of a user are equal")
    nothing = replace(data, valid=CSR(torch.zeros(USERS + 1, dtype=torch.int64), data.valid.indices[:0]))
    assert calibrate(tables, nothing).reason == "no validation item can be judged"


@pytest.mark.parametrize("least", [-3.0, 0.2, 7.0])
def test_golden_section(least: float) -> None:
    assert golden_section(lambda x: abs(x - least) ** 1.5, -3.0, 7.0, 0.001) == pytest.approx(least, abs=0.001)


@pytest.mark.parametrize("temperature", [0.05, 0.7, 3.0, 20.0])
def test_both_sides_bear_a_temperature_and_no_bit_of_a_score_tells(
    world: tuple[FactorTables, Interactions], temperature: float
) -> None:
    tables, _ = world
    found = warmed(tables, temperature)
    users, items = (float(after.norm() / before.norm()) for after, before in zip(found, tables, strict=True))
    assert 0.5 <= users / items <= 2.0
    one_sided = (tables.user_UD / temperature)[:, None, :] * tables.item_ID
    assert torch.equal(found.user_UD[:, None, :] * found.item_ID, one_sided)
