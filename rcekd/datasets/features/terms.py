"""What items are tagged or described with: how often each item has each term."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from rcekd.datasets.columns import USUAL, needed_column
from rcekd.datasets.formats import DIGITS, refuse_empty
from rcekd.datasets.tables import cast, id_column, read_table
from rcekd.errors import InputError

TEXTS = ("text", "title", "description", "abstract", "name", "plot", "summary", "tags", "genres", "content")
_WORD = re.compile(r"[^\W_]{2,}")


@dataclass(frozen=True)
class Terms:
    """Entry n: item `item[n]` (a row of item_ids) has term `term[n]` (below n_terms) `count[n]` times; a pair once.

    item, term: int64 [N]. count: float64 [N].
    """

    item_ids: pl.Series
    n_terms: int
    item: NDArray[np.int64]
    term: NDArray[np.int64]
    count: NDArray[np.float64]

    @staticmethod
    def of(item_ids: pl.Series, n_terms: int, item: NDArray[np.int64], term: NDArray[np.int64]) -> "Terms":
        """Count occurrences (item, term)."""
        pair, count = np.unique(item * max(n_terms, 1) + term, return_counts=True)
        return Terms(item_ids, n_terms, pair // max(n_terms, 1), pair % max(n_terms, 1), count.astype(np.float64))


def read_tag_lists(path: Path) -> Terms:
    """CiteULike's tag-item.dat: line t is a count, then the items that carry tag t. An item has a tag or not.

    InputError with the line for what is no number, or a count that is wrong.
    """
    refuse_empty(path)
    items: list[int] = []
    tags: list[int] = []
    lines = 0
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for lines, line in enumerate(file, start=1):
            words = line.split()
            if not words or not all(word.isdecimal() and len(word) <= DIGITS for word in words):
                raise InputError(
                    f"{path}, line {lines}: expected a count and item ids, all whole numbers of at most {DIGITS} digits"
                )
            found = [int(word) for word in words[1:]]
            if int(words[0]) != len(found):
                raise InputError(f"{path}, line {lines}: {len(found)} item ids where the line says {words[0]}")
            items += found
            tags += [lines - 1] * len(found)
    if not items:
        raise InputError(f"{path}: no item has a tag; download the file again")
    ids, item = np.unique(np.array(items, dtype=np.int64), return_inverse=True)
    terms = Terms.of(pl.Series("item", ids), lines, item.astype(np.int64), np.array(tags, dtype=np.int64))
    return Terms(terms.item_ids, terms.n_terms, terms.item, terms.term, np.ones_like(terms.count))


def read_texts(path: Path, item_column: str | None = None, text_column: str | None = None) -> Terms:
    """A table with an item id and a text: its words in lower case, of two or more letters or digits.

    An item's rows count together. Items whose text is empty have no terms. InputError names file, row and column.
    """
    table = read_table(path)
    item_name = needed_column(table.columns, (*USUAL["item"], "id"), item_column, "item id", "--item-column", path)
    others = [name for name in table.columns if name != item_name]
    text_name = needed_column(others, TEXTS, text_column, "text", "--text-column", path)
    ids = id_column(table, item_name, path)
    texts = cast(table[text_name], pl.String())
    if texts.null_count() > table[text_name].null_count():
        kind = table.schema[text_name]
        raise InputError(f"{path}: column {text_name!r} holds {kind}, not text; name another with --text-column")
    item_ids = ids.unique().sort()
    row_of = {item: row for row, item in enumerate(item_ids.to_list())}
    vocabulary: dict[str, int] = {}
    items: list[int] = []
    terms: list[int] = []
    for item, text in zip(ids.to_list(), texts.to_list(), strict=True):
        for word in _WORD.findall((text or "").lower()):
            items.append(row_of[item])
            terms.append(vocabulary.setdefault(word, len(vocabulary)))
    if not items:
        raise InputError(f"{path}: column {text_name!r} holds no word; name another with --text-column")
    return Terms.of(item_ids.alias("item"), len(vocabulary), np.array(items), np.array(terms))
