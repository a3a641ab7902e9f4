"""A whole training epoch, evaluation included: rcekd beside plain torch with dense score matrices.

    python -m benchmarks.bench_epoch [--dataset citeulike]

Three epochs are compared: the teacher's, the student's alone, and RCE-KD's (`variant: code`, K = L = 50, horizon 200).
The plain side holds |U| × |I| matrices as the authors' code does, but is vectorised throughout (no loop over users) and
uses torch's fused Adam: it is what a careful user of torch would write, not what the authors wrote.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.measure import stamp
from rcekd.datasets import DataSettings, Interactions, load_dataset
from rcekd.evaluation.metrics import ndcg
from rcekd.evaluation.ranking import EvalSettings
from rcekd.methods import RCEKD, RCEKDSettings
from rcekd.models import FactorTables, MFSettings, build_model
from rcekd.teachers import FactorTeacher, TeacherKnowledge
from rcekd.training.loop import Silent, Task, Trainer
from rcekd.training.run_folder import RunFolder
from rcekd.training.settings import TrainSettings

EPOCHS = 3
SETTINGS = RCEKDSettings.model_validate({"variant": "code", "lambda": 500, "K": 50, "L": 50})


class PlainTorch:
    """MF with BPR, and RCE-KD's authors' variant, on dense score matrices."""

    def __init__(self, data: Interactions, dim: int, teacher: Tensor | None) -> None:
        self.data, self.teacher_UI = data, teacher
        self.user = torch.nn.Parameter(torch.randn(data.n_users, dim) * 0.01)
        self.item = torch.nn.Parameter(torch.randn(data.n_items, dim) * 0.01)
        self.optimizer = torch.optim.Adam([self.user, self.item], lr=1e-3, weight_decay=1e-5, fused=True)
        self.pairs = data.train_pairs.user_B.long(), data.train_pairs.item_B.long()
        self.seen_UI = torch.zeros(data.n_users, data.n_items, dtype=torch.bool)
        self.seen_UI[data.seen.rows().long(), data.seen.indices.long()] = True
        if teacher is not None:
            self.teacher_UK = teacher.topk(SETTINGS.top_k).indices

    def epoch(self) -> None:
        if self.teacher_UI is not None:
            self.sample()
        user, positive = self.pairs
        negative = self.negatives(user)
        for part in torch.randperm(user.numel()).split(2048):
            loss = self.bpr(user[part], positive[part], negative[part])
            if self.teacher_UI is not None:
                loss = loss + SETTINGS.weight * self.distil(user[part])
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
        self.evaluate()

    def negatives(self, user: Tensor) -> Tensor:
        item = torch.randint(self.data.n_items, user.shape)
        while (bad := self.seen_UI[user, item]).any():
            item[bad] = torch.randint(self.data.n_items, (int(bad.sum()),))
        return item

    def bpr(self, user: Tensor, positive: Tensor, negative: Tensor) -> Tensor:
        u = F.embedding(user, self.user)
        gap = (u * (F.embedding(positive, self.item) - F.embedding(negative, self.item))).sum(1)
        return F.softplus(-gap).sum()

    @torch.no_grad()
    def sample(self) -> None:
        ranked_UM = (self.user @ self.item.T).topk(int(SETTINGS.horizon or 0)).indices
        of_teacher_UI = torch.zeros_like(self.seen_UI).scatter_(1, self.teacher_UK, True)
        raised_UM = of_teacher_UI.gather(1, ranked_UM).float()
        z_UM = raised_UM.flip(1).cumsum(1).flip(1).clamp(max=float(SETTINGS.clip or 0))
        place_UL = torch.multinomial(torch.exp(z_UM / SETTINGS.tau), SETTINGS.draws)
        self.draw_UL, self.student_UK = ranked_UM.gather(1, place_UL), ranked_UM[:, : SETTINGS.top_k]
        drawn_UI = torch.zeros_like(self.seen_UI).scatter_(1, self.draw_UL, True)
        top_UI = torch.zeros_like(self.seen_UI).scatter_(1, self.student_UK, True)
        in_draws_UK = drawn_UI.gather(1, self.teacher_UK)
        self.left_out_UK = in_draws_UK | top_UI.gather(1, self.teacher_UK)
        self.gamma_U = torch.exp(-SETTINGS.beta * in_draws_UK.float().mean(1))

    def distil(self, user: Tensor) -> Tensor:
        own, mixed = self.student_UK[user], torch.cat([self.draw_UL[user], self.teacher_UK[user]], 1)
        out = torch.cat([torch.zeros_like(self.draw_UL[user], dtype=torch.bool), self.left_out_UK[user]], 1)
        gamma = self.gamma_U[user]
        return ((1 - gamma) * self.cross_entropy(user, own, None) + gamma * self.cross_entropy(user, mixed, out)).sum()

    def cross_entropy(self, user: Tensor, items: Tensor, out: Tensor | None) -> Tensor:
        assert self.teacher_UI is not None
        u = F.embedding(user, self.user)
        student = torch.einsum("bd,bkd->bk", u, F.embedding(items, self.item))
        teacher = self.teacher_UI[user.unsqueeze(1), items]
        if out is not None:
            student, teacher = student.masked_fill(out, -1e30), teacher.masked_fill(out, -1e30)
        return -(teacher.softmax(1) * student.log_softmax(1)).sum(1)

    @torch.no_grad()
    def evaluate(self) -> None:
        score_UI = (self.user @ self.item.T).masked_fill_(self.seen_UI, float("-inf"))
        hit_UN = self.data.valid.holds(score_UI.topk(20).indices)
        ndcg(hit_UN, self.data.valid.lengths(), 10)


def ours(data: Interactions, dim: int, knowledge: TeacherKnowledge | None) -> Callable[[], None]:
    """One epoch of rcekd's own loop per call."""
    model = build_model(MFSettings(dim=dim), data, seed=0)
    method = RCEKD(SETTINGS, knowledge, data, 0) if knowledge is not None else None
    train = TrainSettings(checkpoint_seconds=1e9)
    task = Task("bench", model, data, train, EvalSettings(), 0, "bench", method, SETTINGS.weight)
    folder = RunFolder(Path(tempfile.mkdtemp()) / "run")
    folder.create({})
    trainer = Trainer(task, folder, Silent())
    epochs = iter(range(1000))
    return lambda: trainer._epoch(next(epochs))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--dataset", default="citeulike")
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--teacher-dim", type=int, default=400)
    arguments = parser.parse_args()
    data = load_dataset(arguments.dataset, DataSettings(), data_dir=arguments.data_dir)
    generator = torch.Generator().manual_seed(0)
    wide = arguments.teacher_dim**-0.5
    tables = FactorTables(
        torch.randn(data.n_users, arguments.teacher_dim, generator=generator) * wide,
        torch.randn(data.n_items, arguments.teacher_dim, generator=generator),
    )
    dense = tables.user_UD @ tables.item_ID.T
    cases: list[tuple[str, int, bool]] = [
        (f"teacher, MF {arguments.teacher_dim}", arguments.teacher_dim, False),
        ("student alone, MF 20", 20, False),
        ("RCE-KD (code), MF 20", 20, True),
    ]
    print(f"### Seconds per epoch with evaluation, {data.name}, median of {EPOCHS} after one warm-up\n\n{stamp()}\n")
    print("| epoch | plain torch, dense | rcekd | × |\n|---|---|---|---|")
    for name, dim, distil in cases:
        knowledge = FactorTeacher(tables) if distil else None
        plain = seconds(PlainTorch(data, dim, dense if distil else None).epoch)
        native = seconds(ours(data, dim, knowledge))
        print(f"| {name} | {plain:.3f} | {native:.3f} | {plain / native:.1f} |", flush=True)


def seconds(epoch: Callable[[], None]) -> float:
    """Median seconds of an epoch."""
    epoch()
    taken = []
    for _ in range(EPOCHS):
        start = time.perf_counter()
        epoch()
        taken.append(time.perf_counter() - start)
    return median(taken)


if __name__ == "__main__":
    main()
