"""The files of a report: what each format says, and that nobody's names can break it."""

import csv
import io
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from rcekd.errors import InputError
from rcekd.reports.experiment import latex, markdown
from rcekd.reports.experiment.csv_files import as_long, as_wide
from rcekd.reports.experiment.document import Document, make_document
from rcekd.reports.experiment.markdown import as_markdown
from rcekd.reports.experiment.page import as_page
from rcekd.reports.experiment.writing import chosen_formats, write_report
from tests.reports.experiment.folders import add_cell, add_failure, add_plan, whole

pytest.importorskip("scipy.stats")
VOID = {"meta", "img", "br", "input", "link", "hr"}
NASTY = "<script>alert(1)</script> & 50% | a_b $x^2$ \\end{table} `\"'"


@pytest.fixture
def document(tmp_path: Path) -> Document:
    place = {"dataset": "board", "pair": "mf-mf", "source": "Table 1"}
    paper = [
        {**place, "method": "rcekd", "metric": "ndcg@10", "value": 0.0152},
        {**place, "method": "cd", "metric": "ndcg@10", "value": 0.0121},
    ]
    add_plan(tmp_path, title="A table", note="Of a board.", paper=paper)
    add_failure(whole(tmp_path), "rrd", "loss is not finite", seed=7)
    (tmp_path / "figures").mkdir()
    svg = '<svg xmlns="http://www.w3.org/2000/svg"><dc:title>Losses &amp; ranks</dc:title></svg>'
    (tmp_path / "figures" / "one.svg").write_text(svg)
    return make_document(tmp_path, tmp_path / "report")


class Page(HTMLParser):
    """Collects ids and links, and sees whether every tag is closed by its own kind."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loads: list[str] = []
        self.titles: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {key: value or "" for key, value in attrs}
        self.open += [] if tag in VOID else [tag]
        self.ids += [values["id"]] if "id" in values else []
        self.links += [values["href"]] if "href" in values else []
        self.loads += [values["src"]] if "src" in values else []
        self.titles += [values["title"]] if "title" in values else []

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_stands_alone_and_every_number_leads_to_its_origin(document: Document) -> None:
    text = as_page(document)
    page = Page(text)
    assert page.open == []
    assert len(set(page.ids)) == len(page.ids)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert all(load.startswith("data:image/svg+xml;base64,") for load in page.loads)
    assert not re.search("https?:", text), "nothing is fetched"
    assert len(page.loads) == 1
    origin = next(title for title in page.titles if "seeds 0, 1, 2, 3, 4" in title)
    for part in ("runs some-run", "settings ", "rcekd 0.1.0 (a1b2c3d)", "data boardff", "machine big iron"):
        assert part in origin
    for part in ("73.5%", "train items masked, averaged over all users", "split random", "Losses &amp; ranks"):
        assert part in text
    assert "failed: board mf-mf rrd seed 7: loss is not finite" in text


def test_markdown(document: Document, tmp_path: Path) -> None:
    text = as_markdown(document, tmp_path / "report")
    lines = text.splitlines()
    ours = next(line for line in lines if line.startswith("| rcekd |"))
    assert re.search(r"\| \*\*0\.\d{4}\*\* ± 0\.\d{4} \(0\.0152\) \|", ours)
    assert next(line for line in lines if line.startswith("| rrd |")).count("<u>") == 4
    assert re.search(r"\| cd \| – \| – \(0\.0121\) \| – \|", text), "what only the paper has"
    assert "| gain over the best baseline | +" in text
    assert "| :-- |" + " --: |" * 8 in lines
    assert "![Losses \\& ranks](../figures/one.svg)" in text
    for table in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no pdflatex on the path")
def test_latex_compiles(document: Document, tmp_path: Path) -> None:
    (tmp_path / "tables.tex").write_text(latex.as_tables(document))
    (tmp_path / "report.tex").write_text(latex.as_document(document, "tables", tmp_path))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "report.tex"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", check=False)
    assert run.returncode == 0, run.stdout[-2000:]
    assert (tmp_path / "report.pdf").stat().st_size > 0


def test_latex_is_balanced_and_every_line_has_all_columns(document: Document, tmp_path: Path) -> None:
    text = latex.as_tables(document)
    begun, ended = (re.findall(rf"\\{word}{{(\w+)}}", text) for word in ("begin", "end"))
    assert sorted(begun) == sorted(ended)
    assert text.count("{") - text.count("\\{") == text.count("}") - text.count("\\}")
    assert all(line.isascii() for line in text.splitlines() if not line.startswith("%"))
    for body in re.findall(r"\\begin{tabular}{([lr]+)}(.*?)\\end{tabular}", text, flags=re.DOTALL):
        lines = [line for line in body[1].splitlines() if line.endswith(r"\\") and "multicolumn" not in line]
        assert {line.count(" & ") + 1 for line in lines} == {len(body[0])}
    quality, tests = (text[text.index(rf"\label{{tab:{name}}}") :] for name in ("block1", "block1-tests"))
    assert quality[quality.index(r"\begin{tabular}") :].startswith(r"\begin{tabular}{lrrrrrrrr}")
    quality = quality[: quality.index(r"\end{tabular}")]
    after = [line.split(" ")[0] for line in quality.split("\\midrule\n")[1:]]
    assert after == ["teacher", "student", "rcekd", "gain"], "a line above every group"
    assert r"\cmidrule(lr){4-9}\cmidrule(lr){10-14}" in tests
    assert r"\textbf{0." in text
    assert r"\underline{0." in text
    assert r"\input{tables}" in latex.as_document(document, "tables", tmp_path)


@pytest.mark.parametrize("text", [NASTY, "a\nb\tc", "{", "\\", "~^#"])
def test_names_mean_nothing_to_tex_and_markdown(text: str) -> None:
    tex = latex.escape(text)
    bare = re.sub(r"\\(text\w+|ldots){}|\\[&%$#_{}]", "", tex)
    assert not re.search(r"[&%$#_{}\\~^<>|\"\n]", bare)
    assert not re.search(r"(?<!\\)[|*_<>`&$]|\n", markdown.escape(text))


def test_students_alone_are_told_apart_by_their_labels(tmp_path: Path) -> None:
    for method in ("rcekd", "none"):
        add_cell(tmp_path, method, 0.3)
    add_cell(tmp_path, "trained long", 0.2, settings={"method": {"name": "none"}, "train": {"epochs": 99}})
    rows = make_document(tmp_path, tmp_path).sections[0].quality.rows
    assert {"student alone (mf 4)", "trained long (mf 4)"} < {row[0].text for row in rows}


def test_only_the_effect_is_written_as_mathematics() -> None:
    assert latex.escape("d_z; d_z: Cohen's") == "$d_z$; $d_z$: Cohen's"
    assert latex.escape("rcekd_zipf, old_d_z") == r"rcekd\_zipf, old\_d\_z"


def test_signs_that_pdflatex_does_not_know_are_written_for_it() -> None:
    assert latex.escape("Q₁₂ ≈ x², ∞ ᵤ") == (
        r"Q\textsubscript{1}\textsubscript{2} $\approx$ x\textsuperscript{2}, $\infty$ \textsubscript{u}"
    )
    assert all(latex.escape(sign).isascii() for sign in "≈≠∞∈∉∅⊂⊆∑√∂∇∝∼≪≫←↔↑↓⇒ℓ′≤≥×±→₀₉⁰⁹ₖᵝ")
    assert latex.escape("café") == "café", "which inputenc knows"


def test_greek_letters_are_written_for_tex() -> None:
    assert latex.escape("α-λτ, Δ ε") == r"$\alpha$-$\lambda$$\tau$, $\Delta$ $\varepsilon$"
    every = [*range(0x391, 0x3A2), *range(0x3A3, 0x3AA), *range(0x3B1, 0x3CA), 0xB5]
    written = [latex.escape(chr(code)) for code in every]
    assert all(text.isascii() for text in written)
    assert len(set(written)) == len(every) - 1, "only mu and the micro sign look alike"


@pytest.mark.parametrize("name", ["[new] α", "*", "[2ex]"])
def test_a_row_that_begins_like_an_option_is_none(tmp_path: Path, name: str) -> None:
    """Of the line's end above it, or of the rule."""
    add_cell(tmp_path, "rcekd", 0.3)
    add_cell(tmp_path, name, 0.2)
    text = latex.as_tables(make_document(tmp_path, tmp_path))
    assert "{}" + latex.escape(name) + " & " in text
    assert not re.search(r"(\\\\|rule)\s*[\[*]", text)


def test_names_mean_nothing_to_the_page(tmp_path: Path) -> None:
    add_plan(tmp_path, title=NASTY, note=NASTY)
    add_cell(tmp_path, "rcekd", 0.3)
    add_cell(tmp_path, NASTY, 0.2, run_dir=f"runs/{NASTY}", versions__machine=NASTY)
    made = make_document(tmp_path, tmp_path)
    page = as_page(made)
    assert Page(page).open == []
    assert page.count("<script>") == 1
    assert "<script>alert" not in as_markdown(made, tmp_path).replace("\\<", "")


def test_links_lead_to_folders_of_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "a%20b #1?"
    run = tmp_path / "run #2"
    run.mkdir()
    file = add_cell(folder, "rcekd", 0.3, run_dir=str(run))
    to = tmp_path / "report"
    links = [link for link in Page(as_page(make_document(folder, to))).links if not link.startswith("#")]
    assert [(to / unquote(link)).resolve() for link in links] == [run, file]
    assert not any(sign in link for link in links for sign in "#? ")


def test_csv_has_every_cell_and_every_row(document: Document) -> None:
    cells = list(csv.DictReader(io.StringIO(as_long(document))))
    assert len(cells) == 5 * 5 * 4
    one = next(line for line in cells if (line["method"], line["seed"], line["metric"]) == ("rcekd", "3", "ndcg@10"))
    assert float(one["value"]) == pytest.approx(0.36 + 0.002 * (3 * 7 % 5) + 0.01, abs=1e-6)
    assert (one["machine"], one["code"], one["mask"]) == ("big iron", "rcekd 0.1.0 (a1b2c3d)", "train")
    rows = {line["method"]: line for line in csv.DictReader(io.StringIO(as_wide(document)))}
    assert list(rows) == ["teacher", "none", "de", "rrd", "cd", "rcekd"]
    assert rows["cd"]["ndcg@10"] == ""
    assert rows["cd"]["ndcg@10 paper"] == "0.0121"
    assert 0 < float(rows["rrd"]["seeds t p"]) <= float(rows["rrd"]["seeds t p holm"]) <= 1
    assert rows["rcekd"]["seeds t p"] == ""
    (section,) = document.sections
    for row in section.block.rows:
        assert rows[row.name]["ndcg@20 sd"] == ("" if (sd := row.deviation("ndcg@20")) is None else str(sd))
    for entry in section.comparisons:
        line, users = rows[entry.other.name], entry.users
        assert users is not None
        assert users.interval is not None
        assert [line[f"users {end}"] for end in ("low", "high")] == [str(end) for end in users.interval]
        corrected = [line[f"{test} p holm"] for test in ("seeds t", "seeds wilcoxon", "users t")]
        assert corrected == [str(p) for p in (entry.t_holm, entry.wilcoxon_holm, entry.users_holm)]


def test_csv_tells_variants_apart_and_what_they_are_tested_against(tmp_path: Path) -> None:
    for seed in range(2):
        add_cell(tmp_path, "none", 0.1, seed=seed)
        for place, variant in enumerate(("", "as it is", "beta 5")):
            add_cell(tmp_path, "rcekd", 0.2 + place / 10 + seed * (place + 1) / 100, seed=seed, variant=variant)
    rows = list(csv.DictReader(io.StringIO(as_wide(make_document(tmp_path, tmp_path)))))
    plain = {line["method"]: line["tested against"] for line in rows if line["variant"] == ""}
    assert plain == {"none": "rcekd", "rcekd": ""}
    beside = [line for line in rows if line["variant"] == "variants of rcekd"]
    assert [(line["method"], line["tested against"]) for line in beside] == [
        ("as it is", ""), ("as it is", "as it is"), ("beta 5", "as it is"),
    ]  # fmt: skip
    first, second, third = (line["seeds d_z"] for line in beside)
    assert first == ""
    assert "" not in (second, third)


def test_csv_has_the_cells_that_stand_only_among_the_variants(tmp_path: Path) -> None:
    for variant in ("", "beta 5"):
        add_cell(tmp_path, "rcekd", 0.3, variant=variant)
    made = make_document(tmp_path, tmp_path)
    assert [section.block.of_variants for section in made.sections] == [False, True]
    cells = list(csv.DictReader(io.StringIO(as_long(made))))
    assert [line["variant"] for line in cells] == [""] * 4 + ["beta 5"] * 4


def test_failures_where_nothing_is_finished_are_named_in_the_notes(tmp_path: Path) -> None:
    add_failure(whole(tmp_path, seeds=1), "rcekd", "loss is not finite", dataset="garden")
    add_failure(tmp_path, "rcekd", "K is too large", variant="bad")
    made = make_document(tmp_path, tmp_path)
    assert len(made.sections) == 1
    assert sorted(made.notes) == [
        "failed: board mf-mf rcekd bad seed 0: K is too large",
        "failed: garden mf-mf rcekd seed 0: loss is not finite",
    ]
    assert "K is too large" in as_markdown(made, tmp_path)


def test_times_of_different_machines_are_told_apart(tmp_path: Path) -> None:
    add_cell(tmp_path, "de", 0.2, seconds_per_epoch=0.5)
    add_cell(tmp_path, "rcekd", 0.3, seed=0, seconds_per_epoch=0.25)
    add_cell(tmp_path, "rcekd", 0.3, seed=1, seconds_per_epoch=1.5, versions__machine="small iron")
    text = as_markdown(make_document(tmp_path, tmp_path), tmp_path)
    assert "0.250 (A) / 1.50 (B)" in text
    assert "times of different machines do not compare: A: big iron; B: small iron" in text
    wide = as_wide(make_document(tmp_path, tmp_path))
    times = {line["method"]: line["seconds_per_epoch"] for line in csv.DictReader(io.StringIO(wide))}
    assert times == {"de": "0.5", "rcekd": ""}


def test_times_of_a_gpu_are_told_apart_from_its_host(tmp_path: Path) -> None:
    add_cell(tmp_path, "de", 0.2, seconds_per_epoch=0.5, device="cpu")
    add_cell(tmp_path, "rcekd", 0.3, seconds_per_epoch=0.25, device="fast card")
    text = as_markdown(make_document(tmp_path, tmp_path), tmp_path)
    assert "times of different machines do not compare: A: big iron; B: fast card in big iron" in text


def test_the_one_row_of_rcekd_is_tested_whatever_its_label(tmp_path: Path) -> None:
    for label, method in (("none", "none"), ("RCE-KD", "rcekd"), ("both", "rcekd+de")):
        add_cell(tmp_path, label, 0.3, settings={"method": {"name": method}})
    made = make_document(tmp_path, tmp_path)
    assert (made.against, len(made.sections[0].comparisons)) == ("RCE-KD", 2)
    assert not made.notes


def test_a_report_says_why_it_tests_nothing(tmp_path: Path) -> None:
    for label, method in (("teacher", "rcekd"), ("one", "rcekd"), ("two", "rcekd"), ("de", "de")):
        add_cell(tmp_path, label, 0.3, settings={"method": {"name": method}})
    made = make_document(tmp_path, tmp_path)
    assert made.sections[0].tests is None
    assert list(made.notes) == ["nothing is tested: no row is labelled 'rcekd'; give --against LABEL (de, one, two)"]
    asked = make_document(tmp_path, tmp_path, against="two")
    assert (len(asked.sections[0].comparisons), list(asked.notes)) == (3, [])


def test_what_has_one_row_wants_no_test(tmp_path: Path) -> None:
    add_cell(tmp_path, "teacher", 0.3)
    add_cell(tmp_path, "de", 0.3)
    assert not make_document(tmp_path, tmp_path).notes


def test_files_are_written_where_asked(document: Document, tmp_path: Path) -> None:
    made = write_report(document, tmp_path / "new" / "place", chosen_formats("csv, md"))
    assert [path.name for path in made] == ["cells.csv", "rows.csv", "report.md"]
    assert all(path.is_file() for path in made)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ({"metric": "ndcg@11"}, "did you mean 'ndcg@10'"),
        ({"against": "rcedk"}, "did you mean 'rcekd'"),
        ({"against": "teacher"}, "--against 'teacher': no finished cell of this method"),
    ],
)
def test_wrong_wishes_are_one_line(tmp_path: Path, words: dict[str, str], says: str) -> None:
    add_cell(tmp_path, "teacher", 0.4)
    add_cell(tmp_path, "rcekd", 0.3)
    with pytest.raises(InputError, match=says):
        make_document(tmp_path, tmp_path, **words)


def test_an_unknown_format_is_one_line() -> None:
    with pytest.raises(InputError, match="no format of a report; did you mean 'html'"):
        chosen_formats("md,htm")
