"""HSTU beside a float64 twin written as loops, from the paper's equations."""

import math

import pytest
import torch
from torch import Tensor

from rcekd.datasets import History
from rcekd.errors import InputError
from rcekd.models import HSTU, HSTUSettings, build_model
from rcekd.models.hstu import TIME_BUCKETS, bias_by_time, pointwise_attention, time_buckets
from rcekd.models.sequential import Drop
from tests.models.sequences import counting, csr, flat, interactions, loud, twins

ROWS = [[3, 1, 4, 1, 5], [], [6, 2]]
# Seconds, days and years apart, two at once, and one out of order.
TIMES = [[10, 10, 95, 90_000, 80_000], [], [5, 90_000_000]]


def silu(x: float) -> float:
    return x / (1 + math.exp(-x))


def bucket(apart: float) -> int:
    return min(math.floor(math.log(max(1, abs(apart))) / 0.301), 128)


def attention_twin(
    query_TD: Tensor, key_TD: Tensor, value_TD: Tensor, bias_HW: Tensor, time_bias_TT: Tensor | None = None
) -> Tensor:
    length, dim = query_TD.shape
    heads, window = bias_HW.shape
    width = dim // heads
    out = torch.zeros(length, dim, dtype=torch.float64)
    for head in range(heads):
        own = slice(head * width, (head + 1) * width)
        for t in range(length):
            for j in range(t + 1):
                bias = bias_HW[head, min(t - j, window - 1)] + (0.0 if time_bias_TT is None else time_bias_TT[t, j])
                out[t, own] += silu(float(query_TD[t, own] @ key_TD[j, own] + bias)) * value_TD[j, own] / (t + 1)
    return out


def norm(x_TD: Tensor) -> Tensor:
    return (x_TD - x_TD.mean(1, keepdim=True)) / (x_TD.var(1, unbiased=False, keepdim=True) + 1e-6).sqrt()


def state_twin(
    model: HSTU, row: list[int], blocks: int, times: list[int] | None = None, drop: Drop = lambda x: x
) -> Tensor:
    """The last state of one history."""
    clock = None if times is None else [*times[:1], *times] if times else [0]
    p = twins(model)
    dim = p["item"].shape[1]
    last = p["position"].shape[0] - 1
    tokens = [p["start"], *(p["item"][item] for item in row)]
    x = torch.stack([token * math.sqrt(dim) + p["position"][min(t, last)] for t, token in enumerate(tokens)])
    x = drop(x)
    for b in range(blocks):
        own = {key.removeprefix(f"blocks.{b}."): value for key, value in p.items() if key.startswith(f"blocks.{b}.")}
        product = norm(x) @ own["uvqk"].T
        gate, value, query, key = (product / (1 + (-product).exp())).chunk(4, dim=1)
        time_bias_TT = None
        if clock is not None:
            time_bias_TT = torch.stack([own["time_bias_K"][[bucket(now - then) for then in clock]] for now in clock])
        attended = attention_twin(query, key, value, own["bias_HW"], time_bias_TT)
        x = x + drop(gate * norm(attended)) @ own["out"].T + own["out_bias"]
    return x[-1]


def make(rows: list[list[int]], times: list[list[int]] | None = None, **settings: float | str) -> HSTU:
    model = build_model(HSTUSettings.model_validate({"dim": 6, **settings}), interactions(rows, 9, times), seed=0)
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


def test_dropout_stands_before_the_first_block_and_the_way_out_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    model = make(ROWS[:1], blocks=2, heads=2, window=8, tau=1.0)
    monkeypatch.setattr(model, "dropped", counting())
    state = state_twin(model, ROWS[0], 2, drop=counting())
    torch.testing.assert_close(model.tables().user_UD[0].double(), state / state.norm(), rtol=1e-4, atol=1e-5)


def test_scores_are_cosines_by_the_temperature() -> None:
    model = make(ROWS, tau=0.25)
    user_UD, item_ID = model.tables()
    torch.testing.assert_close(user_UD.norm(dim=1), torch.full((3,), 2.0))
    torch.testing.assert_close(item_ID.norm(dim=1), torch.full((9,), 2.0))
    cosine = torch.nn.functional.cosine_similarity(item_ID[2], user_UD[0], dim=0)
    assert (user_UD[0] @ item_ID[2]).item() == pytest.approx(cosine.item() / 0.25, rel=1e-5)


def test_buckets_are_the_loops_up_to_their_edges() -> None:
    edges = [math.ceil(math.exp(0.301 * k)) for k in range(TIME_BUCKETS + 2)]
    times = [0, *(edge + step for edge in edges for step in (-1, 0, 1))]
    found = time_buckets(torch.tensor([times, times[::-1]]))
    wanted = torch.tensor([[bucket(now - then) for then in times] for now in times])
    assert torch.equal(found[0], wanted)
    assert torch.equal(found[1], wanted.flip(0, 1))
    assert (int(found.min()), int(found.max())) == (0, TIME_BUCKETS)


def test_buckets_of_fractions() -> None:
    times = [0.25, 0.75, 3.5, 1e9]
    found = time_buckets(torch.tensor([times], dtype=torch.float64))
    assert found[0].tolist() == [[bucket(now - then) for then in times] for now in times]


@pytest.mark.parametrize("shape", [(3, 5, 5), (2, 1, 1), (0, 4, 4)])
def test_bias_by_time_is_indexing_with_its_gradient(shape: tuple[int, int, int]) -> None:
    bias_K = torch.randn(TIME_BUCKETS + 1, dtype=torch.float64, requires_grad=True)
    bucket_RTT = torch.randint(4, shape)  # few buckets, so that each has several pairs
    wanted_RTT, found_RTT = bias_K[bucket_RTT], bias_by_time(bias_K, bucket_RTT)
    assert torch.equal(found_RTT, wanted_RTT)
    upstream_RTT = torch.randn(shape, dtype=torch.float64)
    (wanted_K,), (found_K,) = (torch.autograd.grad(x, bias_K, upstream_RTT) for x in (wanted_RTT, found_RTT))
    torch.testing.assert_close(found_K, wanted_K)


@pytest.mark.parametrize("window", [4, 20])
def test_attention_with_times_is_the_loops(window: int) -> None:
    generator = torch.Generator().manual_seed(0)
    parts, bias_HW = torch.randn(3, 2, 7, 12, generator=generator), torch.randn(3, window, generator=generator)
    time_bias_RTT = torch.randn(2, 7, 7, generator=generator)
    found = pointwise_attention(*parts, bias_HW, time_bias_RTT)
    for row in range(2):
        exact = [part[row].double() for part in parts]
        wanted = attention_twin(*exact, bias_HW.double(), time_bias_RTT[row].double())
        torch.testing.assert_close(found[row].double(), wanted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("window", [3, 5, 8])
def test_the_model_with_times_is_the_loops(window: int) -> None:
    model = make(ROWS, TIMES, blocks=2, heads=2, window=window, dropout=0.3, tau=0.1, time_bias=True)
    tables = model.tables()
    assert model.reads_times
    for user, (row, times) in enumerate(zip(ROWS, TIMES, strict=True)):
        state = state_twin(model, row[-window:], 2, times[-window:])
        wanted = state / state.norm() / math.sqrt(0.1)
        torch.testing.assert_close(tables.user_UD[user].double(), wanted, rtol=1e-4, atol=1e-5)


def test_gradients_with_times() -> None:
    """By central differences in float64 along drawn directions, of what two blocks read and of all their parameters."""
    model = make(ROWS, TIMES, blocks=2, heads=2, window=6, dropout=0.0, time_bias=True).double()
    token_RTD = torch.randn(2, 4, 6, dtype=torch.float64, requires_grad=True)
    time_RT = torch.tensor([[0, 0, 7, 90_000], [3, 3, 3, 500]])
    weights = list(model.blocks.parameters())

    def encoded(token_RTD: Tensor, *weights: Tensor) -> Tensor:
        del weights  # changed in their places by the check
        return model.encode(token_RTD, time_RT)

    assert torch.autograd.gradcheck(encoded, (token_RTD, *weights), fast_mode=True)


def test_a_later_time_changes_nothing_before_it() -> None:
    """To the bit; and what comes after it changes."""

    def states(times: list[int]) -> Tensor:
        model = make(ROWS[:1], [times], blocks=2, heads=2, window=6, dropout=0.0, time_bias=True)
        state_RTD, row_B, length_B = model._read(torch.tensor([0]))
        return state_RTD[row_B[0], : int(length_B[0]) + 1].detach()

    whole = states(TIMES[0])
    for place in range(1, 5):
        changed = states([time + (3_000_000 if at >= place else 0) for at, time in enumerate(TIMES[0])])
        assert torch.equal(whole[: place + 1], changed[: place + 1])
        assert all(
            not torch.allclose(old, new) for old, new in zip(whole[place + 1 :], changed[place + 1 :], strict=True)
        )
        alone = states([9_000_000 if at == place else time for at, time in enumerate(TIMES[0])])
        assert torch.equal(whole[: place + 1], alone[: place + 1])


def test_only_the_time_between_items_matters() -> None:
    settings = {"blocks": 2, "heads": 2, "time_bias": "auto"}
    later = [[time + 1_000_000_007 for time in row] for row in TIMES]
    user_UD = make(ROWS, TIMES, **settings).tables().user_UD
    assert torch.equal(user_UD, make(ROWS, later, **settings).tables().user_UD)
    apart = [[1_000 * time for time in row] for row in TIMES]
    assert not torch.allclose(user_UD[0], make(ROWS, apart, **settings).tables().user_UD[0])


def test_histories_bring_their_own_times() -> None:
    settings = {"blocks": 2, "heads": 2, "time_bias": True}
    rows, times = [[*row, 7] for row in ROWS], [[*row, 10**8] for row in TIMES]
    model = make(ROWS, TIMES, **settings)
    found = model.tables(History(csr(rows), flat(times))).user_UD
    torch.testing.assert_close(found, make(rows, times, **settings).tables().user_UD)
    assert not torch.allclose(found, model.tables(History(csr(rows), flat(apart_by_a_second(rows)))).user_UD)


def test_histories_without_times_are_read_without_the_bias() -> None:
    settings = {"blocks": 2, "heads": 2, "time_bias": True}
    model = make(ROWS, TIMES, **settings)
    found = model.tables(History(csr(ROWS))).user_UD
    with torch.no_grad():
        for name, weight in model.named_parameters():
            weight.mul_(0.0 if name.endswith("time_bias_K") else 1.0)
    torch.testing.assert_close(found, model.tables().user_UD)


def apart_by_a_second(rows: list[list[int]]) -> list[list[int]]:
    return [list(range(len(row))) for row in rows]


@pytest.mark.parametrize("times", [None, TIMES])
def test_off_is_the_model_without_times(times: list[list[int]] | None) -> None:
    """And auto is off where the data has none: the same parameters, to the bit."""
    plain = make(ROWS)
    off = make(ROWS, times, time_bias=False if times else "auto")
    assert not off.reads_times
    assert list(off.state_dict()) == list(plain.state_dict())
    assert all(torch.equal(off.state_dict()[key], value) for key, value in plain.state_dict().items())
    assert torch.equal(off.tables().user_UD, plain.tables().user_UD)


def test_times_that_are_not_there_are_refused() -> None:
    with pytest.raises(InputError) as caught:
        make(ROWS, time_bias=True)
    assert str(caught.value) == (
        "model hstu: time_bias=on needs times of interactions, and rows has none; "
        "name their column with data.columns.time, or use time_bias=auto"
    )
