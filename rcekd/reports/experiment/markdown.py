"""A report as Markdown."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from rcekd.reports.experiment.document import Document
from rcekd.reports.experiment.sheets import Column, Entry, Mark, Sheet

SPECIAL = re.compile(r"([\\`*_\[\]<>|#~&$])")


def as_markdown(document: Document, to: Path) -> str:
    """One page; tables as GitHub reads them. to: the folder that links start from."""
    parts = [f"# {escape(document.title)}", escape(document.note), _items(document.protocol), _items(document.notes)]
    if document.overview is not None:
        parts += ["## Overview", sheet(document.overview)]
    for extra in document.extras:
        parts += [f"## {escape(extra.caption)}", sheet(extra)]
    for section in document.sections:
        parts += [f"## {escape(section.block.title)}", sheet(section.quality)]
        parts += [sheet(section.tests)] if section.tests is not None else []
    if document.figures:
        parts.append("## Figures")
        parts += [f"![{escape(f.caption)}]({_address(f.file, to)})\n\n*{escape(f.caption)}*" for f in document.figures]
    parts += ["## Provenance", *(sheet(section.provenance) for section in document.sections)]
    return "\n\n".join(part for part in parts if part) + "\n"


def sheet(table: Sheet) -> str:
    """A caption, the table, its notes."""
    lines = [_line([_heading(column) for column in table.columns])]
    lines.append(_line(["--:" if column.numeric else ":--" for column in table.columns]))
    lines += [_line([_entry(entry) for entry in row]) for row in [*table.rows, *table.foot]]
    return "\n\n".join([f"**{escape(table.caption)}**", "\n".join(lines), _items(table.all_notes)]).rstrip()


def escape(text: str) -> str:
    """Plain text that means nothing to Markdown and stays on its line."""
    return SPECIAL.sub(r"\\\1", " ".join(text.split()))


def _heading(column: Column) -> str:
    return escape(column.full_name)


def _entry(entry: Entry) -> str:
    text = escape(entry.text)
    if entry.link:
        text = f"[{text}]({quote(entry.link)})"
    text = f"<u>{text}</u>" if Mark.UNDERLINED in entry.mark else text
    text = f"**{text}**" if Mark.BOLD in entry.mark else text
    text += f" ± {entry.spread}" if entry.spread else ""
    return text + (f" ({entry.paper})" if entry.paper else "")


def _address(file: Path, to: Path) -> str:
    return quote(Path(os.path.relpath(file.resolve(), to.resolve())).as_posix())


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _items(texts: Sequence[str]) -> str:
    return "\n".join(f"- {escape(text)}" for text in texts)
