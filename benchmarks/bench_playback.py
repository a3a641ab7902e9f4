"""A training epoch on a GPU, evaluation included: its steps played from a CUDA graph beside the same steps launched
kernel by kernel.

    python -m benchmarks.bench_playback [--dataset citeulike]

Both sides run in one process, epoch by epoch in turn, from the same weights with the same seeds; the last column says
whether they ended in the same bytes. Without a GPU there is nothing to record, and it says so.
"""

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import torch

from benchmarks.measure import stamp
from rcekd import devices
from rcekd.datasets import DataSettings, Interactions, load_dataset
from rcekd.evaluation.ranking import EvalSettings
from rcekd.methods import RCEKD, RCEKDSettings
from rcekd.models import FactorTables, LightGCNSettings, MFSettings, ModelSettings, build_model
from rcekd.teachers import FactorTeacher
from rcekd.training.loop import Silent, Task, Trainer
from rcekd.training.run_folder import RunFolder
from rcekd.training.settings import TrainSettings

EPOCHS, TEACHER_DIM = 5, 400
CASES: list[tuple[str, ModelSettings, str | None]] = [
    ("MF 20 alone", MFSettings(dim=20), None),
    ("MF 20, RCE-KD (paper)", MFSettings(dim=20), "paper"),
    ("MF 20, RCE-KD (code)", MFSettings(dim=20), "code"),
    ("LightGCN 20, RCE-KD (paper)", LightGCNSettings(dim=20), "paper"),
]


def trainer(
    data: Interactions, student: ModelSettings, variant: str | None, tables: FactorTables, *, graph: bool
) -> Trainer:
    """One that begins from the same weights, with recordings or without."""
    method, weight = None, 0.0
    if variant is not None:
        settings = RCEKDSettings.model_validate({"variant": variant, "K": 50, "L": 50})
        method, weight = RCEKD(settings, FactorTeacher(tables), data, 0), settings.weight
    train = TrainSettings(checkpoint_seconds=1e9, cuda_graph=graph)
    model = build_model(student, data, seed=0)
    folder = RunFolder(Path(tempfile.mkdtemp()) / "run")
    folder.create({})
    return Trainer(Task("bench", model, data, train, EvalSettings(), 0, "bench", method, weight), folder, Silent())


def seconds(one: Trainer, epoch: int, device: torch.device) -> float:
    """Of an epoch, from nothing queued to nothing queued."""
    devices.wait(device)
    start = time.perf_counter()
    one._epoch(epoch)
    devices.wait(device)
    return time.perf_counter() - start


def state(one: Trainer) -> list[torch.Tensor]:
    """Weights and moments."""
    moments = one._state.optimizer.state_dict()["moments"]
    found = [moment[name] for moment in moments for name in ("exp_avg", "exp_avg_sq")]
    return [*(parameter.detach() for parameter in one._task.model.parameters()), *found]


def row(name: str, sides: list[Trainer], device: torch.device) -> str:
    """A line of the table: both sides' median after one warm-up, and their ratio."""
    taken: list[list[float]] = [[], []]
    for epoch in range(1 + EPOCHS):
        for side, one in zip(taken, sides, strict=True):
            side.append(seconds(one, epoch, device))
    launched, played = (median(side[1:]) for side in taken)
    same = all(torch.equal(one, other) for one, other in zip(*map(state, sides), strict=True))
    return f"| {name} | {launched:.3f} | {played:.3f} | {launched / played:.1f} | {'yes' if same else 'NO'} |"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--dataset", default="citeulike")
    parser.add_argument("--data-dir", type=Path)
    arguments = parser.parse_args()
    device = devices.gpu()
    if isinstance(device, str):
        print(f"nothing to measure: {device}")
        return
    data = load_dataset(arguments.dataset, DataSettings(), data_dir=arguments.data_dir).to(device)
    generator = torch.Generator().manual_seed(0)
    tables = FactorTables(
        torch.randn(data.n_users, TEACHER_DIM, generator=generator) * TEACHER_DIM**-0.5,
        torch.randn(data.n_items, TEACHER_DIM, generator=generator),
    ).to(device)
    title = f"### Seconds per epoch with evaluation, {data.name}, median of {EPOCHS} after one warm-up"
    print(f"{title}\n\n{devices.describe(device)}\n{stamp()}\n")
    print("| epoch | launched | played | × | same bytes |\n|---|---|---|---|---|")
    for name, student, variant in CASES:
        sides = [trainer(data, student, variant, tables, graph=graph) for graph in (False, True)]
        print(row(name, sides, device), flush=True)


if __name__ == "__main__":
    main()
