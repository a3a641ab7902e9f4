"""Several teachers as one: their scores' mean on a common scale, or one per user."""

import pytest
import torch
from torch import Tensor

from rcekd.errors import InputError
from rcekd.models import FactorTables
from rcekd.teachers import Ensemble, FactorTeacher


def teacher(seed: int, width: int, scale: float = 1.0, items: int = 40) -> FactorTeacher:
    generator = torch.Generator().manual_seed(seed)
    user, item = torch.randn(30, width, generator=generator), torch.randn(items, width, generator=generator)
    return FactorTeacher(FactorTables(scale * user, item))


def dense(tables: FactorTables) -> Tensor:
    return tables.user_UD.double() @ tables.item_ID.double().T


def levelled(member: FactorTeacher, first: FactorTeacher) -> Tensor:
    """The member's scores with the spread of the first member's, user by user."""
    score_UI = dense(member.tables)
    return score_UI * (dense(first.tables).std(1, correction=0) / score_UI.std(1, correction=0))[:, None]


def test_the_mean_of_scores_on_a_common_scale() -> None:
    first, second, third = teacher(1, 3), teacher(2, 5, scale=100.0), teacher(3, 2, scale=0.01)
    found = dense(Ensemble([first, second, third]).tables)
    expected = (dense(first.tables) + levelled(second, first) + levelled(third, first)) / 3
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)


def test_a_chosen_member_rules_alone() -> None:
    members = [teacher(1, 3), teacher(2, 5, scale=7.0)]
    choice_U = torch.arange(30) % 2
    ensemble = Ensemble(members, torch.nn.functional.one_hot(choice_U, 2).float())
    lists = [member.top_items(6) for member in members]
    assert torch.equal(ensemble.top_items(6), torch.where(choice_U[:, None] == 0, *lists))


def test_it_is_a_teacher_with_factors_and_members() -> None:
    members = [teacher(1, 3), teacher(2, 5)]
    ensemble = Ensemble(members)
    assert list(ensemble.members) == members
    assert ensemble.tables.user_UD.shape == (30, 8)
    assert ensemble.gives == {"lists", "scores", "factors"}


def test_the_temperature_is_that_of_the_whole() -> None:
    """Every member, and every moment, is divided by it; who has moments keeps them."""
    members = [moving(1, 3), moving(2, 5, scale=7.0)]
    weight_UT = torch.rand(30, 2, generator=torch.Generator().manual_seed(4))
    plain = Ensemble(members, weight_UT)
    warm = plain.at(4.0)
    torch.testing.assert_close(dense(warm.tables), dense(plain.tables) / 4)
    assert warm.gives == plain.gives
    for before, after in zip(plain.trajectory, warm.trajectory, strict=True):
        torch.testing.assert_close(dense(after), dense(before) / 4)
    for before, after in zip(members, warm.members, strict=True):
        torch.testing.assert_close(dense(after.tables), dense(before.tables) / 4)


def moving(seed: int, width: int, scale: float = 1.0) -> FactorTeacher:
    """A teacher with two moments of its training."""
    tables = [teacher(seed + 10 * moment, width, scale).tables for moment in (1, 2)]
    return FactorTeacher(tables[-1], trajectory=tables)


def test_its_moments_are_the_last_that_all_members_have_mixed_alike() -> None:
    short = moving(2, 5)
    long = FactorTeacher(teacher(1, 3).tables, trajectory=[teacher(seed, 3).tables for seed in (7, 8, 9)])
    found = Ensemble([long, short], torch.tensor([[3.0, 1.0]]).expand(30, 2)).trajectory
    assert len(found) == 2
    for moment, one, other in zip(found, long.trajectory[1:], short.trajectory, strict=True):
        wanted = 0.75 * dense(one) + 0.25 * levelled(FactorTeacher(other), FactorTeacher(one))
        torch.testing.assert_close(dense(moment), wanted, rtol=1e-5, atol=1e-5)


def test_a_member_that_scores_nothing_leaves_finite_scores() -> None:
    mute = FactorTeacher(FactorTables(torch.zeros(30, 2), torch.zeros(40, 2)))
    first = teacher(1, 3)
    torch.testing.assert_close(dense(Ensemble([first, mute]).tables), dense(first.tables) / 2)


def test_teachers_of_different_data_are_refused() -> None:
    with pytest.raises(InputError, match="teacher 2 knows 30 users × 41 items, the first 30 × 40"):
        Ensemble([teacher(1, 3), teacher(2, 3, items=41)])


@pytest.mark.parametrize("need", ["trajectory", "modalities", "live"])
def test_what_a_teacher_has_not_got_is_said_with_the_remedy(need: str) -> None:
    attribute = "model" if need == "live" else need
    with pytest.raises(InputError, match=f"this teacher has no {need}; "):
        getattr(teacher(1, 3), attribute)
