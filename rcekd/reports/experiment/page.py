"""A report as one HTML page that needs nothing else: tables that sort, figures, and the origin of every number."""

from base64 import b64encode
from collections.abc import Sequence
from html import escape
from itertools import groupby
from urllib.parse import quote

from rcekd.reports.experiment.document import Document, Figure, Section
from rcekd.reports.experiment.page_assets import SCRIPT, STYLE
from rcekd.reports.experiment.sheets import Column, Entry, Mark, Sheet


def as_page(document: Document) -> str:
    """The page. Figures stand in it as images, so that nothing in one acts on the page or on another."""
    title = escape(document.title)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; \
script-src 'unsafe-inline'; img-src data:">
<title>{title}</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<h1>{title}</h1>
{_paragraph(document.note, "lead")}
{_contents(document)}
</header>
<main>
<section id="protocol"><h2>Protocol</h2>{_list(document.protocol)}{_list(document.notes)}</section>
{_overview(document)}
{_extras(document.extras)}
{"".join(_section(f"block{n}", section) for n, section in enumerate(document.sections, 1))}
{_figures(document.figures)}
{_provenance(document.sections)}
</main>
<script>{SCRIPT}</script>
</body>
</html>
"""


def _contents(document: Document) -> str:
    links = [("overview", "Overview")] if document.overview is not None else []
    links += [(sheet.name, sheet.caption) for sheet in document.extras]
    links += [(f"block{n}", section.block.title) for n, section in enumerate(document.sections, 1)]
    links += [("figures", "Figures")] if document.figures else []
    links.append(("provenance", "Provenance"))
    return "<nav>" + "".join(f'<a href="#{where}">{escape(name)}</a>' for where, name in links) + "</nav>"


def _overview(document: Document) -> str:
    if document.overview is None:
        return ""
    return f'<section id="overview"><h2>Overview</h2>{_table(document.overview)}</section>'


def _extras(sheets: Sequence[Sheet]) -> str:
    return "".join(
        f'<section id="{sheet.name}"><h2>{escape(sheet.caption)}</h2>{_table(sheet)}</section>' for sheet in sheets
    )


def _section(name: str, section: Section) -> str:
    tests = _table(section.tests) if section.tests is not None else ""
    title = escape(section.block.title)
    return f'<section id="{name}"><h2>{title}</h2>{_table(section.quality)}{tests}</section>'


def _figures(figures: Sequence[Figure]) -> str:
    if not figures:
        return ""
    return (
        f'<section id="figures"><h2>Figures</h2><div class="figures">{"".join(map(_figure, figures))}</div></section>'
    )


def _figure(figure: Figure) -> str:
    data, caption = b64encode(figure.file.read_bytes()).decode("ascii"), escape(figure.caption)
    image = f'<img alt="{caption}" src="data:image/svg+xml;base64,{data}">'
    return f"<figure>{image}<figcaption>{caption}</figcaption></figure>"


def _provenance(sections: Sequence[Section]) -> str:
    parts = []
    for section in sections:
        settings = "".join(
            f"<details><summary>settings of {escape(name)}</summary><pre>{escape(text)}</pre></details>"
            for name, text in section.settings
        )
        title = escape(section.block.title)
        parts.append(
            f'<details class="origin"><summary>{title}</summary>{_table(section.provenance)}{settings}</details>'
        )
    return f'<section id="provenance"><h2>Provenance</h2>{"".join(parts)}</section>'


def _table(sheet: Sheet) -> str:
    beside = {place for row in sheet.rows for place, entry in enumerate(row) if entry.paper}
    rows = "".join(_row(row, beside, rule=place in sheet.rules) for place, row in enumerate(sheet.rows))
    foot = "".join(_row(row, beside) for row in sheet.foot)
    foot = f"<tfoot>{foot}</tfoot>" if foot else ""
    notes = "".join(f"<li>{escape(note)}</li>" for note in sheet.all_notes)
    return (
        f'<div class="sheet"><div class="wide" tabindex="0" role="region" aria-label="{escape(sheet.caption)}"><table>'
        f"<caption>{escape(sheet.caption)}</caption><thead>{_headings(sheet.columns)}</thead>"
        f"<tbody>{rows}</tbody>{foot}</table></div>" + (f'<ul class="notes">{notes}</ul>' if notes else "") + "</div>"
    )


def _headings(columns: Sequence[Column]) -> str:
    names = "".join(
        f'<th scope="col"{_side(column)}><button type="button">{escape(column.name)}</button></th>'
        for column in columns
    )
    if not any(column.group for column in columns):
        return f"<tr>{names}</tr>"
    groups = [(group, len(list(members))) for group, members in groupby(columns, key=lambda column: column.group)]
    spans = "".join(
        f'<th class="{"group" if group else "none"}" colspan="{width}">{escape(group)}</th>' for group, width in groups
    )
    return f'<tr class="groups">{spans}</tr><tr>{names}</tr>'


def _side(column: Column) -> str:
    return "" if column.numeric else ' class="words"'


def _row(row: Sequence[Entry], beside: set[int], *, rule: bool = False) -> str:
    """beside: the columns in which some row has the paper's value, for which all leave room."""
    first, *others = row
    name = f' id="{escape(first.anchor)}"' if first.anchor else ""
    head = f'<th scope="row">{escape(first.text)}</th>'
    kind = ' class="rule"' if rule else ""
    cells = "".join(_entry(entry, place in beside) for place, entry in enumerate(others, 1))
    return f"<tr{name}{kind}>{head}{cells}</tr>"


def _entry(entry: Entry, beside: bool) -> str:
    text = escape(entry.text)
    text = f"<u>{text}</u>" if Mark.UNDERLINED in entry.mark else text
    text = f"<b>{text}</b>" if Mark.BOLD in entry.mark else text
    text += f' <span class="sd">± {escape(entry.spread)}</span>' if entry.spread else ""
    target = quote(entry.link) or (f"#{entry.source}" if entry.source else "")
    kind = "file" if entry.link else "source"
    text = f'<a class="{kind}" href="{escape(target)}">{text}</a>' if target else text
    text += (
        f'<span class="paper">({escape(entry.paper)})</span>' if entry.paper else '<span class="room"></span>' * beside
    )
    order = "" if entry.order is None else f' data-order="{entry.order!r}"'
    hint = f' title="{escape(entry.hint)}"' if entry.hint else ""
    return f"<td{order}{hint}>{text}</td>"


def _paragraph(text: str, kind: str) -> str:
    return f'<p class="{kind}">{escape(text)}</p>' if text else ""


def _list(texts: Sequence[str]) -> str:
    return f"<ul>{''.join(f'<li>{escape(text)}</li>' for text in texts)}</ul>" if texts else ""
