"""How much of the catalogue an exact scan could skip by norms alone, on the tables of real runs.

    python -m benchmarks.pruning RUN [RUN ...]

With items in descending norm, a user u needs none whose |u| |v| is at most the score it looks for: the K-th best for a
list, the threshold of the closure pass for that. A tile of users reads a panel if one of them needs it; reckoned is the
best case, in which the score is known from the start and users of a tile are alike in what they need.
"""

import argparse
from pathlib import Path

from torch import Tensor

from benchmarks.measure import stamp
from rcekd import Place, open_run

TILE, EVERY = 8, 20  # users in a tile; every so-many-th user is looked at
RANKS = (20, 50, 500, 1500)


def read_share(user_UD: Tensor, item_ID: Tensor, rank: int) -> float:
    """The share of the catalogue that tiles of users must read to find every item above their score of this rank."""
    least_U = (user_UD @ item_ID.T).topk(rank).values[:, -1] / user_UD.norm(dim=1).clamp_min(1e-30)
    tiles_TU = least_U.sort().values[: len(least_U) // TILE * TILE].view(-1, TILE)
    return float((item_ID.norm(dim=1)[None] > tiles_TU[:, :1]).float().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folder of a finished run")
    runs = parser.parse_args().runs
    print(
        "| run | items × width |" + "".join(f" rank {rank} |" for rank in RANKS) + "\n|---|---|" + "---|" * len(RANKS)
    )
    for folder in runs:
        user_UD, item_ID = open_run(folder, Place(folder.parent)).tables
        shares = [f" {read_share(user_UD[::EVERY], item_ID, rank):.0%} |" for rank in RANKS]
        print(f"| {folder.name} | {item_ID.shape[0]} × {item_ID.shape[1]} |" + "".join(shares))
    print("\n" + stamp())


if __name__ == "__main__":
    main()
