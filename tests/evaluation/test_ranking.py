"""Full-ranking evaluation against pytrec_eval and against a dense ranking, under every protocol."""

from dataclasses import replace
from unittest.mock import Mock, call

import polars as pl
import pytest
import pytrec_eval
import torch

from rcekd.datasets import Interactions
from rcekd.evaluation.ranking import (
    CUTOFFS,
    METRICS,
    EvalSettings,
    evaluate,
    evaluate_model,
    evaluate_train,
    evaluate_valid,
    per_user,
    rank,
)
from rcekd.kernels.csr import CSR
from rcekd.models import FactorTables


def random_tables(data: Interactions, seed: int = 0) -> FactorTables:
    generator = torch.Generator().manual_seed(seed)
    return FactorTables(
        torch.randn(data.n_users, 5, generator=generator), torch.randn(data.n_items, 5, generator=generator)
    )


def rows_of(part: CSR) -> list[list[int]]:
    return [row.tolist() for row in part.indices.split(part.lengths().tolist())]


def uneven(data: Interactions) -> Interactions:
    """Every third user has no validation target, every fourth no test target, user 1 a test target named twice."""

    def thin(part: CSR, every: int) -> CSR:
        rows = [[] if user % every == 0 else row for user, row in enumerate(rows_of(part))]
        rows[1] = [*rows[1], rows[1][0]]
        lengths = torch.tensor([0, *map(len, rows)])
        return CSR(lengths.cumsum(0), torch.tensor([i for row in rows for i in row], dtype=torch.int32))

    return replace(data, valid=thin(data.valid, 3), test=thin(data.test, 4))


def ranked_by_sorting(tables: FactorTables, hidden: list[set[int]]) -> list[list[int]]:
    score_UI = (tables.user_UD.double() @ tables.item_ID.double().T).tolist()
    return [
        sorted((i for i in range(len(score)) if i not in gone), key=lambda i: (-score[i], i))
        for score, gone in zip(score_UI, hidden, strict=True)
    ]


def trec(ranked: list[list[int]], targets: list[list[int]]) -> list[dict[str, float]]:
    """pytrec_eval's recall and NDCG at each cutoff, per user; zeros for a user without targets."""
    names = {"recall": "recall", "ndcg": "ndcg_cut"}
    measures = {f"{name}.{','.join(map(str, CUTOFFS))}" for name in names.values()}
    wanted = {str(u): {str(i): 1 for i in row} for u, row in enumerate(targets) if row}
    runs = {str(u): {str(i): float(-place) for place, i in enumerate(row)} for u, row in enumerate(ranked)}
    found = pytrec_eval.RelevanceEvaluator(wanted, measures).evaluate(runs)
    zeros = {f"{name}_{cutoff}": 0.0 for name in names.values() for cutoff in CUTOFFS}
    rows = [found.get(str(u), zeros) for u in range(len(targets))]
    return [{f"{n}@{c}": row[f"{names[n]}_{c}"] for n in names for c in CUTOFFS} for row in rows]


def mean(rows: list[dict[str, float]]) -> dict[str, float]:
    return {name: sum(row[name] for row in rows) / len(rows) for name in METRICS}


@pytest.mark.parametrize("mask", ["train", "train+valid"])
@pytest.mark.parametrize("users", ["all", "with-targets"])
def test_against_pytrec_eval(tiny_interactions: Interactions, mask: str, users: str) -> None:
    data = uneven(tiny_interactions)
    data = replace(data, valid=data.valid.sorted_unique(), test=data.test.sorted_unique())
    tables = random_tables(data)
    found = evaluate(tables, data, EvalSettings.model_validate({"mask": mask, "users": users}))
    train, valid, test = (rows_of(part) for part in (data.train, data.valid, data.test))
    hidden = [set(row) for row in train]
    hidden_for_test = [gone | set(row) for gone, row in zip(hidden, valid, strict=True)] if mask != "train" else hidden
    for part, targets, gone in (("valid", valid, hidden), ("test", test, hidden_for_test)):
        rows = trec(ranked_by_sorting(tables, gone), targets)
        judged = [row for row, wanted in zip(rows, targets, strict=True) if wanted or users == "all"]
        assert found[part] == pytest.approx(mean(judged))
    assert found["valid"].keys() == set(METRICS)


def test_a_target_named_twice_counts_once(tiny_interactions: Interactions) -> None:
    """Data that keeps repeated pairs (data.duplicates=keep) is judged as if it named each once."""
    data = uneven(tiny_interactions)
    assert len(rows_of(data.test)[1]) == len(set(rows_of(data.test)[1])) + 1
    once = replace(data, valid=data.valid.sorted_unique(), test=data.test.sorted_unique())
    tables = random_tables(data)
    assert evaluate(tables, data, EvalSettings()) == evaluate(tables, once, EvalSettings())
    assert evaluate_valid(tables, data, EvalSettings()) == evaluate_valid(tables, once, EvalSettings())
    perfect = torch.full((data.n_users, 20), -1, dtype=torch.int32)
    perfect[1, :3] = torch.tensor(sorted(set(rows_of(data.test)[1])))
    assert {float(value_U[1]) for value_U in per_user(perfect, data.test_targets).values()} == {1.0}


def test_valid_alone_is_the_same_number(tiny_interactions: Interactions) -> None:
    tables, settings = random_tables(tiny_interactions), EvalSettings(mask="train+valid")
    assert evaluate_valid(tables, tiny_interactions, settings) == evaluate(tables, tiny_interactions, settings)["valid"]


def test_a_perfect_model(tiny_interactions: Interactions) -> None:
    """The checkerboard's own answer: the 10 unseen liked items come first, valid's 2 and test's 3 among them."""
    data = tiny_interactions
    parity_U, parity_I = torch.arange(data.n_users) % 2, torch.arange(data.n_items) % 2
    tables = FactorTables(
        torch.nn.functional.one_hot(parity_U, 2).float(), torch.nn.functional.one_hot(parity_I, 2).float()
    )
    found = evaluate(tables, data, EvalSettings())
    assert found["valid"]["recall@10"] == found["test"]["recall@10"] == 1.0
    assert 0.0 < found["test"]["ndcg@10"] < 1.0


def test_fewer_items_than_the_longest_cutoff() -> None:
    """Twelve items, three of them seen: nine are ranked, and every target is found among them."""
    rows = torch.tensor([[0, 1, 2], [3, 4, 5]], dtype=torch.int32)
    train = CSR(torch.tensor([0, 3, 6]), rows.flatten())
    test = CSR(torch.tensor([0, 1, 3]), torch.tensor([7, 0, 11], dtype=torch.int32))
    tables = FactorTables(torch.ones(2, 1), torch.arange(12.0)[:, None])
    ranked = rank(tables, train)
    assert ranked.shape == (2, 20)
    assert ranked[0].tolist() == [11, 10, 9, 8, 7, 6, 5, 4, 3] + [-1] * 11
    values = per_user(ranked, test)
    assert values["recall@20"].tolist() == [1.0, 1.0]
    assert values["recall@10"].tolist() == [1.0, 1.0]


def test_training_items_are_ranked_where_training_is_judged() -> None:
    """Items 11, 10, … lead: of {0, 1, 2} item 2 alone is among ten, of {3, 4, 5} all are."""
    train = CSR(torch.tensor([0, 3, 6]), torch.arange(6, dtype=torch.int32))
    nothing = CSR(torch.zeros(3, dtype=torch.int64), torch.zeros(0, dtype=torch.int32))
    ids = (pl.Series(range(n)) for n in (2, 12))
    data = Interactions("toy", "random", 2, 12, train, nothing, nothing, *ids, fingerprint="toy")
    found = evaluate_train(FactorTables(torch.ones(2, 1), torch.arange(12.0)[:, None]), data, EvalSettings())
    assert found["recall@10"] == pytest.approx((1 / 3 + 1) / 2)
    assert found["recall@20"] == 1.0


@pytest.mark.parametrize(("history", "window"), [("train", 5), ("train+valid", None), ("train+valid", 5)])
def test_a_backbone_with_a_window_reads_validation_before_the_test(
    tiny_interactions: Interactions, history: str, window: int | None
) -> None:
    data, settings = tiny_interactions, EvalSettings.model_validate({"history": history})
    learnt, read = random_tables(data, 0), random_tables(data, 1)
    model = Mock(window=window)
    model.tables.side_effect = lambda *history: read if history else learnt
    again = history != "train" and window is not None
    assert evaluate_model(model, data, settings) == evaluate(learnt, data, settings, read if again else None)
    assert model.tables.mock_calls == [call(), call(data.train_with_valid)][: 1 + again]


def test_nobody_has_a_target(tiny_interactions: Interactions) -> None:
    nobody = CSR(torch.zeros(31, dtype=torch.int64), torch.zeros(0, dtype=torch.int32))
    data = replace(tiny_interactions, valid=nobody)
    for users in ("all", "with-targets"):
        found = evaluate_valid(random_tables(data), data, EvalSettings.model_validate({"users": users}))
        assert found == dict.fromkeys(METRICS, 0.0)
