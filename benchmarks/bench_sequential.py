"""A training epoch of HSTU and of SASRec: rcekd beside plain torch that pads every history to the window.

    python -m benchmarks.bench_sequential [--dataset ml-100k] [--window 100] [--negatives 128]

The plain side is the same model, vectorised throughout, as a careful user of torch would write it: users in random
order, histories padded to the window, torch's dropout, fused attention for SASRec, a gathered tensor [positions,
negatives, D] for the sampled softmax (at real positions only), and fused Adam. Both draw as many negatives for every
interaction; the plain side draws from the whole catalogue, which is cheaper. Epochs of the two take turns.

Then HSTU's bias by time, which no epoch above has: looked up and its gradient summed, beside torch's indexing, for as
many users as fill a batch of 2,048 interactions.
"""

import argparse
import math
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.measure import Timing, interleaved, stamp, table
from rcekd.datasets import DataSettings, Interactions, load_dataset
from rcekd.models import MODELS, ModelSettings, build_model
from rcekd.models.histories import histories
from rcekd.models.hstu import TIME_BUCKETS, bias_by_time
from rcekd.stopwatch import Stopwatch
from rcekd.training.batches import training_batches
from rcekd.training.optimizer import Adam
from rcekd.training.settings import TrainSettings

ROUNDS = 3
DIM, BLOCKS, HEADS, DROPOUT = 64, 2, 2, 0.2


class PlainBlock(nn.Module):
    """One block of either model on padded sequences [R, T, D]."""

    def __init__(self, name: str, window: int) -> None:
        super().__init__()
        self.name = name
        if name == "hstu":
            self.uvqk, self.out = nn.Linear(DIM, 4 * DIM, bias=False), nn.Linear(DIM, DIM)
            self.bias = nn.Parameter(torch.randn(HEADS, window) * 0.02)
            place = torch.arange(window + 1)
            self.distance = (place[:, None] - place).clamp(0, window - 1)
            self.share = torch.ones(window + 1, window + 1).tril() / (place[:, None] + 1)
        else:
            self.qkv = nn.Linear(DIM, 3 * DIM, bias=False)
            self.attend, self.feed = nn.LayerNorm(DIM), nn.LayerNorm(DIM)
            self.inner, self.outer = nn.Linear(DIM, DIM), nn.Linear(DIM, DIM)

    def forward(self, x: Tensor) -> Tensor:
        return self.hstu(x) if self.name == "hstu" else self.sasrec(x)

    def hstu(self, x: Tensor) -> Tensor:
        gate, value, query, key = F.silu(self.uvqk(F.layer_norm(x, (DIM,)))).chunk(4, dim=-1)
        value, query, key = (part.view(*part.shape[:2], HEADS, -1).transpose(1, 2) for part in (value, query, key))
        weight = F.silu(query @ key.transpose(2, 3) + self.bias[:, self.distance]) * self.share
        attended = F.layer_norm((weight @ value).transpose(1, 2).flatten(2), (DIM,))
        out: Tensor = x + self.out(F.dropout(gate * attended, DROPOUT))
        return out

    def sasrec(self, x: Tensor) -> Tensor:
        parts = self.qkv(self.attend(x)).chunk(3, dim=-1)
        query, key, value = (part.view(*part.shape[:2], HEADS, -1).transpose(1, 2) for part in parts)
        attended = F.scaled_dot_product_attention(query, key, value, is_causal=True, dropout_p=DROPOUT)
        x = x + F.dropout(attended.transpose(1, 2).flatten(2), DROPOUT)
        hidden = F.dropout(F.relu(self.inner(self.feed(x))), DROPOUT)
        return x + F.dropout(self.outer(hidden), DROPOUT)


class Plain(nn.Module):
    """The whole model, and an epoch of it."""

    def __init__(self, name: str, data: Interactions, window: int, settings: TrainSettings) -> None:
        super().__init__()
        self.name, self.data, self.window, self.settings = name, data, window, settings
        self.item = nn.Parameter(torch.randn(data.n_items, DIM) * 0.02)
        self.start = nn.Parameter(torch.randn(DIM) * 0.02)
        self.position = nn.Parameter(torch.randn(window + 1, DIM) * 0.02)
        self.blocks = nn.Sequential(*(PlainBlock(name, window) for _ in range(BLOCKS)))
        self.norm = nn.LayerNorm(DIM) if name == "sasrec" else nn.Identity()
        read = histories(data.train, torch.arange(data.n_users), window)
        missing = window - read.item_RT.shape[1]
        self.item_UW, self.length_U = F.pad(read.item_RT, (0, missing)), read.length_R
        self.optimizer = torch.optim.Adam(self.parameters(), lr=1e-3, fused=True)

    def epoch(self) -> None:
        users = max(1, round(self.settings.batch_size / float(self.length_U.float().mean())))
        for user in torch.split(torch.randperm(self.data.n_users), users):
            loss = self.loss(self.item_UW[user], self.length_U[user])
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()

    def loss(self, item_RW: Tensor, length_R: Tensor) -> Tensor:
        token = torch.cat([self.start.expand(len(item_RW), 1, -1), F.embedding(item_RW, self.item)], 1)
        state = self.norm(self.blocks(F.dropout(token * math.sqrt(DIM) + self.position, DROPOUT)))
        real_RW = torch.arange(self.window) < length_R[:, None]
        state_BD, positive_B = state[:, :-1][real_RW], item_RW[real_RW]
        negative = torch.randint(self.data.n_items, (positive_B.numel(), self.settings.negatives))
        listed = torch.cat([positive_B[:, None], negative], 1)
        item_ID: Tensor = self.item
        if self.name == "hstu":
            state_BD, item_ID = F.normalize(state_BD, dim=-1) / 0.05, F.normalize(item_ID, dim=-1)
        score = torch.einsum("bd,bwd->bw", state_BD, F.embedding(listed, item_ID))
        return F.cross_entropy(score, torch.zeros(len(score), dtype=torch.int64), reduction="sum")


def ours(name: str, data: Interactions, window: int, settings: TrainSettings) -> Callable[[], None]:
    """An epoch of rcekd's model, with its own batches."""
    own = {"model": name, "dim": DIM, "blocks": BLOCKS, "heads": HEADS, "window": window, "dropout": DROPOUT}
    own |= {"objective": "softmax"} if name == "sasrec" else {}
    chosen: ModelSettings = MODELS[name].settings.model_validate(own)
    model = build_model(chosen, data, seed=0)
    batches = training_batches(data, model.window)
    optimizer = Adam(list(model.parameters()), learning_rate=1e-3, weight_decay=0.0)

    def epoch() -> None:
        for batch in batches.epoch(settings, 0, 0, Stopwatch()):
            optimizer.zero_grad()
            model.loss(batch).backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    return epoch


def bench(name: str, data: Interactions, window: int, settings: TrainSettings) -> str:
    calls = {"torch, padded": Plain(name, data, window, settings).epoch, "rcekd": ours(name, data, window, settings)}
    taken: dict[str, list[float]] = {way: [] for way in calls}
    for _ in range(ROUNDS):
        for way, call in calls.items():
            begin = time.perf_counter()
            call()
            taken[way].append(time.perf_counter() - begin)
    timings = {way: Timing(min(times), sorted(times)[ROUNDS // 2]) for way, times in taken.items()}
    return table(f"{name}, {data.name}: an epoch, window {window}, {settings.negatives} negatives", timings)


def bench_time_bias(window: int, interactions: int) -> str:
    shape = (max(1, interactions // window), window + 1, window + 1)
    bias_K = torch.randn(TIME_BUCKETS + 1, requires_grad=True)
    bucket_RTT, gradient_RTT = torch.randint(TIME_BUCKETS + 1, shape), torch.randn(shape)

    def step(look_up: Callable[[Tensor, Tensor], Tensor]) -> Callable[[], None]:
        def call() -> None:
            bias_K.grad = None
            look_up(bias_K, bucket_RTT).backward(gradient_RTT)  # type: ignore[no-untyped-call]

        return call

    timings = interleaved({"torch, indexing": step(lambda bias, bucket: bias[bucket]), "rcekd": step(bias_by_time)})
    return table(f"hstu: bias by time and its gradient, window {window}, {shape[0]} users", timings)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="ml-100k")
    parser.add_argument("--window", type=int, default=100)
    parser.add_argument("--negatives", type=int, default=128)
    chosen = parser.parse_args()
    data = load_dataset(chosen.dataset, DataSettings())
    settings = TrainSettings(batch_size=2048, negatives=chosen.negatives)
    for name in ("hstu", "sasrec"):
        print(bench(name, data, chosen.window, settings))
    print(bench_time_bias(chosen.window, settings.batch_size))
    print(stamp())


if __name__ == "__main__":
    main()
