"""One teacher as factors and as top-N lists: the files to import, and how well the fitted floor stands for the rest.

    python -m benchmarks.list_teacher runs/teacher-ml-100k-… --to lists --lengths 100 500
    rcekd import-teacher lists/users.npy lists/items.npy --dataset ml-100k
    rcekd import-teacher lists/top100.parquet --dataset ml-100k

`topN.parquet` holds training items too, `topN-unseen.parquet` leaves them out. The printed table compares, per length,
the fitted margin m/τ with how far the scores that were cut off really lie below the last listed one: as ln mean
exp(score/τ), at the temperature proposed for the lists; mean ± standard deviation over users. In brackets, the same
gap relative to its mean when counted in units of a user's own score range or of the fall over the list's second half.
"""

import argparse
import math
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import Tensor

from rcekd.commands.console import Output, TrainingView
from rcekd.datasets import Interactions
from rcekd.experiments.opening import open_run
from rcekd.experiments.place import Place
from rcekd.kernels.topk import topk
from rcekd.models import FactorTables
from rcekd.teachers.list_floor import calibrate_lists
from rcekd.teachers.temperature import calibrate

USERS_AT_ONCE = 256


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("teacher", type=Path, help="run folder of a trained teacher")
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--lengths", type=int, nargs="+", default=[100, 500])
    parser.add_argument("--data-dir", type=Path)
    arguments = parser.parse_args()
    view = TrainingView(Output(as_json=True, quiet=True))
    run = open_run(arguments.teacher, Place(arguments.teacher.parent, arguments.data_dir, view))
    arguments.to.mkdir(parents=True, exist_ok=True)
    np.save(arguments.to / "users.npy", run.tables.user_UD.numpy())
    np.save(arguments.to / "items.npy", run.tables.item_ID.numpy())
    print(f"factors: proposed τ {calibrate(run.tables, run.data).temperature or math.nan:.3f}")
    for n in arguments.lengths:
        write_lists(arguments.to / f"top{n}.parquet", run.data, *topk(run.tables.user_UD, run.tables.item_ID, n))
        unseen = topk(run.tables.user_UD, run.tables.item_ID, n, seen=run.data.seen)
        write_lists(arguments.to / f"top{n}-unseen.parquet", run.data, *unseen)
        print(report(run.tables, run.data, n))


def write_lists(path: Path, data: Interactions, item_UN: Tensor, score_UN: Tensor) -> None:
    """Rows of user, item and score, by original ids."""
    user_UN = torch.arange(data.n_users)[:, None].expand_as(item_UN)
    listed_UN = item_UN >= 0
    user, item = data.user_ids.gather(user_UN[listed_UN].numpy()), data.item_ids.gather(item_UN[listed_UN].numpy())
    pl.DataFrame({"user": user, "item": item, "score": score_UN[listed_UN].numpy()}).write_parquet(path)


def report(tables: FactorTables, data: Interactions, n: int) -> str:
    """The fitted margin beside the gap it stands for."""
    item_UN, score_UN = topk(tables.user_UD, tables.item_ID, n)
    found, margin = calibrate_lists(item_UN, score_UN, data)
    tau = found.temperature or 1.0
    gap_U = torch.cat(
        [cut_off(tables, item_UN, score_UN, begin, tau) for begin in range(0, data.n_users, USERS_AT_ONCE)]
    )
    fall_U = score_UN[:, n // 2 - 1] - score_UN[:, -1]
    units = {"range": score_UN[:, 0] - score_UN[:, -1], "fall": fall_U}
    spreads = [f"{name} {spread(gap_U / unit_U):.2f}" for name, unit_U in units.items()]
    return (
        f"top {n}: proposed τ {tau:.3f}, fitted m/τ {margin / tau:.2f}, "
        f"gap {gap_U.mean():.2f} ± {gap_U.std():.2f} (relative {spread(gap_U):.2f}; by {', '.join(spreads)})"
    )


def cut_off(tables: FactorTables, item_UN: Tensor, score_UN: Tensor, begin: int, tau: float) -> Tensor:
    """How far below the last listed score the others' ln mean exp(score/τ) lies, in units of τ, for some users."""
    rows = slice(begin, begin + USERS_AT_ONCE)
    logit_BI = tables.user_UD[rows] @ tables.item_ID.T / tau
    logit_BI.scatter_(1, item_UN[rows].long(), -torch.inf)
    rest_B = torch.logsumexp(logit_BI, 1) - math.log(tables.n_items - item_UN.shape[1])
    return score_UN[rows, -1] / tau - rest_B


def spread(values: Tensor) -> float:
    """Standard deviation over mean."""
    return float(values.std() / values.mean())


if __name__ == "__main__":
    main()
