"""A teacher, frozen: its lists and scores against a dense computation."""

import torch

from rcekd.datasets import Interactions
from rcekd.kernels.csr import CSR
from rcekd.models import FactorTables
from rcekd.teachers import FactorTeacher
from tests.contracts.teacher import full_teacher


def make_tables(requires_grad: bool = False) -> FactorTables:
    generator = torch.Generator().manual_seed(6)
    return FactorTables(*(torch.randn(n, 3, generator=generator).requires_grad_(requires_grad) for n in (30, 40)))


def test_top_items_against_a_sort(tiny_interactions: Interactions) -> None:
    tables, seen = make_tables(), tiny_interactions.seen
    teacher = FactorTeacher(tables)
    score_UI = tables.user_UD @ tables.item_ID.T
    assert torch.equal(teacher.top_items(7).long(), score_UI.topk(7).indices)
    score_UI[seen.rows().long(), seen.indices.long()] = -torch.inf
    assert torch.equal(teacher.top_items(7, seen).long(), score_UI.topk(7).indices)
    assert teacher.top_items(7) is teacher.top_items(7)
    assert torch.equal(teacher.top_items(4), teacher.top_items(7)[:, :4])


def test_lists_are_not_taken_for_those_of_other_seen_items_that_are_gone() -> None:
    """A freed CSR's place in memory is soon another's."""
    teacher = FactorTeacher(make_tables())
    for item in range(200):
        seen = CSR(torch.arange(31), torch.full((30,), item % 40, dtype=torch.int32))
        assert not (teacher.top_items(5, seen) == item % 40).any()
        del seen


def test_lists_longer_than_what_is_unseen_are_padded(tiny_interactions: Interactions) -> None:
    item_UK = FactorTeacher(make_tables()).top_items(40, tiny_interactions.seen)
    assert ((item_UK >= 0).sum(1) == 30).all()
    assert (item_UK[:, 30:] == -1).all()


def test_scores_of_ragged_lists() -> None:
    tables = make_tables()
    indptr, items = torch.tensor([0, 2, 2, 5]), torch.tensor([3, 39, 0, 1, 2], dtype=torch.int32)
    user = torch.tensor([4, 5, 29], dtype=torch.int32)
    found = FactorTeacher(tables).scores(user, indptr, items)
    score_UI = tables.user_UD @ tables.item_ID.T
    torch.testing.assert_close(found, score_UI[torch.tensor([4, 4, 29, 29, 29]), items.long()])


def test_it_keeps_no_graph() -> None:
    teacher = FactorTeacher(make_tables(requires_grad=True))
    assert (teacher.n_users, teacher.n_items) == (30, 40)
    assert not any(table.requires_grad for table in teacher.tables)


def test_a_temperature_divides_every_score_but_a_live_models() -> None:
    teacher = full_teacher(make_tables())
    warmed = teacher.at(4.0)
    pairs = [(teacher.tables, warmed.tables), *zip(teacher.trajectory, warmed.trajectory, strict=True)]
    pairs += [(tables, warmed.modalities[name]) for name, tables in teacher.modalities.items()]
    for before, after in pairs:
        torch.testing.assert_close(after.user_UD @ after.item_ID.T, before.user_UD @ before.item_ID.T / 4.0)
    assert warmed.model is teacher.model
    assert warmed.gives == teacher.gives
