"""The benchmarks, most of which no test runs, name only what the package has."""

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

FILES = sorted((Path(__file__).parents[1] / "benchmarks").rglob("*.py"))


def imported(tree: ast.Module) -> Iterator[tuple[str, str, str]]:
    """(module, name, what the file calls it) of everything that is imported from the package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "rcekd":
            yield from ((node.module, alias.name, alias.asname or alias.name) for alias in node.names)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_names(file: Path) -> None:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    modules: dict[str, ModuleType] = {}
    for module, name, here in imported(tree):
        found = getattr(import_module(module), name, None) or import_module(f"{module}.{name}")
        if isinstance(found, ModuleType):
            modules[here] = found
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            assert hasattr(modules[node.value.id], node.attr), f"line {node.lineno}: {ast.unparse(node)}"
