"""Reader of top-N lists: a table of user, item and score, or rank."""

import polars as pl

from rcekd.datasets.columns import USUAL, chosen_column, needed_column
from rcekd.datasets.tables import id_column, read_table
from rcekd.errors import InputError
from rcekd.teachers.importing.raw import RawLists
from rcekd.teachers.importing.request import ImportRequest
from rcekd.teachers.importing.tables import numbers

_SCORES = ("score", "scores", "prediction", "predictedscore", "relevance", "similarity", "logit", "value", "rating")
_RANKS = ("rank", "ranking", "position", "pos", "place")


def read_lists(request: ImportRequest) -> RawLists:
    """Columns user, item and score of the file, best first within a user.

    Without a score the rank stands for one: −ln(rank), ranks counted from the lowest one in the file. Where both are
    there they must agree. InputError for a pair that occurs twice, or a score that rises with the rank.
    """
    (path,) = request.files
    table = read_table(path)
    header = table.columns
    names = {}
    for side, given in (("user", request.user_column), ("item", request.item_column)):
        names[side] = needed_column(header, USUAL[side], given, side, f"--{side}-column", path)
    score = chosen_column(header, _SCORES, request.score_column, "--score-column", path)
    rank = chosen_column(header, _RANKS, request.rank_column, "--rank-column", path)
    if score is None and rank is None:
        raise InputError(f"{path}: no score column among {header[:8]}; name it with --score-column, or --rank-column")
    if table.is_empty():
        raise InputError(f"{path}: a header but no rows")
    ids = [id_column(table, names[side], path).alias(side) for side in ("user", "item")]
    lists = pl.DataFrame(ids)
    if rank is not None:
        lists = lists.with_columns(numbers(table, rank, path).alias("rank"))
    if score is not None:
        lists = lists.with_columns(numbers(table, score, path).alias("score"))
        return RawLists("lists", _ordered(lists, str(path)), (f"scores from {score!r}",))
    first = pl.col("rank").min()
    lists = lists.with_columns((-(pl.col("rank") - first + 1).log()).alias("score"))
    return RawLists("lists", _ordered(lists, str(path)), (f"no scores: −ln of {rank!r} stands for them",))


def _ordered(lists: pl.DataFrame, where: str) -> pl.DataFrame:
    """By user, then by falling score; equal scores by rank where it is known, else as in the file."""
    twice = lists.select("user", "item").is_duplicated()
    if twice.any():
        user, item = lists.select("user", "item").row(int(twice.arg_true()[0]))
        raise InputError(f"{where}: user {user!r} has item {item!r} twice; keep the better one")
    if "rank" not in lists.columns:
        return lists.sort("user", "score", descending=[False, True], maintain_order=True)
    by_rank = lists.sort("user", "rank", maintain_order=True)
    rises = (by_rank["user"] == by_rank["user"].shift(1)) & (by_rank["score"] > by_rank["score"].shift(1))
    if rises.fill_null(False).any():
        user, item = by_rank.select("user", "item").row(int(rises.arg_true()[0]))
        raise InputError(
            f"{where}: the score of item {item!r} for user {user!r} is above that of the rank before it; "
            "scores must fall with the rank (negate distances), or leave one of the two columns out"
        )
    return by_rank.drop("rank")
