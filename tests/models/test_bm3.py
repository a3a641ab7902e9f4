"""BM3 against loops in float64; what is a target, what is dropped, what an item without features costs."""

import copy
import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from rcekd.datasets import Interactions
from rcekd.errors import InputError
from rcekd.models import BM3, Batch, BM3Settings, bm3, build_model
from tests.contracts.board import checkerboard, furnished

DATA = furnished(checkerboard(12, 14))


def make(data: Interactions = DATA, seed: int = 3, **settings: Any) -> BM3:
    model = build_model(BM3Settings(dim=4, **settings), data, seed=seed)
    assert isinstance(model, BM3)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():  # biases begin at zero: others show more
        for parameter in (model.predictor_bias, *model.modality_bias.values()):
            parameter.normal_(std=0.3, generator=generator)
    return model


def batch(data: Interactions = DATA, rows: slice = slice(None)) -> Batch:
    user_B, item_B = data.train.rows()[rows], data.train.indices[rows]
    return Batch(user_B, item_B, item_B[:, None])


# --- the twin: lists of floats, one node, one interaction at a time ----------------------------------------------


def affine(x: list[float], weight: Tensor, bias: Tensor) -> list[float]:
    w, b = weight.tolist(), bias.tolist()
    return [b[d] + sum(x[f] * w[f][d] for f in range(len(x))) for d in range(len(b))]


def distance(x: list[float], y: list[float]) -> float:
    dot = math.fsum(a * b for a, b in zip(x, y, strict=True))
    return 1.0 - dot / math.sqrt(math.fsum(a * a for a in x) * math.fsum(b * b for b in y))


def nodes(model: BM3, data: Interactions, layers: int) -> tuple[list[list[float]], list[list[float]]]:
    """h of users and items."""
    edges = {(u, i) for u, i in zip(data.train.rows().tolist(), data.train.indices.tolist(), strict=True)}
    of_user = {u: sum(1 for v, _ in edges if v == u) for u, _ in edges}
    of_item = {i: sum(1 for _, j in edges if j == i) for _, i in edges}
    user, item = model.user.tolist(), model.item.tolist()
    own, dim = model.item.tolist(), model.dim
    user_sum, item_sum = [row[:] for row in user], [row[:] for row in item]
    for _ in range(layers):
        new_user, new_item = [[0.0] * dim for _ in user], [[0.0] * dim for _ in item]
        for u, i in edges:
            weight = 1.0 / math.sqrt(of_user[u] * of_item[i])
            for d in range(dim):
                new_user[u][d] += weight * item[i][d]
                new_item[i][d] += weight * user[u][d]
        user, item = new_user, new_item
        user_sum = [[a + b for a, b in zip(*rows, strict=True)] for rows in zip(user_sum, user, strict=True)]
        item_sum = [[a + b for a, b in zip(*rows, strict=True)] for rows in zip(item_sum, item, strict=True)]
    h_user = [[a / (layers + 1) for a in row] for row in user_sum]
    h_item = [[a / (layers + 1) + b for a, b in zip(*rows, strict=True)] for rows in zip(item_sum, own, strict=True)]
    return h_user, h_item


def twin_loss(model: BM3, data: Interactions, layers: int, weight: float) -> float:
    """The loss of all training interactions without dropout."""
    h_user, h_item = nodes(model, data, layers)

    def predicted(x: list[float]) -> list[float]:
        return affine(x, model.predictor, model.predictor_bias)

    total = 0.0
    for u, i in zip(data.train.rows().tolist(), data.train.indices.tolist(), strict=True):
        total += distance(predicted(h_user[u]), h_item[i]) + distance(predicted(h_item[i]), h_user[u])
        for name, features in data.features.items():
            if not features.missing_I[i]:
                h = affine(features.value_IF[i].tolist(), model.modality[name], model.modality_bias[name])
                total += weight * (distance(predicted(h), h_item[i]) + distance(predicted(h), h))
    return total


@pytest.mark.parametrize("layers", [0, 1, 3])
def test_its_loss_is_the_papers(layers: int) -> None:
    model = make(layers=layers, dropout=0.0, content=0.7)
    assert model.loss(batch()).item() == pytest.approx(twin_loss(model, DATA, layers, 0.7), rel=1e-5)


def test_repeated_pairs_are_one_edge_and_cost_twice() -> None:
    twice = replace(
        DATA, train=type(DATA.train)(2 * DATA.train.indptr, torch.cat([r.repeat(2) for r in rows_of(DATA)]))
    )
    model, same = make(dropout=0.0), make(twice, dropout=0.0)
    assert torch.equal(model.tables().item_ID, same.tables().item_ID)
    assert same.loss(batch(twice)).item() == pytest.approx(2 * model.loss(batch()).item(), rel=1e-5)


def rows_of(data: Interactions) -> tuple[Tensor, ...]:
    return data.train.indices.split(data.train.lengths().tolist())


def test_its_scores_are_products_of_predicted_vectors() -> None:
    model = make(layers=2)
    h_user, h_item = nodes(model, DATA, 2)
    expected = torch.tensor(
        [
            [
                sum(a * b for a, b in zip(p, q, strict=True))
                for q in (affine(h, model.predictor, model.predictor_bias) for h in h_item)
            ]
            for p in (affine(h, model.predictor, model.predictor_bias) for h in h_user)
        ]
    )
    tables = model.tables()
    assert torch.allclose(tables.user_UD @ tables.item_ID.T, expected, atol=1e-6)


def test_no_gradient_flows_into_a_target() -> None:
    """The gradient is that of the loss with its targets held where they are: finite differences of the twin."""
    model = make(layers=0, dropout=0.0).double()  # propagation is float32
    data = replace(DATA, features={n: replace(f, value_IF=f.value_IF.double()) for n, f in DATA.features.items()})
    model._data = data
    held = copy.deepcopy(model)
    model.loss(batch()).backward()

    def with_held_targets(moved: BM3) -> float:
        user_B, item_B, _ = (field.long() for field in batch())
        now, (then_user, then_item) = moved._embedded(), (table.detach() for table in held._embedded())
        cosine = torch.nn.functional.cosine_similarity
        total = 2.0 - cosine(moved._predicted(now.user_UD[user_B]), then_item[item_B])
        total = total - cosine(moved._predicted(now.item_ID[item_B]), then_user[user_B])
        for name, features in data.features.items():
            predicted = moved._predicted(moved._content(name, item_B))
            near = cosine(predicted, then_item[item_B]) + cosine(predicted, held._content(name, item_B))
            total = total + 2.0 * ~features.missing_I[item_B] * (2.0 - near)
        return float(total.sum().detach())

    step = 1e-6
    for name, parameter in model.named_parameters():
        moved = copy.deepcopy(held)
        other = dict(moved.named_parameters())[name]
        place = tuple(0 for _ in parameter.shape)
        with torch.no_grad():
            other[place] += step
            up = with_held_targets(moved)
            other[place] -= 2 * step
            down = with_held_targets(moved)
        assert parameter.grad is not None
        assert float(parameter.grad[place]) == pytest.approx((up - down) / (2 * step), rel=1e-4, abs=1e-6), name


def test_what_is_dropped_follows_from_seed_and_epoch() -> None:
    model = make()
    found = []
    for seed, epoch in ((0, 0), (0, 1), (1, 0), (0, 0)):
        model.begin_epoch(seed, epoch)
        found.append(model.loss(batch()).item())
    assert found[0] == found[3]
    assert len(set(found)) == 3
    torch.manual_seed(5)
    assert model.loss(batch()).item() == found[3]


def test_steps_without_propagation_leave_nothing_behind() -> None:
    model = make(layers=0)
    for _ in range(3):
        model.loss(batch()).backward()
    assert not model.user._backward_hooks


def test_the_share_that_is_dropped() -> None:
    model = make(dropout=0.3)
    model.begin_epoch(0, 0)
    users, items = torch.arange(1000) % 50, torch.arange(1000) // 7
    shares = [
        float((model._dropped(torch.ones(1000, 4), users, items, view=view) == 0).float().mean()) for view in range(4)
    ]
    assert all(share == pytest.approx(0.3, abs=0.04) for share in shares)
    first, second = (model._dropped(torch.ones(1000, 4), users, items, view=view) for view in (0, 1))
    assert float((first == second).float().mean()) == pytest.approx(0.3**2 + 0.7**2, abs=0.05)


def test_every_view_of_every_pair_has_a_mask_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which row of 4,096: a thousand users of one item have nearly as many, and so have a thousand items of a user."""
    many, one = torch.arange(1000), torch.zeros(1000, dtype=torch.int64)
    for users, items in ((many, one), (one, many)):
        assert bm3._pick(users, items, 0).unique().numel() > 850
    model, views = make(), []
    dropped = model._dropped
    monkeypatch.setattr(model, "_dropped", lambda *told, view: views.append(view) or dropped(*told, view=view))
    model.loss(batch())
    assert sorted(views) == [0, 1, 2, 3]


def test_nothing_is_dropped_when_it_is_judged() -> None:
    model, without = make().eval(), make(dropout=0.0)
    assert torch.equal(model.loss(batch()), without.loss(batch()))


def test_an_item_without_features_has_no_terms_of_its_modality() -> None:
    some = int(DATA.features["text"].missing_I.nonzero()[0])
    rows = (DATA.train.indices == some).nonzero().flatten()
    assert rows.numel()
    model = make()
    model.loss(Batch(*(field[rows] for field in batch()))).backward()
    for parameter in (model.modality["text"], model.modality_bias["text"]):
        assert parameter.grad is None or not parameter.grad.any()
    assert model.modality["image"].grad is not None
    assert model.modality["image"].grad.any()


def test_the_tables_of_its_modalities() -> None:
    model = make()
    found = model.modality_tables()
    assert list(found) == ["image", "text"]
    missing_I = DATA.features["text"].missing_I
    assert not found["text"].item_ID[missing_I].any()
    assert found["text"].item_ID[~missing_I].any(1).all()
    first = affine(DATA.features["image"].value_IF[0].tolist(), model.modality["image"], model.modality_bias["image"])
    expected = affine(first, model.predictor, model.predictor_bias)
    assert found["image"].item_ID[0].tolist() == pytest.approx(expected, rel=1e-4)
    assert torch.equal(found["image"].user_UD, model.tables().user_UD)
    assert not any(table.requires_grad for tables in found.values() for table in tables)


def test_cold_items_by_their_content() -> None:
    """Only those without training interactions change; they get the direction of their content, at a usual length."""
    cold = torch.tensor([2, 10])
    assert DATA.features["text"].missing_I[cold].tolist() == [False, True], "one has an image alone"
    keep = ~torch.isin(DATA.train.indices.long(), cold)
    lengths = torch.bincount(DATA.train.rows()[keep].long(), minlength=DATA.n_users)
    indptr = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)])
    data = replace(DATA, train=type(DATA.train)(indptr, DATA.train.indices[keep]))
    by_id, by_content = make(data).tables().item_ID, make(data, cold="content").tables().item_ID
    warm = [item for item in range(data.n_items) if item not in cold]
    assert torch.equal(by_id[warm], by_content[warm])
    tables = make(data).modality_tables()
    content = tables["image"].item_ID[cold] + tables["text"].item_ID[cold]
    assert not torch.equal(content[1], by_id[10])
    assert torch.allclose(torch.cosine_similarity(by_content[cold], content), torch.ones(2))
    assert by_content[cold].norm(dim=1).tolist() == pytest.approx([float(by_id[warm].norm(dim=1).mean())] * 2, rel=1e-5)


def test_data_without_features_is_refused() -> None:
    with pytest.raises(InputError, match=r"rcekd data features.*data\.features\.NAME=FILE"):
        make(checkerboard(12, 14))


@pytest.mark.parametrize("name", ["items", "keys", "values", "type", "float", "training", "_keys", "_parameters"])
def test_a_modality_called_as_torch_calls_its_own_is_refused(name: str) -> None:
    data = replace(DATA, features={name: DATA.features["text"]})
    with pytest.raises(InputError, match=rf"data\.features\.{name}: .*; give the file another name.*=FILE"):
        make(data)


@pytest.mark.parametrize("name", ["item", "1", "_", "_text"])
def test_other_names_are_taken(name: str) -> None:
    model = make(replace(DATA, features={name: DATA.features["text"]}))
    model.loss(batch()).backward()
    model.train(False)
    assert f"modality.{name}" in model.state_dict()
    assert list(model.modality_tables()) == [name]
