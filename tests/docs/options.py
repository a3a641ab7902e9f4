"""The tables of options in docs/commands/, as the application has them: `python -m tests.docs.options` writes them."""

import re
from pathlib import Path
from typing import Any

import typer.main

from rcekd.commands.application import app
from tests.conftest import ROOT

PAGES = ROOT / "docs" / "commands"
# Explained once, in docs/commands/README.md.
COMMON = (
    "--dataset", "--teacher", "--student", "--method", "--set", "--config", "--seed", "--data-dir", "--runs-dir",
    "--device", "--threads", "--quiet", "--json", "--debug",
)  # fmt: skip
BEGIN, END = "<!-- options: written by python -m tests.docs.options -->", "<!-- end of options -->"


def every_command() -> dict[str, Any]:
    """The application's commands by name; those of a group as `data info`."""
    found: dict[str, Any] = {}
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        inner = getattr(command, "commands", None)
        found |= {f"{name} {part}": below for part, below in inner.items()} if inner else {name: command}
    return found


def page_of(name: str) -> Path:
    """docs/commands/data.md tells of all of `rcekd data …`."""
    return PAGES / f"{name.split()[0]}.md"


def names_of_page(page: Path) -> list[str]:
    """The commands that share a page."""
    return [name for name in every_command() if page_of(name) == page]


def table(page: Path) -> str:
    """Every argument and every option of the page's commands but the common ones, and which of these there are."""
    parts = []
    every = every_command()
    for name in names_of_page(page):
        command = every[name]
        shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
        own = [parameter for parameter in shown if not set(parameter.opts) & {*COMMON, "--help"}]
        common = [option for option in COMMON if any(option in parameter.opts for parameter in command.params)]
        lines = [f"`rcekd {name}`", ""]
        lines += ["| Of its own | |", "|---|---|", *map(_row, own), ""] if own else []
        parts.append("\n".join([*lines, f"Common: {', '.join(f'`{option}`' for option in common)}."]))
    return "\n\n".join(parts)


def _row(parameter: Any) -> str:
    spelled = ", ".join(f"`{option}`" for option in parameter.opts) if parameter.opts[0][:1] == "-" else ""
    said = parameter.help or ""
    return f"| {spelled or f'`{(parameter.metavar or parameter.name).upper()}`'} | {said.replace('|', chr(92) + '|')} |"


def written(text: str, page: Path) -> str:
    """The page with its table as it should be."""
    content = f"{BEGIN}\n{table(page)}\n{END}"
    return re.sub(f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: content, text, flags=re.DOTALL)


def skeleton(page: Path) -> str:
    """A page to begin with."""
    every = every_command()
    said = "\n\n".join(every[name].help or "" for name in names_of_page(page))
    example = f"```console\n$ rcekd {names_of_page(page)[0]} --help\n```"
    codes = "Exit codes: 0 done, 2 wrong input, 1 our fault, 130 interrupted."
    return f"# rcekd {page.stem}\n\n{said}\n\n{BEGIN}\n{END}\n\n{example}\n\n{codes}\n"


if __name__ == "__main__":
    for page in sorted({page_of(name) for name in every_command()}):
        text = page.read_text() if page.is_file() else skeleton(page)
        page.write_text(written(text, page))
