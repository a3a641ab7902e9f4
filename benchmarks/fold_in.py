"""How good a folded-in vector is: users of a finished run lose theirs and get one from their training items again.

    python -m benchmarks.fold_in RUN… [--data-dir DIR]

For every run: NDCG@10 on test (training items masked, users with a history), by the trained vectors, by the map of
rcekd.serving.fold_in (every user by a map fitted to the other half of the users), by the mean of the history's item
vectors, and by the least-squares solution of implicit ALS, its weight and ridge chosen on validation as the map's are.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.measure import stamp
from rcekd.evaluation.metrics import ndcg
from rcekd.experiments.opening import FinishedRun, open_run
from rcekd.experiments.place import Place
from rcekd.kernels.csr import CSR
from rcekd.kernels.topk import topk
from rcekd.serving.fold_in import cross_fitted, features, fit
from rcekd.training.loop import Silent

UNSEEN_WEIGHTS = (0.0, 0.01, 0.1, 1.0)
RIDGES = (0.01, 0.1, 1.0, 10.0)


def least_squares(history: CSR, item_ID: Tensor, unseen_weight: float, ridge: float) -> Tensor:
    """(Σ_h v vᵀ + w VᵀV + λ I)⁻¹ Σ_h v for every history; λ is relative to the mean diagonal of VᵀV / I × history."""
    item_ID = item_ID.double()
    dim, gram = item_ID.shape[1], item_ID.T @ item_ID
    identity = torch.eye(dim, dtype=torch.float64)
    mean_square = float(gram.trace()) / dim / item_ID.shape[0]
    rows = []
    for row in range(history.n_rows):
        own_ND = item_ID[history.indices[int(history.indptr[row]) : int(history.indptr[row + 1])].long()]
        ridge_I = (ridge * mean_square * own_ND.shape[0]) * identity
        rows.append(torch.linalg.solve(own_ND.T @ own_ND + unseen_weight * gram + ridge_I, own_ND.sum(0)))
    return torch.stack(rows).float()


def bench(run: FinishedRun, with_least_squares: bool) -> list[str]:
    """The run's rows of the table."""
    data, (user_UD, item_ID) = run.data, run.tables
    known = (data.seen.lengths() > 0).nonzero().flatten()
    history, user_ND = data.seen.take(known), user_UD[known]

    def judge(vector_ND: Tensor, held_out: CSR) -> float:
        item_NK, _ = topk(vector_ND.float().contiguous(), item_ID, 10, seen=history)
        targets = held_out.take(known)
        return float(ndcg(targets.holds(item_NK), targets.lengths(), 10).mean())

    chosen = fit(run.tables, data)
    feature_ND = features(history, item_ID, chosen.power, chosen.typical)
    mean_ND = features(history, item_ID, 1.0, 1.0)
    vectors = {
        "trained": user_ND,
        f"map (ridge {chosen.ridge:g}, power {chosen.power:g})": cross_fitted(feature_ND, user_ND, (chosen.ridge,))[0],
        "mean item vector": mean_ND,
    }
    if with_least_squares:
        vectors |= best_least_squares(history, item_ID, lambda vector: judge(vector, data.valid))
    trained = judge(user_ND, data.test)
    lines = []
    for name, vector_ND in vectors.items():
        valid, test = judge(vector_ND, data.valid), judge(vector_ND, data.test)
        cells = (f"{data.name}, {data.split}", run.label, name, f"{valid:.4f}", f"{test:.4f}", f"{test / trained:.0%}")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def best_least_squares(history: CSR, item_ID: Tensor, judge: Callable[[Tensor], float]) -> dict[str, Tensor]:
    """The least-squares vectors whose two settings do best on validation."""
    tried = [(w, r) for w in UNSEEN_WEIGHTS for r in RIDGES]
    found = [(judge(vector := least_squares(history, item_ID, w, r)), w, r, vector) for w, r in tried]
    _, weight, ridge, vector = max(found, key=lambda entry: entry[0])
    return {f"least squares (w {weight:g}, λ {ridge:g})": vector}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--data-dir", type=Path)
    parser.add_argument("--no-least-squares", action="store_true", help="leave out the slow comparison")
    given = parser.parse_args()
    print("| data | model | vector | valid N@10 | test N@10 | of trained |\n|---|---|---|---|---|---|")
    for path in given.runs:
        run = open_run(path, Place(path.parent, given.data_dir, Silent()))
        print("\n".join(bench(run, not given.no_least_squares)), flush=True)
    print(f"\n{stamp()}")


if __name__ == "__main__":
    main()
