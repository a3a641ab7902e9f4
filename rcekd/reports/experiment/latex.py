"""A report as LaTeX: tables to be \\input into a paper, and a document of them that compiles by itself."""

import re
import unicodedata
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from rcekd.reports.experiment.document import Document
from rcekd.reports.experiment.provenance import relative
from rcekd.reports.experiment.sheets import Column, Entry, Mark, Sheet

SIGNS = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", '"': r"\textquotedbl{}", "±": r"$\pm$", "×": r"$\times$", "→": r"$\rightarrow$",
    "−": r"$-$", "–": "--", "·": r"$\cdot$", "∪": r"$\cup$", "∩": r"$\cap$", "∖": r"$\setminus$",
    "ᵀ": r"\textsuperscript{T}", "ˢ": r"\textsuperscript{S}", "≤": r"$\leq$", "≥": r"$\geq$", "…": r"\ldots{}",
    "`": r"\textasciigrave{}", "≈": r"$\approx$", "≠": r"$\neq$", "∞": r"$\infty$", "∈": r"$\in$", "∉": r"$\notin$",
    "∅": r"$\emptyset$", "⊂": r"$\subset$", "⊆": r"$\subseteq$", "∑": r"$\sum$", "√": r"$\surd$", "∂": r"$\partial$",
    "∇": r"$\nabla$", "∝": r"$\propto$", "∼": r"$\sim$", "≪": r"$\ll$", "≫": r"$\gg$", "←": r"$\leftarrow$",
    "↔": r"$\leftrightarrow$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "⇒": r"$\Rightarrow$", "ℓ": r"$\ell$",
    "′": r"$'$",
}  # fmt: skip
GREEK = {
    "α": "alpha", "β": "beta", "γ": "gamma", "δ": "delta", "ε": "varepsilon", "ζ": "zeta", "η": "eta", "θ": "theta",
    "ι": "iota", "κ": "kappa", "λ": "lambda", "μ": "mu", "µ": "mu", "ν": "nu", "ξ": "xi", "π": "pi", "ρ": "rho",
    "σ": "sigma", "ς": "varsigma", "τ": "tau", "υ": "upsilon", "φ": "varphi", "χ": "chi", "ψ": "psi", "ω": "omega",
    "ϵ": "epsilon", "ϑ": "vartheta", "ϕ": "phi", "ϱ": "varrho", "ϖ": "varpi", "Γ": "Gamma", "Δ": "Delta",
    "Θ": "Theta", "Λ": "Lambda", "Ξ": "Xi", "Π": "Pi", "Σ": "Sigma", "Υ": "Upsilon", "Φ": "Phi", "Ψ": "Psi",
    "Ω": "Omega",
}  # fmt: skip
"""Greek letters as TeX calls them; those that look like Latin ones it has no names for."""
LATIN = str.maketrans("ΑΒΕΖΗΙΚΜΝΟΡΤΧο", "ABEZHIKMNOPTXo")
PACKAGES = r"""\usepackage[T1]{fontenc}
\IfFileExists{lmodern.sty}{\usepackage{lmodern}}{}
\usepackage[utf8]{inputenc}
\usepackage{booktabs}"""
FIGURE = r"""\begin{{figure}}[htbp]
\centering\includegraphics[width=\linewidth,height=0.75\textheight,keepaspectratio]{{{file}}}
\caption{{{caption}}}
\end{{figure}}"""


def as_tables(document: Document) -> str:
    """The tables alone; they need no more than booktabs and T1 fonts."""
    head = [f"% {' '.join(document.title.split())}: written by `rcekd report`. Needs booktabs and [T1]{{fontenc}}."]
    head += [f"% {' '.join(line.split())}" for line in document.protocol]
    return "\n".join(head) + "\n\n" + "\n\n".join(_table(sheet) for sheet in document.sheets()) + "\n"


def as_document(document: Document, tables: str, to: Path) -> str:
    """A document that reads the tables from the file `tables` beside it, and the figures from where they are."""
    paragraphs = [document.note, *document.protocol, *document.notes]
    body = "\n\n".join(escape(text) for text in paragraphs if text)
    drawn = [(figure.file.with_suffix(".pdf"), figure.caption) for figure in document.figures]
    shown = [(relative(file, to), escape(caption)) for file, caption in drawn if file.is_file()]
    figures = "\n".join(FIGURE.format(file=file, caption=caption) for file, caption in shown)
    return rf"""\documentclass[10pt]{{article}}
\usepackage[a4paper,landscape,margin=15mm]{{geometry}}
{PACKAGES}
\usepackage{{graphicx}}
\begin{{document}}
\section*{{{escape(document.title)}}}
{body}

\input{{{tables}}}
{figures}
\end{{document}}
"""


def escape(text: str) -> str:
    """Plain text that means nothing to TeX and stays on its line."""
    signs = SIGNS | {letter: rf"$\{name}$" for letter, name in GREEK.items()}
    plain = "".join(signs.get(sign) or _moved(sign) for sign in " ".join(text.split()).translate(LATIN))
    return re.sub(r"(?<![\w\\])d\\_z(?![\w\\])", "$d_z$", plain)  # the effect, not a part of somebody's name


def _moved(sign: str) -> str:
    """₁ and ² as the signs that they are, moved down or up; any other as it is."""
    kind, *codes = unicodedata.decomposition(sign).split() or [""]
    how = {"<sub>": "textsubscript", "<super>": "textsuperscript"}.get(kind)
    return sign if how is None else rf"\{how}{{{escape(''.join(chr(int(code, 16)) for code in codes))}}}"


def _table(sheet: Sheet) -> str:
    lines = [r"\begin{table}[htbp]", r"\centering\footnotesize\setlength{\tabcolsep}{4pt}"]
    lines += [rf"\caption{{{escape(sheet.caption)}}}", rf"\label{{tab:{sheet.name}}}"]
    lines += [
        rf"\begin{{tabular}}{{{''.join('r' if column.numeric else 'l' for column in sheet.columns)}}}",
        r"\toprule",
    ]
    lines += _headings(sheet.columns)
    for place, row in enumerate(sheet.rows):
        lines += [r"\midrule"] if place == 0 or place in sheet.rules else []
        lines.append(_line([_entry(entry) for entry in row]))
    lines += [r"\midrule"] * bool(sheet.foot) + [_line([_entry(entry) for entry in row]) for row in sheet.foot]
    lines += [r"\bottomrule", r"\end{tabular}"]
    if sheet.all_notes:
        notes = "; ".join(escape(note) for note in sheet.all_notes)
        lines.append(rf"\par\smallskip\parbox{{0.95\linewidth}}{{\scriptsize {notes}.}}")
    return "\n".join([*lines, r"\end{table}"])


def _headings(columns: Sequence[Column]) -> list[str]:
    names = _line([escape(column.name) for column in columns])
    if not any(column.group for column in columns):
        return [names]
    groups = [(group, len(list(members))) for group, members in groupby(columns, key=lambda column: column.group)]
    spans = _line([rf"\multicolumn{{{width}}}{{c}}{{{escape(group)}}}" for group, width in groups])
    rules, place = [], 1
    for group, width in groups:
        rules += [rf"\cmidrule(lr){{{place}-{place + width - 1}}}"] if group else []
        place += width
    return [spans, "".join(rules), names]


def _entry(entry: Entry) -> str:
    text = escape(entry.text)
    text = rf"\underline{{{text}}}" if Mark.UNDERLINED in entry.mark else text
    text = rf"\textbf{{{text}}}" if Mark.BOLD in entry.mark else text
    text += rf" {{\scriptsize$\pm$\,{escape(entry.spread)}}}" if entry.spread else ""
    return text + (rf" {{\scriptsize({escape(entry.paper)})}}" if entry.paper else "")


def _line(cells: Sequence[str]) -> str:
    """A row of a table; the end of the row above, or a rule, would take a [ or a * for an option of its own."""
    apart = "{}" if cells[0].startswith(("[", "*")) else ""
    return apart + " & ".join(cells) + r" \\"
