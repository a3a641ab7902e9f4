"""Full-ranking evaluation: every item is ranked for every user, in one fused pass that holds no score matrix."""

from typing import Literal

from pydantic import Field
from torch import Tensor

from rcekd.datasets import History, Interactions
from rcekd.evaluation.metrics import ndcg, recall
from rcekd.kernels.csr import CSR
from rcekd.kernels.topk import topk
from rcekd.models import Backbone, FactorTables
from rcekd.settings import Settings

CUTOFFS = (10, 20)
METRICS = tuple(f"{metric}@{cutoff}" for cutoff in CUTOFFS for metric in ("recall", "ndcg"))


class EvalSettings(Settings):
    """How rankings are judged. The defaults are the RCE-KD authors' protocol."""

    mask: Literal["train", "train+valid"] = Field(
        default="train",
        description="items taken out of the ranking for the test set; for the validation set it is always train",
    )
    users: Literal["all", "with-targets"] = Field(
        default="all", description="who is averaged over: all users (no target counts 0), or those with a target"
    )
    history: Literal["train", "train+valid"] = Field(
        default="train",
        description="what a backbone with a window has read of a user before the test ranking (goes with mask: "
        "train+valid); for validation always train, and others learn from train alone",
    )


def rank(tables: FactorTables, excluded: CSR | None) -> Tensor:
    """The best max(CUTOFFS) items of every user outside `excluded`: int32 [U, N], ordered, −1 padded."""
    item_UN, _ = topk(tables.user_UD, tables.item_ID, max(CUTOFFS), seen=excluded)
    return item_UN


def per_user(item_UN: Tensor, targets: CSR) -> dict[str, Tensor]:
    """Every metric for every user: name → float64 [U]. targets: rows as sets."""
    hit_UN = targets.holds(item_UN)
    n_targets_U = targets.lengths()
    values: dict[str, Tensor] = {}
    for cutoff in CUTOFFS:
        values[f"recall@{cutoff}"] = recall(hit_UN, n_targets_U, cutoff)
        values[f"ndcg@{cutoff}"] = ndcg(hit_UN, n_targets_U, cutoff)
    return values


def average(values: dict[str, Tensor], targets: CSR, users: str) -> dict[str, float]:
    """Means over all users, or over those that have a target."""
    if users == "with-targets":
        has_target_U = targets.lengths() > 0
        values = {name: value_U[has_target_U] for name, value_U in values.items()}
    return {name: float(value_U.mean()) if value_U.numel() else 0.0 for name, value_U in values.items()}


def evaluate_valid(tables: FactorTables, data: Interactions, settings: EvalSettings) -> dict[str, float]:
    """Metrics on the validation set, what training watches."""
    return average(per_user(rank(tables, data.seen), data.valid_targets), data.valid_targets, settings.users)


def evaluate_train(tables: FactorTables, data: Interactions, settings: EvalSettings) -> dict[str, float]:
    """Metrics on what the model was trained with, nothing masked: how far it has learnt that."""
    return average(per_user(rank(tables, None), data.seen), data.seen, settings.users)


def evaluate(
    tables: FactorTables, data: Interactions, settings: EvalSettings, test_tables: FactorTables | None = None
) -> dict[str, dict[str, float]]:
    """Metrics on both held-out sets: {"valid": {...}, "test": {...}} with the keys of METRICS.

    test_tables: what the test set is ranked by, where that is not what the validation set is ranked by.
    """
    ranked = rank(tables, data.seen)
    valid = average(per_user(ranked, data.valid_targets), data.valid_targets, settings.users)
    if settings.mask != "train" or test_tables is not None:
        ranked = rank(tables if test_tables is None else test_tables, mask_of_test(data, settings))
    return {"valid": valid, "test": average(per_user(ranked, data.test_targets), data.test_targets, settings.users)}


def evaluate_model(model: Backbone, data: Interactions, settings: EvalSettings) -> dict[str, dict[str, float]]:
    """The metrics of a model on both held-out sets, its histories as the settings say."""
    history = history_of_test(data, settings)
    again = history is not None and model.window is not None
    return evaluate(model.tables(), data, settings, model.tables(history) if again else None)


def mask_of_test(data: Interactions, settings: EvalSettings) -> CSR:
    """The items taken out of the test ranking."""
    return data.seen_with_valid if settings.mask == "train+valid" else data.seen


def history_of_test(data: Interactions, settings: EvalSettings) -> History | None:
    """What a backbone with a window reads before the test ranking; None: what it was trained on."""
    return data.train_with_valid if settings.history == "train+valid" else None
