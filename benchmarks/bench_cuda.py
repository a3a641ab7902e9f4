"""The kernels on a GPU beside torch's own operations on the same GPU, and the goals that the project set itself there.

    python -m benchmarks.bench_cuda [--only closure] [--large]

Both sides run in one process on the same tensors. Rankings and closure passes are timed from call to answer, by the
device's events, as they wait for the device; training operations ten at a time from a CUDA graph, as a training loop
plays them, so that neither side's launches count. torch computes in full float32 (no TF32). `--large` adds a million
items, which takes a few gigabytes.
"""

import argparse
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.bench_closure import pipeline
from benchmarks.measure import stamp
from benchmarks.shapes import BATCH, CITEULIKE, GOWALLA, STUDENT_DIM, Catalogue, factors
from rcekd import devices
from rcekd.kernels.adam import adam_step_
from rcekd.kernels.bipartite import BipartiteGraph
from rcekd.kernels.bpr import bpr_loss
from rcekd.kernels.closure import Closure, closure
from rcekd.kernels.csr import CSR
from rcekd.kernels.propagate import propagate
from rcekd.kernels.set_cross_entropy import ItemSets, set_cross_entropy
from rcekd.kernels.topk import topk

TAU, BLOCK = 10.0, 2048
MILLION = Catalogue(1_000_000, 1_000_000)
SOME_OF_THE_MILLION = 65_536


class Row(NamedTuple):
    """One operation: what, milliseconds of ours and of torch's (None: not measured), and what is to be said of it."""

    what: str
    ours: float
    theirs: float | None
    note: str = ""

    def __str__(self) -> str:
        ratio = "" if self.theirs is None else f"{self.theirs / self.ours:.1f} ×"
        theirs = "" if self.theirs is None else f"{self.theirs:.3f}"
        return f"| {self.what} | {self.ours:.3f} | {theirs} | {ratio} | {self.note} |"


def milliseconds(call: Callable[[], Any], *, repeats: int = 7, warm_up: int = 2) -> float:
    """Median time of a call between two events on the device."""
    taken = []
    for turn in range(warm_up + repeats):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        call()
        end.record()
        end.synchronize()
        if turn >= warm_up:
            taken.append(begin.elapsed_time(end))
    return median(taken)


PLAYED = 10


def played(call: Callable[[], Any]) -> float:
    """Milliseconds of a call that waits for nothing, played from a graph of `PLAYED` such calls."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):  # torch wants whatever is made once to be there before it records
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(PLAYED):
            call()
    return milliseconds(graph.replay) / PLAYED


def nominal_teraflops() -> float:
    """Float32 multiply-adds a second that the data sheet promises: 128 a clock and multiprocessor, at the top clock."""
    device = torch.cuda.get_device_properties(0)
    clock = device.clock_rate * 1e3 if hasattr(device, "clock_rate") else torch.cuda.clock_rate() * 1e6
    return float(device.multi_processor_count * 128 * 2 * clock / 1e12)


def peaks() -> Iterator[str]:
    """What this GPU does at best: float32 products, copies."""
    a = torch.randn(8192, 8192, device="cuda")
    seconds = milliseconds(lambda: a @ a) / 1e3
    yield f"float32 product of torch, 8192³: {2 * 8192**3 / seconds / 1e12:.1f} TFLOP/s"
    yield f"float32 by the data sheet: {nominal_teraflops():.1f} TFLOP/s"
    source = torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
    target = torch.empty_like(source)
    seconds = milliseconds(lambda: target.copy_(source)) / 1e3
    yield f"copies: {2 * source.numel() / seconds / 1e9:.0f} GB/s, read and written"


def on_device(catalogue: Catalogue, width: int, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    user, item = factors(catalogue, width, seed=seed)
    return user.cuda(), item.cuda()


def share_of_peak(users: int, items: int, width: int, ms: float) -> str:
    rate = 2 * users * items * width / ms / 1e9
    return f"{rate:.1f} TFLOP/s, {rate / nominal_teraflops():.0%} of the data sheet"


def torch_topk(user: Tensor, item: Tensor, k: int) -> None:
    for rows in user.split(BLOCK):
        torch.topk(rows @ item.T, k)


def topk_row(catalogue: Catalogue, width: int, k: int) -> Row:
    user, item = on_device(catalogue, width)
    ours = milliseconds(lambda: topk(user, item, k))
    theirs = milliseconds(lambda: torch_topk(user, item, k), repeats=3, warm_up=1)
    what = f"top {k}, {catalogue.users} × {catalogue.items}, d = {width}"
    return Row(what, ours, theirs, share_of_peak(*catalogue, width, ours))


def bench_topk() -> Iterator[Row]:
    for catalogue, width, k in [(CITEULIKE, 20, 50), (GOWALLA, 20, 20), (GOWALLA, 20, 50), (GOWALLA, 64, 50)]:
        yield topk_row(catalogue, width, k)


def taught(user: Tensor, item: Tensor, catalogue: Catalogue, k: int, noise: float) -> Tensor:
    other_user, other_item = on_device(catalogue, user.shape[1], seed=1)
    return topk(user + noise * other_user, item + noise * other_item, k)[0]


def closure_row(catalogue: Catalogue, width: int, k: int, noise: float) -> Row:
    user, item = on_device(catalogue, width)
    teacher = taught(user, item, catalogue, k, noise)

    def ours() -> Closure:
        return closure(user, item, teacher, draws=k, tau=TAU, seed=0, epoch=0)

    mastered = float(ours().mastered_BK.float().mean())
    taken = milliseconds(ours)
    some = user[:2048], teacher[:2048]
    theirs = milliseconds(lambda: pipeline(some[0], item, some[1], k), repeats=1, warm_up=1)
    what = f"closure pass, K = L = {k}, {catalogue.users} × {catalogue.items}, d = {width}"
    note = f"mastered {mastered:.0%}; {share_of_peak(*catalogue, width, taken)}"
    return Row(what, taken, theirs * catalogue.users / some[0].shape[0], note)


def bench_closure() -> Iterator[Row]:
    yield closure_row(CITEULIKE, 20, 50, 0.3)
    for width, k, noise in [(20, 50, 0.3), (20, 50, 2.0), (20, 100, 0.3), (64, 50, 0.3)]:
        yield closure_row(GOWALLA, width, k, noise)


def bench_large() -> Iterator[Row]:
    users, items = SOME_OF_THE_MILLION, MILLION.items
    user, item = on_device(Catalogue(users, items), 64)
    ours = milliseconds(lambda: topk(user, item, 100), repeats=1, warm_up=1)
    theirs = milliseconds(lambda: torch_topk(user[:4096], item, 100), repeats=1, warm_up=1) * users / 4096
    yield Row(f"top 100, {users} × 1M, d = 64", ours, theirs, share_of_peak(users, items, 64, ours))
    teacher = taught(user, item, Catalogue(users, items), 100, 0.3)
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    ours = milliseconds(lambda: closure(user, item, teacher, draws=100, tau=TAU, seed=0, epoch=0), repeats=1, warm_up=1)
    beyond = torch.cuda.max_memory_allocated() - before
    note = f"{share_of_peak(users, items, 64, ours)}; 1M users: {ours * MILLION.users / users / 1e3:.1f} s; "
    yield Row(f"closure pass, K = L = 100, {users} × 1M, d = 64", ours, None, note + f"{beyond / 2**30:.1f} GiB beyond")


def item_sets(catalogue: Catalogue, length: int, popular: int) -> ItemSets:
    """A set of items for every row of a batch; all rows share the first so many of them, as an untrained
    student's lists do."""
    generator = torch.Generator().manual_seed(3)
    item = torch.randint(popular, catalogue.items, (BATCH, length), generator=generator, dtype=torch.int32)
    item[:, :popular] = torch.arange(popular)
    prob = torch.rand(BATCH, length, generator=generator).softmax(1)
    indptr = torch.arange(BATCH + 1) * length
    return ItemSets(indptr.cuda(), item.flatten().cuda(), prob.flatten().cuda())


def torch_cross_entropy(user: Tensor, item: Tensor, sets: ItemSets, user_R: Tensor, weight_R: Tensor) -> Tensor:
    rows = user_R.numel()
    picked = F.embedding(sets.items.view(rows, -1), item)
    score = torch.einsum("rd,rid->ri", F.embedding(user_R, user), picked)
    return -(weight_R[:, None] * sets.prob.view(rows, -1) * score.log_softmax(1)).sum()


def cross_entropy_row(width: int, length: int, popular: int) -> Row:
    user, item = (table.requires_grad_() for table in on_device(GOWALLA, width))
    sets, rows = item_sets(GOWALLA, length, popular), torch.arange(BATCH, device="cuda", dtype=torch.int32)
    user_R = torch.randint(GOWALLA.users, (BATCH,), generator=torch.Generator().manual_seed(4)).int().cuda()
    weight = torch.rand(BATCH, device="cuda")

    def ours() -> Any:
        loss = set_cross_entropy(user, item, sets, user_R, rows, weight, slots=sets.items.numel())
        return torch.autograd.grad(loss, (user, item))

    def theirs() -> Any:
        return torch.autograd.grad(torch_cross_entropy(user, item, sets, user_R, weight), (user, item))

    shared = f", {popular} items in all" if popular else ""
    return Row(f"set cross-entropy, {BATCH} × {length}{shared}, d = {width}", played(ours), played(theirs))


def bench_training() -> Iterator[Row]:
    for width, length, popular in [(STUDENT_DIM, 50, 0), (STUDENT_DIM, 100, 0), (STUDENT_DIM, 100, 50), (64, 100, 0)]:
        yield cross_entropy_row(width, length, popular)


def torch_bpr(user: Tensor, item: Tensor, user_B: Tensor, positive_B: Tensor, negative_B: Tensor) -> Tensor:
    u = F.embedding(user_B, user)
    return F.softplus((u * (F.embedding(negative_B, item) - F.embedding(positive_B, item))).sum(1)).sum()


def bpr_row(width: int) -> Row:
    user, item = (table.requires_grad_() for table in on_device(GOWALLA, width))
    generator = torch.Generator().manual_seed(0)
    user_B, positive_B, negative_B = (
        torch.randint(bound, (BATCH,), generator=generator, dtype=torch.int32).cuda()
        for bound in (GOWALLA.users, GOWALLA.items, GOWALLA.items)
    )

    def ours() -> Any:
        loss = bpr_loss(user, item, user_B, positive_B, negative_B[:, None])
        return torch.autograd.grad(loss, (user, item))

    def theirs() -> Any:
        return torch.autograd.grad(torch_bpr(user, item, user_B, positive_B, negative_B), (user, item))

    return Row(f"BPR with gradients, batch {BATCH}, d = {width}", played(ours), played(theirs))


def adam_row(width: int) -> Row:
    param = on_device(GOWALLA, width)[1]
    grad, moments = torch.randn_like(param), [torch.zeros_like(param) for _ in range(2)]
    theirs = param.clone().requires_grad_()
    theirs.grad = grad
    fused = torch.optim.Adam([theirs], lr=1e-3, weight_decay=1e-5, fused=True, capturable=True)
    step: dict[str, Any] = {"step": 1, "lr": 1e-3, "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "weight_decay": 1e-5}
    taken = played(lambda: adam_step_(param, *moments, grad, **step))
    moved = 7 * 4 * param.numel() / taken / 1e6
    return Row(f"Adam, {GOWALLA.items} × {width}", taken, played(fused.step), f"{moved:.0f} GB/s")


def bench_step() -> Iterator[Row]:
    for width in (STUDENT_DIM, 400):
        yield bpr_row(width)
        yield adam_row(width)


def propagate_row(pairs: CSR, width: int) -> Row:
    device = torch.device("cuda")
    graph = BipartiteGraph.of(pairs, GOWALLA.items).to(device)
    both = CSR.from_pairs(
        torch.cat([pairs.rows(), pairs.indices + GOWALLA.users]),
        torch.cat([pairs.indices + GOWALLA.users, pairs.rows()]),
        sum(GOWALLA),
    )
    matrix = torch.sparse_csr_tensor(
        both.indptr, both.indices.long(), torch.rand(both.indices.numel()), (sum(GOWALLA), sum(GOWALLA)), device=device
    )
    user, item = on_device(GOWALLA, width)
    table = torch.cat([user, item])
    ours = played(lambda: propagate(graph, user, item))
    return Row(
        f"a hop of propagation, {pairs.indices.numel()} pairs, d = {width}", ours, played(lambda: matrix @ table)
    )


def bench_propagate() -> Iterator[Row]:
    generator = torch.Generator().manual_seed(5)
    row, column = (torch.randint(bound, (800_000,), generator=generator) for bound in GOWALLA)
    pairs = CSR.from_pairs(row, column, GOWALLA.users).sorted_unique()
    for width in (STUDENT_DIM, 64, 400):
        yield propagate_row(pairs, width)


GROUPS = {
    "topk": bench_topk,
    "closure": bench_closure,
    "large": bench_large,
    "training": bench_training,
    "step": bench_step,
    "propagate": bench_propagate,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=GROUPS, action="append")
    parser.add_argument("--large", action="store_true")
    wanted = parser.parse_args()
    device = devices.gpu()
    if isinstance(device, str):
        print(f"nothing to measure: {device}")
        return
    torch.backends.cuda.matmul.allow_tf32 = False
    print(f"GPU: {torch.cuda.get_device_name()}", *peaks(), sep="\n- ", flush=True)
    print("\n| | ms | torch, ms | × | |\n|---|---|---|---|---|", flush=True)
    for name, rows in GROUPS.items():
        if name in wanted.only if wanted.only else name != "large" or wanted.large:
            for row in rows():
                print(row, flush=True)
    print(stamp())


if __name__ == "__main__":
    main()
