"""A teacher made outside: `implicit`'s ALS, trained on our training part, saved by implicit itself.

    python -m benchmarks.als_teacher export --dataset ml-1m --to als/ml-1m      # in rcekd's environment
    OTHER/bin/python benchmarks/als_teacher.py train als/ml-1m --factors 256    # in one that has `pip install implicit`
    rcekd import-teacher als/ml-1m/als.npz --dataset ml-1m --user-ids als/ml-1m/users.txt --item-ids als/ml-1m/items.txt

`export` writes train.csv and valid.csv with the original ids. `train` numbers users and items as they come, as any
pipeline would, tries a grid of regularisation and confidence (every iteration is judged by NDCG@10 on valid.csv, over
all users, training items left out), and keeps the best: als.npz, users.txt and items.txt (row → id), als.json. A second
call adds points to the grid.
The two halves share no import: rcekd does not depend on implicit, nor that environment on rcekd.
"""

import argparse
import csv
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

CUTOFF = 10


def main() -> None:
    arguments = parse()
    export(arguments) if arguments.errand == "export" else train(arguments)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    errands = parser.add_subparsers(dest="errand", required=True)
    first = errands.add_parser("export")
    first.add_argument("--dataset", required=True)
    first.add_argument("--set", dest="assignments", action="append", default=[], metavar="KEY=VALUE")
    first.add_argument("--data-dir", type=Path)
    first.add_argument("--to", type=Path, required=True)
    second = errands.add_parser("train")
    second.add_argument("folder", type=Path)
    second.add_argument("--factors", type=int, default=256)
    second.add_argument("--regularization", type=float, nargs="+", default=[1.0, 10.0, 100.0])
    second.add_argument("--alpha", type=float, nargs="+", default=[1.0, 10.0])
    second.add_argument("--iterations", type=int, default=15)
    second.add_argument("--threads", type=int, default=0, help="0: all cores")
    return parser.parse_args()


def export(arguments: argparse.Namespace) -> None:
    """Train and valid as CSV of the original ids."""
    import polars as pl

    from rcekd.commands import options
    from rcekd.config import resolve
    from rcekd.datasets import load_dataset

    layers = options.run_layers(arguments.dataset, config=None, assignments=arguments.assignments, seed=None)
    settings = resolve(layers)
    data = load_dataset(settings.dataset, settings.data, data_dir=arguments.data_dir)
    arguments.to.mkdir(parents=True, exist_ok=True)
    for name, part in (("train", data.train), ("valid", data.valid)):
        table = {"user": data.user_ids.gather(part.rows().numpy()), "item": data.item_ids.gather(part.indices.numpy())}
        pl.DataFrame(table).write_csv(arguments.to / f"{name}.csv")
    print(f"{arguments.to}: {data.train.indices.numel():,} training and {data.valid.indices.numel():,} valid pairs")


def train(arguments: argparse.Namespace) -> None:
    """The grid; the best model is on disk whenever this is interrupted."""
    folder = arguments.folder
    pairs = read_pairs(folder / "train.csv")
    users, items = number(user for user, _ in pairs), number(item for _, item in pairs)
    matrix = as_matrix(pairs, users, items)
    targets: dict[str, set[str]] = {}
    for user, item in read_pairs(folder / "valid.csv"):
        targets.setdefault(user, set()).add(item)
    numbered = {
        users[user]: {items.get(item, -1 - k) for k, item in enumerate(wanted)}
        for user, wanted in targets.items()
        if user in users
    }
    write_lines(folder / "users.txt", users)
    write_lines(folder / "items.txt", items)
    done = folder / "als.json"
    results: list[dict[str, Any]] = json.loads(done.read_text())["tried"] if done.is_file() else []
    for alpha in arguments.alpha:
        for regularization in arguments.regularization:
            fit(arguments, matrix, numbered, {"alpha": alpha, "regularization": regularization}, results)


def fit(
    arguments: argparse.Namespace,
    matrix: Any,
    targets: dict[int, set[int]],
    point: dict[str, float],
    results: list[Any],
) -> None:
    """One point of the grid; saves the model at every iteration that is the best of all so far."""
    from implicit.cpu.als import AlternatingLeastSquares

    model = AlternatingLeastSquares(
        factors=arguments.factors,
        iterations=arguments.iterations,
        num_threads=arguments.threads,
        random_state=0,
        **point,
    )
    began = time.perf_counter()

    def judge(iteration: int, *_: object) -> None:
        value = ndcg(model, matrix, targets)
        best_before = max((result["ndcg@10"] for result in results), default=-1.0)
        result = {**point, "factors": arguments.factors, "iterations": iteration + 1, "ndcg@10": value}
        results.append(result)
        if value > best_before:
            model.save(str(arguments.folder / "als.npz"))
        report = {"best": max(results, key=lambda tried: tried["ndcg@10"]), "tried": results}
        (arguments.folder / "als.json").write_text(json.dumps(report, indent=1))

    model.fit(matrix, show_progress=False, callback=judge)
    own = max((r for r in results if r.items() >= point.items()), key=lambda result: result["ndcg@10"])
    print(f"{own}, {time.perf_counter() - began:.0f} s", flush=True)


def ndcg(model: Any, matrix: Any, targets: dict[int, set[int]]) -> float:
    """NDCG@10 over all users of the training matrix; an item or user without a row is simply not found."""
    discount = 1.0 / np.log2(np.arange(CUTOFF) + 2.0)
    ideal = discount.cumsum()
    total, n_users = 0.0, matrix.shape[0]
    for begin in range(0, n_users, 1024):
        chosen = np.arange(begin, min(begin + 1024, n_users))
        ranked, _ = model.recommend(chosen, matrix[chosen], N=CUTOFF, filter_already_liked_items=True)
        for user, row in zip(chosen.tolist(), ranked.tolist(), strict=True):
            wanted = targets.get(user, set())
            if wanted:
                hit = np.array([item in wanted for item in row])
                total += float((discount * hit).sum() / ideal[min(len(wanted), CUTOFF) - 1])
    return total / n_users


def read_pairs(path: Path) -> list[tuple[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        next(rows)
        return [(user, item) for user, item in rows]


def number(values: Any) -> dict[str, int]:
    """Each distinct value's row, in order of first appearance."""
    return {value: row for row, value in enumerate(dict.fromkeys(values))}


def as_matrix(pairs: list[tuple[str, str]], users: dict[str, int], items: dict[str, int]) -> Any:
    from scipy.sparse import csr_matrix

    row = [users[user] for user, _ in pairs]
    column = [items[item] for _, item in pairs]
    matrix = csr_matrix((np.ones(len(pairs), np.float32), (row, column)), shape=(len(users), len(items)))
    matrix.data[:] = 1.0  # a pair that occurs twice counts once
    return matrix


def write_lines(path: Path, ids: dict[str, int]) -> None:
    path.write_text("".join(f"{name}\n" for name in ids), encoding="utf-8")


if __name__ == "__main__":
    main()
