"""A vector for a user the model has never met: a linear map from the history's mean item vector.

x(h) = c + (mean of v_i over i in h, scaled by |h|^(1−p) against the typical length) W

W is the ridge regression from the trained users' histories to the vectors training gave them (Hoerl & Kennard,
Technometrics 1970), in float64. Solving for the vector with the item factors fixed, as implicit ALS does (Hu, Koren &
Volinsky, ICDM 2008), ranks much worse for these models (docs/serving.md): their vectors are not the solution of a
least-squares problem, least of all a distilled student's, which follows its teacher. The map learns from the users
themselves what their training did.
"""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from rcekd.datasets import Interactions
from rcekd.evaluation.metrics import ndcg
from rcekd.kernels.csr import CSR
from rcekd.kernels.topk import topk
from rcekd.models import FactorTables

RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
POWERS = (1.0, 0.5)
USUAL_RIDGE, USUAL_POWER = 1e-2, 1.0  # where nobody is there to choose by
MOST_TAUGHT = 50_000  # users the map is fitted to: more would change D² numbers no further
MOST_JUDGED = 2_000  # users whose validation ranking chooses among the settings
CUTOFF = 10


@dataclass(frozen=True)
class FoldIn:
    """The map, and what chose it.

    weight_DD, bias_D: float32. power, typical: a history of n items weighs its mean by (n / typical)^(1 − power).
    ridge: strength relative to the mean square of a feature. valid, trained: NDCG@10 on validation items of users the
    map was not fitted to, ranked by the map's vectors and by the trained ones; None where there are no such items.
    """

    weight_DD: Tensor
    bias_D: Tensor
    power: float
    typical: float
    ridge: float
    valid: float | None
    trained: float | None

    def __call__(self, history: CSR, item_ID: Tensor) -> Tensor:
        """Vectors [B, D] of the users with these histories of item ids, in any order."""
        feature_BD = features(history, item_ID, self.power, self.typical)
        return (feature_BD @ self.weight_DD.double() + self.bias_D.double()).float()


def features(history: CSR, item_ID: Tensor, power: float, typical: float) -> Tensor:
    """What the map starts from, float64 [B, D]; zero for an empty history."""
    n_B1 = history.lengths().unsqueeze(1).double()
    sum_BD: Tensor = torch.zeros(history.n_rows, item_ID.shape[1], dtype=torch.float64)
    step = 1 << 18  # entries at a time: a history's vectors are never all in memory
    row, item = history.rows().long(), history.indices.long()
    for start in range(0, item.numel(), step):
        sum_BD.index_add_(0, row[start : start + step], item_ID[item[start : start + step]].double())
    scale_B1: Tensor = n_B1.clamp(min=1).pow(power) * typical ** (1 - power)
    return sum_BD / scale_B1


def fit(tables: FactorTables, data: Interactions) -> FoldIn:
    """The map for a trained model, its two settings chosen on the validation set (USUAL_… where that is empty).

    Each setting is judged by two maps, each fitted to one half of the users and ranked on the other; the final map is
    fitted to all. Users without a training interaction teach nothing and are left out.
    """
    taught = _spread((data.seen.lengths() > 0).nonzero().flatten(), MOST_TAUGHT)
    user_ND, history = tables.user_UD[taught], data.seen.take(taught)
    typical = float(history.lengths().double().mean()) if taught.numel() else 1.0
    judged_J = _spread((data.valid.lengths()[taught] > 0).nonzero().flatten(), MOST_JUDGED)
    ridge, power, valid, trained = USUAL_RIDGE, USUAL_POWER, None, None
    if judged_J.numel():
        judge = _Judge(tables.item_ID, history.take(judged_J), data.valid_targets.take(taught[judged_J]))
        found: list[tuple[float, float, float]] = []
        for tried in POWERS:
            feature_ND = features(history, tables.item_ID, tried, typical)
            for strength, vector_ND in zip(RIDGES, cross_fitted(feature_ND, user_ND, RIDGES), strict=True):
                found.append((judge.ndcg(vector_ND[judged_J]), strength, tried))
        valid, ridge, power = max(found)
        trained = judge.ndcg(user_ND[judged_J])
    weight, bias = _solve(features(history, tables.item_ID, power, typical), user_ND.double(), (ridge,))[0]
    return FoldIn(weight.float().contiguous(), bias.float(), power, typical, ridge, valid, trained)


def cross_fitted(feature_ND: Tensor, user_ND: Tensor, ridges: tuple[float, ...]) -> list[Tensor]:
    """For every ridge, the vectors of these users, each by a map fitted to the half that the user is not in."""
    half_N = torch.arange(feature_ND.shape[0]) % 2
    vectors = [torch.empty_like(user_ND) for _ in ridges]
    for half in (0, 1):
        taught_N, told_N = half_N == half, half_N != half
        maps = _solve(feature_ND[taught_N], user_ND[taught_N].double(), ridges)
        for vector_ND, (weight, bias) in zip(vectors, maps, strict=True):
            vector_ND[told_N] = (feature_ND[told_N] @ weight + bias).float()
    return vectors


def _solve(feature_ND: Tensor, target_ND: Tensor, ridges: tuple[float, ...]) -> list[tuple[Tensor, Tensor]]:
    """Ridge regression with an unpenalised intercept, for several strengths: (weight [D, D], bias [D]) of each."""
    dim = feature_ND.shape[1]
    if not feature_ND.shape[0]:
        return [(torch.eye(dim, dtype=torch.float64), torch.zeros(dim, dtype=torch.float64)) for _ in ridges]
    feature_mean, target_mean = feature_ND.mean(0), target_ND.mean(0)
    centred = feature_ND - feature_mean
    gram, cross = centred.T @ centred, centred.T @ (target_ND - target_mean)
    scale = float(gram.trace()) / dim + 1e-30  # never a singular system, even where all histories are the same
    identity = torch.eye(dim, dtype=torch.float64)
    weights = [torch.linalg.solve(gram + ridge * scale * identity, cross) for ridge in ridges]
    return [(weight, target_mean - feature_mean @ weight) for weight in weights]


class _Judge(NamedTuple):
    """Ranks some users' candidates outside their histories against what was held out."""

    item_ID: Tensor
    history: CSR
    held_out: CSR

    def ndcg(self, user_JD: Tensor) -> float:
        """Mean NDCG@10."""
        item_JK, _ = topk(user_JD, self.item_ID, CUTOFF, seen=self.history)
        return float(ndcg(self.held_out.holds(item_JK), self.held_out.lengths(), CUTOFF).mean())


def _spread(candidates: Tensor, most: int) -> Tensor:
    """At most so many of them, evenly chosen."""
    return candidates[:: max(1, -(-candidates.numel() // most))]
