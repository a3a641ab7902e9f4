"""rcekd beside well-kept packages, in one process: top-K lists, an epoch of BPR, ranking metrics.

    pip install 'rcekd[peers]'          # from a checkout: pip install -e '.[peers]'
    python -m benchmarks.bench_peers [--only topk bpr evaluation] [--dataset citeulike gowalla] [--dim 20 64]

What is compared, and what differs between the sides, stands in `benchmarks/peers/`. Before any timing the answers are
held against each other. The interactions are real, the factors those of implicit's ALS. The last row of a table is
ours, and × says how many times as long the others take.
"""

import argparse
import sys
from importlib.metadata import version
from pathlib import Path

import torch

from benchmarks.measure import stamp
from benchmarks.peers import bpr, evaluation, topk
from benchmarks.peers.setting import MODULES, Setting, als_tables, peer
from rcekd.datasets import DataSettings, load_dataset
from rcekd.errors import InputError

PACKAGES = ("faiss-cpu", "implicit", "ranx", "numpy", "scipy")


def main() -> None:
    try:
        run(parse())
    except InputError as error:
        print(f"bench_peers: {error}", file=sys.stderr)
        raise SystemExit(2) from None


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--only", nargs="+", choices=list(FAMILIES), default=list(FAMILIES))
    parser.add_argument("--dataset", nargs="+", default=["citeulike", "gowalla"])
    parser.add_argument("--dim", nargs="+", type=int, default=[20, 64])
    parser.add_argument("--threads", nargs="+", type=int, default=sorted({1, min(2, torch.get_num_threads())}))
    parser.add_argument("--k", type=int, default=50, help="length of the lists")
    parser.add_argument("--rounds", type=int, default=2, help="every side is timed in so many turns")
    parser.add_argument("--data-dir", type=Path)
    return parser.parse_args()


FAMILIES = {
    "topk": lambda setting, of: topk.bench(setting, of.k, of.rounds),
    "bpr": lambda setting, of: bpr.bench(setting, of.rounds),
    "evaluation": lambda setting, of: evaluation.bench(setting, of.rounds),
}


def run(arguments: argparse.Namespace) -> None:
    for module in MODULES:
        peer(module)
    print(f"{stamp()}\n- {', '.join(f'{name} {version(name)}' for name in PACKAGES)}\n")
    for name in arguments.dataset:
        data = load_dataset(name, DataSettings(), data_dir=arguments.data_dir)
        for dim in arguments.dim:
            tables = als_tables(data, dim)
            for threads in arguments.threads:
                for family in arguments.only:
                    print(FAMILIES[family](Setting(data, tables, threads), arguments), flush=True)


if __name__ == "__main__":
    main()
