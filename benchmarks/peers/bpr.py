"""Epochs of BPR: implicit's `BayesianPersonalizedRanking`, and ours as the training loop runs them.

Both take as many samples an epoch as there are training interactions, and draw negatives the user has not seen. They
are not the same algorithm. implicit: stochastic gradient descent, sample by sample, positives drawn with replacement,
negatives by popularity (a seen one is skipped, not drawn again), a bias per item, threads that write into each other's
rows. Ours: Adam on batches of 2,048 with all rows decaying, every interaction once, negatives drawn uniformly, and the
same bytes for any number of threads. So what both have learnt after as many epochs stands below the times.
"""

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch

from benchmarks.measure import interleaved, table
from benchmarks.peers.setting import Setting, limited, matrix, peer
from rcekd.datasets import Interactions
from rcekd.evaluation.ranking import EvalSettings, evaluate_valid
from rcekd.kernels.negatives import sample_negatives
from rcekd.models import FactorTables, MFSettings, build_model
from rcekd.training.loop import Silent, Task, Trainer
from rcekd.training.run_folder import RunFolder
from rcekd.training.settings import TrainSettings

EPOCHS = 3
"""How many are timed at once: `fit` prepares itself before the first."""

Side = tuple[Callable[[int], None], Callable[[], FactorTables]]
"""So many more epochs, and what has been learnt so far."""


def ours(setting: Setting) -> Side:
    """rcekd's own loop, its evaluation put off."""
    model = build_model(MFSettings(dim=setting.tables.item_ID.shape[1]), setting.data, seed=0)
    train = TrainSettings(checkpoint_seconds=1e9, epochs=10**6, eval_every=10**6)
    folder = RunFolder(Path(tempfile.mkdtemp()) / "run")
    folder.create({})
    trainer = Trainer(Task("bench", model, setting.data, train, EvalSettings(), 0, "bench"), folder, Silent())
    numbers = iter(range(10**6))

    def more(epochs: int) -> None:
        for _ in range(epochs):
            trainer._epoch(next(numbers))

    return more, model.tables


def of_implicit(setting: Setting) -> Side:
    """`fit` goes on from the factors it finds, and from the generator's state."""
    model = peer("implicit.cpu.bpr").BayesianPersonalizedRanking(
        factors=setting.tables.item_ID.shape[1], num_threads=setting.threads, random_state=np.random.default_rng(0)
    )
    history = matrix(setting.data.seen, setting.data.n_items)

    def more(epochs: int) -> None:
        model.iterations = epochs
        model.fit(history, show_progress=False)

    def tables() -> FactorTables:
        return FactorTables(torch.from_numpy(model.user_factors), torch.from_numpy(model.item_factors))

    return more, tables


def train_auc(tables: FactorTables, data: Interactions) -> float:
    """How often a training item scores above an unseen one drawn uniformly."""
    user, positive = data.train_pairs
    negative = sample_negatives(user, data.seen, data.n_items, 1, seed=1, epoch=0)[:, 0]
    gap = tables.item_ID[positive.long()] - tables.item_ID[negative.long()]
    return float(((tables.user_UD[user.long()] * gap).sum(1) > 0).double().mean())


def bench(setting: Setting, rounds: int) -> str:
    """The table, and what each side learns."""
    sides = {"implicit BayesianPersonalizedRanking": of_implicit, "rcekd, without evaluation": ours}
    with limited(setting.threads):
        learnt = [what_is_learnt(name, make, setting) for name, make in sides.items()]
        calls: dict[str, Callable[[], None]] = {name: partial(make(setting)[0], EPOCHS) for name, make in sides.items()}
        title = f"{EPOCHS} epochs of BPR, {len(setting.data.train.indices)} samples each: {setting}"
        return "\n".join([table(title, interleaved(calls, rounds=rounds)), *learnt, ""])


def what_is_learnt(name: str, make: Callable[[Setting], Side], setting: Setting) -> str:
    """A line; AssertionError where thirty epochs taught nothing."""
    more, tables = make(setting)
    parts = []
    for epochs, further in ((10, 10), (30, 20)):
        more(further)
        found = tables()
        auc = train_auc(found, setting.data)
        ndcg = evaluate_valid(found, setting.data, EvalSettings())["ndcg@10"]
        parts.append(f"{epochs} epochs: training AUC {auc:.3f}, validation NDCG@10 {ndcg:.4f}")
    assert auc > 0.6, f"{name} has learnt nothing: AUC {auc}"
    return f"- {name}, default settings, after {'; '.join(parts)}"
