"""A table as it is to be read, in no markup yet: what Markdown, LaTeX and HTML each write in their own way."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Flag, auto

from rcekd.reports.table import Table


class Mark(Flag):
    """How an entry stands out."""

    NONE = 0
    BOLD = auto()
    UNDERLINED = auto()


@dataclass(frozen=True)
class Entry:
    """One cell of a table.

    spread: what follows ±. paper: the paper's value. order: what sorting goes by (None: the text).
    hint: what to show of its origin; source: the anchor that it leads to; anchor: the one that it is; link: a file.
    """

    text: str
    spread: str = ""
    paper: str = ""
    mark: Mark = Mark.NONE
    order: float | None = None
    hint: str = ""
    source: str = ""
    anchor: str = ""
    link: str = ""

    @property
    def plain(self) -> str:
        """Without any mark, for a terminal."""
        stars = ("*" if Mark.BOLD in self.mark else "") + ("°" if Mark.UNDERLINED in self.mark else "")
        return self.text + (f" ± {self.spread}" if self.spread else "") + stars


@dataclass(frozen=True)
class Column:
    """A heading; neighbours of one `group` stand under it together. A terminal has room for the brief ones."""

    name: str
    numeric: bool = True
    group: str = ""
    brief: bool = True

    @property
    def full_name(self) -> str:
        return f"{self.name}, {self.group}" if self.group else self.name


@dataclass(frozen=True)
class Sheet:
    """`rules`: numbers of rows above which a line is drawn. `foot`: rows that stay below, however one sorts.

    paper_note: what the paper's values are, where they are shown.
    """

    name: str
    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Entry]]
    foot: Sequence[Sequence[Entry]] = ()
    rules: frozenset[int] = frozenset()
    notes: Sequence[str] = ()
    paper_note: str = ""

    def plain(self) -> Table:
        """For a terminal: its columns only, marks as signs, without the paper's values."""
        kept = [place for place, column in enumerate(self.columns) if column.brief]
        names = tuple(self.columns[place].full_name for place in kept)
        rows = [tuple(row[place].plain for place in kept) for row in [*self.rows, *self.foot]]
        notes = [note.replace("bold:", "*").replace("underlined:", "°") for note in self.notes]
        return Table(self.caption, names, rows, notes)

    @property
    def all_notes(self) -> list[str]:
        return [*self.notes, *([self.paper_note] if self.paper_note else [])]
