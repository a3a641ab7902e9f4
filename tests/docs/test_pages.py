"""The documentation as a whole: a page per command, tables as the application has them, links that lead somewhere."""

import re
from pathlib import Path

import pytest

from rcekd.models import MODELS
from tests.conftest import ROOT
from tests.docs.options import COMMON, PAGES, every_command, page_of, written
from tests.docs.reading import blocks, documents

EVERY = sorted({page_of(name) for name in every_command()})


@pytest.mark.parametrize("page", EVERY, ids=lambda page: page.stem)
def test_every_command_has_a_page_with_all_its_options(page: Path) -> None:
    """After a change: python -m tests.docs.options"""
    text = page.read_text()
    assert text == written(text, page)
    assert "Exit code" in text


def test_every_page_is_of_a_command() -> None:
    assert sorted(PAGES.glob("*.md")) == sorted([*EVERY, PAGES / "README.md"])


def test_the_common_options_are_explained() -> None:
    text = (PAGES / "README.md").read_text()
    assert [option for option in COMMON if f"`{option}" not in text] == []


def anchors(page: Path) -> set[str]:
    """What a link's #fragment may name: the headings, as GitHub and others spell them."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", [*documents(), Path("CONTRIBUTING.md"), Path("data/README.md")], ids=str)
def test_links_lead_somewhere(path: Path) -> None:
    text = re.sub(r"```.*?```", "", (ROOT / path).read_text(), flags=re.DOTALL)
    lost = []
    for target, fragment in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)", text):
        page = (ROOT / path.parent / target) if target else ROOT / path
        if "://" not in target and (not page.exists() or (fragment and fragment not in anchors(page))):
            lost.append(f"{target}#{fragment}")
    assert lost == []


def test_the_index_names_every_page() -> None:
    text = (ROOT / "docs" / "README.md").read_text()
    own = [path.relative_to("docs") for path in documents() if path.parts[0] == "docs" and path.name != "README.md"]
    listed = [path for path in own if path.parts[0] not in ("methods", "commands", "backbones")]
    assert [str(path) for path in listed if f"({path})" not in text] == []


@pytest.mark.parametrize("path", documents(), ids=str)
def test_python_in_it_can_be_read(path: Path) -> None:
    for block in blocks((ROOT / path).read_text()):
        if block.language == "python":
            compile(block.text, f"{path}:{block.line}", "exec")


def test_every_backbone_has_its_place() -> None:
    text = (ROOT / "docs" / "backbones" / "README.md").read_text()
    pages = [path.name for path in documents() if path.parts[:2] == ("docs", "backbones") and path.name != "README.md"]
    assert [page for page in pages if f"]({page})" not in text] == []
    assert [name for name in MODELS if f"| {name} |" not in text and f"[{name}]({name}.md)" not in text] == []
